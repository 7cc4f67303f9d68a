# SPDX-License-Identifier: BSD-2-Clause
"""
The test bed of docs/CONFORMANCE.md: an upstream u and two downstreams d1 and d2.

    source 10.9.0.10 ---- u [router] d1 ---- h1 10.0.1.10 (and h2 10.0.1.11 with lan=True)
                                     d2 ---- h3 10.0.2.10
"""

from lab import Daemon, Router, packet, wait_for
from lab.daemon import SLOWNESS

G = "239.1.1.1"  # any-source
GS = "232.1.1.1"  # source-specific
S1, S2, S3, S4, S5, S6 = (f"192.0.2.{n}" for n in range(1, 7))  # sources sent from u

# Short intervals that RFC 9776 allows: LMQT 1 s, GMI 20 s.
FAST = """
query-interval = 8
query-max-response-time = 2
last-member-query-interval = 0.5
"""
LMQT = 1.0

INCLUDE, EXCLUDE = "include", "exclude"


class Bed:
    """Router, ports and hosts; a daemon with a configuration for them on demand."""

    def __init__(self, lab, *, gro=True, queues=1, lan=False):
        self.lab = lab
        self.router = Router(lab)
        self.up = self.router.port("u", "10.9.0.100/24", gro=gro, queues=queues)
        self.d1 = self.router.port("d1", "10.0.1.100/24", gro=gro, queues=queues, lan=lan)
        self.d2 = self.router.port("d2", "10.0.2.100/24", gro=gro, queues=queues)
        self.source = self.up.host("10.9.0.10", "source")
        self.h1 = self.d1.host("10.0.1.10", "h1")
        self.h2 = self.d1.host("10.0.1.11", "h2") if lan else None
        self.h3 = self.d2.host("10.0.2.10", "h3")
        self.hosts = [h for h in (self.source, self.h1, self.h2, self.h3) if h]

    def config(self, text=FAST, *, u=(), d1=(), d2=()):
        """A configuration: text, and sections of the ports with further lines; None: no section."""
        sections = ((self.up, "upstream", u), (self.d1, "downstream", d1),
                    (self.d2, "downstream", d2))
        return text + "".join(port.config(role, *lines) for port, role, lines in sections
                              if lines is not None)

    def daemon(self, text=FAST, *, u=(), d1=(), d2=(), **kwargs):
        return Daemon(self.lab, self.router, self.config(text, u=u, d1=d1, d2=d2), **kwargs)

    def send(self, group=G, source=S1, count=1, host=None, **fields):
        """Numbered datagrams, as frames: from u unless another host is named."""
        host = host or self.source
        return [host.send_data(group, b"datagram %d" % n, source=source, **fields)
                for n in range(count)]

    def expect(self, wanted):
        """
        Asserts that hosts have received exactly these frames of data since the last time, that
        the others have received none, and the senders nothing of their own, nor any ICMP (D-ICMP).
        """
        for host, frames in wanted.items():
            host.wire.wait(packet.is_data, len(frames))  # some may go through the daemon
        self.router.settle()
        for host in self.hosts:
            if host.wire.arrived(packet.is_icmp):
                raise AssertionError(f"ICMP to {host.label}: {host.wire.summary()}")
            expected = wanted.get(host, [])
            got = host.data()
            if got != expected:
                raise AssertionError(
                    f"{host.label} received {len(got)} frames, {len(expected)} were expected; "
                    f"first difference: {difference(got, expected)}")
        self.clear()

    def check_forwarding(self, mcastd):
        """Up to down, down to up, and across."""
        self.h1.receiver(G).join()
        self.h3.receiver(G).join()
        mcastd.wait_member("d1", G)
        mcastd.wait_member("d2", G)
        learn_macs(mcastd, self.router.ports)
        self.clear()
        frames = self.send(count=10)
        self.expect({self.h1: through(frames, self.d1), self.h3: through(frames, self.d2)})
        frames = self.send(host=self.h1, source=None, count=10)
        self.expect({self.source: through(frames, self.up), self.h3: through(frames, self.d2)})

    def clear(self):
        """Forgets everything the hosts have seen, once all of it is there."""
        self.router.settle()
        for host in self.hosts:
            host.wire.clear()


def join(bed, mcastd, *hosts):
    """Hosts report that they are members of G, and the daemon has read it."""
    for host in hosts:
        host.report((packet.TO_EX, G, ()))
        mcastd.wait_member(host.port.name, G)
    bed.clear()


def check(bed, *hosts, count=5):
    """Data from the upstream reaches exactly these hosts, as their ports send it now."""
    frames = bed.send(count=count)
    bed.expect({host: through(frames, host.port) for host in hosts})


def difference(got, expected):
    for number, (one, other) in enumerate(zip(got, expected)):
        if one != other:
            return f"number {number}:\n got      {one.hex()}\n expected {other.hex()}"
    longer = got if len(got) > len(expected) else expected
    return f"number {min(len(got), len(expected))} {longer[min(len(got), len(expected))].hex()}"


def through(frames, port, hops=1):
    """The frames as a port of the router sends them."""
    return [packet.forwarded(frame, getattr(port, "data_mac", port.mac), hops) for frame in frames]


def learn_macs(mcastd, ports):
    """
    The source MACs of data, for through(): each port's own; or, while a port is in generic mode on
    a kernel whose copies share their bytes, that port's for all of them.
    """
    rows = {port.name: mcastd.interface(port.name) for port in ports}
    own = {port.name: port.mac for port in ports}
    told = {name: row["source-mac"] for name, row in rows.items()}
    generic = {own[name] for name, row in rows.items() if row["xdp-mode"] == "generic"}
    assert told == own or (len(set(told.values())) == 1 and set(told.values()) <= generic), told
    for port in ports:
        port.data_mac = told[port.name]
        note = rows[port.name].get("mac-note", "")
        assert bool(note) == (port.data_mac != port.mac), note
    return told


# Timers for tests that wait for their end: LMQT 0.6 s, GMI 6 s, OQPI 4.5 s.
QUICK = """
query-interval = 2
query-max-response-time = 1
last-member-query-interval = 0.3
"""
QUICK_LMQT, QUICK_GMI, QUICK_OQPI = 0.6, 6.0, 4.5

# A machine with much to do may be late by this; nothing may be early by more than EARLY.
LATE, EARLY = 2.0, 0.1


def at_about(seconds, wanted):
    """True if an event came when it was due: hardly early, and late only as a busy machine is."""
    return wanted - EARLY <= seconds <= wanted + LATE


def as_sent(frame, message, *, mac, source, destination):
    """
    The frame in which a router or host must send an IGMP message: TTL 1, TOS 0xc0, Router Alert,
    the MACs, nothing behind the message. The IP identification and DF are the sender's choice.
    """
    ident, flags = frame[18] << 8 | frame[19], (frame[20] << 8 | frame[21]) & 0x4000
    return packet.igmp_frame(mac, source, destination, message, ident=ident, flags_offset=flags)


class Watcher:
    """
    Shows that forwarding and IGMP go on, whatever else happens within the context: a stream to a
    member, of which no packet may be missing or come twice, and at the end a host that joins and
    is served.
    """

    def __init__(self, mcastd, source, member, newcomer, *, rate=100):
        self.mcastd, self.source, self.newcomer = mcastd, source, newcomer
        self.receiver = member.receiver("239.200.1.1").join()
        mcastd.wait_member(member.port.name, "239.200.1.1")
        self.stream = source.stream("239.200.1.1").start(rate)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.check()

    def check(self):
        late = self.newcomer.receiver("239.200.1.2").join()
        sender = self.source.stream("239.200.1.2").start(100)
        wait_for(late.drain, 5 * SLOWNESS, "the newcomer served")
        sender.stop()
        sent = self.stream.stop()
        wanted = list(range(sent))
        try:
            wait_for(lambda: self.numbers() == wanted, 5 * SLOWNESS)
        except AssertionError as error:
            missing = sorted(set(wanted) - set(self.numbers()))
            raise AssertionError(f"{len(self.numbers())} of {sent} packets; missing: {missing[:9]}"
                                 f"...{missing[-1:]}\n{self.mcastd.log()[-2000:]}") from error

    def numbers(self):
        return [number for _source, _stream, number in self.receiver.drain()]
