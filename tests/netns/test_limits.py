# SPDX-License-Identifier: BSD-2-Clause
"""Issue 5 points 5 and 7: full maps, ports that cannot, ports that vanish, and the idle daemon."""

import json
import os
import time

import pytest

from bed import G, S1, Bed, through
from lab import LabError, packet, wait_for
from lab.netns import run

LONG = "query-interval = 1000\nquery-max-response-time = 60\nimmediate-leave = true\n"
CROWD = 100000
DONT_FRAGMENT = 0x4000
RECORDS = 180  # in one report


def fds(mcastd):
    return len(os.listdir(f"/proc/{mcastd.process.pid}/fd"))



# --- full maps -----------------------------------------------------------------------------------

def test_more_groups_than_routes(lab):
    """max-routes: those that found room go on, the rest is shown, and gets what becomes free."""
    bed = Bed(lab)
    groups = [f"239.3.0.{n}" for n in range(1, 31)]
    with bed.daemon(LONG + "max-routes = 16\n") as mcastd:
        for group in groups:
            bed.h1.report((packet.TO_EX, group, ()))
        mcastd.wait(lambda: len(mcastd.ctl("show", "groups", "d1")["groups"]) == 30,
                    what="30 groups")

        def installed():
            return {f["group-address"]: f["installed"]
                    for f in mcastd.ctl("show", "flows")["flows"]}

        told = installed()
        assert len(told) == 30 and sum(told.values()) == 15, told
        assert mcastd.log().count("raise max-routes") == 1
        for host in bed.hosts:
            host.wire.clear()
        for group in groups:
            frames = bed.send(group)
            bed.expect({bed.h1: through(frames, bed.d1)} if told[group] else {})
        for group in groups[:20]:
            bed.h1.report((packet.TO_IN, group, ()))
        mcastd.wait(lambda: installed() == {g: True for g in groups[20:]}, 6,
                    "the groups that are left to have a route")
        for group in groups[20:]:
            bed.expect({bed.h1: through(bed.send(group), bed.d1)})


# --- ports that vanish ---------------------------------------------------------------------------

def test_port_vanishes_from_a_set(lab):
    """An interface that is deleted, at this end or the other: the others go on, nothing is kept."""
    bed = Bed(lab)
    config = bed.config(LONG) + "interface x1 {\n    role = downstream\n}\n"
    with bed.daemon(LONG) as mcastd:
        receiver = bed.h1.receiver(G).join()
        bed.h3.report((packet.TO_EX, G, ()))
        mcastd.wait_member("d1", G)
        mcastd.wait_member("d2", G)
        stream = bed.source.stream(G).start(per_second=2000)
        seen = []
        for number in range(4):
            port = bed.router.port("x1", "10.0.7.100/24")
            host = port.host("10.0.7.10", f"x{number}")
            # Only now: a link that cannot transmit yet would turn all ports to generic mode.
            mcastd.reload(config)
            mcastd.wait(lambda: mcastd.interface("x1")["state"] == "up", what="x1 up")
            host.report((packet.TO_EX, G, ()))
            mcastd.wait_member("x1", G)
            host.wait_data(G)
            bed.router.ports.remove(port)
            if number % 2:
                host.space.ip("link", "del", host.ifname)
            else:
                bed.router.space.ip("link", "del", "x1")
            mcastd.wait(lambda: mcastd.interface("x1")["state"] == "absent", 20, "x1 gone")
            mcastd.wait_no_member("x1", G)
            mcastd.reload(bed.config(LONG))
            seen.append((fds(mcastd), bpf_maps_of(mcastd)))
        stream.stop()
        bed.router.settle()
        numbers = [number for _source, _stream, number in receiver.drain()]
        assert numbers == list(range(numbers[0], stream.sent))
        assert seen[0] == seen[2] and seen[1] == seen[3], seen


def bpf_maps_of(mcastd):
    """Descriptors of BPF maps that the daemon holds."""
    directory = f"/proc/{mcastd.process.pid}/fd"
    return sum(os.readlink(f"{directory}/{fd}") == "anon_inode:bpf-map"
               for fd in os.listdir(directory))


# --- ports that cannot ---------------------------------------------------------------------------

def take_out_of_sets(bed, mcastd, name):
    """Somebody takes a port's device out of the port sets, where the daemon does not look again."""
    def dump(what):
        return json.loads(run(["bpftool", "-j", "map", "dump", "pinned", f"{mcastd.bpffs}/{what}"]))

    ifindex = bed.router.space.index(name)
    (slot,) = [entry["formatted"]["key"] for entry in dump("mcastd_ports")
               if entry["formatted"]["value"]["ifindex"] == ifindex]
    taken = 0
    for entry in dump("mcastd_sets"):
        inner = int.from_bytes(bytes(int(byte, 16) for byte in entry["value"]), "little")
        try:
            run(["bpftool", "map", "delete", "id", str(inner), "key",
                 *map(str, slot.to_bytes(4, "little"))])
            taken += 1
        except LabError:
            pass  # it is not in there
    assert taken > 1  # that of all ports, too


def test_silent_skips_are_told(lab):
    """
    A broadcast leaves a member out without a word. Who it is is in the log, once, in show
    interfaces until it is over, and in explain.
    """
    bed = Bed(lab)
    with bed.daemon(LONG) as mcastd:
        for host, port in ((bed.h1, "d1"), (bed.h3, "d2")):
            host.report((packet.TO_EX, G, ()))
            mcastd.wait_member(port, G)
        bed.clear()
        take_out_of_sets(bed, mcastd, "d2")
        sent = []

        def note():
            sent.extend(bed.send())
            return mcastd.interface("d2").get("xdp-note", "")

        mcastd.wait(lambda: "no part" in note(), 25, "the port to be named")
        assert "ethtool -S" in note()
        assert "xdp-note" not in mcastd.interface("d1")
        bed.expect({bed.h1: through(sent, bed.d1)})
        assert sum("d2: takes no part" in line for line in mcastd.log().splitlines()) == 1
        lines = mcastd.ctl("explain", S1, G)["explanation"]
        assert any(line.startswith("d2: takes no part") for line in lines), lines

        for state in ("down", "up"):  # puts it in again
            bed.router.space.ip("link", "set", "d2", state)
            mcastd.wait(lambda s=state: mcastd.interface("d2")["state"] == s, 5, state)
        bed.h3.report((packet.TO_EX, G, ()))
        mcastd.wait_member("d2", G)
        mcastd.wait(lambda: "no part" not in note(), 15, "d2 to take part again")
        assert bed.h3.data()


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_too_large_for_some_of_a_set(lab, mode):
    """
    D-MTU: DF set and some members' MTU too small, by much (the kernel leaves them out without a
    word) or by up to 4 octets (the egress program does): the others get the packet, and every
    port that does not counts it, says it once, and shows why.
    """
    bed = Bed(lab)
    more = [bed.router.port(f"x{n}", f"10.0.{n}.100/24") for n in (6, 7)]
    hosts = [port.host(f"10.0.{n}.10", f"x{n}h") for n, port in zip((6, 7), more)]
    bed.hosts += hosts
    bed.router.space.ip("link", "set", "d2", "mtu", "600")
    bed.router.space.ip("link", "set", "x6", "mtu", "1027")
    sections = "".join(port.config("downstream") for port in more)
    with bed.daemon(LONG + f"xdp-mode = {mode}\n" + sections) as mcastd:
        for host in bed.hosts[1:]:
            host.report((packet.TO_EX, G, ()))
            mcastd.wait_member(host.port.name, G)
        bed.clear()
        # 1028 octets, 1 too many for x6; frames from both sides of the router.
        down = [bed.source.send_data(G, bytes(1000), flags_offset=DONT_FRAGMENT) for _ in range(3)]
        bed.expect({bed.h1: through(down, bed.d1), hosts[1]: through(down, more[1])})
        across = [bed.h1.send_data(G, bytes(1000), flags_offset=DONT_FRAGMENT) for _ in range(2)]
        bed.expect({bed.source: through(across, bed.up), hosts[1]: through(across, more[1])})
        small = [bed.source.send_data(G, bytes(500), flags_offset=DONT_FRAGMENT)]
        bed.expect({host: through(small, host.port) for host in bed.hosts[1:]})
        data = {port.name: mcastd.statistics(port.name)["data"] for port in bed.router.ports}
        assert [data[name]["too-big"] for name in ("u", "d1", "d2", "x6", "x7")] == [0, 0, 5, 5, 0]
        assert [data[name]["sent-packets"] for name in ("u", "d1", "d2", "x6", "x7")] == [
            2, 4, 1, 1, 6]

        def notes():
            bed.source.send_data(G, bytes(1000), flags_offset=DONT_FRAGMENT)
            return [mcastd.interface(name).get("xdp-note", "") for name in ("d2", "x6")]

        mcastd.wait(lambda: all("larger than its MTU" in note for note in notes()), 25, "the notes")
        assert "MTU" not in mcastd.interface("x7").get("xdp-note", "")
        for name, mtu in (("d2", 600), ("x6", 1027)):
            assert sum(f"{name}: " in line and f"larger than its MTU of {mtu}" in line
                       for line in mcastd.log().splitlines()) == 1
            lines = mcastd.ctl("explain", S1, G)["explanation"]
            assert any(line.startswith(f"{name}: ") and "with DF set" in line
                       for line in lines), lines


def test_too_big_is_counted(lab):
    """MTU too small for the only member, DF set: not sent, counted; what fits is sent."""
    bed = Bed(lab)
    bed.router.space.ip("link", "set", "d2", "mtu", "600")
    with bed.daemon(LONG) as mcastd:
        bed.h3.report((packet.TO_EX, G, ()))
        mcastd.wait_member("d2", G)
        bed.h3.wire.clear()
        for _ in range(3):
            bed.source.send_data(G, bytes(1000), flags_offset=DONT_FRAGMENT)
        frames = [bed.source.send_data(G, bytes(500)) for _ in range(2)]
        bed.expect({bed.h3: through(frames, bed.d2)})
        data = mcastd.statistics("d2")["data"]
        assert (data["too-big"], data["sent-packets"]) == (3, 2)


# --- queues and idleness -------------------------------------------------------------------------

def test_igmp_on_every_queue(lab):
    """Issue 5 point 7: a report is heard on whichever receive queue it arrives."""
    bed = Bed(lab, queues=4)
    with bed.daemon(LONG) as mcastd:
        assert mcastd.interface("d1")["queues"] == 4
        for queue in range(4):
            hear_on_queue(bed, mcastd, queue)


def hear_on_queue(bed, mcastd, queue, queues=4):
    """Has h1 report a group by one of its transmit queues: it is heard on that receive queue."""
    script = "; ".join(
        f"echo {'3' if tx == queue else 0} >/sys/class/net/eth0/queues/tx-{tx}/xps_cpus"
        for tx in range(queues))
    # `ip netns exec` for its /sys, which is the namespace's.
    run(["ip", "netns", "exec", bed.h1.space.name, "sh", "-ec", script])
    before = queue_packets(bed, queue)
    bed.h1.report((packet.TO_EX, f"239.4.0.{queue}", ()))
    mcastd.wait_member("d1", f"239.4.0.{queue}")
    assert queue_packets(bed, queue) > before


def queue_packets(bed, queue):
    """Frames that XDP has seen on one receive queue of d1."""
    text = bed.router.space.run("ethtool", "-S", "d1")
    return next(int(line.split(":")[1]) for line in text.splitlines()
                if line.strip().startswith(f"rx_queue_{queue}_xdp_packets:"))


def schedule(mcastd):
    """(nanoseconds on a CPU, how often it was given one)"""
    with open(f"/proc/{mcastd.process.pid}/schedstat", encoding="ascii") as file:
        ran, _waited, times = map(int, file.read().split())
    return ran, times


def test_idle_with_many_groups(lab):
    """Issue 5 point 7: with 100,000 groups and nothing to do, under 0.1 % of a CPU."""
    bed = Bed(lab)
    groups = [f"239.{16 + (n >> 16)}.{n >> 8 & 255}.{n & 255}" for n in range(CROWD)]
    reports = [packet.igmp_frame(bed.h1.mac, bed.h1.address, packet.ALL_V3_ROUTERS,
                                 packet.igmp_report(*[(packet.IS_EX, group, ())
                                                      for group in groups[n:n + RECORDS]]))
               for n in range(0, CROWD, RECORDS)]
    limits = f"max-routes = {CROWD + 100}\nmax-groups = 0\nigmp-rate-limit = 0\n"
    with bed.daemon(LONG + limits, u=None, log_level="notice") as mcastd:
        def all_joined():
            # A busy machine may lose some of a burst: as hosts do, say it again.
            for number, report in enumerate(reports):
                bed.h1.send(report)
                if number % 16 == 0:
                    time.sleep(0.005)
            return mcastd.interface("d1")["groups"] == CROWD

        mcastd.wait(all_joined, 60, f"{CROWD} groups")
        # It looks at its ports somewhat more often than once a second.
        wait_for(lambda: schedule(mcastd)[1] + 2 >= (time.sleep(1), schedule(mcastd)[1])[1], 60,
                 "a second of rest")
        before = schedule(mcastd)
        time.sleep(6)
        after = schedule(mcastd)
        share = (after[0] - before[0]) / 6e9
        print(f"{share:.5%} of a CPU, woken {after[1] - before[1]} times in 6 s")
        assert share < 0.001
        assert after[1] - before[1] < 12
