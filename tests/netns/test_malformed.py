# SPDX-License-Identifier: BSD-2-Clause
"""IGMP that is not as it should be: CONFORMANCE.md section 2. Dropped whole, counted once."""

import contextlib
import random

import pytest

from bed import FAST, G, GS, S1, Bed, through
from lab import packet, wait_for

GOOD = packet.igmp_report((packet.TO_EX, G, []))


@pytest.fixture(name="bed")
def fixture_bed(lab):
    bed = Bed(lab)
    with bed.daemon(FAST) as bed.mcastd:
        yield bed


def groups(bed):
    return {g["group-address"] for g in bed.mcastd.ctl("show", "groups")["groups"]}


def barrier(bed, group="239.99.99.99"):
    """
    What was sent before has been read when this group is a member. Told again and again, as hosts
    do: a burst may have filled the ring.
    """
    for _ in range(10):
        bed.h1.report((packet.TO_EX, group, []))
        with contextlib.suppress(AssertionError):
            wait_for(lambda: bed.mcastd.membership("d1", group), 0.5)
            return group
    bed.mcastd.fail(f"{group} not joined")


def raw(bed, message, destination=packet.ALL_V3_ROUTERS, **fields):
    bed.h1.send_igmp(destination, message, **fields)


IGNORED = {
    "R-4.1.2-BAD report": lambda bed: raw(
        bed, packet.igmp_report((packet.TO_EX, G, []), bad_checksum=True)),
    "R-4.1.2-BAD v2": lambda bed: raw(
        bed, packet.igmp_short(packet.V2_REPORT, G, bad_checksum=True), G),
    "R-2236-SHORT": lambda bed: raw(bed, packet.igmp(b"\x16\0\0\0\xef\x01\x01"), G),
    "R-2236-SHORT empty": lambda bed: raw(bed, b"", G),
    "R-2236-SHORT one octet": lambda bed: raw(bed, b"\x22"),
    "R-4.2-REC more records than octets": lambda bed: raw(
        bed, packet.igmp(GOOD[:2] + b"\0\0" + GOOD[4:6] + b"\0\2" + GOOD[8:])),
    "R-4.2-REC more sources than octets": lambda bed: raw(
        bed, packet.igmp(GOOD[:2] + b"\0\0" + GOOD[4:8] + b"\4\0\0\1" + GOOD[12:])),
    "R-4.2-REC 65535 sources": lambda bed: raw(
        bed, packet.igmp(GOOD[:2] + b"\0\0" + GOOD[4:8] + b"\4\0\xff\xff" + GOOD[12:])),
    "R-4.2-REC aux beyond the end": lambda bed: raw(
        bed, packet.igmp(GOOD[:2] + b"\0\0" + GOOD[4:8] + b"\4\xff\0\0" + GOOD[12:])),
    "R-4-UNK 0x00": lambda bed: raw(bed, packet.igmp_short(0x00, G)),
    "R-4-UNK 0x13": lambda bed: raw(bed, packet.igmp_short(0x13, G)),
    "R-4-UNK 0x30": lambda bed: raw(bed, packet.igmp_short(0x30, G)),
    "R-4-UNK 0xff": lambda bed: raw(bed, packet.igmp_short(0xFF, G)),
    "R-4.2.13-UNK record": lambda bed: raw(bed, packet.igmp_report((9, G, []))),
    "R-4-TTLRX": lambda bed: raw(bed, GOOD, ttl=2),
    "R-4-SRCBAD multicast": lambda bed: raw(bed, GOOD, source="224.0.0.9"),
    "R-4-SRCBAD loopback": lambda bed: raw(bed, GOOD, source="127.0.0.1"),
    "R-4-SRCBAD broadcast": lambda bed: raw(bed, GOOD, source="255.255.255.255"),
    "R-4-SRCBAD own": lambda bed: raw(bed, GOOD, source="10.0.1.100"),
    "R-4.2.9-GRP unicast": lambda bed: raw(bed, packet.igmp_report((packet.TO_EX, "10.1.1.1", []))),
    "R-4.2.9-GRP 224.0.0.0": lambda bed: raw(
        bed, packet.igmp_short(packet.V2_REPORT, "224.0.0.0"), G),
    "R-4.2-M0": lambda bed: raw(bed, packet.igmp_report()),
    "R-4.2.10-SRC": lambda bed: raw(bed, packet.igmp_report((packet.ALLOW, G, ["224.1.1.1"]))),
    "R-FRAG first": lambda bed: raw(bed, GOOD, flags_offset=0x2000),
    "R-FRAG later": lambda bed: raw(bed, GOOD, flags_offset=0x0001),
    "R-IHL header checksum": lambda bed: raw(bed, GOOD, header_checksum=7),
    "R-IHL 4": lambda bed: raw(bed, GOOD, first_octet=0x44),
    "R-IHL beyond the end": lambda bed: raw(bed, b"", options=b"", first_octet=0x4F),
    "R-IHL total length beyond the frame": lambda bed: raw(bed, GOOD, total_length=200),
    "R-IHL total length within the header": lambda bed: raw(bed, GOOD, total_length=20),
}


@pytest.mark.parametrize("what", IGNORED)
def test_ignored(bed, what):
    """No state, no query, no report upstream; the daemon goes on."""
    IGNORED[what](bed)
    known = barrier(bed)
    assert groups(bed) == {known}
    assert not bed.h1.wire.messages(lambda m: m.is_query and m.group != "0.0.0.0")
    assert not [m for m in bed.source.wire.messages() if m.record(G)]


def test_good_parts_of_odd_reports(bed):
    """R-4.2.13-UNK, R-4.2.1-IGN, R-4.2.9-GRP, R-4.2.10-SRC, R-4.2-DUP, R-6.4.1-MULTI."""
    message = bytearray(packet.igmp_report(
        (77, "239.1.0.1", [S1]), (packet.TO_EX, "192.0.2.1", []),
        (packet.ALLOW, GS, [S1, "127.0.0.1", S1, "224.0.0.1", "0.0.0.0"]),
        (packet.IS_EX, "239.1.0.2", [])))
    message[1], message[4], message[5] = 0xAA, 0xBB, 0xCC
    message[2:4] = b"\0\0"
    raw(bed, packet.igmp(bytes(message)))
    barrier(bed)
    assert groups(bed) == {GS, "239.1.0.2", "239.99.99.99"}
    assert bed.mcastd.filter("d1", GS) == ("include", {S1}, set())


def test_errors_are_counted(bed):
    """R-4.1.2-BAD, R-2236-SHORT, L-COUNT: the counter of each kind moves by what was sent."""
    before = bed.mcastd.statistics("d1")
    for _ in range(3):
        IGNORED["R-4.1.2-BAD report"](bed)
    for _ in range(2):
        IGNORED["R-2236-SHORT"](bed)
    barrier(bed)
    after = bed.mcastd.statistics("d1")
    assert after["errors"]["checksum"] - before["errors"]["checksum"] == 3
    assert after["errors"]["too-short"] - before["errors"]["too-short"] == 2


def test_noise(bed):
    """3000 broken messages of every kind; the daemon lives, forwards, and its log stays short."""
    bed.h3.receiver(G).join()
    bed.mcastd.wait_member("d2", G)
    dice = random.Random(2026)
    seeds = [GOOD, packet.igmp_report((packet.ALLOW, GS, [S1]), (packet.BLOCK, G, [S1])),
             packet.igmp_query(), packet.igmp_query(G, [S1]), packet.igmp_short(0x16, G),
             packet.igmp_short(0x17, G), packet.igmp_short(0x12, G), packet.igmp_short(0x11, G, 10)]
    for number in range(3000):
        message = bytearray(dice.choice(seeds))
        for _ in range(dice.randint(0, 4)):
            message[dice.randrange(len(message))] = dice.randrange(256)
        message = bytes(message[:dice.randint(0, len(message))]) if dice.random() < 0.3 \
            else bytes(message) + bytes(dice.choice((0, 0, 4, 100)))
        if dice.random() < 0.8 and len(message) >= 4:
            message = packet.igmp(message[:2] + b"\0\0" + message[4:])
        raw(bed, message, source="0.0.0.0" if dice.random() < 0.9 else f"10.0.1.{number % 250 + 1}",
            ttl=dice.choice((1, 1, 1, 2)), first_octet=dice.choice((None, None, 0x46, 0x4F, 0x45)))
    barrier(bed, "239.99.99.98")
    bed.clear()
    frames = bed.send(source="192.0.2.99")
    bed.router.settle()
    assert bed.h3.data() == through(frames, bed.d2)


def test_warnings_are_limited(lab):
    """R-7.3.1-WARN, issue 3: a thousand bad packets make a bounded number of log lines."""
    bed = Bed(lab)
    with bed.daemon(FAST, log_level="warning") as bed.mcastd:
        for _ in range(1000):
            raw(bed, packet.igmp_short(packet.QUERY, "0.0.0.0", 10), packet.ALL_SYSTEMS,
                source="10.0.1.200")
            IGNORED["R-4.1.2-BAD report"](bed)
        barrier(bed)
        assert len(bed.mcastd.log().splitlines()) < 60


def test_flood_of_reports(lab):
    """
    L-RATE, L-MAXG: 20,000 hostile reports as fast as they can be sent; a member of before stays,
    queries keep their time, a host that repeats its join gets in.
    """
    bed = Bed(lab)
    with bed.daemon(FAST.replace("= 8", "= 3"), d1=["max-groups = 100"]) as bed.mcastd:
        bed.h1.report((packet.TO_EX, G, []))
        bed.mcastd.wait_member("d1", G)
        bed.h3.wire.clear()
        frames = [packet.igmp_frame(bed.h1.mac, f"10.0.1.{n % 200 + 2}", packet.ALL_V3_ROUTERS,
                                    packet.igmp_report(*((packet.TO_EX, f"239.77.{n}.{m}", [])
                                                         for m in range(1, 21))))
                  for n in range(200)]
        for _ in range(100):
            for frame in frames:
                bed.h1.send(frame)
        bed.h3.receiver(G).join()
        bed.mcastd.wait_member("d2", G)
        assert len(groups(bed)) <= 101 and bed.mcastd.membership("d1", G)
        bed.h3.wire.wait_message(lambda m: m.is_general_query)
        bed.clear()
        frames = bed.send()
        bed.expect({bed.h1: through(frames, bed.d1), bed.h3: through(frames, bed.d2)})
        assert len(bed.mcastd.log().splitlines()) < 5000
