# SPDX-License-Identifier: BSD-2-Clause
"""
Issue 5 point 5: every map that can be full, from outside, while the daemon runs. What found room
goes on, the rest is counted and told once with what to do, and what becomes free is used.

The maps of groups and of (S,G) have as many elements as there are routes, so the routes end first:
test_limits.py, test_more_groups_than_routes.
"""

import contextlib
import os
import time

from bed import G, S1, Bed, through
from lab import packet
from lab.daemon import SLOWNESS

LONG = "query-interval = 1000\nquery-max-response-time = 60\nimmediate-leave = true\n"


def descriptors(mcastd):
    """(all, BPF maps among them) at rest: between attempts, and without that of an mcastctl."""
    directory = f"/proc/{mcastd.process.pid}/fd"

    def count():
        time.sleep(0.1)
        links = []
        for fd in os.listdir(directory):
            with contextlib.suppress(FileNotFoundError):
                links.append(os.readlink(f"{directory}/{fd}"))
        return len(links), links.count("anon_inode:bpf-map")

    # Longer than an attempt, which on a busy machine takes its time, and the pause behind it.
    return min(count() for _ in range(int(30 * SLOWNESS)))


def join(bed, mcastd, *hosts, group=G):
    for host in hosts:
        host.report((packet.TO_EX, group, ()))
        mcastd.wait_member(host.port.name, group)
    bed.clear()


def check(bed, *hosts, group=G):
    frames = bed.send(group)
    bed.expect({host: through(frames, host.port) for host in hosts})


def not_installed(mcastd):
    return mcastd.ctl("show", "statistics")["routes-not-installed"]


def test_port_sets(lab):
    """One member needs a set, for data from a downstream: with the upstream. Two need two."""
    bed = Bed(lab)
    one, two, both = "239.5.0.1", "239.5.0.2", "239.5.0.3"
    with bed.daemon(LONG + "max-port-sets = 4\n") as mcastd:  # three and that of all ports
        join(bed, mcastd, bed.h1, group=one)
        join(bed, mcastd, bed.h3, group=two)
        join(bed, mcastd, bed.h1, group=both)
        assert not_installed(mcastd) == 0
        before = descriptors(mcastd)
        join(bed, mcastd, bed.h3, group=both)
        mcastd.wait(lambda: not_installed(mcastd) == 1, what="the route to be counted")
        time.sleep(4.5)  # it is tried again meanwhile
        assert mcastd.log().count("raise max-port-sets") == 1
        assert [f["installed"] for f in mcastd.ctl("show", "flows")["flows"]].count(False) == 1
        check(bed, bed.h1, group=one)
        check(bed, bed.h3, group=two)
        check(bed, bed.h1, group=both)  # as before
        # Shown is what is forwarded, not what should be.
        flow, = (f for f in mcastd.ctl("show", "flows")["flows"] if f["group-address"] == both)
        assert flow["outgoing-interfaces"] == ["d1"] and not flow["installed"]
        lines = mcastd.ctl("explain", S1, both)["explanation"]
        assert any(line.startswith("d2: yes: 10.0.2.10 joined") for line in lines), lines
        assert any(line.startswith("d2: but the route could not be changed") for line in lines)
        assert not any(line.startswith("d1: but") for line in lines)
        assert descriptors(mcastd) == before
        bed.h3.report((packet.TO_IN, two, ()))
        mcastd.wait(lambda: not_installed(mcastd) == 0, 6, "the set that became free to be used")
        assert "all routes are in place again" in mcastd.log()
        bed.clear()
        check(bed, bed.h1, bed.h3, group=both)
        check(bed, bed.h1, group=one)
        check(bed, group=two)


def test_origins(lab):
    """A port whose altnet finds no room fails as a whole: it would let in what is not its own."""
    bed = Bed(lab)
    prefixes = ", ".join(f'"10.{64 + n // 256}.{n % 256}.0/24"' for n in range(4200))
    with bed.daemon(LONG) as mcastd:
        join(bed, mcastd, bed.h1, bed.h3)
        check(bed, bed.h1, bed.h3)
        before = descriptors(mcastd)
        mcastd.reload(bed.config(LONG, d2=[f"altnet = {{ {prefixes} }}"]))
        mcastd.wait(lambda: mcastd.interface("d2")["state"] == "failed", what="d2 failed")
        time.sleep(4.5)
        # Once, or again after another reason: the kernel may not have let go of a socket yet.
        log = mcastd.log()
        assert log.count("no room for its 4201 subnets") == 1 + log.count("resource busy")
        assert "fewer, shorter prefixes" in mcastd.interface("d2")["xdp-note"]
        bed.clear()
        check(bed, bed.h1)
        mcastd.reload(bed.config(LONG, d2=['altnet = { "10.64.0.0/12" }']))
        mcastd.wait(lambda: mcastd.interface("d2")["state"] == "up", what="d2 up")
        join(bed, mcastd, bed.h3)
        check(bed, bed.h1, bed.h3)
        assert descriptors(mcastd) == before


def test_boundaries(lab):
    """The same of boundaries."""
    bed = Bed(lab)
    prefixes = ", ".join(f'"239.{64 + n // 256}.{n % 256}.0/24"' for n in range(4200))
    with bed.daemon(LONG) as mcastd:
        join(bed, mcastd, bed.h1, bed.h3)
        mcastd.reload(bed.config(LONG, d2=[f"boundary = {{ {prefixes} }}"]))
        mcastd.wait(lambda: mcastd.interface("d2")["state"] == "failed", what="d2 failed")
        assert mcastd.log().count("no room for its 4200 prefixes of boundary") == 1
        bed.clear()
        check(bed, bed.h1)
        mcastd.reload(bed.config(LONG, d2=['boundary = { "239.64.0.0/10" }']))
        mcastd.wait(lambda: mcastd.interface("d2")["state"] == "up", what="d2 up")
        join(bed, mcastd, bed.h3)
        check(bed, bed.h1, bed.h3)


def test_queues(lab):
    """More receive queues than there are places for sockets, until ethtool -L says otherwise."""
    bed = Bed(lab)
    wide = bed.router.port("x1", "10.0.7.100/24", queues=65)
    host = wide.host("10.0.7.10", "x1h")
    bed.router.space.ip("link", "set", "x1", "up")
    with bed.daemon(LONG + wide.config("downstream")) as mcastd:
        assert mcastd.interface("x1")["state"] == "failed"
        assert "65 receive queues are more than 64" in mcastd.interface("x1")["xdp-note"]
        assert "ethtool -L" in mcastd.interface("x1")["xdp-note"]
        before = descriptors(mcastd)
        join(bed, mcastd, bed.h1, bed.h3)
        check(bed, bed.h1, bed.h3)
        time.sleep(4.5)
        assert mcastd.log().count("receive queues are more") == 1
        assert descriptors(mcastd) == before
        host.space.run("ethtool", "-L", "eth0", "tx", "64")
        bed.router.space.run("ethtool", "-L", "x1", "rx", "64")
        mcastd.wait(lambda: mcastd.interface("x1")["state"] == "up", what="x1 up")
        assert mcastd.interface("x1")["queues"] == 64
        bed.hosts.append(host)
        join(bed, mcastd, host)
        check(bed, bed.h1, bed.h3, host)


def test_slots(lab):
    """More interfaces than ports: those that are there come before those that are not."""
    bed = Bed(lab)
    absent = "".join(f"interface absent{n} {{\n    role = downstream\n}}\n" for n in range(507))
    pattern = 'interface "x*" {\n    role = downstream\n}\n'
    extra = [bed.router.port(f"x{n}", f"10.0.{n}.100/24") for n in (6, 7)]
    hosts = [port.host(f"10.0.{n}.10", f"x{n}h") for n, port in zip((6, 7), extra)]

    def states(mcastd):
        return {i["name"]: i["state"] for i in mcastd.ctl("show", "interfaces")["interfaces"]}

    def refusals(mcastd):
        return mcastd.log().count("as many interfaces are ports as there can be")

    with bed.daemon(LONG, start=False) as mcastd:
        mcastd.write_config(absent + bed.config(LONG) + pattern)
        mcastd.start()
        told = states(mcastd)
        assert len(told) == 511 and refusals(mcastd) == 1
        assert [name for name, state in told.items() if state == "up"] == [
            "u", "d1", "d2", "x6", "x7"]
        # One more that matches finds no room, until others go.
        late = bed.router.port("x8", "10.0.8.100/24")
        hosts.append(late.host("10.0.8.10", "x8h"))
        bed.hosts += hosts
        join(bed, mcastd, bed.h1, bed.h3, hosts[0])
        check(bed, bed.h1, bed.h3, hosts[0])
        assert "x8" not in states(mcastd) and refusals(mcastd) == 1
        mcastd.reload(bed.config(LONG) + pattern)
        mcastd.wait(lambda: states(mcastd) == dict.fromkeys(
            ["u", "d1", "d2", "x6", "x7", "x8"], "up"), what="x8 up")
        join(bed, mcastd, hosts[2])
        check(bed, bed.h1, bed.h3, hosts[0], hosts[2])


def test_index_beyond_the_map(lab):
    """An interface whose index is beyond the map of slots cannot be a port."""
    bed = Bed(lab)
    bed.router.space.ip("link", "add", "far0", "index", "70000", "type", "veth", "peer", "name",
                        "far1")
    bed.router.space.ip_batch("link set far0 up", "link set far1 up")
    bed.router.space.run("ethtool", "-K", "far1", "gro", "on")
    with bed.daemon(LONG + "interface far0 {\n    role = downstream\n}\n") as mcastd:
        assert mcastd.interface("far0")["state"] == "failed"
        assert "index 70000 is beyond" in mcastd.interface("far0")["xdp-note"]
        time.sleep(4.5)
        assert mcastd.log().count("is beyond") == 1
        join(bed, mcastd, bed.h1, bed.h3)
        check(bed, bed.h1, bed.h3)


def test_unwanted_flows(lab):
    """What nobody asked for is remembered as far as there is room, the newest of it; all count."""
    bed = Bed(lab)
    flows = 9000
    with bed.daemon(LONG) as mcastd:
        join(bed, mcastd, bed.h1)
        for n in range(flows):
            bed.source.send_data(f"239.9.{n >> 8}.{n & 255}", b"unasked", source=S1)
            if n % 500 == 0:
                bed.router.settle()
        bed.router.settle()
        assert mcastd.statistics("u")["data"]["arrived"]["no-route"] == flows
        unwanted = mcastd.ctl("show", "flows")["unwanted"]
        assert 1000 < len(unwanted) <= 4096
        last = f"239.9.{flows - 1 >> 8}.{flows - 1 & 255}"
        assert last in {flow["group-address"] for flow in unwanted}
        bed.clear()
        check(bed, bed.h1)
