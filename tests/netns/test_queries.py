# SPDX-License-Identifier: BSD-2-Clause
"""The queries a router sends, byte for byte and in time: CONFORMANCE.md sections 1, 6 and 7."""

import pytest

from bed import (FAST, G, GS, QUICK, S1, S2, Bed, as_sent, at_about)
from lab import packet


def assert_query(bed, message, port, destination=packet.ALL_SYSTEMS, query=None):
    """The whole frame is as it must be, and scapy reads it without complaint."""
    expected = as_sent(message.frame, query, mac=port.mac, source=port.address,
                       destination=destination)
    assert message.frame == expected, f"{message} in {message.frame.hex()}"


def general(message):
    return message.is_general_query


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_general_queries(lab, mode):
    """
    R-4-TTL, R-4-TOS, R-4-RA, R-4.1.2-CSUM, R-4.1.3-GA, R-4.1.4-FLAGS, R-4.1.5-S, R-4.1.6-QRV,
    R-4.1.7-QQIC, R-4.1.1-MRC, R-4.1.10-TX, R-4.1.12-DST, R-4.1-SRC, R-8.6-START, R-6.1-PERIOD.
    """
    bed = Bed(lab)
    with bed.daemon(QUICK + f"xdp-mode = {mode}\n"):
        for host, port in ((bed.h1, bed.d1), (bed.h3, bed.d2)):
            queries = host.wire.wait_message(general, 4, timeout=15)
            for message in queries:
                assert_query(bed, message, port,
                             query=packet.igmp_query(mrc=10, qrv=2, qqic=2))
            times = [message.time for message in queries[:4]]
            gaps = [after - before for before, after in zip(times, times[1:])]
            assert at_about(gaps[0], 0.5), gaps
            assert at_about(gaps[1], 2) and at_about(gaps[2], 2), gaps
        scapy = bed.h1.wire.arrived(packet.is_igmp)[0].scapy()
        assert scapy["IGMPv3mq"].gaddr == "0.0.0.0" and scapy["IGMPv3"].type == 0x11
    assert not bed.source.wire.messages(lambda m: m.is_query)  # P-3-ROLE


def test_codes_of_long_intervals(lab):
    """R-4.1.1-MRC, R-4.1.7-QQIC, R-4.1.6-QRV: the next lower value that can be written."""
    bed = Bed(lab)
    text = "query-interval = 130\nquery-max-response-time = 30\nrobustness-variable = 8\n"
    with bed.daemon(text):
        message = bed.h1.wire.wait_message(general)[0]
        assert (message.code, message.qqic, message.qrv) == (0x92, 0x80, 0)


@pytest.mark.parametrize("version, code", [(1, 0), (2, 20)])
def test_older_router_versions(lab, version, code):
    """R-7.3.1-V2Q, R-7.3.1-V1Q, R-7.3.1-CFG: 8 octets, with Router Alert as we know of it."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=[f"version = {version}"]):
        message = bed.h1.wire.wait_message(general)[0]
        assert_query(bed, message, bed.d1,
                     query=packet.igmp_short(packet.QUERY, "0.0.0.0", code))
        assert bed.h3.wire.wait_message(general)[0].version == 3


def test_group_specific_queries(lab):
    """R-6.6.3.1-SEQ, R-6.6.3.1-S0, R-4.1.12-DST, R-4.1.1-LMQ, R-8.8-CFG, R-6.4.2-EXC-TO_IN0."""
    bed = Bed(lab)
    with bed.daemon(FAST + "last-member-query-count = 3\n") as mcastd:
        bed.h1.report((packet.TO_EX, G, []))
        mcastd.wait_member("d1", G)
        bed.h1.wire.clear()
        bed.h1.report((packet.TO_IN, G, []))
        mcastd.wait_no_member("d1", G)
        bed.router.settle()
        queries = bed.h1.wire.messages(lambda m: m.is_query and m.group == G)
        assert len(queries) == 3
        for message in queries:
            assert_query(bed, message, bed.d1, G,
                         packet.igmp_query(G, mrc=5, qrv=2, qqic=8))
        gaps = [queries[n + 1].time - queries[n].time for n in range(2)]
        assert all(at_about(gap, 0.5) for gap in gaps), gaps
        assert not bed.h3.wire.messages(lambda m: m.group == G)


def test_group_and_source_specific_queries(lab):
    """R-6.6.3.2-SEQ, R-6.6.3.2-S0, R-6.4.2-INC-BLOCK, S-3.4-BLOCK, R-4.1.3-GA."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        bed.h1.report((packet.ALLOW, GS, [S1, S2]))
        mcastd.wait_filter("d1", GS, ("include", {S1, S2}, set()))
        bed.h1.wire.clear()
        bed.h1.report((packet.BLOCK, GS, [S1, "192.0.2.77"]))
        mcastd.wait_filter("d1", GS, ("include", {S2}, set()))
        bed.router.settle()
        queries = bed.h1.wire.messages(lambda m: m.is_query and m.group == GS)
        assert len(queries) == 2
        for message in queries:
            assert_query(bed, message, bed.d1, GS,
                         packet.igmp_query(GS, [S1], mrc=5, qrv=2, qqic=8))
        assert at_about(queries[1].time - queries[0].time, 0.5)


def test_answered_query_is_repeated_with_s_set(lab):
    """R-6.6.3.1-S1: the second Q(G) tells other routers not to lower their timers."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        bed.h1.report((packet.TO_EX, G, []))
        mcastd.wait_member("d1", G)
        bed.h1.report((packet.TO_IN, G, []))
        bed.h1.wire.wait_message(lambda m: m.group == G)
        bed.h1.report((packet.IS_EX, G, []))
        queries = bed.h1.wire.wait_message(lambda m: m.is_query and m.group == G, 2)
        assert [m.suppress for m in queries] == [False, True]
        assert mcastd.membership("d1", G)


def test_large_source_list_is_split(lab):
    """R-4.1.8-MTU: each source once per round, no packet over the MTU, no fragments."""
    bed = Bed(lab)
    sources = [f"198.51.{n // 250}.{n % 250 + 1}" for n in range(1000)]
    with bed.daemon() as mcastd:
        for start in range(0, 1000, 250):
            bed.h1.report((packet.ALLOW, GS, sources[start:start + 250]))
        mcastd.wait(lambda: len(mcastd.membership("d1", GS)["sources"]) == 1000,
                    what="1000 sources")
        bed.h1.wire.clear()
        bed.h1.report((packet.TO_IN, GS, []))
        mcastd.wait_no_member("d1", GS)
        bed.router.settle()
        queries = bed.h1.wire.messages(lambda m: m.is_query and m.group == GS)
        for message in queries:
            assert len(message.sources) <= 366 and message.valid and not message.suppress
            assert len(message.frame) == 14 + 24 + 12 + 4 * len(message.sources)
        asked = [source for message in queries for source in message.sources]
        assert sorted(asked) == sorted(sources * 2)
