# SPDX-License-Identifier: BSD-2-Clause
"""mcastd beside another XDP program on the same interface, by the dispatcher of libxdp."""

import contextlib
import os

import pytest

from bed import G, S1, S2, Bed, through
from lab import LabError
from lab.netns import run


class Filter:
    """xdp-filter of Debian's xdp-tools on one port of the router; it drops what comes from S2."""

    def __init__(self, bed, port):
        self.space, self.port = bed.router.space, port.name
        bed.lab.callback(self.close)
        self.space.run("xdp-filter", "load", "-m", "native", self.port)
        self.space.run("xdp-filter", "ip", "-m", "src", S2)

    def unload(self):
        self.space.run("xdp-filter", "unload", self.port)

    def close(self):
        with contextlib.suppress(LabError):
            self.space.run("xdp-filter", "unload", "--all")


def attached(bed, port):
    """The name of the program that the driver runs."""
    return bed.router.link(port.name).get("xdp", {}).get("prog", {}).get("name", "")


def need_dispatcher(bed, port):
    """Skips the test where the one program that is on the port is there alone."""
    if attached(bed, port) != "xdp_dispatcher":
        pytest.skip("libxdp cannot load its dispatcher on this kernel")


def check(bed, filtered):
    """Streams of two sources, of which the filter drops the second."""
    bed.clear()
    first, second = bed.send(source=S1, count=5), bed.send(source=S2, count=5)
    frames = first if filtered else first + second
    bed.expect({bed.h1: through(frames, bed.d1), bed.h3: through(frames, bed.d2)})
    frames = bed.send(host=bed.h1, source=None, count=5)
    bed.expect({bed.source: through(frames, bed.up), bed.h3: through(frames, bed.d2)})


def join(bed, mcastd):
    for host, port in ((bed.h1, "d1"), (bed.h3, "d2")):
        host.receiver(G).join()
        mcastd.wait_member(port, G)


def test_filter_was_there_before(lab):
    """The filter is not pushed aside, what it passes is forwarded, and it stays when we go."""
    bed = Bed(lab)
    other = Filter(bed, bed.up)
    need_dispatcher(bed, bed.up)
    mcastd = bed.daemon()
    join(bed, mcastd)
    assert mcastd.interface("u")["xdp-mode"] == "native"
    check(bed, filtered=True)
    other.unload()
    check(bed, filtered=False)
    mcastd.stop()


def test_filter_comes_later(lab):
    """Loaded beside a running mcastd, and unloaded again: forwarding goes on."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        join(bed, mcastd)
        need_dispatcher(bed, bed.up)
        check(bed, filtered=False)
        other = Filter(bed, bed.up)
        check(bed, filtered=True)
        other.unload()
        check(bed, filtered=False)


def test_filter_stays(lab):
    """mcastd ends first: the filter goes on filtering, and nothing else is left."""
    bed = Bed(lab)
    Filter(bed, bed.up)
    need_dispatcher(bed, bed.up)
    mcastd = bed.daemon()
    join(bed, mcastd)
    check(bed, filtered=True)
    mcastd.stop(left=("u",))
    assert "xdpfilt" in bed.router.space.run("xdp-filter", "status")
    assert "mcastd_ingress" not in bed.router.space.run("xdp-loader", "status", "u")


def small_program(lab):
    """An XDP program that passes everything, as an object file that a dispatcher takes."""
    source, path = (os.path.join(lab.dir, f"small.{kind}") for kind in ("c", "bpf"))
    with open(source, "w", encoding="ascii") as file:
        file.write('struct xdp_md { unsigned int data; };\n'
                   '__attribute__((section("xdp"), used)) int small(struct xdp_md *c)'
                   ' { return 2; }\n'
                   'char _license[] __attribute__((section("license"), used)) = "GPL";\n')
    run(["clang", "-O2", "-g", "-target", "bpf", "-c", "-o", path, source])
    return path


def descriptors(mcastd):
    return len(os.listdir(f"/proc/{mcastd.process.pid}/fd"))


def test_no_room_in_the_dispatcher(lab):
    """
    Ten programs are all that a dispatcher runs: the port fails and says beside what; what it costs
    to try again is nothing that grows. When there is room, it is taken.
    """
    bed = Bed(lab)
    path = small_program(lab)
    bed.router.space.run("xdp-loader", "load", "-m", "native", "d1", path)
    need_dispatcher(bed, bed.d1)
    bed.router.space.run("xdp-loader", "load", "-m", "native", "d1", *[path] * 9)
    mcastd = bed.daemon(start=False)
    mcastd.start(ready=False)
    mcastd.wait_notification("READY=1", 60)
    note = mcastd.interface("d1")["xdp-note"]
    assert mcastd.interface("d1")["state"] == "failed"
    assert "already runs the XDP program small" in note and "cannot run beside it" in note
    # libxdp's own words; 1.3.1 has none but the error.
    assert "free slots" in note or "Argument list too long" in note, note
    before = descriptors(mcastd)
    for n in range(10):
        bed.router.space.ip("link", "set", "d1", "alias", f"name {n}")
        mcastd.interface("d1")
    assert descriptors(mcastd) == before
    bed.router.space.run("xdp-loader", "unload", "d1", "--all")
    # By its log: while libxdp attaches, an emulated machine is slower than mcastctl has patience.
    mcastd.wait(lambda: "d1: up" in mcastd.log(), 60, "the port to come up")
    mcastd.stop()


def test_descriptors(lab):
    """Looking after a port in a dispatcher leaves no descriptors open (libxdp 1.3.1 does)."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        need_dispatcher(bed, bed.d1)
        mcastd.interface("d1")
        before = descriptors(mcastd)
        for n in range(10):
            bed.router.space.ip("link", "set", "d1", "alias", f"name {n}")
            mcastd.interface("d1")
        assert descriptors(mcastd) == before
