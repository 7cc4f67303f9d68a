# SPDX-License-Identifier: BSD-2-Clause
"""Real kernel hosts of every IGMP version, alone and together: CONFORMANCE.md sections 3 to 9."""

import pytest

from bed import (EXCLUDE, FAST, G, GS, INCLUDE, LMQT, QUICK, QUICK_GMI, QUICK_LMQT, S1, S2, S3,
                 Bed, at_about, through)
from lab import packet, wait_for
from lab.host import MCAST_EXCLUDE, MCAST_INCLUDE


@pytest.mark.parametrize("version", [1, 2, 3])
def test_join(lab, version):
    """R-7.3.2-V1JOIN, R-7.3.2-V2JOIN, R-6.4.2-NONE-TO_EX: forwarded at once."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        bed.h1.force_igmp_version(version)
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        member = mcastd.membership("d1", G)
        assert member["filter-mode"] == EXCLUDE and member["host-version"] == version
        assert member["last-reporter"] == bed.h1.address
        bed.expect({bed.h1: through(bed.send(count=3), bed.d1)})


@pytest.mark.parametrize("version", [2, 3])
def test_leave_latency(lab, version):
    """R-6.6.3.1-LOWER, R-6.4.2-HOLD, R-7.3.2-LEAVE: data flows on for LMQT, and no longer."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        bed.h1.force_igmp_version(version)
        receiver = bed.h1.receiver(G).join()
        stream = bed.source.stream(G).start(per_second=100)
        wait_for(lambda: receiver.drain(), what="the stream")
        receiver.leave()
        kind = packet.V2_LEAVE if version == 2 else packet.V3_REPORT
        left = bed.h1.sent_message(lambda m: m.kind == kind and
                                   (version == 2 or m.record(G) == (packet.TO_IN, [])))
        mcastd.wait_no_member("d1", G)
        stream.stop()
        bed.router.settle()
        frames = bed.h1.wire.arrived(lambda d: packet.is_data(d, G))
        last = [f for f in frames if f.time > left.time][-1]
        assert at_about(last.time - left.time, QUICK_LMQT)
        queries = bed.h1.wire.messages(lambda m: m.is_query and m.group == G)
        assert len(queries) == 2 and not any(m.suppress for m in queries)


def test_v1_host_ends_by_group_membership_interval_only(lab):
    """R-7.3.2-V1MODE, R-8.4-GMI: nobody leaves in version 1, and leaves are ignored."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        bed.h1.force_igmp_version(1)
        receiver = bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        receiver.leave()
        bed.h1.send_igmp(packet.ALL_ROUTERS, packet.igmp_short(packet.V2_LEAVE, G))
        stream = bed.source.stream(G).start(per_second=50)
        mcastd.wait_no_member("d1", G, timeout=QUICK_GMI + 5)
        stream.stop()
        bed.router.settle()
        report = bed.h1.sent_message(lambda m: m.kind == packet.V1_REPORT and m.group == G)
        last = bed.h1.wire.arrived(lambda d: packet.is_data(d, G))[-1]
        assert at_about(last.time - report.time, QUICK_GMI)
        assert not bed.h1.wire.messages(lambda m: m.is_query and m.group == G)


def test_silent_member_expires(lab):
    """R-8.4-GMI, R-8.4-SRC: one report, then silence; the group and the source end after GMI."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        bed.h1.report((packet.IS_EX, G, []), (packet.IS_IN, GS, [S1]))
        mcastd.wait_member("d1", G)
        streams = [bed.source.stream(G).start(per_second=50)]
        mcastd.wait_no_member("d1", G, timeout=QUICK_GMI + 5)
        mcastd.wait_no_member("d1", GS)
        streams[0].stop()
        bed.router.settle()
        report = bed.h1.sent_message(lambda m: m.record(G))
        last = bed.h1.wire.arrived(lambda d: packet.is_data(d, G))[-1]
        assert at_about(last.time - report.time, QUICK_GMI)


def test_member_stays_as_long_as_it_answers(lab):
    """R-6.4.1-INC-IS_IN2, R-4.1.12-DST: the kernel's answers to our queries keep it."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        receiver = bed.h1.receiver(GS).join_source(S1)
        other = bed.h3.receiver(G).join()
        mcastd.wait_member("d1", GS)
        mcastd.wait_member("d2", G)
        stream = bed.source.stream(G).start(per_second=50)
        queries = bed.h1.wire.wait_message(lambda m: m.is_general_query, 6, timeout=20)
        assert queries[-1].time - queries[0].time > QUICK_GMI
        assert mcastd.filter("d1", GS) == (INCLUDE, {S1}, set())
        sent = stream.stop()
        bed.router.settle()
        numbers = [number for _source, _stream, number in other.drain()]
        assert numbers == list(range(numbers[0], sent))
        receiver.close()


def test_two_hosts_one_leaves(lab):
    """R-6.4.2-ANS, R-6.4.2-HOLD: the other answers, and misses nothing."""
    bed = Bed(lab, lan=True)
    with bed.daemon() as mcastd:
        first, second = bed.h1.receiver(G).join(), bed.h2.receiver(G).join()
        mcastd.wait_member("d1", G)
        stream = bed.source.stream(G).start(per_second=200)
        wait_for(lambda: second.drain(), what="the stream")
        first.leave()
        bed.h2.wire.wait_message(lambda m: m.is_query and m.group == G, 2)
        count = len(second.drain())
        wait_for(lambda: len(second.drain()) > count + 300, what="the stream after the queries")
        sent = stream.stop()
        bed.router.settle()
        numbers = [number for _source, _stream, number in second.drain()]
        assert numbers == list(range(numbers[0], sent))
        second.leave()
        mcastd.wait_no_member("d1", G)
        bed.clear()
        bed.send()
        bed.expect({})


def test_two_hosts_two_sources(lab):
    """R-6.4.2-ANSPART, R-6.2.3-INCEXP: one source stops, the other goes on without a gap."""
    bed = Bed(lab, lan=True)
    with bed.daemon() as mcastd:
        first = bed.h1.receiver(G).join_source(S1)
        bed.h2.receiver(G).join_source("10.9.0.10")
        mcastd.wait_filter("d1", G, (INCLUDE, {S1, "10.9.0.10"}, set()))
        stream = bed.source.stream(G).start(per_second=100)
        first.leave_source(S1)
        mcastd.wait_filter("d1", G, (INCLUDE, {"10.9.0.10"}, set()), timeout=LMQT + 4)
        sent = stream.stop()
        bed.router.settle()
        assert len(bed.h2.data(G)) == sent
        bed.clear()
        bed.send(source=S1)
        bed.expect({})


def test_two_hosts_exclude_different_sources(lab):
    """R-6.4.2-EXC-TO_EX, P-4.2-SRC: only what both exclude is blocked."""
    bed = Bed(lab, lan=True)
    with bed.daemon() as mcastd:
        bed.h1.receiver(G).join().set_filter(MCAST_EXCLUDE, [S1, S2])
        mcastd.wait_filter("d1", G, (EXCLUDE, set(), {S1, S2}), timeout=LMQT + 4)
        bed.h2.receiver(G).join().set_filter(MCAST_EXCLUDE, [S2, S3])
        mcastd.wait(lambda: mcastd.filter("d1", G)[2] == {S2}, what="S2 alone blocked")
        bed.send(source=S2)
        frames = bed.send(source=S1) + bed.send(source=S3)
        bed.expect({bed.h1: through(frames, bed.d1), bed.h2: through(frames, bed.d1)})


def test_include_and_exclude_on_one_lan(lab):
    """R-6.4.2-INC-TO_EX, R-6.5-SWITCH: EXCLUDE wins while it lasts, then INCLUDE is left."""
    bed = Bed(lab, lan=True)
    with bed.daemon() as mcastd:
        bed.h1.receiver(G).join_source(S1)
        mcastd.wait_filter("d1", G, (INCLUDE, {S1}, set()))
        other = bed.h2.receiver(G).join()
        mcastd.wait(lambda: mcastd.filter("d1", G)[0] == EXCLUDE, what="EXCLUDE")
        frames = bed.send(source=S1) + bed.send(source=S2)
        bed.expect({bed.h1: through(frames, bed.d1), bed.h2: through(frames, bed.d1)})
        other.leave()
        mcastd.wait_filter("d1", G, (INCLUDE, {S1}, set()), timeout=LMQT + 4)
        bed.send(source=S2)
        frames = bed.send(source=S1)
        bed.expect({bed.h1: through(frames, bed.d1), bed.h2: through(frames, bed.d1)})


def test_v2_host_next_to_a_v3_host(lab):
    """R-7.3.2-INCV2, R-7.3.2-BLOCK, R-7.3.2-PERGRP: the old host's needs prevail in its group."""
    bed = Bed(lab, lan=True)
    with bed.daemon() as mcastd:
        third = bed.h1.receiver(G).join_source(S1)
        bed.h1.receiver("239.2.2.2").join_source(S1)
        mcastd.wait_filter("d1", G, (INCLUDE, {S1}, set()))
        bed.h2.force_igmp_version(2)
        bed.h2.receiver(G).join()
        mcastd.wait(lambda: mcastd.filter("d1", G)[0] == EXCLUDE, what="EXCLUDE by version 2")
        assert mcastd.membership("d1", G)["host-version"] == 2
        assert mcastd.membership("d1", "239.2.2.2")["host-version"] == 3
        bed.h1.wire.clear()
        third.set_filter(MCAST_INCLUDE, [S2])  # ALLOW{S2}, BLOCK{S1}
        bed.router.settle()
        frames = bed.send(source=S1) + bed.send(source=S3)
        bed.expect({bed.h1: through(frames, bed.d1), bed.h2: through(frames, bed.d1)})
        assert not bed.h1.wire.messages(lambda m: m.is_query and m.sources)


def test_ssm_groups_take_no_any_source_join(lab):
    """S-3.1-EX, S-3.5-V12, S-4607-5.2: a (*,GS) request creates nothing."""
    bed = Bed(lab, lan=True)
    with bed.daemon() as mcastd:
        bed.h2.force_igmp_version(2)
        bed.h2.receiver(GS).join()
        bed.h1.report((packet.TO_EX, GS, []), (packet.ALLOW, G, [S1]))
        mcastd.wait_member("d1", G)
        bed.h2.send_igmp(GS, packet.igmp_short(packet.V2_REPORT, GS))
        bed.h1.report((packet.ALLOW, "239.2.2.2", [S1]))
        mcastd.wait_member("d1", "239.2.2.2")
        assert not mcastd.membership("d1", GS)
        bed.send(GS)
        bed.expect({})


def test_link_local_groups_are_not_tracked(lab):
    """R-LL-TRACK, R-LL-FWD, R-5-ALLSYS."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        bed.h1.receiver("224.0.0.251").join()
        bed.h1.report((packet.TO_EX, "224.0.0.1", []), (packet.TO_EX, "224.0.0.5", []),
                      (packet.TO_EX, G, []))
        mcastd.wait_member("d1", G)
        groups = {g["group-address"] for g in mcastd.ctl("show", "groups")["groups"]}
        assert groups == {G}
        reports = bed.source.wire.wait_message(lambda m: m.kind == packet.V3_REPORT)
        assert {g for m in reports for _kind, g, _sources in m.records} == {G}


OPTIONS = {
    "none": b"", "router alert": packet.ROUTER_ALERT, "NOPs": b"\1" * 8,
    "NOPs and router alert": b"\1" * 36 + packet.ROUTER_ALERT,
}


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_igmp_of_any_shape_reaches_the_daemon(lab, mode):
    """R-IHL, R-9.2-RA, R-4.1.2-LEN, R-4.2.12-RX, R-4.2.11-RX, R-4-TOSRX, R-2236-2.5, R-4.2-MAX."""
    bed = Bed(lab)
    with bed.daemon(FAST + f"xdp-mode = {mode}\n") as mcastd:
        wanted = set()

        def report(frame_fields, message, *groups):
            bed.h1.send_igmp(packet.ALL_V3_ROUTERS if message[0] == packet.V3_REPORT else groups[0],
                             message, **frame_fields)
            wanted.update(groups)

        for number, options in enumerate(OPTIONS.values()):
            group = f"239.3.{number}.1"
            report({"options": options}, packet.igmp_report((packet.TO_EX, group, [])), group)
            report({"options": options, "pad": 60},
                   packet.igmp_short(packet.V2_REPORT, f"239.3.{number}.2"), f"239.3.{number}.2")
        report({}, packet.igmp_report((packet.TO_EX, "239.3.9.1", []), extra=bytes(10)),
               "239.3.9.1")
        report({}, packet.igmp_report(
            packet.igmp_record(packet.TO_EX, "239.3.9.2", (), aux=b"auxiliar"),
            (packet.TO_EX, "239.3.9.3", [])), "239.3.9.2", "239.3.9.3")
        report({"tos": 0}, packet.igmp_report((packet.TO_EX, "239.3.9.4", [])), "239.3.9.4")
        report({}, packet.igmp_short(packet.V2_REPORT, "239.3.9.5", extra=bytes(1400)),
               "239.3.9.5")
        many = [f"239.4.{n // 250}.{n % 250 + 1}" for n in range(183)]
        report({}, packet.igmp_report(*((packet.TO_EX, group, []) for group in many)), *many)

        def groups():
            return {g["group-address"] for g in mcastd.ctl("show", "groups")["groups"]}

        mcastd.wait(lambda: groups() == wanted, what=f"{wanted - groups()}")


def test_igmp_on_every_receive_queue(lab):
    """D-PASS: a report is heard whichever queue the driver puts it into."""
    bed = Bed(lab, queues=2)
    with bed.daemon() as mcastd:
        wanted = {f"239.5.0.{number}" for number in range(1, 41)}
        for number in range(1, 41):
            bed.h1.send_igmp(packet.ALL_V3_ROUTERS, packet.igmp_report(
                (packet.TO_EX, f"239.5.0.{number}", [])), source=f"10.0.1.{number + 10}")

        def groups():
            return {g["group-address"] for g in mcastd.ctl("show", "groups")["groups"]}

        mcastd.wait(lambda: groups() == wanted, what=f"{wanted - groups()}")
        counters = dict(line.split(": ") for line in
                        bed.router.space.run("ethtool", "-S", "d1").split("\n")
                        if ": " in line)
        used = [int(value) for key, value in counters.items() if "rx_queue" in key and
                key.strip().endswith("xdp_packets")]
        assert len(used) == 2 and all(used), counters
