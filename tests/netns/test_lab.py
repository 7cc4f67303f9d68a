# SPDX-License-Identifier: BSD-2-Clause
"""The laboratory itself, against the kernel alone: what the other tests rely on."""

import os
import signal
import subprocess
import sys

import pytest

from lab import Capture, Lab, Router, packet, wait_for
from lab.host import MCAST_EXCLUDE


def test_kernel_hosts_report_what_their_sockets_ask_for(lab):
    router = Router(lab)
    port = router.port("d1", "10.0.1.100/24", lan=True)
    hosts = [port.host("10.0.1.10"), port.host("10.0.1.11"), port.host("10.0.1.12")]
    near, _far = port.taps()
    hosts[0].receiver("239.1.1.1").join()
    hosts[1].receiver("232.1.1.1").join_source("192.0.2.1").join_source("192.0.2.2")
    hosts[2].receiver("239.1.1.2").join().set_filter(MCAST_EXCLUDE, ["192.0.2.3"])
    wanted = {
        ("10.0.1.10", "239.1.1.1"): (packet.TO_EX, []),
        ("10.0.1.11", "232.1.1.1"): (packet.ALLOW, ["192.0.2.1", "192.0.2.2"]),
        ("10.0.1.12", "239.1.1.2"): (packet.TO_EX, ["192.0.2.3"]),
    }
    for (host, group), record in wanted.items():
        near.wait_message(lambda m, h=host, g=group, r=record: m.source == h and
                          m.record(g) == r, what=f"{host} joins {group}")


@pytest.mark.parametrize("version, kind", [(1, packet.V1_REPORT), (2, packet.V2_REPORT),
                                           (3, packet.V3_REPORT)])
def test_forced_igmp_version(lab, version, kind):
    router = Router(lab)
    port = router.port("d1", "10.0.1.100/24")
    host = port.host("10.0.1.10")
    host.force_igmp_version(version)
    near, _far = port.taps()
    host.receiver("239.1.1.1").join()
    message = near.wait_message(lambda m: m.source == "10.0.1.10")[0]
    assert (message.kind, message.valid) == (kind, True)


def test_settle_means_that_all_was_received(lab):
    router = Router(lab)
    upstream, downstream = router.port("u", "10.9.0.100/24"), router.port("d1", "10.0.1.100/24")
    source, host = upstream.host("10.9.0.10"), downstream.host("10.0.1.10")
    seen = Capture(router.space, "u")
    out = Capture(router.space, "d1")
    for number in range(200):
        source.send_data("239.1.1.1", b"%d" % number)
        out.send(packet.data_frame(downstream.mac, "10.0.1.100", "239.1.1.1", b"%d" % number))
    router.settle()
    assert len(seen.arrived(packet.is_data)) == 200
    assert len(host.data()) == 200
    assert not source.data()


def test_expected_frame_agrees_with_scapy():
    frame = packet.data_frame("02:00:00:00:00:01", "192.0.2.1", "239.129.1.1", b"payload",
                              options=b"\1\1\1\0", ttl=9)
    out = packet.forwarded(frame, "02:00:00:00:00:99")
    from scapy.layers.inet import IP, UDP  # pylint: disable=import-outside-toplevel
    from scapy.layers.l2 import Ether  # pylint: disable=import-outside-toplevel
    decoded = Ether(out)
    assert (decoded.src, decoded.dst) == ("02:00:00:00:00:99", "01:00:5e:01:01:01")
    assert decoded[IP].ttl == 8 and bytes(decoded[UDP].payload) == b"payload"
    sums = decoded[IP].chksum, decoded[UDP].chksum
    del decoded[IP].chksum, decoded[UDP].chksum
    again = Ether(bytes(decoded))
    assert (again[IP].chksum, again[UDP].chksum) == sums


def _namespaces_of(pid):
    return [n for n in os.listdir("/run/netns") if n.startswith(f"mcastd-lab-{pid}-")]


def test_nothing_is_left_after_an_exception():
    with pytest.raises(RuntimeError), Lab() as lab:
        Router(lab).port("d1", "10.0.1.100/24").host("10.0.1.10")
        before = set(lab.namespaces.values())
        assert all(os.path.exists(space.path) for space in before)
        raise RuntimeError
    assert not any(os.path.exists(space.path) for space in before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_is_left_after_a_signal(number):
    program = f"""
import sys, time
sys.path[:0] = {sys.path!r}
from lab import Lab, Router, exit_on_signals
exit_on_signals()
with Lab() as lab:
    Router(lab).port("d1", "10.0.1.100/24").host("10.0.1.10")
    print("ready", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as child:
        child.stdout.readline()
        assert len(_namespaces_of(child.pid)) == 2
        child.send_signal(number)
        child.wait(10)
    wait_for(lambda: not _namespaces_of(child.pid), 2, "namespaces removed")
