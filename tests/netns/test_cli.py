# SPDX-License-Identifier: BSD-2-Clause
"""Exit statuses and messages of mcastd and mcastctl, as SURFACE.md fixes them."""

import os
import re
import shutil
import subprocess

import pytest

from bed import FAST, G, Bed
from lab import Router, output_dir
from lab.daemon import Ctl, environment

USAGE, UNAVAILABLE, NO_PERMISSION, CONFIGURATION = 64, 69, 77, 78


def run(program, *words, prefix=(), **kwargs):
    result = subprocess.run([*prefix, os.path.join(output_dir(), program), *words],
                            capture_output=True, text=True, timeout=30, check=False,
                            env=environment(), **kwargs)
    return result.returncode, result.stdout, result.stderr


@pytest.mark.parametrize("program", ["mcastd", "mcastctl"])
def test_usage_errors(program):
    """64, one line that names the option and where to look further."""
    status, out, err = run(program, "--no-such-option")
    assert (status, out) == (USAGE, "")
    assert "no-such-option" in err and "help" in err


@pytest.mark.parametrize("program", ["mcastd", "mcastctl"])
def test_help_and_version(program):
    status, out, err = run(program, "--help")
    assert (status, err) == (0, "") and program in out and "--help" in out
    status, out, err = run(program, "--version")
    assert (status, err) == (0, "") and re.search(r"\d+\.\d+", out)


def test_stray_argument():
    status, _out, err = run("mcastd", "eth0")
    assert status == USAGE and "eth0" in err


def test_bad_log_level():
    status, _out, err = run("mcastd", "-l", "loud")
    assert status == USAGE and "loud" in err and "debug" in err


BAD = {
    "unknown key": ("query-interval = 10\nquery-intervall = 3\n", 2),
    "not a number": ("query-interval = soon\n", 1),
    "R-8.1-RV": ("\nrobustness-variable = 0\n", 2),
    "R-8.3-QRI": ("query-interval = 5\nquery-max-response-time = 5\n", None),
    "version": ("version = 4\n", 1),
    "unknown role": ("interface eth0 {\n    role = sideways\n}\n", 2),
    "two upstreams": ("interface a {\n role = upstream\n}\ninterface b {\n role = upstream\n}\n",
                      None),
    "same interface twice": ("interface a {\n role = downstream\n}\n"
                             "interface a {\n role = downstream\n}\n", None),
    "prefix": ('interface a {\n    role = downstream\n    altnet = { "192.0.2.0/33" }\n}\n', 3),
    "host bits": ('interface a {\n    role = downstream\n    altnet = { "192.0.2.1/24" }\n}\n', 3),
    "policy word": ('interface a {\n    role = downstream\n'
                    '    group-policy = { "allow 239.0.0.0/8" }\n}\n', 3),
    "static group not multicast": ("interface a {\n    role = downstream\n"
                                   "    static-group 10.0.0.1 { }\n}\n", 3),
    "syntax": ("interface a {\n    role = downstream\n", None),
    "ttl-threshold": ("interface a {\n    role = downstream\n    ttl-threshold = 300\n}\n", 3),
    "xdp-mode": ("xdp-mode = warp\n", 1),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_configuration(tmp_path, what):
    """78, and FILE:LINE: what is wrong."""
    text, line = BAD[what]
    path = tmp_path / "bad.conf"
    path.write_text(text)
    status, out, err = run("mcastd", "--test", "-f", str(path))
    assert (status, out) == (CONFIGURATION, ""), err
    place = re.search(rf"{re.escape(str(path))}:(\d+): \S", err)
    assert place, err
    assert line in (None, int(place[1])), err


def test_good_configuration_is_only_checked(tmp_path):
    """-t: status 0, nothing is touched, not even root is needed."""
    path = tmp_path / "good.conf"
    path.write_text("include(\"%s\")\ninterface eth0 {\n    role = upstream\n}\n" %
                    (tmp_path / "more.conf"))
    (tmp_path / "more.conf").write_text("interface eth1 {\n    role = downstream\n}\n")
    assert run("mcastd", "-t", "-f", str(path))[0] == 0


def test_missing_configuration_file(tmp_path):
    path = str(tmp_path / "none.conf")
    status, _out, err = run("mcastd", "-f", path)
    assert status == CONFIGURATION and path in err


def test_no_daemon_there(tmp_path):
    """69, and the socket's name."""
    path = str(tmp_path / "none.sock")
    for words in (["show", "interfaces"], ["-j", "show", "groups"], ["reload"], ["monitor"]):
        status, out, err = run("mcastctl", "-u", path, *words)
        assert (status, out) == (UNAVAILABLE, ""), words
        assert path in err


def test_ctl_usage():
    for words in ([], ["frobnicate"], ["show"], ["show", "nonsense"], ["explain", "192.0.2.1"],
                  ["explain", "x", "y"], ["log", "loud"]):
        status, _out, err = run("mcastctl", "-u", "/nonexistent", *words)
        assert status in (USAGE, UNAVAILABLE) if words and words[0] in ("explain", "log") \
            else status == USAGE, (words, status, err)
        assert err


def test_not_root(lab, tmp_path):
    """77, and what it needs; run as nobody from a place that nobody can read."""
    os.chmod(tmp_path, 0o755)
    for directory in tmp_path.parents:
        if str(directory).startswith("/tmp/"):
            os.chmod(directory, 0o755)
    program = shutil.copy(os.path.join(output_dir(), "mcastd"), tmp_path)
    path = tmp_path / "ok.conf"
    path.write_text(FAST + "interface d1 {\n    role = downstream\n}\n")
    os.chmod(path, 0o644)
    router = Router(lab)
    router.port("d1", "10.0.1.100/24").host("10.0.1.10")
    result = subprocess.run(
        router.space.command(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                              program, "-f", str(path), "-u", f"{tmp_path}/s", "-b",
                              lab.bpffs_dir()]),
        capture_output=True, text=True, timeout=30, check=False, env=environment(), cwd="/")
    assert result.returncode == NO_PERMISSION, result
    assert "root" in result.stderr or "CAP_" in result.stderr
    assert "xdp" not in router.link("d1")


def test_commands_and_prefixes(lab):
    """Unambiguous prefixes, tables for people, JSON for programs."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        bed.h1.wire.clear()
        bed.send(count=5)
        bed.router.settle()
        for what, words in (("interfaces", ["d1", "downstream", "native"]),
                            ("groups", ["d1", G]), ("flows", [G]), ("upstream", [G]),
                            ("statistics", ["d1"])):
            table = mcastd.ctl.text("show", what)
            for word in words:
                assert word in table, f"{word} in {what}:\n{table}"
            assert mcastd.ctl.text("sh", what[:2]) == table or what in ("interfaces", "groups",
                                                                          "flows", "statistics")
            answer = mcastd.ctl("show", what)
            assert isinstance(answer, dict) and len(answer) >= 1
        assert {i["name"] for i in mcastd.ctl("show", "interfaces")["interfaces"]} == \
            {"u", "d1", "d2"}
        assert [i["name"] for i in mcastd.ctl("show", "interfaces", "d2")["interfaces"]] == ["d2"]
        assert re.search(r"\d+\.\d+", mcastd.ctl.text("show", "version"))
        status, _out, err = run("mcastctl", "-u", mcastd.socket_path, "s")
        assert status == USAGE and err


def test_explain(lab):
    """Issue 4 point 7: in words why a packet goes where it goes."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        text = mcastd.ctl.text("explain", "192.0.2.1", G)
        assert "d1" in text and "10.0.1.10" in text
        assert "d1" not in mcastd.ctl.text("explain", "192.0.2.1", G, "d2")
        assert mcastd.ctl("explain", "192.0.2.1", G)["forwarded"] is True
        assert mcastd.ctl("explain", "192.0.2.1", G, "d2")["forwarded"] is False
    with bed.daemon(u=None) as mcastd:
        assert 'altnet = { "192.0.2.1/32" }' in mcastd.ctl.text("explain", "192.0.2.1", G)


def test_monitor(lab):
    """Events as they happen, a line each."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        with subprocess.Popen([os.path.join(output_dir(), "mcastctl"), "-j", "-u",
                               mcastd.socket_path, "monitor"], stdout=subprocess.PIPE, text=True,
                              env=environment()) as monitor:
            mcastd.wait(lambda: Ctl(mcastd.socket_path).run("show", "version").returncode == 0)
            seen = ""
            receiver = bed.h1.receiver(G).join()
            while G not in seen:
                line = monitor.stdout.readline()
                assert line, seen
                seen += line
            receiver.close()
            monitor.terminate()


def test_log_level_and_flush(lab):
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        bed.h1.report(*[(4, f"239.1.1.{n}", []) for n in range(1, 6)])
        mcastd.wait_member("d1", "239.1.1.5")
        mcastd.ctl.text("log", "debug")
        mcastd.ctl.text("flush", "groups", "d1")
        assert not mcastd.ctl("show", "groups")["groups"]
