# SPDX-License-Identifier: BSD-2-Clause
"""Issue 7 point 8: the time of day does not matter, and a daemon that was stopped recovers."""

import mmap
import os
import signal
import struct
import time

import pytest

from bed import G, GS, QUICK, QUICK_GMI, Bed, at_about, through
from lab import packet
from lab.daemon import is_sanitized
from lab.netns import run

OTHER, MISSED = "239.1.1.2", "239.1.1.3"

# What programs take for the time of day is off by as many seconds as the first word of a file says.
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static const volatile long *offset;

__attribute__((constructor)) static void begin(void)
{
	int fd = open(getenv("MCASTD_CLOCK"), O_RDONLY | O_CLOEXEC);

	offset = mmap(NULL, sizeof(*offset), PROT_READ, MAP_SHARED, fd, 0);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
	int err = real(id, ts);

	if (offset && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE || id == CLOCK_TAI))
		ts->tv_sec += *offset;
	return err;
}

time_t time(time_t *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (out)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}
"""


@pytest.fixture(name="clock")
def fixture_clock(lab, monkeypatch):
    """Sets the time of day that the programs of this test see, in seconds from the true one."""
    if is_sanitized():
        pytest.skip("the sanitizers do not load behind another library")
    source, library, path = (os.path.join(lab.dir, name)
                             for name in ("clock.c", "clock.so", "clock"))
    with open(source, "w", encoding="ascii") as file:
        file.write(CLOCK)
    run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"])
    with open(path, "w+b") as file:
        file.write(bytes(mmap.PAGESIZE))
        file.flush()
        memory = mmap.mmap(file.fileno(), mmap.PAGESIZE)
    monkeypatch.setenv("LD_PRELOAD", library)
    monkeypatch.setenv("MCASTD_CLOCK", path)
    return lambda seconds: memory.__setitem__(slice(0, 8), struct.pack("q", seconds))


def log_hours(mcastd):
    return {line[:2] for line in mcastd.log().splitlines()}


def test_time_of_day_jumps(lab, clock):
    """Queries keep their pace and memberships their time, while the log shows another hour."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        bed.h3.receiver(G).join()
        mcastd.wait_member("d2", G)
        bed.h1.report((packet.TO_EX, G, ()))
        mcastd.wait_member("d1", G)
        joined, left = time.monotonic(), None
        wire = bed.h1.wire
        for offset in (3 * 3600, -3 * 3600):
            clock(offset)
            mcastd.reload(bed.config(QUICK))  # writes a line
            assert time.strftime("%H", time.localtime(time.time() + offset)) in log_hours(mcastd)
            wire.clear()
            queries = wire.wait_message(lambda m: m.is_general_query, count=3, timeout=8)
            for one, next_one in zip(queries, queries[1:]):
                assert at_about(next_one.time - one.time, 2.0)
            assert mcastd.membership("d2", G)["up-time"] < 60
            assert 0 < mcastd.membership("d2", G)["expire"] <= QUICK_GMI
            if left is None and mcastd.membership("d1", G) is None:
                left = time.monotonic()
        mcastd.wait_no_member("d1", G, 10)
        left = left or time.monotonic()
        assert left - joined > QUICK_GMI - 0.5
        bed.clear()
        bed.expect({bed.h3: through(bed.send(), bed.d2)})


def test_stopped_for_a_while(lab):
    """
    Longer than memberships last (SIGSTOP, or a machine that stood still). Data flows all the time.
    Then hosts are asked, once; who answers was never dropped, who does not is dropped in the end;
    upstream there is no storm, and what was said meanwhile is heard.
    """
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        members = [bed.h1.receiver(G).join(), bed.h3.receiver(G).join()]
        special = bed.h3.receiver(GS).join_source("10.9.0.10")
        for port, group in (("d1", G), ("d2", G), ("d2", GS)):
            mcastd.wait_member(port, group)
        bed.h1.report((packet.TO_EX, OTHER, ()))  # and never again
        mcastd.wait_member("d1", OTHER)
        streams = [bed.source.stream(G).start(500), bed.source.stream(GS).start(200)]
        mcastd.wait(lambda: len(special.drain()) > 20, what="the streams")
        left_before = mcastd.log().count("nobody")

        mcastd.send_signal(signal.SIGSTOP)
        time.sleep(QUICK_GMI + 2)
        for number in range(20):  # each asks to be answered
            bed.source.send_igmp(packet.ALL_SYSTEMS, packet.igmp_query(mrc=5), source="10.9.0.1",
                                 ident=number)
        missed = bed.h1.receiver(MISSED).join()
        bed.clear()
        mcastd.send_signal(signal.SIGCONT)

        mcastd.wait_member("d1", MISSED)
        assert mcastd.membership("d1", G) and mcastd.membership("d2", GS)
        assert mcastd.log().count("nothing was done for") == 1
        resumed = bed.h1.wire.wait_message(lambda m: m.is_general_query)[0].time
        time.sleep(1.5)  # all that is answered is, by now
        for host in (bed.h1, bed.h3):
            queries = host.wire.messages(lambda m: m.is_general_query)
            assert len([q for q in queries if q.time < resumed + 0.4]) == 1, queries
            assert not host.wire.messages(lambda m: m.is_query and not m.is_general_query)
        reports = bed.source.wire.messages(lambda m: m.kind == packet.V3_REPORT and
                                           m.source == "10.9.0.100")
        assert reports and len(reports) <= 4, reports  # an answer, and the news of MISSED
        assert not any(kind == packet.TO_IN for m in reports for kind, _group, _s in m.records)
        assert mcastd.log().count("nobody") == left_before

        # Who is gone is dropped all the same, the others stay.
        mcastd.wait_no_member("d1", OTHER, 2 * QUICK_GMI)
        time.sleep(QUICK_GMI)
        assert mcastd.membership("d1", G) and mcastd.membership("d2", G)
        assert mcastd.membership("d2", GS) and mcastd.membership("d1", MISSED)
        sent = [stream.stop() for stream in streams]
        bed.router.settle()
        for receiver in members:
            numbers = [number for _s, _t, number in receiver.drain()]
            assert numbers == list(range(numbers[0], sent[0]))
        numbers = [number for _s, _t, number in special.drain()]
        assert numbers == list(range(numbers[0], sent[1]))
        missed.close()


def test_stopped_while_much_is_said(lab):
    """More reports than wait for a reader: what there is room for counts, the rest was a loss."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        mcastd.send_signal(signal.SIGSTOP)
        time.sleep(QUICK_GMI)
        for number in range(600):
            bed.h1.report((packet.TO_EX, f"239.2.{number >> 8}.{number & 255}", ()))
        bed.router.settle()
        mcastd.send_signal(signal.SIGCONT)
        mcastd.wait(lambda: mcastd.interface("d1")["groups"] > 100, what="what was waiting")
        time.sleep(QUICK_GMI)
        assert mcastd.membership("d1", G)
        bed.clear()
        bed.expect({bed.h1: through(bed.send(), bed.d1)})
