# SPDX-License-Identifier: BSD-2-Clause
"""Multicast data on the wire, byte for byte: CONFORMANCE.md sections 10, 11, 14 and 15."""

import struct

import pytest

from bed import EXCLUDE, G, GS, INCLUDE, S1, S2, S3, Bed, FAST, LMQT, through
from lab import packet, wait_for
from lab.host import MCAST_EXCLUDE, MCAST_INCLUDE

MODES = {"native": "xdp-mode = native\n", "generic": "xdp-mode = generic\n"}


@pytest.fixture(name="bed", params=MODES)
def fixture_bed(lab, request):
    """A bed with its daemon running, once for each way to attach the program."""
    bed = Bed(lab)
    with bed.daemon(FAST + MODES[request.param]) as bed.mcastd:
        for port in ("u", "d1", "d2"):
            assert bed.mcastd.interface(port)["xdp-mode"] == request.param
        yield bed


def test_upstream_to_members_only(bed):
    """P-4.2-DOWN, D-TTL, D-MAC: TTL less one, both MACs, checksum, the rest as it was."""
    bed.h1.receiver(G).join()
    bed.mcastd.wait_member("d1", G)
    frames = bed.send(count=20) + bed.send(ttl=2) + bed.send(ttl=255)
    for size in (0, 1, 17, 18, 19, 512, 1471, 1472):
        frames.append(bed.source.send_data(G, bytes(n & 0xFF for n in range(size)), source=S2))
    bed.expect({bed.h1: through(frames, bed.d1)})
    bed.h3.receiver(G).join()
    bed.mcastd.wait_member("d2", G)
    frames = bed.send(count=20)
    bed.expect({bed.h1: through(frames, bed.d1), bed.h3: through(frames, bed.d2)})


def test_scapy_agrees(bed):
    """D-TTL, D-MAC: another implementation's reading of a forwarded frame."""
    bed.h1.receiver(G).join()
    bed.mcastd.wait_member("d1", G)
    bed.send(ttl=33)
    bed.h1.wait_data(G)
    ether = bed.h1.wire.arrived(packet.is_data)[0].scapy()
    assert (ether.src, ether.dst) == (bed.d1.mac, "01:00:5e:01:01:01")
    assert (ether["IP"].ttl, ether["IP"].src, ether["IP"].dst) == (32, S1, G)
    checksums = ether["IP"].chksum, ether["UDP"].chksum
    del ether["IP"].chksum, ether["UDP"].chksum
    again = type(ether)(bytes(ether))
    assert checksums == (again["IP"].chksum, again["UDP"].chksum)


def test_every_header_checksum(bed):
    """D-TTL: the updated checksum is right for headers all over the range (RFC 1624)."""
    bed.h1.receiver(G).join()
    bed.mcastd.wait_member("d1", G)
    frames, hit = [], set()
    for wanted in (high << 8 | low for high in range(256) for low in (0x00, 0x01, 0xFE, 0xFF)):
        ttl = 2 + wanted % 253
        plain = packet.data_frame(bed.source.mac, S1, G, b"", ident=0, ttl=ttl)
        # The ident that makes it so, in one's complement arithmetic.
        ident = (struct.unpack("!H", plain[24:26])[0] - wanted) % 0xFFFF
        frames.append(bed.source.send_data(G, b"", source=S1, ident=ident, ttl=ttl))
        hit.add(struct.unpack("!H", frames[-1][24:26])[0])
    assert {0x0000, 0x00FF, 0x0100, 0xFEFF, 0xFF00, 0xFFFE} <= hit and len(hit) > 1000
    bed.expect({bed.h1: through(frames, bed.d1)})


def test_odd_headers_are_forwarded_unchanged(bed):
    """D-OPT, D-FRAG, D-TTL: options, TOS, DF and fragments are none of our business."""
    bed.h1.receiver(G).join()
    bed.mcastd.wait_member("d1", G)
    frames = (
        bed.send(options=packet.ROUTER_ALERT) + bed.send(options=b"\1" * 40) +
        bed.send(tos=0xB8) + bed.send(flags_offset=0x4000) +
        bed.send(flags_offset=0x2000) + bed.send(flags_offset=0x00B9) +
        bed.send(ident=0) + bed.send(ident=0xFFFF))
    other = packet.ethernet(packet.group_mac(G), bed.source.mac,
                            packet.ipv4(S1, G, 132, b"not UDP", ttl=8))
    bed.source.send(other)
    bed.expect({bed.h1: through(frames + [other], bed.d1)})


def test_downstream_to_upstream_always_and_across(bed):
    """P-4.2-UPALWAYS, P-4.2-CROSS, P-4.2-NOBACK."""
    frames = bed.send(host=bed.h1, source=None, count=5)
    bed.expect({bed.source: through(frames, bed.up)})
    bed.h1.receiver(G).join()
    bed.h3.receiver(G).join()
    bed.mcastd.wait_member("d1", G)
    bed.mcastd.wait_member("d2", G)
    frames = bed.send(host=bed.h1, source=None, count=5)
    bed.expect({bed.source: through(frames, bed.up), bed.h3: through(frames, bed.d2)})
    frames = bed.send(host=bed.h3, source=None, count=5)
    bed.expect({bed.source: through(frames, bed.up), bed.h1: through(frames, bed.d1)})


def test_source_specific(bed):
    """S-4607-5.1, R-6.4.1-NONE-IS_IN: the channel that was asked for and no other."""
    receiver = bed.h1.receiver(GS).join_source(S1)
    bed.mcastd.wait_filter("d1", GS, (INCLUDE, {S1}, set()))
    frames = bed.send(GS, S1, 5)
    bed.send(GS, S2, 5)
    bed.expect({bed.h1: through(frames, bed.d1)})
    receiver.join_source_v4(S2, "10.0.1.10")
    bed.mcastd.wait_filter("d1", GS, (INCLUDE, {S1, S2}, set()))
    frames = bed.send(GS, S1, 5) + bed.send(GS, S2, 5)
    bed.send(GS, S3, 5)
    bed.expect({bed.h1: through(frames, bed.d1)})


def test_filters_are_per_port(bed):
    """P-4.2-SRC: d1 wants S1 alone, d2 everything but S1."""
    bed.h1.receiver(G).join_source(S1)
    bed.h3.receiver(G).join().set_filter(MCAST_EXCLUDE, [S1])
    bed.mcastd.wait_filter("d1", G, (INCLUDE, {S1}, set()))
    bed.mcastd.wait_filter("d2", G, (EXCLUDE, set(), {S1}), timeout=2 * LMQT + 3)
    first, second = bed.send(source=S1, count=5), bed.send(source=S2, count=5)
    bed.expect({bed.h1: through(first, bed.d1), bed.h3: through(second, bed.d2)})


def test_filters_change_under_traffic(bed):
    """R-6.4.2-INC-TO_EX, R-6.4.2-EXC-TO_IN, P-4.2-CACHE: data follows MCAST_MSFILTER."""
    receiver = bed.h1.receiver(G).join_source(S1)
    bed.mcastd.wait_filter("d1", G, (INCLUDE, {S1}, set()))
    receiver.set_filter(MCAST_INCLUDE, [S1, S2])
    bed.mcastd.wait_filter("d1", G, (INCLUDE, {S1, S2}, set()))
    frames = bed.send(source=S1) + bed.send(source=S2)
    bed.send(source=S3)
    bed.expect({bed.h1: through(frames, bed.d1)})
    receiver.set_filter(MCAST_EXCLUDE, [S1])
    bed.mcastd.wait_filter("d1", G, (EXCLUDE, set(), {S1}), timeout=LMQT + 3)
    bed.send(source=S1)
    frames = bed.send(source=S2) + bed.send(source=S3)
    bed.expect({bed.h1: through(frames, bed.d1)})
    receiver.set_filter(MCAST_INCLUDE, [S3])
    bed.mcastd.wait_filter("d1", G, (INCLUDE, {S3}, set()), timeout=LMQT + 3)
    bed.send(source=S1)
    bed.send(source=S2)
    bed.expect({bed.h1: through(bed.send(source=S3), bed.d1)})


def test_groups_that_share_a_mac_are_not_confused(bed):
    """D-MAC: 239.1.1.1 and 224.129.1.1 both go to 01:00:5e:01:01:01."""
    bed.h1.receiver(G).join()
    bed.mcastd.wait_member("d1", G)
    bed.send("224.129.1.1")
    frames = bed.send(G)
    bed.expect({bed.h1: through(frames, bed.d1)})


def test_unknown_groups_go_nowhere(bed):
    """P-4.2-UPQ, S-4607-5.1: data that nobody asked for."""
    bed.send("239.7.7.7", count=10)
    bed.send(GS, count=10)
    bed.expect({})


def mangled(host, **fields):
    return packet.data_frame(host.mac, fields.pop("src", OWN[host.port.name]),
                             fields.pop("group", G), b"must not be seen", **fields)


OWN = {"u": S1, "d1": "10.0.1.77"}  # a source that lives behind the port


NEVER = {
    "R-LL-FWD 224.0.0.251": lambda host: mangled(host, group="224.0.0.251", ttl=255),
    "R-LL-FWD 224.0.0.5": lambda host: mangled(host, group="224.0.0.5"),
    "D-TTL1 ttl 1": lambda host: mangled(host, ttl=1),
    "D-TTL1 ttl 0": lambda host: mangled(host, ttl=0),
    "D-MARTIAN 0.0.0.0": lambda host: mangled(host, src="0.0.0.0"),
    "D-MARTIAN 0.1.2.3": lambda host: mangled(host, src="0.1.2.3"),
    "D-MARTIAN 127.0.0.1": lambda host: mangled(host, src="127.0.0.1"),
    "D-MARTIAN 224.1.1.1": lambda host: mangled(host, src="224.1.1.1"),
    "D-MARTIAN 255.255.255.255": lambda host: mangled(host, src="255.255.255.255"),
    "D-LLSRC": lambda host: mangled(host, src="169.254.7.7"),
    "D-CSUM": lambda host: mangled(host, header_checksum=1),
    "D-CSUM version 5": lambda host: mangled(host, first_octet=0x55),
    "D-CSUM version 6": lambda host: mangled(host, first_octet=0x65),
    "D-CSUM IHL 4": lambda host: mangled(host, first_octet=0x44),
    "D-CSUM IHL 15": lambda host: mangled(host, first_octet=0x4F),
    "D-CSUM length beyond the frame": lambda host: mangled(host, total_length=1400),
    "D-CSUM length within the header": lambda host: mangled(host, total_length=19),
    "D-CSUM cut off": lambda host: mangled(host)[:33],
    "D-L2UC": lambda host: mangled(host, dst_mac=host.port.mac),
    "D-L2UC broadcast": lambda host: mangled(host, dst_mac="ff:ff:ff:ff:ff:ff"),
    "R-BADDST 240.0.0.1": lambda host: mangled(host, group="240.0.0.1"),
    "R-BADDST broadcast": lambda host: mangled(host, group="255.255.255.255"),
    "D-IGMP report": lambda host: packet.igmp_frame(
        host.mac, OWN[host.port.name], G, packet.igmp_short(packet.V2_REPORT, G), ttl=8),
    "D-IGMP unknown type": lambda host: packet.igmp_frame(
        host.mac, OWN[host.port.name], G, packet.igmp_short(0x42, G), ttl=64, options=b""),
    "P-5-LOOP another downstream's address": lambda host: mangled(host, src="10.0.2.77"),
}


@pytest.mark.parametrize("arrival", ["u", "d1"])
def test_never_forwarded(bed, arrival):
    """
    R-LL-FWD, D-TTL1, D-MARTIAN, D-LLSRC, D-CSUM, D-L2UC, D-IGMP, R-BADDST, D-ICMP, P-5-LOOP. From
    upstream to a member, and from a downstream to the upstream, where all that is sound goes.
    """
    for group in (G, "224.0.0.251"):
        bed.h3.receiver(group).join()
    bed.mcastd.wait_member("d2", G)
    host = bed.source if arrival == "u" else bed.h1
    for name, make in NEVER.items():
        host.send(make(host))
        frames = bed.send(host=host, source=OWN[arrival])
        wanted = {bed.h3: through(frames, bed.d2)}
        if arrival == "d1":
            wanted[bed.source] = through(frames, bed.up)
        try:
            bed.expect(wanted)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None


def test_data_that_was_flowing_before_the_join(bed):
    """P-4.2-FIRST: from the first datagram on none is missing, and it comes at once."""
    stream = bed.source.stream(G, number=7).start(per_second=500)
    wait_for(lambda: stream.sent > 50)
    bed.h1.wire.clear()
    receiver = bed.h1.receiver(G).join()
    wait_for(lambda: len(receiver.drain()) > 200, what="the stream after a join")
    stream.stop()
    bed.router.settle()
    numbers = [number for _source, _stream, number in receiver.drain()]
    assert numbers == list(range(numbers[0], stream.sent))


def test_flow_counters(bed):
    """D-STATS: packets and bytes of show flows are those that were sent."""
    bed.h1.receiver(G).join()
    bed.mcastd.wait_member("d1", G)
    bed.expect({bed.h1: through(bed.send(count=25), bed.d1)})
    flows = bed.mcastd.ctl("show", "flows")["flows"]
    flow, = [f for f in flows if f["group-address"] == G]
    assert "d1" in flow["outgoing-interfaces"]
    sent = [packet.data_frame(bed.source.mac, S1, G, b"datagram %d" % n) for n in range(25)]
    assert flow["packets"] == 25
    assert flow["bytes"] == sum(len(frame) - 14 for frame in sent)


def test_departure_mtu(bed):
    """
    D-MTU, D-ICMP: what does not fit goes in fragments, or with DF is not sent there and counted; it
    raises no ICMP error. Ports with room get it whole.
    """
    bed.router.space.ip("link", "set", "d1", "mtu", "1000")
    bed.h1.receiver(G).join()
    bed.h3.receiver(G).join()
    bed.mcastd.wait_member("d1", G)
    bed.mcastd.wait_member("d2", G)
    fits = [bed.source.send_data(G, bytes(1000 - 28))]
    large = [bed.source.send_data(G, bytes(1001 - 28), flags_offset=0x4000)]
    bed.expect({bed.h1: through(fits, bed.d1), bed.h3: through(fits + large, bed.d2)})
    assert bed.mcastd.statistics("d1")["data"]["too-big"] == 1

    datagram = bytes(range(256)) * 5
    large = bed.source.send_data(G, datagram)
    whole = bed.h3.wire.wait(lambda d: packet.is_data(d, G))
    assert [frame.data for frame in whole] == through([large], bed.d2)
    pieces = [frame.data for frame in bed.h1.wire.wait(lambda d: packet.is_data(d, G), 2)]
    payload = b""
    for number, piece in enumerate(pieces):
        total, flags = struct.unpack("!H2xH", piece[16:22])
        assert total <= 1000 and packet.checksum(piece[14:34]) == 0
        assert piece[:14] == through([large], bed.d1)[0][:14] and piece[22] == 7
        assert flags == (0x2000 if number == 0 else 0) | len(payload) // 8
        payload += piece[34:14 + total]
    assert payload == large[34:]
    bed.router.settle()
    assert len(bed.h1.data(G)) == 2 and len(bed.h3.data(G)) == 1 and not bed.source.data(G)
    assert bed.mcastd.statistics("d1")["data"]["fragmented"] == 1
    assert bed.mcastd.statistics("d2")["data"]["fragmented"] == 0


def test_unicast_is_unaffected(bed):
    """D-PASS: ping to and through the router, ARP, unicast UDP both ways."""
    for host in (bed.source, bed.h1, bed.h3):
        host.space.ip("neigh", "flush", "dev", host.ifname)
        assert host.ping(host.port.address)
    assert bed.h1.ping("10.0.2.10")
    assert bed.h1.ping("10.9.0.10")
    frame = packet.ethernet(bed.d1.mac, bed.h1.mac, packet.ipv4(
        "10.0.1.10", "10.0.2.10", 17, packet.udp("10.0.1.10", "10.0.2.10", b"unicast"), ttl=8))
    bed.h1.send(frame)
    routed = bed.h3.wire.wait(lambda d: packet.is_ipv4(d) and d.endswith(b"unicast"))
    assert routed[0].data[22] == 7
