# SPDX-License-Identifier: BSD-2-Clause
"""
Ports that ports in native mode cannot send to, beside others: nobody loses a stream, what a driver
refuses is not counted as sent, and it is told which port it is, why, and what to do.
"""

import fcntl
import os
import struct

import pytest

from bed import G, Bed, check, join, through
from lab import LabError, packet, wait_for
from lab.daemon import SLOWNESS
from lab.netns import run
from test_modes import need_features, tells_features

STEADY = """
query-interval = 60
query-max-response-time = 2
last-member-query-interval = 0.3
"""

TUNSETIFF, TUNSETQUEUE = 0x400454ca, 0x400454d9
IFF_TAP, IFF_NO_PI, IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x0100
IFF_ATTACH_QUEUE, IFF_DETACH_QUEUE = 0x0200, 0x0400


def note(mcastd, name):
    return mcastd.interface(name).get("xdp-note", "")


def modes(mcastd, *names):
    return [mcastd.interface(name)["xdp-mode"] for name in names]


def data_of(mcastd, name):
    return mcastd.statistics(name)["data"]


class Tap:
    """
    A tap of the router's. Its driver always says that it transmits XDP frames; while its queue is
    set aside it refuses them (ENXIO), and its carrier stays.
    """

    def __init__(self, bed, name, address):
        space = bed.router.space
        if not os.path.exists("/dev/net/tun"):
            try:
                run(["modprobe", "tun"])
            except LabError:
                pytest.skip("this kernel has no tap devices")
        with space.entered():
            self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            self._request = struct.pack("16sH22x", name.encode(),
                                        IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE)
            fcntl.ioctl(self.fd, TUNSETIFF, self._request)
        space.ip_batch(f"address add {address} dev {name}", f"link set {name} up")
        self.name, self.mac = name, bed.router.link(name)["address"]

    def accept(self, state):
        flag = IFF_ATTACH_QUEUE if state else IFF_DETACH_QUEUE
        fcntl.ioctl(self.fd, TUNSETQUEUE, struct.pack("16sH22x", b"", flag))

    def config(self, *lines):
        return "interface %s {\n role = downstream\n static-group %s { }\n %s\n}\n" % (
            self.name, G, "\n".join(lines))

    def data(self):
        """The frames of the group that have come out of it since the last time."""
        frames = []
        while True:
            try:
                frames.append(os.read(self.fd, 2048))
            except BlockingIOError:
                return [frame for frame in frames if packet.is_data(frame)]

    def close(self):
        os.close(self.fd)


@pytest.fixture(name="tap_bed")
def tap_bed_fixture(lab):
    bed = Bed(lab)
    tap = Tap(bed, "t0", "10.0.9.100/24")
    yield bed, tap
    tap.close()


def test_refused_frames(tap_bed):
    """
    A driver that says it can, and refuses every frame: none of them counts as sent, all ports go
    to generic mode, which it takes, and after it was set down and up they are native again.
    """
    bed, tap = tap_bed
    with bed.daemon(STEADY + tap.config()) as mcastd:
        join(bed, mcastd, bed.h1, bed.h3)
        assert modes(mcastd, "u", "d1", "d2", "t0") == ["native"] * 4
        frames = bed.send(count=5)
        bed.expect({bed.h1: through(frames, bed.d1), bed.h3: through(frames, bed.d2)})
        wait_for(lambda: data_of(mcastd, "t0")["sent-packets"] == 5, 5, "five sent")
        assert tap.data() == through(frames, tap)
        assert data_of(mcastd, "t0")["transmit-refused"] == 0

        tap.accept(False)
        frames = bed.send(count=7)
        bed.expect({bed.h1: through(frames, bed.d1), bed.h3: through(frames, bed.d2)})
        data = data_of(mcastd, "t0")
        assert (data["sent-packets"], data["transmit-refused"]) == (5, 7)
        # The stream goes on.
        mcastd.wait(lambda: bed.send() and modes(mcastd, "u", "d1", "d2", "t0") ==
                    ["generic"] * 4, 20, "generic mode")
        bed.clear()
        assert "refused" in note(mcastd, "t0") and "reload" in note(mcastd, "t0")
        assert "because t0 has no XDP transmit" in note(mcastd, "d1")
        assert sum("refused by its driver and not sent" in line
                   for line in mcastd.log().splitlines()) == 1

        tap.accept(True)
        frames = bed.send(count=5)
        bed.expect({bed.h1: through(frames, bed.d1), bed.h3: through(frames, bed.d2)})
        got = []
        wait_for(lambda: got.extend(tap.data()) or len(got) >= 5, 5 * SLOWNESS, "the tap's frames")
        assert got == through(frames, tap)

        for state in ("down", "up"):
            bed.router.space.ip("link", "set", "t0", state)
        mcastd.wait(lambda: modes(mcastd, "u", "d1", "d2", "t0") == ["native"] * 4, 10, "native")
        bed.clear()
        check(bed, bed.h1, bed.h3)


def test_refused_single_frames(tap_bed):
    """The same for a port that is the only one, where no egress program sees the frames."""
    bed, tap = tap_bed
    with bed.daemon(STEADY + tap.config()) as mcastd:
        tap.accept(False)
        bed.send(count=4)
        mcastd.wait(lambda: data_of(mcastd, "t0")["transmit-refused"] == 4, what="the counter")
        assert data_of(mcastd, "t0")["sent-packets"] == 0
        lines = mcastd.ctl("explain", "192.0.2.1", G)["explanation"]
        assert any("t0: 4 packets of any group were not taken" in line for line in lines), lines


def test_kept_back_is_not_refused(tap_bed):
    """What our own program keeps back, for its TTL here, is no refusal of the driver."""
    bed, tap = tap_bed
    with bed.daemon(STEADY + tap.config("ttl-threshold = 9")) as mcastd:
        join(bed, mcastd, bed.h1)
        tap.accept(False)
        low = bed.send(count=3, ttl=5)
        high = bed.send(count=2, ttl=64)
        bed.expect({bed.h1: through(low + high, bed.d1)})
        mcastd.wait(lambda: data_of(mcastd, "t0")["transmit-refused"], what="the counter")
        data = data_of(mcastd, "t0")
        assert (data["ttl-threshold"], data["transmit-refused"], data["sent-packets"]) == (3, 2, 0)


def test_found_out_where_nothing_tells(lab):
    """Before Linux 6.3 nothing tells that a plain veth does not transmit: its refusals do."""
    bed = Bed(lab, gro=False)
    if tells_features(bed):
        pytest.skip("this kernel has XDP features of interfaces (netlink family netdev)")
    with bed.daemon(STEADY) as mcastd:
        join(bed, mcastd, bed.h1, bed.h3)
        mcastd.wait(lambda: bed.send() and modes(mcastd, "u", "d1", "d2") == ["generic"] * 3, 20,
                    "generic mode")
        assert "refused" in note(mcastd, "d1"), note(mcastd, "d1")
        bed.clear()
        check(bed, bed.h1, bed.h3)
        frames = bed.send(host=bed.h1, source=None, count=5)
        bed.expect({bed.source: through(frames, bed.up), bed.h3: through(frames, bed.d2)})


def test_full_ring(tap_bed):
    """
    A burst that does not fit into the driver's ring: what was sent and what was refused add up to
    what was handed over, what was sent has come out, and the other ports stay native.
    """
    bed, tap = tap_bed
    bed.router.space.ip("link", "set", "t0", "txqueuelen", "16")
    with bed.daemon(STEADY + tap.config()) as mcastd:
        join(bed, mcastd, bed.h1)
        tap.data()  # makes room
        frames = bed.send(count=40)
        bed.expect({bed.h1: through(frames, bed.d1)})
        data = data_of(mcastd, "t0")
        assert 10 <= data["sent-packets"] <= 16, data
        assert data["sent-packets"] + data["transmit-refused"] == 40, data
        assert tap.data() == through(frames, tap)[:data["sent-packets"]]
        mcastd.wait(lambda: "transmit ring is full" in note(mcastd, "t0"), 15, "the note")
        assert "refused by its driver and not sent: its transmit ring is full" in mcastd.log()
        assert modes(mcastd, "u", "d1", "d2", "t0") == ["native"] * 4


# --- mixed sets ----------------------------------------------------------------------------------

def add_plain_port(bed):
    """A veth that does not transmit XDP frames, as x1."""
    port = bed.router.port("x1", "10.0.7.100/24", gro=False)
    host = port.host("10.0.7.10", "behind")
    bed.hosts.append(host)
    return host


def add_bridge(bed):
    """A port whose driver has nothing but generic mode: a bridge, as x1."""
    member = bed.router.port("p0", "10.0.7.100/24")
    host = member.host("10.0.7.10", "behind")
    bed.router.space.ip_batch(
        "address flush dev p0", "link add x1 type bridge mcast_snooping 0",
        "link set p0 master x1", "link set x1 up", "address add 10.0.7.100/24 dev x1")
    member.mac = bed.router.link("x1")["address"]
    member.name = "x1"  # for the hosts' wishes; receives all multicast for the bridge
    bed.router.ports.remove(member)
    bed.hosts.append(host)
    return host


def add_macvlan(bed):
    """The same with a macvlan, in whose mode "private" nothing else is on the link."""
    lower = bed.router.port("p0", "10.0.7.100/24")
    host = lower.host("10.0.7.10", "behind")
    bed.router.space.ip_batch(
        "address flush dev p0", "link add x1 link p0 type macvlan mode private",
        "link set x1 up", "address add 10.0.7.100/24 dev x1")
    lower.mac = bed.router.link("x1")["address"]
    lower.name = "x1"
    bed.router.ports.remove(lower)
    bed.hosts.append(host)
    return host


def serve(bed, mcastd, host):
    """All three hosts get the stream from either side, and the counters say so."""
    mcastd.wait(lambda: mcastd.interface("x1")["state"] == "up", what="x1 up")
    join(bed, mcastd, bed.h1, bed.h3, host)
    check(bed, bed.h1, bed.h3, host)
    frames = bed.send(host=bed.h1, source=None, count=5)
    bed.expect({bed.source: through(frames, bed.up), bed.h3: through(frames, bed.d2),
                host: through(frames, host.port)})
    assert [data_of(mcastd, name)["sent-packets"] for name in ("d1", "d2", "x1")] == [5, 10, 10]


def told_lines(mcastd, name):
    """What the log says of a port's mode, each time anew."""
    return [line for line in mcastd.log().splitlines()
            if f" {name}: " in line and ("generic" in line or "transmit" in line)]


@pytest.mark.parametrize("add, mode, why", [
    (add_plain_port, "auto", "gro on"),
    (add_plain_port, "native", "gro on"),
    (add_plain_port, "generic", "set xdp-mode = auto"),
    (add_bridge, "auto", "offers no native XDP"),
    (add_bridge, "generic", "offers no native XDP"),
    (add_macvlan, "auto", "offers no native XDP"),
], ids=lambda value: getattr(value, "__name__", str(value)))
@pytest.mark.parametrize("others", ["auto", "native"])
def test_one_that_cannot_be_reached(lab, add, mode, why, others):
    """
    Whatever the reason and whatever the configuration, the members behind a port that ports in
    native mode cannot send to get their stream: all run in generic mode, and each port says once
    why, without a word that turns out to be wrong.
    """
    bed = Bed(lab)
    need_features(bed)
    host = add(bed)
    config = (STEADY + f"xdp-mode = {others}\n"
              + f"interface x1 {{\n role = downstream\n xdp-mode = {mode}\n}}\n")
    with bed.daemon(config) as mcastd:
        serve(bed, mcastd, host)
        assert modes(mcastd, "u", "d1", "d2", "x1") == ["generic"] * 4
        assert why in note(mcastd, "x1"), note(mcastd, "x1")
        assert "because x1 has no XDP transmit" in note(mcastd, "d1")
        assert ("in spite of xdp-mode = native" in note(mcastd, "d1")) == (others == "native")
        for name in ("u", "d1", "d2", "x1"):
            assert len(told_lines(mcastd, name)) == 1, mcastd.log()


def test_generic_one_that_can_be_reached(lab):
    """Generic by configuration, on a driver that transmits all the same: the others stay native."""
    bed = Bed(lab)
    port = bed.router.port("x1", "10.0.7.100/24")
    host = port.host("10.0.7.10", "behind")
    bed.hosts.append(host)
    config = STEADY + "interface x1 {\n role = downstream\n xdp-mode = generic\n}\n"
    need_features(bed)
    with bed.daemon(config) as mcastd:
        serve(bed, mcastd, host)
        assert modes(mcastd, "u", "d1", "d2", "x1") == ["native"] * 3 + ["generic"]
        assert note(mcastd, "x1") == "up in generic mode, as configured"
        assert not note(mcastd, "d1")


def test_native_that_is_refused(lab):
    """xdp-mode = native on a driver without: that port fails, and the others stay native."""
    bed = Bed(lab)
    add_bridge(bed)
    config = STEADY + "interface x1 {\n role = downstream\n xdp-mode = native\n}\n"
    with bed.daemon(config, start=False) as mcastd:
        mcastd.start(ready=False)
        mcastd.wait_notification("READY=1", 20)
        mcastd.wait(lambda: mcastd.interface("x1")["state"] == "failed", 10, "x1 failed")
        assert "native" in mcastd.log()
        join(bed, mcastd, bed.h1, bed.h3)
        check(bed, bed.h1, bed.h3)
        assert modes(mcastd, "u", "d1", "d2") == ["native"] * 3


def test_a_cable_changes_no_mode(lab):
    """A port without native XDP loses its carrier, and has it again: no other port changes its mode."""
    bed = Bed(lab)
    need_features(bed)
    host = add_bridge(bed)
    names = ("u", "d1", "d2", "x1")
    with bed.daemon(STEADY + "interface x1 {\n role = downstream\n}\n") as mcastd:
        serve(bed, mcastd, host)
        before = [bed.router.link(name)["xdp"] for name in names]
        for link, state in (("down", "down"), ("up", "up")):
            bed.router.space.ip("link", "set", "p0", link)
            mcastd.wait(lambda s=state: mcastd.interface("x1")["state"] == s, 10, f"x1 {state}")
            check(bed, bed.h1, bed.h3)
            assert [bed.router.link(name)["xdp"] for name in names] == before


@pytest.mark.parametrize("others", ["auto", "native"])
def test_restart_keeps_generic_mode(lab, others):
    """
    What was learned by attaching natively outlives a crash: the next start finds the programs in
    generic mode and leaves them there, without trying native mode under a running stream.
    """
    bed = Bed(lab)
    need_features(bed)
    host = add_plain_port(bed)
    config = (STEADY + f"xdp-mode = {others}\n" + "interface x1 {\n role = downstream\n}\n")
    mcastd = bed.daemon(config)
    serve(bed, mcastd, host)
    names = ("u", "d1", "d2", "x1")
    before = [bed.router.link(name)["xdp"] for name in names]
    mcastd.crash()
    with bed.daemon(config, bpffs=mcastd.bpffs) as mcastd:
        assert [bed.router.link(name)["xdp"] for name in names] == before
        assert modes(mcastd, *names) == ["generic"] * 4
        check(bed, bed.h1, bed.h3, host)
