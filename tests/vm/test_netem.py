# SPDX-License-Identifier: BSD-2-Clause
"""IGMP on links that lose and reorder: the robustness variable is there for them."""

import time

import pytest

from bed import Bed
from lab import wait_for

GROUPS = [f"239.1.1.{n}" for n in range(1, 9)]

# Group Membership Interval 15 s. Seven reports in a row are lost with probability 0.3^7 = 0.0002.
ROBUST = """
robustness-variable = 7
query-interval = 2
query-max-response-time = 1
last-member-query-interval = 0.5
"""


@pytest.fixture(name="netem")
def fixture_netem(needs):
    needs("netem", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "loss", "1%")

    def netem(host, *words):
        """What the host sends passes a bad link. (What comes to it is data, too: untouched.)"""
        host.space.run("tc", "qdisc", "replace", "dev", host.ifname, "root", "netem", *words)

    return netem


def members(mcastd):
    return {g["group-address"] for g in mcastd.ctl("show", "groups")["groups"]
            if g["interface"] == "d1"}


def test_joins_survive_loss(lab, netem):
    """R-8.1: of 30 % lost reports, neither the joins nor the answers to queries are missed."""
    bed = Bed(lab)
    with bed.daemon(ROBUST) as mcastd:
        bed.h1.wire.wait_message(lambda m: m.is_query and m.qrv == 7, what="a query with QRV 7")
        netem(bed.h1, "loss", "30%")
        for group in GROUPS:
            bed.h1.receiver(group).join()
        wait_for(lambda: members(mcastd) >= set(GROUPS), 20, "all groups joined")
        end = time.monotonic() + 20  # longer than the Group Membership Interval
        while time.monotonic() < end:
            assert members(mcastd) >= set(GROUPS)
            time.sleep(0.5)
        lost = bed.h1.space.run("tc", "-s", "qdisc", "show", "dev", bed.h1.ifname)
        assert "dropped 0," not in lost, lost


def test_order_does_not_matter_in_the_end(lab, netem):
    """Joins and leaves that overtake each other end in what the hosts really want."""
    bed = Bed(lab)
    with bed.daemon(ROBUST) as mcastd:
        netem(bed.h1, "delay", "300ms", "200ms", "reorder", "40%")
        receivers = [bed.h1.receiver(group) for group in GROUPS]
        for receiver in receivers:
            receiver.join()
        for turn in range(5):
            time.sleep(0.2)
            for receiver in receivers[turn % 2::2]:
                receiver.leave()
            time.sleep(0.1)
            for receiver in receivers[turn % 2::2]:
                receiver.join()
        for receiver in receivers[::2]:
            receiver.leave()
        wanted = set(GROUPS[1::2])
        wait_for(lambda: members(mcastd) & set(GROUPS) == wanted, 30, f"only {wanted}")
        for _ in range(6):
            time.sleep(1)
            assert members(mcastd) & set(GROUPS) == wanted
