# SPDX-License-Identifier: BSD-2-Clause
"""Restart without loss: pinned maps and programs go on forwarding, and are taken over."""

import json
import os
import re
import signal

import pytest

from bed import G, GS, QUICK, Bed, S1
from lab import output_dir, wait_for
from lab.daemon import ROOT, START_TIMEOUT
from lab.netns import run

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
        assert "d1: yes: it was forwarded there before the restart" in \
            " ".join(mcastd.ctl("explain", S1, G)["explanation"])
        mcastd.wait(lambda: not mcastd.ctl("show", "flows")["flows"], timeout=15,
                    what="the route of the last run gone")
        bed.h1.wire.clear()
        bed.send(source=S1)
        bed.router.settle()
        assert not bed.h1.data(G)


# --- another build -------------------------------------------------------------------------------

OTHER_ABI, OTHER_PROGRAM = "other-abi", "other-program"


def build(name=None):
    """The directory of this build, or of another that `make variants` makes."""
    path = os.path.join(ROOT, "out", name) if name else output_dir()
    if not os.path.exists(os.path.join(path, "mcastd")):
        pytest.fail(f"{path}/mcastd is not there: make variants")
    return path


def program_of(bed, port):
    """(id, tag) of our program on a port; in a dispatcher the last, if there are two."""
    found = bed.router.link(port.name)["xdp"]["prog"]
    if found["name"] == "mcastd_ingress":
        return str(found["id"]), found["tag"]
    status = bed.router.space.run("xdp-loader", "status", port.name)
    return re.findall(r"mcastd_ingress +(?:native +|skb +)?(\d+) +([0-9a-f]{16})", status)[-1]


def program(bed, port):
    """The tag of what runs on a port: alike for all programs of one build."""
    return program_of(bed, port)[1]


def program_id(bed, port):
    return program_of(bed, port)[0]


class Crowd:
    """Members of an any-source and of a source-specific group, and numbered streams to them."""

    def __init__(self, bed, mcastd):
        self.bed = bed
        self.members = [host.receiver(G).join() for host in (bed.h1, bed.h3)]
        self.special = bed.h3.receiver(GS).join_source("10.9.0.10")
        self.wait(mcastd)
        self.streams = [bed.source.stream(G).start(1000), bed.source.stream(GS).start(500)]
        mcastd.wait(lambda: len(self.special.drain()) > 50, what="the streams")

    def wait(self, mcastd):
        """Until a daemon knows the members."""
        for port, group in (("d1", G), ("d2", G), ("d2", GS)):
            mcastd.wait_member(port, group)

    def wait_more(self, mcastd, count=500):
        """Until so many more have been sent."""
        before = self.streams[0].sent
        mcastd.wait(lambda: self.streams[0].sent > before + count, what="more of the stream")

    def check(self):
        """Everyone has got everything, once and in order."""
        sent = [stream.stop() for stream in self.streams]
        self.bed.router.settle()
        for receiver in self.members:
            assert [number for _, _, number in receiver.drain()] == list(range(sent[0]))
        assert [number for _, _, number in self.special.drain()] == list(range(sent[1]))


def start_build(mcastd, name):
    mcastd.build = build(name)
    mcastd.start()


def wait_taken_over(mcastd, bed):
    """Until one program, which is another than before, runs on all ports."""
    def note():
        return [mcastd.interface(port.name).get("xdp-note", "") for port in bed.router.ports]

    mcastd.wait(lambda: not any("earlier" in text for text in note()), timeout=15,
                what="our programs in the place of the earlier ones")
    programs = {program(bed, port) for port in bed.router.ports}
    assert len(programs) == 1
    return programs.pop()


@pytest.mark.parametrize("crash", [False, True], ids=["keep", "crash"])
def test_other_abi_version(lab, crash):
    """
    L-RESTART: an upgrade to another ABI version and the way back lose nothing and double nothing.
    Until hosts have answered the old program forwards, then ours is in its place on every port.
    """
    bed = Bed(lab)
    with bed.daemon(QUICK + "on-exit = keep\n") as mcastd:
        crowd = Crowd(bed, mcastd)
        for name in (OTHER_ABI, None):
            pinned = set(os.listdir(mcastd.bpffs))
            before = [program_id(bed, port) for port in bed.router.ports]
            if crash:
                mcastd.crash()
            else:
                mcastd.send_signal(signal.SIGTERM)
                assert mcastd.process.wait(10) == 0
            start_build(mcastd, name)
            crowd.wait(mcastd)
            assert "ABI version" in mcastd.log()
            wait_taken_over(mcastd, bed)
            for port, number in zip(bed.router.ports, before):
                assert program_id(bed, port) != number
            assert set(os.listdir(mcastd.bpffs)) == pinned
            crowd.wait_more(mcastd)
        # Past the time that hosts have to report, what is forwarded is what is wanted.
        mcastd.wait(lambda: len(mcastd.ctl("show", "flows")["flows"]) == 2, timeout=15,
                    what="the flows of both groups")
        late = bed.h1.receiver("239.1.1.7").join()
        mcastd.wait_member("d1", "239.1.1.7")
        bed.source.stream("239.1.1.7").send(5)
        mcastd.wait(lambda: len(late.drain()) == 5, what="a group joined after it")
        crowd.check()
        mcastd.reload(bed.config(QUICK))


def start_killed(mcastd, call, number):
    """Starts it and has it killed when it makes a system call for so many times."""
    argv = mcastd.argv()
    mcastd.argv = lambda: ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                           f"inject={call}:signal=KILL:when={number}", *argv]
    mcastd.start(ready=False)
    mcastd.process.wait(START_TIMEOUT)
    del mcastd.argv
    assert "hosts have reported" not in mcastd.log()


@pytest.mark.parametrize("call, number, then", [
    ("unlinkat", 5, OTHER_ABI),  # the pins of the other version half removed
    ("bpf", 20, OTHER_ABI),  # the maps half made
    ("bpf", 60, None),
    ("bpf", 200, OTHER_ABI),  # the pool of port sets half filled
])
def test_killed_while_it_starts(lab, call, number, then):
    """L-RESTART: whoever starts next, of whichever version, takes over all the same."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        crowd = Crowd(bed, mcastd)
        mcastd.crash()
        mcastd.build = build(OTHER_ABI)
        start_killed(mcastd, call, number)
        start_build(mcastd, then)
        crowd.wait(mcastd)
        wait_taken_over(mcastd, bed)
        crowd.wait_more(mcastd)
        crowd.check()


@pytest.mark.parametrize("then", [OTHER_ABI, None], ids=["on", "back"])
def test_killed_while_programs_are_replaced(lab, then):
    """L-RESTART: programs of both versions on the ports, whose maps know nothing of each other."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        crowd = Crowd(bed, mcastd)
        before = program_id(bed, bed.up)
        mcastd.crash()
        start_build(mcastd, OTHER_ABI)
        crowd.wait(mcastd)
        wait_for(lambda: program_id(bed, bed.up) != before, 15, "the first program replaced",
                 interval=0)
        mcastd.crash()
        start_build(mcastd, then)
        crowd.wait(mcastd)
        wait_taken_over(mcastd, bed)
        crowd.wait_more(mcastd)
        crowd.check()


def test_living_mcastd_is_left_alone(lab):
    """A second daemon with maps of its own gets no port of the first, which loses nothing."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        crowd = Crowd(bed, mcastd)
        second = bed.daemon(QUICK)
        for port in bed.router.ports:
            assert second.interface(port.name)["state"] == "failed"
            assert "another mcastd" in second.interface(port.name)["xdp-note"]
        crowd.wait_more(mcastd)
        second.process.terminate()
        assert second.process.wait(10) == 0
        crowd.wait_more(mcastd)
        crowd.check()


def test_other_program(lab):
    """L-RESTART: another build of the same ABI version brings its programs at once, without loss."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        crowd = Crowd(bed, mcastd)
        first = program(bed, bed.up)
        egress = egress_tags(bed, mcastd)
        for name in (OTHER_PROGRAM, None):
            mcastd.crash()
            start_build(mcastd, name)
            crowd.wait(mcastd)
            found = wait_taken_over(mcastd, bed)
            assert (found == first) == (name is None)
            assert len(egress_tags(bed, mcastd)) == 1
            assert (egress_tags(bed, mcastd) == egress) == (name is None)
            crowd.wait_more(mcastd)
        crowd.check()


def egress_tags(bed, mcastd):
    """The egress programs of all port sets that have devices."""
    tags = set()
    outer = json.loads(run(["bpftool", "-j", "map", "dump", "pinned",
                            f"{mcastd.bpffs}/mcastd_sets"]))
    for element in outer:
        inner = int.from_bytes(bytes(int(b, 16) for b in element["value"]), "little") \
            if isinstance(element.get("value"), list) else element.get("inner_map_id", 0)
        if not inner:
            continue
        for entry in json.loads(run(["bpftool", "-j", "map", "dump", "id", str(inner)])):
            number = int.from_bytes(bytes(int(b, 16) for b in entry["value"][4:8]), "little")
            if number:
                tags.add(json.loads(run(["bpftool", "-j", "prog", "show", "id",
                                         str(number)]))["tag"])
    return tags
