# SPDX-License-Identifier: BSD-2-Clause
"""The router is a host too: programs on it that join groups (issue: its own memberships)."""

import time

import pytest
from bed import G, QUICK, Bed
from lab import packet
from lab.host import Receiver


def answers(host, group):
    """Current-state records about a group that the router's kernel has sent to this link."""
    return host.wire.messages(
        lambda m: m.kind == packet.V3_REPORT and (packet.IS_EX, group, []) in m.records)


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_kernel_still_answers(lab, mode):
    """Queries of others on the upstream, and our own on a downstream, reach the host's IGMP."""
    bed = Bed(lab)
    up, down = "239.5.5.5", "239.6.6.6"
    with bed.daemon(QUICK + f"xdp-mode = {mode}\n") as bed.mcastd:
        for name, group in (("u", up), ("d1", down)):
            receiver = Receiver(bed.router.space, name, group)
            lab.callback(receiver.close)
            receiver.join()
        for number in range(1, 4):
            bed.source.send_igmp(packet.ALL_SYSTEMS, packet.igmp_query(mrc=5), source="10.9.0.1")
            bed.mcastd.wait(lambda n=number: len(answers(bed.source, up)) >= n, timeout=5,
                            what=f"answer {number} upstream")
        # Query after query: one every 2 s.
        bed.mcastd.wait(lambda: len(answers(bed.h1, down)) >= 3, timeout=15,
                        what="answers to our own queries")
        # What the kernel sends is not a neighbour's.
        assert not bed.mcastd.ctl("show", "groups")["groups"]
        assert bed.mcastd.statistics("d1")["received"]["total"] == 0


def test_local_join_of_a_forwarded_group(lab):
    """What XDP forwards does not reach the router's own programs: said in the log and explained."""
    bed = Bed(lab)
    with bed.daemon() as bed.mcastd:
        receiver = Receiver(bed.router.space, "u", G)
        lab.callback(receiver.close)
        receiver.join()
        bed.h1.receiver(G).join()
        bed.mcastd.wait_member("d1", G)
        bed.mcastd.wait(lambda: f"a program on this host has joined {G}" in bed.mcastd.log(),
                        what="the log line")
        explained = bed.mcastd.ctl("explain", "192.0.2.1", G)["explanation"]
        assert any(line.startswith("this host: no:") for line in explained), explained


def test_queries_for_the_kernel_are_limited(lab):
    """A flood of queries is not handed on: what the kernel's IP receives is a few of them."""
    bed = Bed(lab)

    def received():
        with bed.router.space.entered(), open("/proc/thread-self/net/netstat",
                                              encoding="ascii") as file:
            names, values = (line.split() for line in file if line.startswith("IpExt:"))
        return int(values[names.index("InMcastPkts")])

    with bed.daemon(QUICK.replace("= 2", "= 1000")) as bed.mcastd:
        before = received()
        for _ in range(100):
            time.sleep(0.005)
            for group in ("0.0.0.0", G):
                bed.source.send_igmp(packet.ALL_SYSTEMS if group != G else G,
                                     packet.igmp_query(group, mrc=5), source="10.9.0.1")
        bed.mcastd.wait(lambda: bed.mcastd.statistics("u")["received"]["queries"] >= 100,
                        what="the queries")
        bed.router.settle()
        assert 5 <= received() - before <= 20
