# SPDX-License-Identifier: BSD-2-Clause
"""Restart without loss: pinned maps and programs go on forwarding, and are taken over."""

import os

from bed import G, GS, QUICK, Bed, S1

RESTARTS = int(os.environ.get("MCASTD_RESTARTS", "4"))


def test_nothing_is_lost_by_crashes(lab):
    """
    L-RESTART: members of an any-source and of a source-specific group, on two ports, receive every
    packet once and in order while the daemon is killed and started again and again.
    """
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        members = [host.receiver(G).join() for host in (bed.h1, bed.h3)]
        special = bed.h3.receiver(GS).join_source("10.9.0.10")
        for port, group in (("d1", G), ("d2", G), ("d2", GS)):
            mcastd.wait_member(port, group)
        streams = [bed.source.stream(G).start(1000), bed.source.stream(GS).start(500)]
        mcastd.wait(lambda: len(special.drain()) > 50, what="the streams")
        for _ in range(RESTARTS):
            before = streams[0].sent
            mcastd.crash()
            mcastd.start()
            for port, group in (("d1", G), ("d2", G), ("d2", GS)):
                mcastd.wait_member(port, group)
            mcastd.wait(lambda n=before: streams[0].sent > n + 200, what="traffic after the start")
        # Past the time that hosts have to report: what nobody wants is gone, these are not.
        mcastd.wait(lambda: len(mcastd.ctl("show", "flows")["flows"]) == 2, timeout=15,
                    what="the flows of both groups")
        sent = [stream.stop() for stream in streams]
        bed.router.settle()
        for receiver in members:
            assert [number for _, _, number in receiver.drain()] == list(range(sent[0]))
        assert [number for _, _, number in special.drain()] == list(range(sent[1]))


def test_forgotten_groups_end(lab):
    """L-RESTART: bounded; what nobody reports after the start queries is not forwarded for ever."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        receiver = bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        mcastd.crash()
        receiver.leave()
        mcastd.start()
        bed.h1.wire.clear()
        bed.send(source=S1)
        bed.router.settle()
        assert len(bed.h1.data(G)) == 1  # still as the last run left it
        mcastd.wait(lambda: not mcastd.ctl("show", "flows")["flows"], timeout=15,
                    what="the route of the last run gone")
        bed.h1.wire.clear()
        bed.send(source=S1)
        bed.router.settle()
        assert not bed.h1.data(G)
