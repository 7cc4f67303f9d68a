# SPDX-License-Identifier: BSD-2-Clause
"""How programs come onto interfaces: native, generic, plain veth peers, xdp-loader, versions."""

import json
import os

import pytest

from bed import FAST, G, Bed, through
from lab import LabError, packet
from lab.daemon import bpf_object
from lab.netns import run


def program(bed, port):
    """What is attached to an interface: the "xdp" object of `ip link`, or None."""
    return bed.router.link(port.name).get("xdp")


@pytest.mark.parametrize("mode, number", [("auto", 1), ("native", 1), ("generic", 2)])
def test_modes(lab, mode, number):
    """Issue 2 point 4: native where it is to be had, and show interfaces says which."""
    bed = Bed(lab)
    with bed.daemon(FAST + f"xdp-mode = {mode}\n") as mcastd:
        for port in bed.router.ports:
            assert program(bed, port)["mode"] == number
            told = mcastd.interface(port.name)["xdp-mode"]
            assert told == ("generic" if mode == "generic" else "native")
        bed.check_forwarding(mcastd)


def tells_features(bed):
    """Does the kernel tell which interfaces can transmit XDP frames?"""
    try:
        bed.router.space.run("genl", "ctrl", "get", "name", "netdev")
    except LabError:
        return False
    return True


def need_features(bed):
    if not tells_features(bed):
        pytest.skip("this kernel has no XDP features of interfaces (netlink family netdev)")


def test_plain_veth_peers(lab):
    """
    No XDP and no GRO on the far side: native redirect could not transmit, and silently would not.
    The daemon falls back to generic mode and says so.
    """
    bed = Bed(lab, gro=False)
    need_features(bed)
    with bed.daemon() as mcastd:
        for port in bed.router.ports:
            assert mcastd.interface(port.name)["xdp-mode"] == "generic"
        assert "generic" in mcastd.ctl.text("show", "interfaces")
        assert "generic" in mcastd.log()
        bed.check_forwarding(mcastd)


def test_one_plain_port_among_others(lab):
    """One port that cannot transmit is enough: data for it must still come out of it."""
    bed = Bed(lab)
    need_features(bed)
    bed.h3.space.run("ethtool", "-K", "eth0", "gro", "off")
    with bed.daemon() as mcastd:
        bed.check_forwarding(mcastd)


def test_peer_loses_and_regains_gro(lab):
    """A port whose peer turns GRO off while we run goes on receiving what it wants."""
    bed = Bed(lab)
    need_features(bed)
    with bed.daemon() as mcastd:
        bed.check_forwarding(mcastd)
        for state, mode in (("off", "generic"), ("on", "native")):
            bed.h1.space.run("ethtool", "-K", "eth0", "gro", state)
            mcastd.wait(lambda m=mode: mcastd.interface("d2")["xdp-mode"] == m, 5, f"{mode} mode")
            assert ("d1 has no XDP transmit" in mcastd.interface("d2").get("xdp-note", "")) == (
                state == "off")

            def complete():
                bed.h1.wire.clear()
                frames = bed.send(count=5)
                bed.router.settle()
                return bed.h1.data() == through(frames, bed.d1)

            mcastd.wait(complete, 5, f"forwarding to d1 with its peer's GRO {state}")
        bed.clear()
        bed.check_forwarding(mcastd)


def test_native_demanded_where_it_cannot_be(lab):
    """xdp-mode = native on plain veth: nobody loses the stream, and each port says what it is."""
    bed = Bed(lab, gro=False)
    need_features(bed)
    with bed.daemon(FAST + "xdp-mode = native\n") as mcastd:
        for port in bed.router.ports:
            assert mcastd.interface(port.name)["xdp-mode"] == "generic"
            assert "has no XDP transmit" in mcastd.interface(port.name)["xdp-note"]
            assert f"{port.name}: its driver has no XDP transmit" in mcastd.log()
        bed.check_forwarding(mcastd)


ALONE = "mcastd is alone on its interfaces"


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_dispatcher_or_not(lab, mode):
    """
    Where libxdp's dispatcher cannot be had the program is attached without, on every port, and one
    line says so and why, in the kernel's words; where it can, nothing is said.
    """
    bed = Bed(lab)
    with bed.daemon(FAST + f"xdp-mode = {mode}\n") as mcastd:
        names = {program(bed, port)["prog"].get("name") for port in bed.router.ports}
        mcastd.reload()
        told = [line for line in mcastd.log().splitlines() if ALONE in line]
        if names == {"xdp_dispatcher"}:
            assert not told
        else:
            assert names == {"mcastd_ingress"}
            assert len(told) == 1 and "failed (" in told[0], told
            assert "Operation not permitted" in told[0] or "packet data" in told[0], told
        bed.check_forwarding(mcastd)


def test_dispatcher_without_its_file_system(lab, monkeypatch):
    """Whatever libxdp lacks, here the BPF file system where it looks for it: attached alone."""
    monkeypatch.setenv("LIBXDP_BPFFS", "/nonexistent")
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        assert {program(bed, port)["prog"].get("name") for port in bed.router.ports} == {
            "mcastd_ingress"}
        told = [line for line in mcastd.log().splitlines() if ALONE in line]
        assert len(told) == 1 and "bpffs" in told[0], told
        bed.check_forwarding(mcastd)


def load(bed, port, pins):
    return bed.router.space.run("xdp-loader", "load", "-m", "native", "-p", pins, port.name,
                                bpf_object())


def test_xdp_loader_first(lab):
    """Issue 2 point 5: the loaded programs pass everything, are taken over, and stay."""
    bed = Bed(lab)
    pins = lab.bpffs_dir()
    os.makedirs(pins)
    for port in bed.router.ports:
        load(bed, port, pins)
    loaded = {port.name: program(bed, port) for port in bed.router.ports}
    assert bed.h1.ping("10.9.0.10") and bed.h1.ping("10.0.1.100")
    receiver = bed.up.receiver(G).join()
    bed.source.stream(G).send(5)
    near, _far = bed.d1.taps()
    bed.h1.report((packet.TO_EX, G, []))
    near.wait_message(lambda m: m.record(G))
    bed.router.settle()
    assert len(receiver.drain()) == 5
    receiver.close()

    mcastd = bed.daemon(bpffs=pins)
    bed.check_forwarding(mcastd)
    assert {port.name: program(bed, port) for port in bed.router.ports} == loaded
    mcastd.stop(left=("u", "d1", "d2"))
    assert {port.name: program(bed, port) for port in bed.router.ports} == loaded
    bed.send()
    bed.send(host=bed.h1, source=None)
    bed.expect({})
    assert bed.h1.ping("10.9.0.10")

    with_again = bed.daemon(bpffs=pins)  # and once more
    bed.check_forwarding(with_again)
    with_again.stop(left=("u", "d1", "d2"))
    for port in bed.router.ports:
        bed.router.space.run("xdp-loader", "unload", "-a", port.name)


def test_other_program_in_the_way(lab):
    """A foreign XDP program is not pushed aside: a clear error with the interface's name."""
    bed = Bed(lab)
    path = os.path.join(lab.dir, "foreign.bpf")
    source = os.path.join(lab.dir, "foreign.c")
    with open(source, "w", encoding="ascii") as file:
        file.write('__attribute__((section("xdp"), used)) int foreign(void *c) { return 2; }\n'
                   'char _license[] __attribute__((section("license"), used)) = "GPL";\n')
    run(["clang", "-O2", "-target", "bpf", "-c", "-o", path, source])
    bed.router.space.ip("link", "set", "dev", "d1", "xdpdrv", "obj", path, "sec", "xdp")
    before = program(bed, bed.d1)
    mcastd = bed.daemon(start=False)
    mcastd.start(ready=False)
    mcastd.wait_notification("READY=1", 20)
    assert program(bed, bed.d1) == before
    assert "d1" in mcastd.log()
    assert mcastd.interface("d1")["state"] != "up"
    mcastd.stop(left=("d1",))
    bed.router.space.ip("link", "set", "dev", "d1", "xdpdrv", "off")


def test_abi_mismatch(lab):
    """Issue 2 point 5: maps pinned by another version are refused with a clear error."""
    bed = Bed(lab)
    pins = lab.bpffs_dir()
    os.makedirs(pins)
    run(["bpftool", "map", "create", f"{pins}/mcastd_abi", "type", "array", "key", "4", "value",
         "4", "entries", "99", "name", "mcastd_abi"])
    mcastd = bed.daemon(bpffs=pins, start=False)
    status, text = mcastd.run_to_end()
    assert status == 69 or status == 71, text
    assert "99" in text and pins in text, text
    assert os.listdir(pins) == ["mcastd_abi"]
    assert not any(program(bed, port) for port in bed.router.ports)
    os.unlink(f"{pins}/mcastd_abi")


def test_maps_are_readable(lab):
    """Issue 2 point 6: bpftool shows a flow, its ports and its counters by name."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        bed.check_forwarding(mcastd)
        maps = {}
        for name in ("mcastd_groups", "mcastd_routes", "mcastd_ports"):
            dump = json.loads(run(["bpftool", "-j", "map", "dump", "pinned",
                                   f"{mcastd.bpffs}/{name}"]))
            maps[name] = [entry.get("formatted", entry) for entry in dump]
        group = [e for e in maps["mcastd_groups"] if e["key"]["group"] == [239, 1, 1, 1]]
        assert len(group) == 1
        index = group[0]["value"]
        route = [e for e in maps["mcastd_routes"] if e["key"] == index][0]["value"]
        assert route["group"] == [239, 1, 1, 1]
        used = [e["value"] for e in maps["mcastd_ports"] if e["value"]["ifindex"]]
        assert len(used) == 3


def test_needs_a_kernel_with_bpffs(lab):
    """A directory that is no bpf file system: a clear error, no half-attached port."""
    bed = Bed(lab)
    path = os.path.join(lab.dir, "not-bpffs")
    os.mkdir(path)
    mcastd = bed.daemon(bpffs=path, start=False)
    status, text = mcastd.run_to_end()
    assert status in (69, 71), text
    assert path in text and "bpf" in text
    assert not any(program(bed, port) for port in bed.router.ports)


def test_lab_error_names_the_command(lab):
    """So that a missing tool is told apart from a failing test."""
    bed = Bed(lab)
    with pytest.raises(LabError, match="xdp-loader"):
        bed.router.space.run("xdp-loader", "load", "no-such-interface", "/nonexistent.o")
