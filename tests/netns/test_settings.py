# SPDX-License-Identifier: BSD-2-Clause
"""
What settings of mcastd.conf(5) do, seen on the wire: d1 has the setting, d2 what is so without it.
Others are in the tests of what they concern, as test_every_setting_has_a_test() knows.
"""

import glob
import os
import re
import time

import pytest

from bed import FAST, G, GS, LATE, S1, S2, S3, S4, Bed, at_about, through
from lab import packet
from lab.daemon import ROOT

V1, V2, V3 = "239.1.0.1", "239.1.0.2", "239.1.0.3"  # groups to be reported in these versions
LAST = "239.99.99.99"
LONG = "query-interval = 1000\nquery-max-response-time = 2\n"


def general(message):
    return message.is_general_query


def v1_report(host, group):
    host.send_igmp(group, packet.igmp_short(packet.V1_REPORT, group), options=b"")


def v2_report(host, group):
    host.send_igmp(group, packet.igmp_short(packet.V2_REPORT, group))


def joined(mcastd, *hosts):
    """Each host's port and the groups there, once all has been heard that the hosts have said."""
    for host in hosts:
        host.report((packet.TO_EX, LAST, []))
        mcastd.wait_member(host.port.name, LAST)
    found = {host.port.name: set() for host in hosts}
    for group in mcastd.ctl("show", "groups")["groups"]:
        found[group["interface"]].add(group["group-address"])
    return [found[host.port.name] - {LAST} for host in hosts]


def check_data(bed, wanted, group=G, source=S1):
    """A datagram from upstream reaches these hosts and no other."""
    bed.clear()
    frames = bed.send(group, source)
    bed.expect({host: through(frames, host.port) for host in wanted})


def test_every_setting_has_a_test():
    """Each name of the table in config.c is set by some namespace test."""
    with open(os.path.join(ROOT, "userspace", "control", "config.c"), encoding="utf-8") as file:
        known = re.findall(r'^\t(?:[A-Z_0-9]+\(|\{ (?:\.name = )?)"([a-z0-9-]+)"', file.read(), re.M)
    text = ""
    for path in glob.glob(os.path.join(os.path.dirname(__file__), "test_*.py")):
        with open(path, encoding="utf-8") as file:
            text += file.read()
    assert len(known) > 30
    missing = [name for name in known
               if not re.search(rf"(?<![\w-]){name} (=|{{|[0-9{{])", text)]
    assert not missing


# --- the queries of a start ----------------------------------------------------------------------

def test_startup_query_count(lab):
    """R-8.6-START: so many queries, then query-interval."""
    bed = Bed(lab)
    with bed.daemon(LONG + "startup-query-interval = 0.3\n", d1=["startup-query-count = 3"],
                    d2=["startup-query-count = 6"]):
        # The sixth on d2 is nearly a second later than a fourth would be on d1.
        bed.h3.wire.wait_message(general, 6)
        assert len(bed.h1.wire.messages(general)) == 3


def test_startup_query_interval(lab):
    """R-8.6-START: the time between them; a quarter of query-interval without being set."""
    bed = Bed(lab)
    text = "query-interval = 8\nquery-max-response-time = 2\nstartup-query-count = 6\n"
    with bed.daemon(text, d1=["startup-query-interval = 0.3"]):
        first, second = bed.h3.wire.wait_message(general, 2)[:2]
        assert at_about(second.time - first.time, 2)
        assert len(bed.h1.wire.messages(general)) > 3


# --- upstream ------------------------------------------------------------------------------------

def test_unsolicited_report_interval(lab):
    """
    P-5.1-RTX: a change is told robustness-variable times, each within this time of the last: 40
    times within 4 seconds, where it would be 20 without the setting, give or take 4.
    """
    bed = Bed(lab)
    with bed.daemon(FAST + "robustness-variable = 40\n",
                    u=["unsolicited-report-interval = 0.1"]):
        bed.h1.report((packet.ALLOW, GS, [S1]))
        told = bed.source.wire.wait_message(lambda m: m.record(GS) == (packet.ALLOW, [S1]), 40,
                                            timeout=15)
        assert told[39].time - told[0].time < 39 * 0.1 + LATE


@pytest.mark.parametrize("setting, kind", [("host-compatibility = true", packet.V2_REPORT),
                                           ("host-compatibility = false", packet.V3_REPORT)])
def test_host_compatibility_upstream(lab, setting, kind):
    """P-7.2.1-V2: a querier of version 2 is answered in its version, or in ours."""
    bed = Bed(lab)
    with bed.daemon(FAST, u=[setting]) as mcastd:
        bed.source.send_igmp(packet.ALL_SYSTEMS, packet.igmp_short(packet.QUERY, "0.0.0.0", 1))
        mcastd.wait(lambda: mcastd.statistics("u")["received"]["queries"] == 1, what="the query")
        bed.h1.report((packet.TO_EX, G, []))
        first = bed.source.wire.wait_message(lambda m: m.group == G or m.record(G))[0]
        assert first.kind == kind


# --- what is understood --------------------------------------------------------------------------

def test_host_compatibility(lab):
    """R-7.3.2-V2JOIN: hosts of version 1 and 2 are understood, or not."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=["host-compatibility = false"]) as mcastd:
        for host in (bed.h1, bed.h3):
            v1_report(host, V1)
            v2_report(host, V2)
            host.report((packet.TO_EX, V3, []))
        assert joined(mcastd, bed.h1, bed.h3) == [{V3}, {V1, V2, V3}]
        check_data(bed, [bed.h3], V1)
        check_data(bed, [bed.h3], V2)
        check_data(bed, [bed.h1, bed.h3], V3)


@pytest.mark.parametrize("setting, heard", [("ignore-v1 = true", {V2, V3}),
                                            ("ignore-v2 = true", {V1, V3})])
def test_ignored_versions(lab, setting, heard):
    """R-9.2-IGNV1"""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=[setting]) as mcastd:
        for host in (bed.h1, bed.h3):
            v1_report(host, V1)
            v2_report(host, V2)
            host.report((packet.TO_EX, V3, []))
        assert joined(mcastd, bed.h1, bed.h3) == [heard, {V1, V2, V3}]
        for group in (V1, V2, V3):
            check_data(bed, [bed.h1, bed.h3] if group in heard else [bed.h3], group)


def test_oldest_version(lab):
    """R-6.6.2-OLDEST: we speak the version of another querier, or go on with ours and say so."""
    bed = Bed(lab)
    text = "query-interval = 2\nquery-max-response-time = 1\n"
    with bed.daemon(text, d1=["oldest-version = true"]):
        for host in (bed.h1, bed.h3):
            host.wire.wait_message(general)
            # From a higher address: we stay the querier.
            host.send_igmp(packet.ALL_SYSTEMS, packet.igmp_short(packet.QUERY, "0.0.0.0", 10),
                           source=host.address.replace(".10", ".200"))
        bed.clear()
        query = bed.h1.wire.wait_message(lambda m: m.is_general_query and m.version == 2)[0]
        assert query.source == bed.d1.address
        assert packet.ip_payload(query.frame) == packet.igmp_short(packet.QUERY, "0.0.0.0", 10)
        assert {m.version for m in bed.h3.wire.wait_message(general)} == {3}


def test_accept_any_ttl(lab):
    """R-4-TTLRX, A-10: messages that have come a long way, or say so, count, or do not."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=["accept-any-ttl = true"]) as mcastd:
        for host in (bed.h1, bed.h3):
            host.report((packet.TO_EX, G, []), ttl=64)
        assert joined(mcastd, bed.h1, bed.h3) == [{G}, set()]
        check_data(bed, [bed.h1])


def test_allow_link_local_source(lab):
    """R-9.2-SRC: hosts that have no address of the link yet, where others' reports do not count."""
    bed = Bed(lab)
    with bed.daemon(FAST + "verify-source-subnet = true\n",
                    d1=["allow-link-local-source = true"]) as mcastd:
        for host in (bed.h1, bed.h3):
            host.report((packet.TO_EX, G, []), source="169.254.7.7")
            host.report((packet.TO_EX, V3, []), source="172.16.7.7")
        assert joined(mcastd, bed.h1, bed.h3) == [{G}, set()]
        check_data(bed, [bed.h1])


def test_ssm_range(lab):
    """S-3-RANGE: another range, in the place of 232.0.0.0/8: no join there without sources."""
    other = "239.100.1.1"
    bed = Bed(lab)
    with bed.daemon(FAST, d1=['ssm-range = { "239.100.0.0/16" }']) as mcastd:
        for host in (bed.h1, bed.h3):
            host.report((packet.TO_EX, other, []))
            host.report((packet.TO_EX, GS, []))
        assert joined(mcastd, bed.h1, bed.h3) == [{GS}, {other}]
        check_data(bed, [bed.h3], other)
        check_data(bed, [bed.h1], GS)
        bed.h1.report((packet.ALLOW, other, [S1]))
        assert joined(mcastd, bed.h1, bed.h3) == [{GS, other}, {other}]
        check_data(bed, [bed.h1, bed.h3], other, S1)
        check_data(bed, [bed.h3], other, S2)


# --- limits --------------------------------------------------------------------------------------

def test_max_sources(lab):
    """L-MAXS: of all groups of a port together, the first so many; what is there stays."""
    bed = Bed(lab)
    second = "232.1.1.2"
    with bed.daemon(FAST, d1=["max-sources = 3"]) as mcastd:
        for host in (bed.h1, bed.h3):
            host.report((packet.ALLOW, GS, [S1, S2]))
            host.report((packet.ALLOW, second, [S3, S4]))
        assert joined(mcastd, bed.h1, bed.h3) == [{GS, second}, {GS, second}]
        for group, source, hosts in ((GS, S1, [bed.h1, bed.h3]), (GS, S2, [bed.h1, bed.h3]),
                                     (second, S3, [bed.h1, bed.h3]), (second, S4, [bed.h3])):
            check_data(bed, hosts, group, source)


def test_max_hosts(lab):
    """
    L-TRACK: where a host may be there that explicit-tracking has no room for, no leave is sure to
    be the last one; where all are known, the stream stops with the last of them at once.
    """
    bed = Bed(lab, lan=True)
    text = FAST.replace("last-member-query-interval = 0.5", "last-member-query-interval = 10")
    with bed.daemon(text, d1=["explicit-tracking = true", "max-hosts = 1"]) as mcastd:
        def refused():
            return mcastd.statistics("d1")["refused"]["hosts"]

        bed.h1.report((packet.TO_EX, G, []))
        mcastd.wait_member("d1", G)
        bed.h1.report((packet.TO_IN, G, []))
        mcastd.wait_no_member("d1", G)
        bed.h1.report((packet.TO_EX, G, []))
        mcastd.wait_member("d1", G)
        bed.h2.report((packet.TO_EX, G, []))
        mcastd.wait(lambda: refused() == 1, what="h2 untracked")
        for host in (bed.h1, bed.h2):
            host.report((packet.TO_IN, G, []))
        mcastd.wait(lambda: mcastd.statistics("d1")["received"]["reports"] == 6, what="leaves")
        check_data(bed, [bed.h1, bed.h2])


def test_fragment_rate_limit(lab):
    """
    D-MTU: so many large packets in a second go in fragments to where they do not fit; the others
    go where they fit, and nowhere twice.
    """
    count, limit = 30, 5
    bed = Bed(lab)
    bed.router.space.ip("link", "set", "d1", "mtu", "600")
    began = time.monotonic()
    with bed.daemon(FAST, u=[f"fragment-rate-limit = {limit}"]) as mcastd:
        for host in (bed.h1, bed.h3):
            host.report((packet.TO_EX, G, []))
            mcastd.wait_member(host.port.name, G)
        bed.clear()
        frames = [bed.source.send_data(G, bytes([n]) * 1000) for n in range(count)]
        bed.h3.wire.wait(packet.is_data, count)
        bed.router.settle()
        # By two ways: in another order.
        assert sorted(bed.h3.data()) == sorted(through(frames, bed.d2))
        in_fragments = len(bed.h1.data()) // 2
        assert mcastd.statistics("u")["data"]["fragment-limited"] == count - in_fragments
        # A second's worth at the start, and since then as time went by.
        assert limit <= in_fragments <= limit + limit * (time.monotonic() - began) + 1
