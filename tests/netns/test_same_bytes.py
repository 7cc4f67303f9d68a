# SPDX-License-Identifier: BSD-2-Clause
"""Issue 5 point 8: generic mode puts the same bytes on every port as native mode."""

import contextlib

from bed import FAST, G, S1, S2, Bed, difference, learn_macs, through
from lab import Daemon, Router, packet

LINES = 4  # downstream ports, all of them members
SINGLE = "239.1.1.2"  # has one member only
OPTIONS = bytes([0x94, 4, 0, 0]), bytes([7, 7, 4, 0, 0, 0, 0, 0]), bytes(40)
SIZES = [0, 1, 2, 5, 17, 18, 19, 63, 64, 65, 255, 511, 777, 1471, 1472]  # of the UDP payload
FRAGMENTS = [0x2000, 0x2001, 0x00B9, 0x3FFF & 0x20B9]  # first, middle and last of a datagram


def filling(size):
    return bytes((n * 7 + size) & 255 for n in range(size))


def variety(host, group):
    """Frames of every shape that is forwarded, from one host of the upstream."""
    frames = []

    def add(payload, **fields):
        frames.append(packet.data_frame(host.mac, fields.pop("source", S1), group, payload,
                                        **fields))

    for size in SIZES:
        add(filling(size), ident=size)
    for options in OPTIONS:
        for size in (1, 64, 501):
            add(filling(size), options=options)
    for flags in FRAGMENTS:
        for size in (8, 33, 1400):
            add(filling(size), flags_offset=flags)
    for ttl in (2, 3, 128, 255):
        add(b"ttl", ttl=ttl)
    for tos in (0, 0x28, 0xB8, 0xFF):
        add(b"tos", tos=tos, source=S2)
    # Checksums at both ends of their range: the TTL's decrement carries.
    for ident in range(0, 0x10000, 0x1357):
        add(b"sum", ident=ident)
    # Behind the end of the datagram: padding of Ethernet, which the copy may have or not.
    frames.append(packet.ethernet(packet.group_mac(group), host.mac,
                                  packet.ipv4(S1, group, 17, b"\0" * 8), pad=60))
    return frames


class Fan:
    """One upstream and several downstream ports, each with a host that listens."""

    def __init__(self, lab):
        self.lab = lab
        self.router = Router(lab)
        self.up = self.router.port("u", "10.9.0.100/24")
        self.source = self.up.host("10.9.0.10", "source")
        self.ports = [self.router.port(f"d{n}", f"10.0.{n}.100/24") for n in range(1, LINES + 1)]
        self.hosts = [port.host(f"10.0.{n}.10", f"h{n}") for n, port in enumerate(self.ports, 1)]

    def daemon(self, mode):
        text = FAST + f"xdp-mode = {mode}\n" + self.up.config("upstream")
        return Daemon(self.lab, self.router,
                      text + "".join(port.config("downstream") for port in self.ports))

    @contextlib.contextmanager
    def members(self, mode):
        """A daemon in this mode, with all ports members of G and one of SINGLE."""
        with self.daemon(mode) as mcastd:
            for port in [self.up, *self.ports]:
                assert mcastd.interface(port.name)["xdp-mode"] == mode
            for host in self.hosts:
                host.report((packet.TO_EX, G, []))
            self.hosts[0].report((packet.TO_EX, SINGLE, []))
            for port in self.ports:
                mcastd.wait_member(port.name, G)
            mcastd.wait_member("d1", SINGLE)
            learn_macs(mcastd, [self.up, *self.ports])
            yield

    def carried(self, frames):
        """What arrives at each host when these frames are sent, a few at a time."""
        for host in self.hosts:
            host.wire.clear()
        for first in range(0, len(frames), 8):
            for frame in frames[first:first + 8]:
                self.source.send(frame)
            self.router.settle()
        return [host.data() for host in self.hosts]


def same_but_for_the_source(frames):
    return [frame[:6] + frame[12:] for frame in frames]


def check_bytes(got, sent, port):
    """What left a port; the padding travels along: whole frames are forwarded."""
    wanted = through(sent, port)
    assert len(got) == len(wanted)
    for number, (one, other) in enumerate(zip(got, wanted)):
        assert one[:len(other)] == other, f"{port.name}, number {number}"


def test_generic_gives_the_bytes_of_native(lab):
    """D-TTL, D-MAC, D-OPT, D-FRAG: both modes, every port, one member and several."""
    fan = Fan(lab)
    several, single = variety(fan.source, G), variety(fan.source, SINGLE)
    results = {}
    for mode in ("native", "generic"):
        with fan.members(mode):
            results[mode] = fan.carried(several), fan.carried(single)
            for got, port in zip(results[mode][0], fan.ports):
                check_bytes(got, several, port)
            got = results[mode][1]
            assert [len(frames) for frames in got] == [len(single)] + [0] * (LINES - 1)
            check_bytes(got[0], single, fan.ports[0])
    for natives, generics in zip(results["native"], results["generic"]):
        for native, generic in zip(map(same_but_for_the_source, natives),
                                   map(same_but_for_the_source, generics)):
            assert native == generic, difference(generic, native)


def test_modes_mixed(lab):
    """One port native and one generic: what crosses from one to the other is right both ways."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=["xdp-mode = generic"], u=["xdp-mode = native"]) as mcastd:
        assert mcastd.interface("d1")["xdp-mode"] == "generic"
        # Where the kernel does not tell that d1 could be reached natively, all are generic.
        untold = "does not tell" in mcastd.interface("d1")["xdp-note"]
        assert mcastd.interface("u")["xdp-mode"] == ("generic" if untold else "native")
        for host, port in ((bed.h1, "d1"), (bed.h3, "d2")):
            host.report((packet.TO_EX, G, []))
            mcastd.wait_member(port, G)
        learn_macs(mcastd, bed.router.ports)
        for host in bed.hosts:
            host.wire.clear()
        frames = bed.send(count=10)
        bed.expect({bed.h1: through(frames, bed.d1), bed.h3: through(frames, bed.d2)})
        frames = bed.send(host=bed.h1, source=None, count=10)
        bed.expect({bed.source: through(frames, bed.up), bed.h3: through(frames, bed.d2)})
