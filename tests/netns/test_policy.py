# SPDX-License-Identifier: BSD-2-Clause
"""Arrival checks, limits and policy: CONFORMANCE.md sections 11, 14 and 16; reload of all that."""

from bed import EXCLUDE, FAST, G, GS, INCLUDE, LMQT, S1, S2, S3, Bed, through
from lab import packet, wait_for
from lab.daemon import hold


def groups(bed, interface="d1"):
    return {g["group-address"] for g in bed.mcastd.ctl("show", "groups")["groups"]
            if g["interface"] == interface}


def report_and_wait(bed, *records):
    """Sends records and one that is always taken, and waits until the daemon has read them."""
    bed.h1.report(*records)
    bed.h1.report((packet.TO_EX, "239.99.99.99", []))
    bed.mcastd.wait_member("d1", "239.99.99.99")


def test_spoofed_sources(lab):
    """P-5-LOOP: a source must live behind the port that it comes from; altnet widens it."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=['altnet = { "203.0.113.0/24" }']) as bed.mcastd:
        bed.h3.receiver(G).join()
        bed.mcastd.wait_member("d2", G)
        bed.send(host=bed.h1, source="192.0.2.200")  # not of d1
        bed.send(source="10.0.1.77")  # of d1, but from u
        bed.send(host=bed.h1, source="10.0.2.10")  # of d2, but from d1
        bed.expect({})
        for port, count in (("d1", 2), ("u", 1)):
            assert bed.mcastd.statistics(port)["data"]["arrived"]["wrong-port"] == count
            assert bed.mcastd.statistics(port)["dropped"]["wrong-port"] == count
        # The router's own, wherever they are and whatever altnet says; also one that comes later.
        own = ["10.0.1.100", "10.0.2.100", "203.0.113.50"]
        bed.router.space.ip("address", "add", "203.0.113.50/32", "dev", "lo")
        wait_for(lambda: "an address of the router" in
                 bed.mcastd.ctl.text("explain", "203.0.113.50", G), what="the address to be known")
        for source in own:
            bed.send(host=bed.h1, source=source)
            bed.send(source=source)
        bed.expect({})
        for port, count in (("d1", 5), ("u", 4)):
            assert bed.mcastd.statistics(port)["data"]["arrived"]["wrong-port"] == count
        assert "altnet" not in bed.mcastd.ctl.text("explain", "10.0.1.100", G, "d1")
        rows = bed.mcastd.ctl("show", "flows")["unwanted"]
        assert len([row for row in rows if row["source-address"] in own]) == 6
        assert not [row for row in rows if row["source-address"] in own and "hint" in row]
        # Which line would let it in is said where one looks for it.
        hint = 'altnet = { "192.0.2.200/32" }'
        refused = {(row["incoming-interface"], row["source-address"]): row
                   for row in bed.mcastd.ctl("show", "flows")["unwanted"]}
        assert refused["d1", "192.0.2.200"]["reason"] == "wrong-port"
        assert refused["d1", "192.0.2.200"]["hint"] == hint
        assert "hint" not in refused["u", "10.0.1.77"]
        assert hint in " ".join(bed.mcastd.ctl.text("show", "flows").split())
        assert hint in bed.mcastd.ctl.text("explain", "192.0.2.200", G, "d1")
        frames = bed.send(host=bed.h1, source="203.0.113.9")
        bed.expect({bed.source: through(frames, bed.up), bed.h3: through(frames, bed.d2)})


def test_peer_of_an_address_is_at_home(lab):
    """P-5-LOOP: the prefix of a point-to-point address is the peer's, here a host of d1."""
    bed = Bed(lab)
    bed.router.space.ip("address", "add", "198.51.100.1", "peer", "203.0.113.7", "dev", "d1")
    with bed.daemon() as mcastd:
        bed.h3.receiver(G).join()
        mcastd.wait_member("d2", G)
        frames = bed.send(host=bed.h1, source="203.0.113.7")
        bed.send(host=bed.h1, source="203.0.113.8")
        bed.expect({bed.source: through(frames, bed.up), bed.h3: through(frames, bed.d2)})


def test_boundary(lab):
    """R-SCOPE-BI: neither direction, and reports neither."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=['boundary = { "239.192.0.0/14" }']) as bed.mcastd:
        inside, outside = "239.193.1.1", "239.196.1.1"
        for host in (bed.h1, bed.h3):
            host.receiver(inside).join()
            host.receiver(outside).join()
        for port in ("d1", "d2"):
            bed.mcastd.wait_member(port, outside)
        bed.mcastd.wait_member("d2", inside)
        assert groups(bed) == {outside}
        bed.expect({bed.h3: through(bed.send(inside), bed.d2)})
        bed.send(inside, host=bed.h1, source=None)
        bed.expect({})
        frames = bed.send(outside)
        bed.expect({bed.h1: through(frames, bed.d1), bed.h3: through(frames, bed.d2)})
        frames = bed.send(outside, host=bed.h1, source=None)
        bed.expect({bed.source: through(frames, bed.up), bed.h3: through(frames, bed.d2)})


def test_any_boundary_is_one_for_the_local_scope(lab):
    """R-SCOPE-LOCAL: 239.255.0.0/16 does not cross a port that has a boundary."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=['boundary = { "239.192.0.0/14" }']) as bed.mcastd:
        for host in (bed.h1, bed.h3):
            host.receiver("239.255.1.1").join()
        bed.mcastd.wait_member("d2", "239.255.1.1")
        report_and_wait(bed)
        assert groups(bed) == {"239.99.99.99"}
        bed.expect({bed.h3: through(bed.send("239.255.1.1"), bed.d2)})
        # Nor as data: into that port with a route for it and without one.
        for group in ("239.255.1.1", "239.255.2.2"):
            bed.send(group, host=bed.h1, source=None)
        bed.expect({})
        assert bed.mcastd.statistics("d1")["data"]["arrived"]["boundary"] == 2
        explained = bed.mcastd.ctl.text("explain", "10.0.1.10", "239.255.1.1")
        assert 'd1: dropped on arrival: its boundary "239.255.0.0/16"' in explained


def test_boundary_upstream(lab):
    """R-SCOPE-LOCAL: nor out of the upstream, by a route and by default, whole and in fragments."""
    bed = Bed(lab)
    bed.router.space.ip("link", "set", "u", "mtu", "1000")
    with bed.daemon(FAST, u=['boundary = { "239.192.0.0/14" }']) as bed.mcastd:
        bed.h3.receiver("239.255.1.1").join()
        bed.mcastd.wait_member("d2", "239.255.1.1")
        inside = [bed.send(group, host=bed.h1, source=None)
                  for group in ("239.255.1.1", "239.255.2.2", "239.193.1.1")]
        outside = bed.send(host=bed.h1, source=None)
        bed.expect({bed.source: through(outside, bed.up), bed.h3: through(inside[0], bed.d2)})
        # Without a route, and larger than the upstream has room for.
        for group in ("239.255.2.2", "239.193.1.1"):
            bed.h1.send_data(group, bytes(1400))
        bed.expect({})
        bed.send("239.255.1.1")
        bed.expect({})


def test_ttl_threshold(lab):
    """D-THRESH: per port of departure; the other ports are not concerned."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=["ttl-threshold = 16"]) as bed.mcastd:
        bed.h1.receiver(G).join()
        bed.h3.receiver(G).join()
        bed.mcastd.wait_member("d1", G)
        bed.mcastd.wait_member("d2", G)
        low, high = bed.send(ttl=10), bed.send(ttl=64)
        bed.expect({bed.h1: through(high, bed.d1), bed.h3: through(low + high, bed.d2)})


def test_group_policy(lab):
    """L-POLICY: the first line that matches decides; the rest of the report is processed."""
    bed = Bed(lab)
    policy = 'group-policy = { "permit 239.1.0.0/16", "permit 239.99.0.0/16", "deny 224.0.0.0/4" }'
    with bed.daemon(FAST, d1=[policy]) as bed.mcastd:
        report_and_wait(bed, (packet.TO_EX, "239.2.2.2", []), (packet.TO_EX, G, []),
                        (packet.ALLOW, GS, [S1]))
        assert groups(bed) == {G, "239.99.99.99"}


def test_source_policy(lab):
    """L-POLICY: a denied source is not asked for, and explain names the rule."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=[f'source-policy = {{ "deny {S2}/32" }}']) as bed.mcastd:
        report_and_wait(bed, (packet.ALLOW, GS, [S1, S2]))
        bed.mcastd.wait_filter("d1", GS, (INCLUDE, {S1}, set()))
        explained = bed.mcastd.ctl.text("explain", S2, G)
        assert f'd1: its source-policy has "deny {S2}/32"' in " ".join(explained.split())


def test_denied_sources_stay_refused(lab):
    """L-POLICY: a denied source that a host excludes is excluded, not left out of its list."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=[f'source-policy = {{ "deny {S2}/32" }}']) as bed.mcastd:
        report_and_wait(bed, (packet.TO_EX, G, [S2, S3]))
        bed.mcastd.wait_filter("d1", G, (EXCLUDE, set(), {S2, S3}))
        frames = bed.send(source=S1)
        bed.send(source=S2)
        bed.send(source=S3)
        bed.expect({bed.h1: through(frames, bed.d1)})
        explained = bed.mcastd.ctl.text("explain", S2, G)
        assert "every one of them blocks" in " ".join(explained.split())


def test_homes_of_sources(lab):
    """P-5-LOOP: explain says what the program does, of longest prefixes and of shared ones."""
    bed = Bed(lab)
    shared = "203.0.113.0/24"
    with bed.daemon(FAST, d1=[f'altnet = {{ "10.0.0.0/8", "{shared}" }}'],
                    d2=[f'altnet = {{ "{shared}" }}']) as bed.mcastd:
        bed.h1.receiver(G).join()
        bed.h3.receiver(G).join()
        for port in ("d1", "d2"):
            bed.mcastd.wait_member(port, G)
        bed.clear()

        def explained(*words):
            answer = bed.mcastd.ctl("explain", *words)
            return " ".join(answer["explanation"]), answer["forwarded"]

        # Of d2, although d1 has a shorter prefix of it.
        frames = bed.send(host=bed.h3, source="10.0.2.77")
        bed.send(host=bed.h1, source="10.0.2.77")
        bed.expect({bed.source: through(frames, bed.up), bed.h1: through(frames, bed.d1)})
        text, forwarded = explained("10.0.2.77", G)
        assert "10.0.2.77 lives behind downstream d2" in text and forwarded
        assert "wrong-port" in explained("10.0.2.77", G, "d1")[0]
        text, forwarded = explained("10.200.1.1", G)
        assert "10.200.1.1 lives behind downstream d1" in text and forwarded
        # Of both.
        for host, other, port, arrival in ((bed.h1, bed.h3, bed.d2, "d1"),
                                           (bed.h3, bed.h1, bed.d1, "d2")):
            frames = bed.send(host=host, source="203.0.113.9")
            bed.expect({bed.source: through(frames, bed.up), other: through(frames, port)})
            text, forwarded = explained("203.0.113.9", G, arrival)
            assert f"share {shared}: d1, d2" in text and forwarded, text
            assert "wrong-port" not in text


def test_explain_what_came(lab):
    """D-TTL1 and others: what arrived and went nowhere, and what to do about it."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=["boundary = { \"239.192.0.0/14\" }"]) as bed.mcastd:
        bed.h3.receiver(G).join()
        bed.mcastd.wait_member("d2", G)
        bed.send(ttl=1, count=5)
        bed.send("239.193.1.1", host=bed.h1, source=None)
        bed.send(source="169.254.1.1")
        bed.expect({})

        def explained(*words):
            return bed.mcastd.ctl("explain", *words)["explanation"]

        lines = explained(S1, G)
        assert "5 packets came to u with TTL 1, which no router forwards: raise the sender's TTL" \
            in lines, lines
        assert "d2: yes: 10.0.2.10 joined 239.1.1.1" in " ".join(lines)
        lines = explained("10.0.1.10", "239.193.1.1")
        assert "1 packets of it arrived on d1 and were not forwarded (boundary)" in lines, lines
        lines = explained("169.254.1.1", G)
        assert lines == ["source 169.254.1.1 is link-local (169.254.0.0/16): it stays on its link",
                         "1 packets of it arrived on u and were not forwarded "
                         "(link-local-source)"]
        reasons = {(row["source-address"], row["reason"])
                   for row in bed.mcastd.ctl("show", "flows")["unwanted"]}
        assert {(S1, "ttl-expired"), ("10.0.1.10", "boundary"),
                ("169.254.1.1", "link-local-source")} <= reasons


def test_explain_own_sender(lab):
    """What programs on the router send does not arrive: explain says who the sender is."""
    bed = Bed(lab)
    with bed.daemon(FAST) as bed.mcastd:
        bed.h3.receiver(G).join()
        bed.mcastd.wait_member("d2", G)
        answer = bed.mcastd.ctl("explain", "10.0.1.100", G)
        assert not answer["forwarded"]
        assert "the sender is this router itself: 10.0.1.100 is its address on d1" in \
            answer["explanation"][0]


def test_static_groups_and_join_group(lab):
    """P-4.1-SELF: forwarded and joined upstream although nobody asks."""
    bed = Bed(lab)
    with bed.daemon(FAST, u=["join-group 239.9.9.9 { }"],
                    d1=["static-group 239.1.1.1 { }",
                        f'static-group 232.1.1.1 {{ source = {{ "{S1}" }} }}']) as bed.mcastd:
        for group, record in ((G, (packet.TO_EX, [])), (GS, (packet.ALLOW, [S1])),
                              ("239.9.9.9", (packet.TO_EX, []))):
            bed.source.wire.wait_message(lambda m, g=group, r=record: m.record(g) == r,
                                         what=f"{group} joined upstream")
        frames = bed.send(G, S2) + bed.send(GS, S1)
        bed.send(GS, S2)
        bed.send("239.9.9.9")
        bed.expect({bed.h1: through(frames, bed.d1)})
        # A host's leave does not end it.
        bed.h1.report((packet.TO_IN, G, []))
        report_and_wait(bed, (packet.TO_IN, G, []))
        bed.expect({bed.h1: through(bed.send(G), bed.d1)})


def test_max_groups(lab):
    """L-MAXG: newcomers are refused and counted, existing groups live on."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=["max-groups = 2"]) as bed.mcastd:
        bed.h1.report((packet.TO_EX, "239.1.0.1", []), (packet.TO_EX, "239.1.0.2", []),
                      (packet.TO_EX, "239.1.0.3", []))
        bed.mcastd.wait_member("d1", "239.1.0.2")
        assert groups(bed) == {"239.1.0.1", "239.1.0.2"}
        bed.h1.report((packet.TO_IN, "239.1.0.1", []))
        bed.mcastd.wait_no_member("d1", "239.1.0.1")
        bed.h1.report((packet.TO_EX, "239.1.0.3", []))
        bed.mcastd.wait_member("d1", "239.1.0.3")


def test_max_group_sources(lab):
    """L-MAXS, P-3.2-NOEX: sources beyond the limit are ignored, the mode stays."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=["max-group-sources = 2"]) as bed.mcastd:
        report_and_wait(bed, (packet.ALLOW, GS, [S1, S2, S3]))
        mode, forwarded, _blocked = bed.mcastd.filter("d1", GS)
        assert mode == INCLUDE and len(forwarded) == 2


def test_immediate_leave(lab):
    """L-FAST: stops at once, and no specific query is sent."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=["immediate-leave = true"]) as bed.mcastd:
        receiver = bed.h1.receiver(G).join()
        bed.mcastd.wait_member("d1", G)
        receiver.leave()
        bed.mcastd.wait_no_member("d1", G)
        bed.router.settle()
        assert not bed.h1.wire.messages(lambda m: m.is_query and m.group == G)


def test_explicit_tracking(lab):
    """L-TRACK: the group stops at once when the last tracked host has left, not before."""
    bed = Bed(lab, lan=True)
    text = FAST.replace("last-member-query-interval = 0.5", "last-member-query-interval = 5")
    with bed.daemon(text, d1=["explicit-tracking = true"]) as bed.mcastd:
        bed.h1.report((packet.TO_EX, G, []))
        bed.h2.report((packet.TO_EX, G, []))
        bed.mcastd.wait_member("d1", G)
        bed.h1.report((packet.TO_IN, G, []))
        report_and_wait(bed)
        assert bed.mcastd.membership("d1", G)
        bed.h2.report((packet.TO_IN, G, []))
        bed.mcastd.wait_no_member("d1", G, timeout=3)


def test_immediate_leave_of_tracked_hosts(lab):
    """L-FAST, L-TRACK: of two tracked hosts one leaves at once, the other loses nothing."""
    bed = Bed(lab, lan=True)
    with bed.daemon(FAST, d1=["immediate-leave = true", "explicit-tracking = true"]) as mcastd:
        stays, leaves = bed.h1.receiver(G).join(), bed.h2.receiver(G).join()
        mcastd.wait_member("d1", G)
        stream = bed.source.stream(G).start(per_second=200)
        wait_for(stays.drain, 5, "the stream")
        wait_for(leaves.drain, 5, "the stream at both")
        stays.drain()
        bed.h1.wire.clear()
        leaves.leave()
        bed.h1.wire.wait_message(lambda m: m.is_query and m.group == G, what="a query")
        hold(2 * LMQT)
        stream.stop()
        bed.router.settle()
        numbers = [number for _source, _stream, number in stays.drain()]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert len(numbers) > 200
        stays.leave()
        mcastd.wait_no_member("d1", G, timeout=3)


def test_require_router_alert(lab):
    """R-9.2-RA: with the knob, nothing passes without it, of version 1 neither."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=["require-router-alert = true"]) as bed.mcastd:
        bed.h1.send_igmp(packet.ALL_V3_ROUTERS, packet.igmp_report((packet.TO_EX, G, [])),
                         options=b"")
        bed.h1.send_igmp("239.5.5.5", packet.igmp_short(packet.V1_REPORT, "239.5.5.5"),
                         options=b"")
        report_and_wait(bed)
        assert groups(bed) == {"239.99.99.99"}


def test_verify_source_subnet(lab):
    """R-9.2-SRC, R-4.2.14-ZERO."""
    bed = Bed(lab)
    with bed.daemon(FAST, d1=["verify-source-subnet = true"]) as bed.mcastd:
        bed.h1.report((packet.TO_EX, "239.1.0.1", []), source="172.16.1.1")
        bed.h1.report((packet.TO_EX, "239.1.0.2", []), source="0.0.0.0")
        bed.h3.report((packet.TO_EX, "239.1.0.3", []), source="172.16.1.1")
        report_and_wait(bed)
        assert groups(bed) == {"239.1.0.2", "239.99.99.99"}
        bed.mcastd.wait_member("d2", "239.1.0.3")


def test_reload_changes_policy_and_disturbs_nothing_else(lab):
    """Issue 4 point 4: SIGHUP; the stream that it does not concern loses nothing."""
    bed = Bed(lab)
    with bed.daemon(FAST) as bed.mcastd:
        receiver = bed.h3.receiver(G).join()
        bed.mcastd.wait_member("d2", G)
        bed.h1.receiver("239.2.2.2").join()
        bed.mcastd.wait_member("d1", "239.2.2.2")
        stream = bed.source.stream(G).start(per_second=500)
        bed.mcastd.wait(receiver.drain, what="the stream")
        bed.mcastd.reload(bed.config(
            FAST, d1=['group-policy = { "deny 239.2.0.0/16" }', "ttl-threshold = 9",
                      "static-group 239.3.3.3 { }"]))
        bed.mcastd.wait_no_member("d1", "239.2.2.2")
        bed.mcastd.wait_filter("d1", "239.3.3.3", (EXCLUDE, set(), set()))
        bed.mcastd.reload(bed.config(FAST))
        bed.mcastd.wait_no_member("d1", "239.3.3.3")
        sent = stream.stop()
        bed.router.settle()
        numbers = [number for _source, _stream, number in receiver.drain()]
        assert numbers == list(range(numbers[0], sent))


def test_reload_adds_and_removes_ports(lab):
    """Issue 2 point 4, issue 4 point 4: d2 comes, d1 goes."""
    bed = Bed(lab)
    with bed.daemon(FAST, d2=None) as bed.mcastd:
        first, second = bed.h1.receiver(G).join(), bed.h3.receiver(G).join()
        bed.mcastd.wait_member("d1", G)
        assert "xdp" not in bed.router.link("d2")
        bed.mcastd.reload(bed.config(FAST, d1=None))
        bed.mcastd.wait_member("d2", G)
        assert "xdp" not in bed.router.link("d1")
        assert bed.router.link("d1")["allmulti"] == 0
        bed.expect({bed.h3: through(bed.send(), bed.d2)})
        first.close()
        second.close()


def test_bad_reload_keeps_the_old_settings(lab):
    """Issue 2, bad input: the daemon says what is wrong and goes on."""
    bed = Bed(lab)
    with bed.daemon(FAST) as bed.mcastd:
        bed.h1.receiver(G).join()
        bed.mcastd.wait_member("d1", G)
        bed.mcastd.reload("query-intervall = 3\n")
        bed.mcastd.wait(lambda: f"{bed.mcastd.config_path}:1:" in bed.mcastd.log(),
                        what="FILE:LINE in the log")
        bed.expect({bed.h1: through(bed.send(), bed.d1)})
        assert bed.mcastd.membership("d1", G)
