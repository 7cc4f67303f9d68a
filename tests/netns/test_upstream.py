# SPDX-License-Identifier: BSD-2-Clause
"""The upstream side: reports, answers to a crafted querier: CONFORMANCE.md sections 12 and 13."""

import pytest

from bed import (EARLY, FAST, G, GS, INCLUDE, QUICK, QUICK_LMQT, S1, S2, S3, S4, S5, S6, Bed,
                 as_sent, at_about)
from lab import packet
from lab.daemon import hold

QUERIER = "10.9.0.1"
ROBUSTNESS_WINDOW = 1.0  # Unsolicited Report Interval


@pytest.fixture(name="bed")
def fixture_bed(lab):
    bed = Bed(lab)
    with bed.daemon() as bed.mcastd:
        yield bed


def query(bed, group="0.0.0.0", sources=(), *, destination=None, **fields):
    bed.source.send_igmp(destination or (packet.ALL_SYSTEMS if group == "0.0.0.0" else group),
                         packet.igmp_query(group, sources, **fields), source=QUERIER)


def records(bed, group):
    """The (type, sources) records about a group that were reported upstream so far."""
    messages = bed.source.wire.messages(lambda m: m.kind == packet.V3_REPORT and m.record(group))
    return [m.record(group) for m in messages]


def wait_records(bed, group, record, count=1, timeout=5):
    return bed.source.wire.wait_message(
        lambda m: m.kind == packet.V3_REPORT and m.record(group) == record, count, timeout,
        what=f"{count} of {record} about {group}")


def flush(bed):
    """Lets the repetitions of state changes that were made come, and forgets them."""
    hold(ROBUSTNESS_WINDOW + 0.3)
    bed.source.wire.clear()


def test_state_change_reports(bed):
    """
    P-5.1-NEW, P-5.1-GONE, P-5.1-IMM, P-5.1-RTX, R-4-TTL, R-4-TOS, R-4-RA, R-4.2.15-DST,
    R-4.2.14-SRC, R-4.2.1-RES, R-4.2.12-TX: first joins and last leaves, to the octet.
    """
    bed.h1.report((packet.TO_EX, G, []))
    reports = wait_records(bed, G, (packet.TO_EX, []), 2)
    expected = packet.igmp_report((packet.TO_EX, G, []))
    for message in reports:
        assert message.frame == as_sent(message.frame, expected, mac=bed.up.mac,
                                        source=bed.up.address,
                                        destination=packet.ALL_V3_ROUTERS), message
    joined = bed.h1.sent_message(lambda m: m.record(G))
    assert at_about(reports[0].time - joined.time, 0)
    bed.h1.report((packet.ALLOW, GS, [S1]))
    wait_records(bed, GS, (packet.ALLOW, [S1]), 2)
    flush(bed)
    bed.h1.report((packet.TO_IN, G, []), (packet.BLOCK, GS, [S1]))
    wait_records(bed, G, (packet.TO_IN, []), 2)
    wait_records(bed, GS, (packet.BLOCK, [S1]), 2)
    flush(bed)
    assert not records(bed, G) and not records(bed, GS)


def test_exactly_robustness_many(bed):
    """P-5.1-RTX: the second within the Unsolicited Report Interval, and no third."""
    bed.h1.report((packet.TO_EX, G, []))
    first, second = wait_records(bed, G, (packet.TO_EX, []), 2)
    assert second.time - first.time <= ROBUSTNESS_WINDOW + 1
    hold(ROBUSTNESS_WINDOW + 0.5)
    assert records(bed, G) == [(packet.TO_EX, [])] * 2


def test_only_first_join_and_last_leave(bed):
    """P-4.1-LAST, P-4.1-TIMER: the others are not news; the last leave comes after LMQT."""
    bed.h1.report((packet.TO_EX, G, []))
    wait_records(bed, G, (packet.TO_EX, []), 2)
    flush(bed)
    bed.h3.report((packet.TO_EX, G, []))
    bed.mcastd.wait_member("d2", G)
    bed.h1.report((packet.IS_EX, G, []))
    bed.h1.report((packet.TO_IN, G, []))
    bed.mcastd.wait_no_member("d1", G)
    assert not records(bed, G)
    bed.h3.report((packet.TO_IN, G, []))
    gone = wait_records(bed, G, (packet.TO_IN, []))[0]
    left = bed.h3.sent_message(lambda m: m.record(G) == (packet.TO_IN, []))
    assert at_about(gone.time - left.time, 1.0)


def upstream(bed):
    return {(m["group-address"], m["filter-mode"], tuple(sorted(m["sources"])))
            for m in bed.mcastd.ctl("show", "upstream")["memberships"]}


def test_union_of_include_filters(bed):
    """P-4.1-UNION, P-3.2-NOEX, P-5.1-DIFF."""
    bed.h1.report((packet.ALLOW, G, [S1, S2]))
    wait_records(bed, G, (packet.ALLOW, [S1, S2]), 2)
    flush(bed)
    bed.h3.report((packet.ALLOW, G, [S2, S3]))
    wait_records(bed, G, (packet.ALLOW, [S3]), 2)
    assert upstream(bed) == {(G, INCLUDE, (S1, S2, S3))}
    query(bed, mrc=5)
    wait_records(bed, G, (packet.IS_IN, [S1, S2, S3]))


def test_intersection_of_exclude_filters(bed):
    """P-4.1-EXINT, P-4.1-EXALL, P-4.1-PRE, P-5.1-DIFF."""
    bed.h1.report((packet.TO_EX, G, [S1, S2, S3, S4]))
    wait_records(bed, G, (packet.TO_EX, [S1, S2, S3, S4]), 2)
    flush(bed)
    bed.h3.report((packet.TO_EX, G, [S2, S3, S4, S5]))
    wait_records(bed, G, (packet.ALLOW, [S1]), 2)
    flush(bed)
    bed.h3.report((packet.TO_EX, G, []))
    wait_records(bed, G, (packet.ALLOW, [S2, S3, S4]), 2)
    flush(bed)
    query(bed, mrc=5)
    wait_records(bed, G, (packet.IS_EX, []))


def test_mode_changes(bed):
    """P-5.1-DIFF, P-5.1-FMC: TO_EX(B) and TO_IN(B)."""
    bed.h1.report((packet.ALLOW, G, [S1]))
    wait_records(bed, G, (packet.ALLOW, [S1]), 2)
    flush(bed)
    bed.h3.report((packet.TO_EX, G, [S6]))
    wait_records(bed, G, (packet.TO_EX, [S6]), 2)
    flush(bed)
    bed.h3.report((packet.TO_IN, G, []))
    wait_records(bed, G, (packet.TO_IN, [S1]), 2)


def test_overlapping_changes_are_merged(bed):
    """P-5.1-MERGE: the second change is told at once, each source robustness many times."""
    bed.h1.report((packet.ALLOW, G, [S1]))
    wait_records(bed, G, (packet.ALLOW, [S1]))
    bed.h1.report((packet.ALLOW, G, [S2]))
    bed.source.wire.wait_message(lambda m: any(S2 in s for _kind, g, s in m.records), 2)
    flush_end = ROBUSTNESS_WINDOW + 0.5
    hold(flush_end)
    told = [source for kind, sources in records(bed, G) for source in sources]
    assert told.count(S1) == 2 and told.count(S2) == 2, records(bed, G)


def test_flap_ends_in_the_final_state(bed):
    """P-5.1-FLAP: join and leave within the window."""
    with_immediate = ["immediate-leave = true"]
    bed.mcastd.reload(bed.config(FAST, d1=with_immediate))
    bed.h1.report((packet.TO_EX, G, []))
    wait_records(bed, G, (packet.TO_EX, []))
    bed.h1.report((packet.TO_IN, G, []))
    wait_records(bed, G, (packet.TO_IN, []), 2)
    hold(ROBUSTNESS_WINDOW)
    assert records(bed, G)[-1] == (packet.TO_IN, [])


def test_answers_to_queries(bed):
    """
    P-5.2-GQ, P-5.2-GSQ, P-5.2-GSSQ, P-5.2-DELAY, P-5.2-S: what we are asked about, within the
    Max Resp Time.
    """
    bed.h1.report((packet.TO_EX, G, [S1]), (packet.ALLOW, GS, [S1, S2]))
    wait_records(bed, G, (packet.TO_EX, [S1]), 2)
    wait_records(bed, GS, (packet.ALLOW, [S1, S2]), 2)
    flush(bed)
    query(bed, mrc=10)
    asked = bed.source.sent_message(lambda m: m.is_query).time
    for group, record in ((G, (packet.IS_EX, [S1])), (GS, (packet.IS_IN, [S1, S2]))):
        answer = wait_records(bed, group, record)[0]
        assert answer.time - asked <= 1.0 + 1
        assert answer.valid and answer.source == bed.up.address
    bed.source.wire.clear()
    query(bed, G, mrc=5, suppress=True)
    wait_records(bed, G, (packet.IS_EX, [S1]))
    query(bed, GS, [S2, S3], mrc=5)
    wait_records(bed, GS, (packet.IS_IN, [S2]))
    query(bed, G, [S1, S4], mrc=5)
    wait_records(bed, G, (packet.IS_IN, [S4]))
    bed.source.wire.clear()
    query(bed, "239.8.8.8", mrc=2)
    query(bed, GS, [S5], mrc=2)
    query(bed, G, [S1], mrc=2)
    hold(0.8)
    assert not bed.source.wire.messages()


def test_more_groups_than_a_kernel_host_could(bed):
    """P-5.2-GQ, R-4.2.17-SPLIT: 400 groups, all announced, all answered for."""
    groups = [f"239.6.{n // 200}.{n % 200 + 1}" for n in range(400)]
    for start in range(0, 400, 100):
        bed.h1.report(*((packet.TO_EX, group, []) for group in groups[start:start + 100]))

    def told(kind):
        return {g for m in bed.source.wire.messages(lambda m: m.kind == packet.V3_REPORT)
                for k, g, _sources in m.records if k == kind}

    bed.mcastd.wait(lambda: told(packet.TO_EX) == set(groups), 10, "all groups announced")
    flush(bed)
    query(bed, mrc=20)
    bed.mcastd.wait(lambda: told(packet.IS_EX) == set(groups), 10, "all groups answered for")
    for message in bed.source.wire.messages():
        assert len(message.frame) <= 1514 and message.valid


def test_older_querier(bed):
    """P-7.2.1-V2, P-7.2.1-V2CHG, R-4.2.15-DST: joins as 0x16, leaves as 0x17."""
    bed.source.send_igmp(packet.ALL_SYSTEMS, packet.igmp_short(packet.QUERY, "0.0.0.0", 10),
                         source=QUERIER)
    bed.mcastd.wait(lambda: bed.mcastd.interface("u")["version"] == 2, what="version 2 upstream")
    bed.h1.report((packet.TO_EX, G, []))
    message = bed.source.wire.wait_message(lambda m: m.kind == packet.V2_REPORT)[0]
    assert message.frame == as_sent(message.frame, packet.igmp_short(packet.V2_REPORT, G),
                                    mac=bed.up.mac, source=bed.up.address, destination=G)
    bed.h1.report((packet.TO_IN, G, []))
    message = bed.source.wire.wait_message(lambda m: m.kind == packet.V2_LEAVE)[0]
    assert message.frame == as_sent(message.frame, packet.igmp_short(packet.V2_LEAVE, G),
                                    mac=bed.up.mac, source=bed.up.address,
                                    destination=packet.ALL_ROUTERS)
    assert not bed.source.wire.messages(lambda m: m.kind == packet.V3_REPORT)


def test_oldest_querier(bed):
    """P-7.2.1-V1: 0x12 reports, and no leaves."""
    bed.source.send_igmp(packet.ALL_SYSTEMS, packet.igmp_short(packet.QUERY, "0.0.0.0", 0),
                         source=QUERIER)
    bed.mcastd.wait(lambda: bed.mcastd.interface("u")["version"] == 1, what="version 1 upstream")
    bed.h1.report((packet.TO_EX, G, []))
    bed.source.wire.wait_message(lambda m: m.kind == packet.V1_REPORT and m.group == G)
    bed.h1.report((packet.TO_IN, G, []))
    bed.mcastd.wait_no_member("d1", G)
    hold(0.3)
    assert not bed.source.wire.messages(lambda m: m.kind != packet.V1_REPORT)


def test_robustness_of_the_upstream_querier(bed):
    """P-5.1-RTX, R-4.1.6-ADOPT: QRV 3 upstream means three transmissions."""
    query(bed, mrc=1, qrv=3)
    bed.mcastd.wait(lambda: bed.mcastd.interface("u")["robustness-variable"] == 3, what="QRV 3")
    bed.h1.report((packet.TO_EX, G, []))
    wait_records(bed, G, (packet.TO_EX, []), 3)
    hold(ROBUSTNESS_WINDOW + 0.5)
    assert len(records(bed, G)) == 3


def test_v2_member_beside_a_source_specific_one(bed):
    """P-4.1-V2: a version 2 report is EXCLUDE{}, whatever the other LAN's filter."""
    bed.h3.report((packet.ALLOW, G, [S1, S2]))
    wait_records(bed, G, (packet.ALLOW, [S1, S2]), 2)
    flush(bed)
    bed.h1.send_igmp(G, packet.igmp_short(packet.V2_REPORT, G))
    wait_records(bed, G, (packet.TO_EX, []), 2)
    assert upstream(bed) == {(G, "exclude", ())}


@pytest.mark.parametrize("what, source, fields", [
    ("P-5.2-MRT0", QUERIER, {"mrc": 0}),
    ("P-5.2-ZEROQ", "0.0.0.0", {"mrc": 5}),
    ("P-9.1-RA", QUERIER, {"mrc": 5, "options": b""}),
    ("R-4-TOSRX", QUERIER, {"mrc": 5, "tos": 0}),
    ("R-4.1.10-RX", QUERIER, {"mrc": 5, "extra": bytes(10)}),
])
def test_odd_queries_are_answered(bed, what, source, fields):
    """Queries as real switches and old routers send them."""
    bed.h1.report((packet.TO_EX, G, []))
    wait_records(bed, G, (packet.TO_EX, []), 2)
    message = {key: fields.pop(key) for key in ("mrc", "extra") if key in fields}
    bed.source.send_igmp(packet.ALL_SYSTEMS, packet.igmp_query(**message), source=source,
                         **fields)
    assert wait_records(bed, G, (packet.IS_EX, [])), what


def test_general_query_to_another_group_is_ignored(bed):
    """R-9.1-GQDST, P-7.2.1-GSQ: nor does an older query for one group change the version."""
    bed.h1.report((packet.TO_EX, G, []))
    wait_records(bed, G, (packet.TO_EX, []), 2)
    flush(bed)
    query(bed, destination="239.200.1.1", mrc=1)
    bed.source.send_igmp(G, packet.igmp_short(packet.QUERY, G, 1), source=QUERIER)
    wait_records(bed, G, (packet.IS_EX, []))
    assert bed.mcastd.interface("u")["version"] == 3
    assert len(records(bed, G)) == 1


def test_another_v2_members_report_suppresses_ours(bed):
    """P-2236-SUPPR: in version 2 one member's answer is enough."""
    bed.source.send_igmp(packet.ALL_SYSTEMS, packet.igmp_short(packet.QUERY, "0.0.0.0", 10),
                         source=QUERIER)
    bed.mcastd.wait(lambda: bed.mcastd.interface("u")["version"] == 2, what="version 2 upstream")
    bed.h1.report((packet.TO_EX, G, []))
    # The unsolicited report and its repetition, at most 10 s later (RFC 2236 section 8.10).
    bed.source.wire.wait_message(lambda m: m.kind == packet.V2_REPORT and m.group == G, 2, 13)
    for _ in range(5):
        flush(bed)
        bed.source.send_igmp(packet.ALL_SYSTEMS, packet.igmp_short(packet.QUERY, "0.0.0.0", 20),
                             source=QUERIER)
        hold(0.1)
        if not bed.source.wire.messages():  # else our random delay was shorter: once more
            break
        hold(2)
    bed.source.send_igmp(G, packet.igmp_short(packet.V2_REPORT, G), source="10.9.0.77")
    hold(2.5)
    assert not bed.source.wire.messages()


def test_upstream_link_down_and_up(bed):
    """P-5-UPDOWN: everything is announced anew, robustness many times."""
    bed.h1.report((packet.TO_EX, G, []), (packet.ALLOW, GS, [S1]))
    wait_records(bed, G, (packet.TO_EX, []), 2)
    flush(bed)
    bed.router.space.ip("link", "set", "u", "down")
    bed.mcastd.wait(lambda: bed.mcastd.interface("u")["state"] != "up", what="u down")
    bed.source.wire.clear()
    bed.router.space.ip("link", "set", "u", "up")
    wait_records(bed, G, (packet.TO_EX, []), 2)
    wait_records(bed, GS, (packet.ALLOW, [S1]), 2)


def test_no_router_part_upstream(bed):
    """P-3-ROLE: reports heard upstream change nothing, no query is ever sent there."""
    bed.source.report((packet.TO_EX, G, []))
    bed.source.send_igmp(G, packet.igmp_short(packet.V2_REPORT, G))
    bed.h1.report((packet.TO_EX, "239.2.2.2", []))
    bed.mcastd.wait_member("d1", "239.2.2.2")
    groups = {g["group-address"] for g in bed.mcastd.ctl("show", "groups")["groups"]}
    assert groups == {"239.2.2.2"}
    assert not bed.source.wire.messages(lambda m: m.is_query)


def test_clean_end_leaves_all_groups(lab):
    """P-5-EXIT."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        bed.h1.report((packet.TO_EX, G, []), (packet.ALLOW, GS, [S1]))
        wait_records(bed, G, (packet.TO_EX, []), 2)
        wait_records(bed, GS, (packet.ALLOW, [S1]), 2)
        bed.source.wire.clear()
        mcastd.stop()
        assert (packet.TO_IN, []) in records(bed, G)
        assert (packet.BLOCK, [S1]) in records(bed, GS)
        mcastd.start()


def test_crash_and_restart_learn_again(lab):
    """L-RESTART, P-5-EXIT: after SIGKILL the startup queries bring every member back."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        receiver = bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        mcastd.crash()
        assert not [m for m in records(bed, G) if m[0] == packet.TO_IN]
        bed.source.wire.clear()
        mcastd.start()
        wait_records(bed, G, (packet.TO_EX, []))
        bed.source.stream(G).send(10)
        mcastd.wait(lambda: len(receiver.drain()) == 10, what="the stream after a restart")


def test_leave_reaches_upstream_after_lmqt(lab):
    """P-4.1-LAST: not before the hosts had their time to answer."""
    bed = Bed(lab)
    with bed.daemon(QUICK):
        receiver = bed.h1.receiver(G).join()
        wait_records(bed, G, (packet.TO_EX, []))
        receiver.leave()
        gone = wait_records(bed, G, (packet.TO_IN, []))[0]
        left = bed.h1.wire.messages(lambda m: m.record(G) == (packet.TO_IN, []), outgoing=True)[0]
        assert gone.time - left.time >= QUICK_LMQT - EARLY
