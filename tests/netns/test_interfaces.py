# SPDX-License-Identifier: BSD-2-Clause
"""
Issue 7 point 5: interfaces change while the daemon runs. Each change is followed without a restart,
and traffic is right, to the octet, before and after. Also: test_lifecycle.py (down and up, made
again, other address, other MAC), test_modes.py (features).
"""

import os

import pytest

from bed import G, QUICK, Bed, S1, check, join, learn_macs, through
from lab import packet
from lab.netns import run
from test_limits import hear_on_queue

STEADY = """
query-interval = 60
query-max-response-time = 2
last-member-query-interval = 0.3
"""
DONT_FRAGMENT = 0x4000


def is_general_query(source):
    return lambda m: m.is_general_query and m.source == source


def wait_state(mcastd, name, state):
    mcastd.wait(lambda: mcastd.interface(name)["state"] == state, what=f"{name} {state}")


def note(mcastd, name):
    return mcastd.interface(name).get("xdp-note", "")


# --- links and addresses -------------------------------------------------------------------------

@pytest.mark.parametrize("mode", ["native", "generic"])
def test_a_port_that_is_down_stops_no_other(lab, mode):
    """
    R-LINK: data from a downstream always goes to the upstream too, which is down. In generic mode
    the kernel ends a broadcast at the first member that is: it must not be in the set.
    """
    bed = Bed(lab)
    more = [bed.router.port(f"x{n}", f"10.0.{n}.100/24") for n in (6, 7, 8)]
    bed.hosts += [port.host(f"10.0.{n}.10", f"x{n}h") for n, port in zip((6, 7, 8), more)]
    sections = "".join(port.config("downstream") for port in more)
    with bed.daemon(STEADY + f"xdp-mode = {mode}\n" + sections) as mcastd:
        members = bed.hosts[2:]
        join(bed, mcastd, *members)
        for state in ("up", "down", "up"):
            bed.router.space.ip("link", "set", "u", state)
            wait_state(mcastd, "u", state)
            bed.router.ports = [bed.d1, bed.d2, *more] + ([bed.up] if state == "up" else [])
            bed.up.forget_taps()
            frames = bed.send(host=bed.h1, source=None, count=5)
            wanted = {host: through(frames, host.port) for host in members}
            if state == "up":
                wanted[bed.source] = through(frames, bed.up)
            bed.expect(wanted)


def test_addresses_come_and_go(lab):
    """
    R-LINK, R-4.1-SRC: queries come from the lowest primary address, not from one that is secondary
    in the subnet of another. Without any there are none,
    which is said, and data flows until the memberships end; a new address begins with a query.
    """
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        join(bed, mcastd, bed.h1, bed.h3)
        check(bed, bed.h1, bed.h3)
        space, wire = bed.router.space, bed.h1.wire
        space.ip("address", "add", "10.0.1.50/24", "dev", "d1")  # secondary
        space.ip("address", "add", "10.0.0.77/16", "dev", "d1")  # lower, another subnet
        wire.wait_message(is_general_query("10.0.0.77"))
        assert mcastd.interface("d1")["address"] == "10.0.0.77"
        space.ip("address", "del", "10.0.0.77/16", "dev", "d1")
        wire.clear()
        wire.wait_message(is_general_query("10.0.1.100"))
        join(bed, mcastd, bed.h1, bed.h3)
        check(bed, bed.h1, bed.h3)

        space.ip("address", "del", "10.0.1.50/24", "dev", "d1")
        space.ip("address", "del", "10.0.1.100/24", "dev", "d1")
        mcastd.wait(lambda: "no IPv4 address" in note(mcastd, "d1"), what="a word about it")
        assert mcastd.interface("d1")["address"] is None
        assert "d1: no IPv4 address" in mcastd.log()
        wire.clear()
        bed.h3.report((packet.TO_EX, G, ()))
        check(bed, bed.h1, bed.h3)
        # Past two query intervals and the membership's end.
        mcastd.wait(lambda: bed.h3.report((packet.TO_EX, G, ())) or
                    not mcastd.membership("d1", G), 10, "the membership to end")
        assert not wire.messages(lambda m: m.is_query)
        bed.clear()
        check(bed, bed.h3)

        space.ip("address", "add", "10.0.1.99/24", "dev", "d1")
        wire.wait_message(is_general_query("10.0.1.99"))
        assert not note(mcastd, "d1")
        join(bed, mcastd, bed.h1, bed.h3)
        check(bed, bed.h1, bed.h3)


def test_renamed(lab):
    """A port is known by its name: renamed away it is let go of, renamed back it is taken."""
    bed = Bed(lab)
    with bed.daemon(STEADY) as mcastd:
        join(bed, mcastd, bed.h1, bed.h3)
        check(bed, bed.h1, bed.h3)
        bed.router.space.ip("link", "set", "d1", "name", "other0")
        wait_state(mcastd, "d1", "absent")
        assert "xdp" not in bed.router.link("other0")
        bed.d1.name = "other0"
        check(bed, bed.h3)
        bed.router.space.ip("link", "set", "other0", "name", "d1")
        wait_state(mcastd, "d1", "up")
        bed.d1.name = "d1"
        join(bed, mcastd, bed.h1)
        check(bed, bed.h1, bed.h3)


def test_renamed_within_a_pattern(lab):
    """Under a pattern that matches both names the port begins anew under the new one."""
    bed = Bed(lab)
    config = bed.config(STEADY, d1=None, d2=None) + 'interface "d*" {\n    role = downstream\n}\n'
    with bed.daemon(STEADY, start=False) as mcastd:
        mcastd.write_config(config)
        mcastd.start()
        join(bed, mcastd, bed.h1, bed.h3)
        check(bed, bed.h1, bed.h3)
        bed.router.space.ip("link", "set", "d1", "name", "d7")
        bed.d1.name = "d7"
        mcastd.wait(lambda: {i["name"]: i["state"] for i in mcastd.ctl("show", "interfaces")[
            "interfaces"]} == {"u": "up", "d2": "up", "d7": "up"}, what="d7 in the place of d1")
        join(bed, mcastd, bed.h1)
        check(bed, bed.h1, bed.h3)


def test_moved_to_another_namespace_and_back(lab):
    """It is as if the interface had vanished; the program it takes along passes everything."""
    bed = Bed(lab)
    away = lab.namespace("away")
    with bed.daemon(STEADY) as mcastd:
        join(bed, mcastd, bed.h1, bed.h3)
        check(bed, bed.h1, bed.h3)
        index = mcastd.interface("d1")["ifindex"]
        bed.router.space.ip("link", "set", "d1", "netns", away.name)
        wait_state(mcastd, "d1", "absent")
        bed.router.ports.remove(bed.d1)
        check(bed, bed.h3)
        away.ip_batch("address add 10.0.1.100/24 dev d1", "link set d1 up")
        assert bed.h1.ping("10.0.1.100")
        bed.h1.wire.clear()
        bed.send(host=bed.h1, source=None)
        bed.expect({})
        # Meanwhile something else may have got its index there, and it another one here.
        away.ip_batch("link set d1 down", f"link set d1 netns {bed.router.space.name}")
        bed.router.space.ip_batch("address add 10.0.1.100/24 dev d1", "link set d1 up")
        wait_state(mcastd, "d1", "up")
        bed.router.ports.append(bed.d1)
        bed.d1.forget_taps()
        join(bed, mcastd, bed.h1)
        check(bed, bed.h1, bed.h3)
        print(index, mcastd.interface("d1")["ifindex"])


def test_namespace_behind_a_port_is_deleted(lab):
    """With it goes the far end of the veth pair, and so the port: the other members go on."""
    bed = Bed(lab)
    port = bed.router.port("x1", "10.0.7.100/24")
    host = port.host("10.0.7.10", "x1h")
    with bed.daemon(STEADY + port.config("downstream")) as mcastd:
        join(bed, mcastd, bed.h1, bed.h3, host)
        check(bed, bed.h1, bed.h3)
        assert len(host.data()) == 5
        bed.router.ports.remove(port)
        for tap in (*port.taps(), host.wire, host._out):  # pylint: disable=protected-access
            tap.close()
        run(["ip", "netns", "del", host.space.name])
        mcastd.wait(lambda: mcastd.interface("x1")["state"] == "absent", 20, "x1 absent")
        run(["ip", "netns", "add", host.space.name])  # for the laboratory to remove
        check(bed, bed.h1, bed.h3)
        assert mcastd.ctl("show", "flows")["flows"][0]["outgoing-interfaces"] == ["d1", "d2"]


def test_mtu_changes(lab):
    """D-MTU: a smaller MTU counts from the moment it is set, and so does a larger one."""
    bed = Bed(lab)
    with bed.daemon(STEADY) as mcastd:
        join(bed, mcastd, bed.h1, bed.h3)

        def send():
            return [bed.source.send_data(G, bytes(1000), flags_offset=DONT_FRAGMENT)]

        def too_big():
            return mcastd.statistics("d1")["data"]["too-big"]

        frames = send()
        bed.expect({bed.h1: through(frames, bed.d1), bed.h3: through(frames, bed.d2)})
        bed.router.space.ip("link", "set", "d1", "mtu", "700")
        mcastd.wait(lambda: send() and bed.router.settle() or too_big() > 0, what="the counter")
        bed.clear()
        before, frames = too_big(), send()
        bed.expect({bed.h3: through(frames, bed.d2)})
        assert too_big() == before + 1
        bed.router.space.ip("link", "set", "d1", "mtu", "1500")

        def both():
            bed.clear()
            sent = send()
            bed.router.settle()
            return bed.h1.data() == through(sent, bed.d1)

        mcastd.wait(both, what="large packets on d1 again")
        bed.clear()
        frames = send()
        bed.expect({bed.h1: through(frames, bed.d1), bed.h3: through(frames, bed.d2)})


def test_mac_of_the_upstream_changes(lab):
    """D-MAC: what is forwarded to it and what the host part sends there bears the new address."""
    bed = Bed(lab)
    with bed.daemon(STEADY) as mcastd:
        bed.h1.report((packet.TO_EX, G, ()))
        message = bed.source.wire.wait_message(lambda m: m.record(G))[0]
        assert message.frame[6:12] == packet.mac_bytes(bed.up.mac)
        bed.up.mac = "02:00:00:00:aa:cc"
        bed.router.space.ip("link", "set", "u", "address", bed.up.mac)

        def new_mac():
            bed.send(host=bed.h1, source=None)
            bed.router.settle()
            return bed.source.data()[-1][6:12] == packet.mac_bytes(bed.up.mac)

        mcastd.wait(new_mac, what="the new address in forwarded frames")
        bed.clear()
        bed.h1.report((packet.TO_EX, "239.1.1.2", ()))
        message = bed.source.wire.wait_message(lambda m: m.record("239.1.1.2"))[0]
        assert message.frame[6:12] == packet.mac_bytes(bed.up.mac)
        frames = bed.send(host=bed.h1, source=None)
        bed.expect({bed.source: through(frames, bed.up)})


def test_more_queues(lab):
    """ethtool -L: a socket for each receive queue; fewer the kernel refuses while we listen."""
    bed = Bed(lab, queues=4)
    space = bed.router.space
    bed.h1.space.run("ethtool", "-L", "eth0", "tx", "1")
    space.run("ethtool", "-L", "d1", "rx", "1")
    with bed.daemon(STEADY) as mcastd:
        assert mcastd.interface("d1")["queues"] == 1
        join(bed, mcastd, bed.h1, bed.h3)
        check(bed, bed.h1, bed.h3)
        space.run("ethtool", "-L", "d1", "rx", "4")
        mcastd.wait(lambda: mcastd.interface("d1")["queues"] == 4, what="four sockets")
        bed.h1.space.run("ethtool", "-L", "eth0", "tx", "4")
        assert mcastd.membership("d1", G)
        check(bed, bed.h1, bed.h3)
        for queue in range(4):
            hear_on_queue(bed, mcastd, queue)
        with pytest.raises(Exception, match="AF_XDP"):
            space.run("ethtool", "-L", "d1", "rx", "2")
        check(bed, bed.h1, bed.h3)


# --- the program ---------------------------------------------------------------------------------

def program(bed, name):
    return bed.router.link(name).get("xdp", {}).get("prog", {}).get("id")


def lost(mcastd, name):
    return mcastd.interface(name)["xdp-lost"]


@pytest.mark.parametrize("how", ["ip link", "xdp-loader"])
def test_program_taken_off(lab, how):
    """It is attached again at once, told and counted; memberships and flows go on."""
    bed = Bed(lab)
    with bed.daemon(STEADY) as mcastd:
        join(bed, mcastd, bed.h1, bed.h3)
        check(bed, bed.h1, bed.h3)
        for number, name in enumerate(("d1", "u"), 1):
            if how == "ip link":
                bed.router.space.ip("link", "set", name, "xdpdrv", "off")
            else:
                bed.router.space.run("xdp-loader", "unload", name, "--all")
            mcastd.wait(lambda n=name: lost(mcastd, n) == 1, what=f"the loss on {name} counted")
            mcastd.wait(lambda n=name: program(bed, n), what=f"a program on {name} again")
            assert mcastd.log().count("was taken off by somebody else; attached again") == number
            assert mcastd.interface(name)["state"] == "up"
            assert "attached again (1 times)" in mcastd.ctl.text("show", "interfaces", name)
        assert mcastd.membership("d1", G)
        bed.h3.report((packet.TO_EX, "239.1.1.2", ()))
        mcastd.wait_member("d2", "239.1.1.2")
        bed.clear()
        check(bed, bed.h1, bed.h3)
        bed.h1.report((packet.TO_IN, G, ()))
        mcastd.wait_no_member("d1", G)
        bed.clear()
        check(bed, bed.h3)


def test_program_taken_off_again_and_again(lab):
    """Two programs that want the interface do not race: it fails for a while, told once."""
    bed = Bed(lab)
    with bed.daemon(STEADY) as mcastd:
        join(bed, mcastd, bed.h1, bed.h3)

        def take_off():
            if program(bed, "d1"):
                bed.router.space.ip("link", "set", "d1", "xdpdrv", "off")
            return mcastd.interface("d1")["state"] == "failed"

        mcastd.wait(take_off, what="the port to fail")
        assert "again and again" in note(mcastd, "d1")
        mcastd.wait_no_member("d1", G)
        bed.clear()
        check(bed, bed.h3)
        wait_state(mcastd, "d1", "up")
        join(bed, mcastd, bed.h1)
        check(bed, bed.h1, bed.h3)
        assert lost(mcastd, "d1") < 6


def foreign(lab):
    """An XDP program that passes everything, as an object file."""
    source, path = (os.path.join(lab.dir, f"foreign.{kind}") for kind in ("c", "bpf"))
    with open(source, "w", encoding="ascii") as file:
        file.write('__attribute__((section("xdp"), used)) int foreign(void *c) { return 2; }\n'
                   'char _license[] __attribute__((section("license"), used)) = "GPL";\n')
    run(["clang", "-O2", "-target", "bpf", "-c", "-o", path, source])
    return path


def test_program_replaced(lab):
    """
    Another program in the place of ours is left there: the port fails, says whose program that is,
    and what it wanted ends. When the other program has gone, the port is taken again.
    """
    bed = Bed(lab)
    path = foreign(lab)
    with bed.daemon(STEADY) as mcastd:
        join(bed, mcastd, bed.h1, bed.h3)
        check(bed, bed.h1, bed.h3)
        bed.router.space.ip("-force", "link", "set", "d1", "xdpdrv", "obj", path, "sec", "xdp")
        wait_state(mcastd, "d1", "failed")
        theirs = program(bed, "d1")
        assert "foreign" in note(mcastd, "d1") and "xdp-loader unload" in note(mcastd, "d1")
        assert lost(mcastd, "d1") == 1
        mcastd.wait_no_member("d1", G)
        bed.clear()
        check(bed, bed.h3)
        assert bed.h1.ping("10.0.1.100")
        bed.clear()
        assert program(bed, "d1") == theirs  # after some attempts
        bed.router.space.ip("link", "set", "d1", "xdpdrv", "off")
        wait_state(mcastd, "d1", "up")
        join(bed, mcastd, bed.h1)
        check(bed, bed.h1, bed.h3)
        assert mcastd.log().count("already runs the XDP program foreign") == 1


def test_interface_vanishes(lab):
    """A port whose interface goes while it is looked at is absent, not failed; back, it works."""
    bed = Bed(lab)
    with bed.daemon(STEADY) as mcastd:
        for _ in range(5):
            bed.router.space.ip("link", "del", "d2")
            wait_state(mcastd, "d2", "absent")
            bed.router.space.ip_batch("link add d2 type veth peer name d2far",
                                      "link set d2far up", "link set d2 up")
            wait_state(mcastd, "d2", "up")
        assert "cannot attach" not in mcastd.log() and "no such interface)" not in mcastd.log()


# --- drivers without native support --------------------------------------------------------------

def test_native_mode_refused(lab):
    """
    A veth takes no program while its peer's MTU is larger than a page. The port runs in generic
    mode and says why; native mode is tried again when its MTU is set.
    """
    bed = Bed(lab)
    bed.h1.space.ip("link", "set", "eth0", "mtu", "9000")
    with bed.daemon(STEADY) as mcastd:
        assert mcastd.interface("d1")["xdp-mode"] == "generic"
        assert "MTU" in note(mcastd, "d1") and "refused" in note(mcastd, "d1")
        assert mcastd.interface("d2")["xdp-mode"] == "native"
        join(bed, mcastd, bed.h1, bed.h3)
        check(bed, bed.h1, bed.h3)
        frames = bed.send(host=bed.h1, source=None)
        bed.expect({bed.source: through(frames, bed.up), bed.h3: through(frames, bed.d2)})
        bed.router.space.ip("link", "set", "d1", "mtu", "1400")  # the peer's is still too large
        mcastd.wait(lambda: mcastd.interface("d1")["xdp-mode"] == "generic", what="generic mode")
        check(bed, bed.h1, bed.h3)
        bed.h1.space.ip("link", "set", "eth0", "mtu", "1500")
        bed.router.space.ip("link", "set", "d1", "mtu", "1500")
        mcastd.wait(lambda: mcastd.interface("d1")["xdp-mode"] == "native", what="native mode")
        assert not note(mcastd, "d1")
        check(bed, bed.h1, bed.h3)


def test_jumbo_frames(lab):
    """D-MTU: what is larger than a page is not for native mode; generic mode carries it, whole."""
    bed = Bed(lab)
    for port, host in zip(bed.router.ports, bed.hosts):
        bed.router.space.ip("link", "set", port.name, "mtu", "9000")
        host.space.ip("link", "set", "eth0", "mtu", "9000")
    with bed.daemon(STEADY) as mcastd:
        for port in bed.router.ports:
            assert mcastd.interface(port.name)["xdp-mode"] == "generic"
        join(bed, mcastd, bed.h1, bed.h3)
        learn_macs(mcastd, bed.router.ports)
        for size in (4200, 8900):
            frames = [bed.source.send_data(G, bytes(size), flags_offset=flags)
                      for flags in (0, DONT_FRAGMENT)]
            bed.expect({bed.h1: through(frames, bed.d1), bed.h3: through(frames, bed.d2)})


def test_too_large_for_the_daemon(lab):
    """
    Frames that an AF_XDP socket has no room for take no places of others: after more of them than
    there are places, IGMP is heard and packets are fragmented; what was lost is counted and told.
    """
    bed = Bed(lab)
    for port, host in ((bed.up, bed.source), (bed.d1, bed.h1)):
        bed.router.space.ip("link", "set", port.name, "mtu", "9000")
        host.space.ip("link", "set", "eth0", "mtu", "9000")
    with bed.daemon(STEADY, d1=["igmp-rate-limit = 0"]) as mcastd:
        large = packet.igmp_frame(bed.h1.mac, bed.h1.address, packet.ALL_V3_ROUTERS,
                                  packet.igmp_report(*[(packet.TO_EX, f"239.8.{n >> 8}.{n & 255}",
                                                        ()) for n in range(870)]))
        assert len(large) > 7000
        for _ in range(1000):
            bed.h1.send(large)
        bed.h1.report((packet.TO_EX, G, ()))
        bed.h3.report((packet.TO_EX, G, ()))
        mcastd.wait_member("d1", G)
        mcastd.wait_member("d2", G)
        arrived = mcastd.statistics("d1")["data"]["arrived"]
        assert arrived["igmp-limited"] == 1000
        mcastd.wait(lambda: "larger than 3840 octets" in mcastd.interface("d1").get("igmp-note", ""),
                    what="a note of it")
        bed.h1.report((packet.TO_IN, G, ()))
        mcastd.wait(lambda: mcastd.statistics("d1")["received"]["reports"] >= 2, what="a leave")
        for _ in range(100):
            bed.source.send_data(G, bytes(8000))
        bed.clear()
        bed.source.send_data(G, bytes(3000))
        bed.h3.wait_data(G, count=3)
        assert mcastd.statistics("d2")["data"]["fragmented"] == 1
        assert mcastd.statistics("u")["data"]["fragment-limited"] == 100


def test_no_ports(lab):
    """
    Members of a bridge and interfaces that carry nothing: a section is refused with a reason and
    the way out, a pattern passes over them, and they become ports as soon as they can.
    """
    bed = Bed(lab)
    member = bed.router.port("p0", "10.0.7.100/24")
    bed.hosts.append(member.host("10.0.7.10", "behind"))
    bed.router.space.ip_batch(
        "link add br0 type bridge", "link set br0 up", "link set p0 master br0",
        "link add ifb7 type ifb", "link set ifb7 up")
    sections = "".join(f"interface {name} {{\n    role = downstream\n}}\n"
                       for name in ("p0", "ifb7", "lo"))
    config = bed.config(STEADY)

    def xdp():
        return bed.router.link("p0").get("xdp")

    def set_for_us():
        lines = bed.router.space.run("ethtool", "-k", "p0").splitlines()
        return [line for line in lines if "vlan" in line]

    before = set_for_us()

    with bed.daemon(STEADY + sections) as mcastd:
        for name, words in (("p0", ("bridge br0", "interface br0", "nomaster")),
                            ("ifb7", ("an ifb",)),
                            ("lo", ("loopback",))):
            assert mcastd.interface(name)["state"] == "failed"
            assert all(word in note(mcastd, name) for word in words), note(mcastd, name)
        assert not xdp(), xdp()
        assert mcastd.interface("d1")["xdp-mode"] == "native"
        bed.router.space.ip("link", "set", "p0", "nomaster")
        mcastd.wait(lambda: mcastd.interface("p0")["state"] == "up", what="p0 up")
        bed.router.space.ip("link", "set", "p0", "master", "br0")
        mcastd.wait(lambda: mcastd.interface("p0")["state"] == "failed", what="p0 refused")
        assert not xdp(), xdp()
        mcastd.wait(lambda: set_for_us() == before, what="the settings of its card as they were")

        mcastd.reload(config + 'interface "[pil]*" {\n    role = downstream\n}\n')
        names = {row["name"] for row in mcastd.ctl("show", "interfaces")["interfaces"]}
        assert names == {"u", "d1", "d2"}
        bed.router.space.ip("link", "set", "p0", "nomaster")
        mcastd.wait(lambda: any(row["name"] == "p0" and row["state"] == "up" for row in
                                mcastd.ctl("show", "interfaces")["interfaces"]), what="p0 up")
        bed.router.space.ip("link", "set", "p0", "master", "br0")
        mcastd.wait(lambda: all(row["name"] != "p0" for row in
                                mcastd.ctl("show", "interfaces")["interfaces"]), what="p0 gone")
        assert not xdp(), xdp()
        bed.router.ports.remove(member)  # receives all multicast for the bridge


def test_bridge_as_a_port(lab):
    """A bridge has no XDP of its own: all ports run in generic mode, and say on whose account."""
    bed = Bed(lab)
    member = bed.router.port("p0", "10.0.7.100/24")
    host = member.host("10.0.7.10", "behind")
    bed.router.space.ip_batch(
        "address flush dev p0", "link add br0 type bridge mcast_snooping 0",
        "link set p0 master br0", "link set br0 up", "address add 10.0.7.100/24 dev br0")
    bed.hosts.append(host)
    with bed.daemon(STEADY + "interface br0 {\n    role = downstream\n}\n") as mcastd:
        mcastd.wait(lambda: mcastd.interface("br0")["state"] == "up", what="br0 up")
        for name in ("u", "d1", "d2", "br0"):
            assert mcastd.interface(name)["xdp-mode"] == "generic"
        assert "br0" in note(mcastd, "d1") and "no XDP transmit" in note(mcastd, "br0")
        member.mac = bed.router.link("br0")["address"]
        join(bed, mcastd, bed.h1)
        host.report((packet.TO_EX, G, ()))
        mcastd.wait_member("br0", G)
        bed.clear()
        check(bed, bed.h1, host)
        frames = bed.send(host=host, source=None)
        bed.expect({bed.source: through(frames, bed.up), bed.h1: through(frames, bed.d1)})
        bed.router.ports.remove(member)  # receives all multicast for the bridge
