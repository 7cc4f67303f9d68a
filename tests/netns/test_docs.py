# SPDX-License-Identifier: BSD-2-Clause
"""What the documents and manual pages tell people to write is accepted as it stands there."""

import glob
import os
import re
import subprocess

import pytest

from lab import output_dir
from lab.daemon import ROOT, environment

PAGES = sorted(glob.glob(os.path.join(ROOT, "docs", "*.md")) + [os.path.join(ROOT, "README.md")])
MANUALS = sorted(glob.glob(os.path.join(ROOT, "docs", "man", "*")))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def configurations():
    """(where, text): blocks with an interface section, right columns of the moving tables."""
    for path in PAGES:
        name, text = os.path.basename(path), read(path)
        blocks = re.findall(r"^( *)```\n(.*?)^\1```", text, re.M | re.S)
        for number, (_indent, block) in enumerate(blocks):
            if "interface " in block and "role =" in block:
                yield f"{name} {number}", block
        for number, cell in enumerate(re.findall(r"^\|.*?\| `([^`]*[={][^`]*)`", text, re.M)):
            if "interface" not in cell:
                cell = "interface eth0 { role = downstream\n" + cell + " }"
            yield f"{name} cell {number}", cell
    for path in MANUALS:
        for number, block in enumerate(re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", read(path),
                                                  re.M | re.S)):
            if "interface " in block:
                yield f"{os.path.basename(path)} {number}", block.replace("\\&", "")


def run_test(path):
    return subprocess.run([os.path.join(output_dir(), "mcastd"), "-t", "-f", str(path)],
                          capture_output=True, text=True, check=False, env=environment())


@pytest.mark.parametrize("where, text", [pytest.param(*c, id=c[0]) for c in configurations()])
def test_configuration(tmp_path, where, text):
    """mcastd -t has nothing to say against it."""
    path = tmp_path / "mcastd.conf"
    path.write_text(text)
    result = run_test(path)
    assert (result.returncode, result.stderr) == (0, ""), f"{where}:\n{text}"


def test_sample_configuration(tmp_path):
    """
    As installed it has no interfaces, which mcastd says and the unit does not try again. Every
    commented setting is one, with the value that it has without being set.
    """
    path = tmp_path / "mcastd.conf"
    sample = read(os.path.join(ROOT, "deploy", "mcastd.conf"))
    path.write_text(sample)
    result = run_test(path)
    assert result.returncode == 78 and "no interface" in result.stderr
    settings = re.findall(r"^#([a-z][a-z-]* = .*)$", sample, re.M)
    assert len(settings) > 25
    path.write_text("\n".join(settings) + "\ninterface eth0 { role = downstream }\n")
    result = run_test(path)
    assert (result.returncode, result.stderr) == (0, "")


def test_settings_are_documented():
    """Each name of the table in config.c stands in mcastd.conf(5), and no other."""
    manual = read(os.path.join(ROOT, "docs", "man", "mcastd.conf.5"))
    documented = set(re.findall(r"^\.It Cm ([a-z0-9-]+)", manual, re.M)) - {"interface", "include"}
    source = read(os.path.join(ROOT, "userspace", "control", "config.c"))
    known = set(re.findall(r'^\t(?:[A-Z_0-9]+\(|\{ (?:\.name = )?)"([a-z0-9-]+)"', source, re.M))
    assert len(known) > 30
    assert known - {"source"} == documented - {"static-group", "join-group"}


def test_commands():
    """mcastctl knows every command that a document shows: nobody answers it here, status 69."""
    commands = set()
    for path in PAGES + MANUALS:
        text = read(path).replace("\\-", "-")
        commands |= set(re.findall(r"(?:`|^ *(?:podman exec \w+ |\$ )?|\.Li |\.Dl |&& )"
                                   r"mcastctl ((?:-j )?[a-z][^`|#,\n]*)", text, re.M))
    assert len(commands) > 15
    for command in commands:
        words = ["x" if word.isupper() else word for word in command.rstrip(" .").split()]
        # What needs a file or a terminal, and the name of a command in a sentence.
        if words[0] == "convert" or words in (["top"], ["log"], ["show"], ["explain"]):
            continue
        words = ["debug" if words[0] == "log" and w == "x" else w for w in words]
        result = subprocess.run([os.path.join(output_dir(), "mcastctl"), "-u", "/nonexistent",
                                 *words], capture_output=True, text=True, timeout=10, check=False,
                                env=environment())
        assert result.returncode == 69, f"mcastctl {command}: {result.stderr}"


def test_links():
    """Links between the documents lead somewhere, to a heading, too."""
    def anchors(text):
        titles = re.findall(r"^#+ (.*)$", text, re.M)
        return {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}

    for path in PAGES:
        for target in re.findall(r"\]\(([^)]+)\)", read(path)):
            if target.startswith("http"):
                continue
            file, _hash, anchor = target.partition("#")
            found = os.path.join(os.path.dirname(path), file) if file else path
            assert os.path.exists(found), f"{path}: {target}"
            if anchor:
                assert anchor in anchors(read(found)), f"{path}: {target}"
