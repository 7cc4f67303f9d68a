# SPDX-License-Identifier: BSD-2-Clause
"""A rival on the LAN: CONFORMANCE.md section 8, and what it means for forwarding (section 14)."""

import pytest

from bed import G, QUICK, QUICK_OQPI, S1, Bed, at_about, through
from lab import packet
from lab.daemon import hold

LOWER, LOWEST, HIGHER = "10.0.1.9", "10.0.1.1", "10.0.1.200"


@pytest.fixture(name="bed")
def fixture_bed(lab):
    bed = Bed(lab)
    with bed.daemon(QUICK) as bed.mcastd:
        bed.h1.wire.wait_message(lambda m: m.is_general_query)
        yield bed


def rival(bed, source, message=None, destination=packet.ALL_SYSTEMS):
    """A query from another router, by default a general one with the same intervals as ours."""
    bed.h1.send_igmp(destination, message or packet.igmp_query(mrc=10, qrv=2, qqic=2),
                     source=source)


def is_querier(bed):
    return bed.mcastd.interface("d1")["is-querier"]


def wait_other(bed, address):
    bed.mcastd.wait(lambda: bed.mcastd.interface("d1")["querier"] == address and
                    not is_querier(bed), what=f"{address} elected")


def test_lower_address_wins_and_its_silence_ends_it(bed):
    """R-6.6.2-LOSE, R-6.6.2-OQPI, R-6.6.2-CMP, P-3-NOTQ, P-4.2-CACHE, R-NQ-STATE."""
    bed.h1.report((packet.TO_EX, G, []))
    bed.mcastd.wait_member("d1", G)
    bed.expect({bed.h1: through(bed.send(), bed.d1)})
    rival(bed, LOWER)
    wait_other(bed, LOWER)
    heard = bed.h1.sent_message(lambda m: m.is_general_query and m.source == LOWER).time
    bed.send()
    bed.expect({})
    bed.h1.report((packet.IS_EX, G, []))
    message = bed.h1.wire.wait_message(lambda m: m.is_general_query, timeout=QUICK_OQPI + 6)[0]
    assert at_about(message.time - heard, QUICK_OQPI)
    bed.mcastd.wait(lambda: is_querier(bed), what="querier again")
    bed.expect({bed.h1: through(bed.send(), bed.d1)})


def test_silenced_for_as_long_as_the_rival_lives(bed):
    """R-6.6.2-RESET, R-NQ-NOQ: each general query renews; leaves and joins cause no query."""
    rival(bed, LOWER)
    wait_other(bed, LOWER)
    bed.router.settle()
    bed.h1.wire.clear()
    for _ in range(4):
        bed.h1.report((packet.TO_EX, G, []))
        bed.h1.report((packet.TO_IN, G, []))
        hold(1.5)
        rival(bed, LOWER)
        rival(bed, HIGHER)
    bed.router.settle()
    assert not bed.h1.wire.messages(lambda m: m.is_query)
    assert bed.mcastd.membership("d1", G)  # R-NQ-LEAVE


@pytest.mark.parametrize("what, source, message, destination", [
    ("R-6.6.2-WIN", HIGHER, None, packet.ALL_SYSTEMS),
    ("R-6.6.2-GQONLY", LOWEST, packet.igmp_query(G, mrc=10), G),
    ("R-6.6.2-ZERO", "0.0.0.0", None, packet.ALL_SYSTEMS),
    ("R-6.6.2-FOREIGN", "9.9.9.9", None, packet.ALL_SYSTEMS),
    ("R-6.6.2-OWNADDR", "10.0.1.100", None, packet.ALL_SYSTEMS),
    ("R-4.1.2-BAD", LOWEST, packet.igmp_query(bad_checksum=True), packet.ALL_SYSTEMS),
    ("R-7.1-QLEN", LOWEST, packet.igmp(b"\x11\x64" + bytes(8)), packet.ALL_SYSTEMS),
    ("R-4.1.8-N", LOWEST, packet.igmp(b"\x11\x64" + bytes(6) + b"\x02\x7d\x40\x00"),
     packet.ALL_SYSTEMS),
])
def test_queries_that_elect_nobody(bed, what, source, message, destination):
    """One row per requirement: after it we are the querier as before."""
    rival(bed, source, message, destination)
    bed.h1.report((packet.TO_EX, G, []))  # behind it in the same queue
    bed.mcastd.wait_member("d1", G)
    assert is_querier(bed), what
    bed.expect({bed.h1: through(bed.send(), bed.d1)})


@pytest.mark.parametrize("message", [
    packet.igmp_short(packet.QUERY, "0.0.0.0", 10), packet.igmp_short(packet.QUERY, "0.0.0.0", 0),
], ids=["v2", "v1"])
def test_older_versions_elect_too(bed, message):
    """R-6.6.2-VER."""
    rival(bed, LOWEST, message)
    wait_other(bed, LOWEST)


def test_next_lower_takes_over(bed):
    """R-6.6.2-NEXT, R-4.1.12-RX: also a query sent to our own address."""
    rival(bed, LOWER)
    wait_other(bed, LOWER)
    rival(bed, "10.0.1.5", destination=packet.ALL_ROUTERS)
    wait_other(bed, "10.0.1.5")
    bed.h1.send_igmp("10.0.1.100", packet.igmp_query(mrc=10, qqic=2), source=LOWEST,
                     dst_mac=packet.mac_bytes(bed.d1.mac))
    wait_other(bed, LOWEST)


def test_values_of_the_querier_are_adopted(bed):
    """R-4.1.6-ADOPT, R-4.1.7-ADOPT, R-4.1.7-FLOAT."""
    rival(bed, LOWER, packet.igmp_query(mrc=10, qrv=5, qqic=0x8F))
    wait_other(bed, LOWER)
    interface = bed.mcastd.interface("d1")
    assert interface["robustness-variable"] == 5
    assert float(interface["query-interval"]) == 248


def test_non_querier_lowers_timers_on_the_queriers_word(bed):
    """R-6.6.1-QG, R-6.6.1-QGA, R-NQ-LMQT: S=0 lowers, S=1 does not."""
    bed.h1.report((packet.TO_EX, G, []), (packet.ALLOW, "239.2.2.2", [S1]),
                  (packet.TO_EX, "239.3.3.3", []))
    bed.mcastd.wait_member("d1", "239.3.3.3")
    rival(bed, LOWER)
    wait_other(bed, LOWER)
    bed.h1.wire.clear()
    rival(bed, LOWER, packet.igmp_query(G, mrc=3), G)
    rival(bed, LOWER, packet.igmp_query("239.2.2.2", [S1], mrc=3), "239.2.2.2")
    rival(bed, LOWER, packet.igmp_query("239.3.3.3", mrc=3, suppress=True), "239.3.3.3")
    bed.mcastd.wait_no_member("d1", G, timeout=3)
    bed.mcastd.wait_no_member("d1", "239.2.2.2", timeout=1)
    assert bed.mcastd.membership("d1", "239.3.3.3")


def test_forward_as_non_querier(lab):
    """P-3-NOTQ-OPT, P-4.1-NONQ, P-3-NOTQ-UP."""
    bed = Bed(lab)
    with bed.daemon(QUICK, d1=["forward-as-non-querier = true"]) as bed.mcastd:
        bed.h1.report((packet.TO_EX, G, []))
        bed.mcastd.wait_member("d1", G)
        rival(bed, LOWER)
        wait_other(bed, LOWER)
        bed.h1.wire.clear()
        bed.expect({bed.h1: through(bed.send(), bed.d1)})


def test_standby_stays_joined_upstream(bed):
    """P-4.1-NONQ, P-3-NOTQ-UP: not forwarding downstream, but a member and a sender upstream."""
    rival(bed, LOWER)
    wait_other(bed, LOWER)
    bed.h1.report((packet.TO_EX, G, []))
    bed.source.wire.wait_message(lambda m: m.record(G) == (packet.TO_EX, []))
    frames = bed.send(host=bed.h1, source=None)
    bed.expect({bed.source: through(frames, bed.up)})


def test_own_messages_change_nothing(bed):
    """R-OWN: our query and our report come back as they were."""
    bed.h1.receiver(G).join()
    bed.mcastd.wait_member("d1", G)
    own = bed.h1.wire.wait_message(lambda m: m.is_general_query)[0]
    bed.h1.send(own.frame)
    report = bed.source.wire.wait_message(lambda m: m.record(G))[0]
    bed.source.send(report.frame)
    bed.h1.report((packet.TO_EX, "239.2.2.2", []))
    bed.mcastd.wait_member("d1", "239.2.2.2")
    assert is_querier(bed)
    assert bed.mcastd.process.poll() is None
