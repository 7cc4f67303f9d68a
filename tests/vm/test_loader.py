# SPDX-License-Identifier: BSD-2-Clause
"""What docs/BPFTOOL.md, README.md and mcastd(8) tell people to type, as it stands there."""

import os
import re

import pytest

from bed import Bed
from lab.daemon import ROOT, bpf_object
from lab.netns import run

PLACES = ("README.md", "docs/BPFTOOL.md", "docs/man/mcastd.8")


def read(place):
    with open(os.path.join(ROOT, place), encoding="utf-8") as file:
        return file.read()


def commands(place, tool):
    """Indented lines that begin with the tool, behind a prompt or not, loops included."""
    return [re.sub(r"^ *(# |> +|\.Dl )?", "", line) for line in read(place).splitlines()
            if re.match(rf"^(    (# |> +)?|\.Dl ){tool} ", line)]


def here(command, bed, pins, interface):
    """The command with this test's directories and interface."""
    return bed.router.space.run("sh", "-c", re.sub(r"\S*/?mcast\.bpf\.o", bpf_object(), command)
                                .replace("/sys/fs/bpf/mcastd", pins)
                                .replace("$i", interface).replace("eth0", interface)
                                .replace("eth1", interface))


@pytest.mark.parametrize("dispatcher", ["as it comes", "without"])
def test_load_the_program_yourself(lab, dispatcher):
    """
    xdp-loader as each page has it, in whatever way this libxdp attaches here; mcastd takes over,
    forwards beside it, and leaves the programs; then every look with bpftool finds something.
    """
    before = ""
    if dispatcher == "without":
        (before,) = re.findall(r"`(LIBXDP_\w+=1)` before the command", read("docs/BPFTOOL.md"))
    bed = Bed(lab)
    pins = lab.bpffs_dir()
    os.makedirs(pins)
    for port, place in zip(bed.router.ports, PLACES):
        (line,) = commands(place, "xdp-loader load")
        here(f"{before} {line}", bed, pins, port.name)
    loaded = {port.name: bed.router.link(port.name)["xdp"] for port in bed.router.ports}
    assert "mcastd_ingress" in bed.router.space.run("xdp-loader", "status")
    if before:
        assert {xdp["prog"]["name"] for xdp in loaded.values()} == {"mcastd_ingress"}
    mcastd = bed.daemon(bpffs=pins)
    bed.check_forwarding(mcastd)
    looks = [line for line in commands("docs/BPFTOOL.md", "bpftool") if "id $" not in line]
    assert len(looks) > 6
    for line in looks:
        assert here(line, bed, pins, "u"), line
    groups = run(["bpftool", "map", "dump", "pinned", f"{pins}/mcastd_groups"])
    assert re.search(r"239,\s*1,\s*1,\s*1", groups), groups
    mcastd.stop(left=("u", "d1", "d2"))
    assert {port.name: bed.router.link(port.name)["xdp"] for port in bed.router.ports} == loaded
    for port in bed.router.ports:
        bed.router.space.run("xdp-loader", "unload", port.name, "--all")
    assert not any(bed.router.link(port.name).get("xdp") for port in bed.router.ports)
