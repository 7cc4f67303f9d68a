# SPDX-License-Identifier: BSD-2-Clause
"""make demo: it ends well when all is well, and its verdict depends on what was seen."""

import importlib.machinery
import importlib.util
import os
import signal
import subprocess
import sys
import types

import pytest

from lab import wait_for
from lab.daemon import ROOT, environment

DEMO = os.path.join(ROOT, "tools", "demo")


def load_demo():
    loader = importlib.machinery.SourceFileLoader("mcastd_demo", DEMO)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("mcastd_demo", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def namespaces_of(pid):
    return [n for n in os.listdir("/run/netns") if n.startswith(f"mcastd-lab-{pid}-")]


def test_piped():
    """Plain lines, a verdict with figures, tables, status 0, nothing left."""
    with subprocess.Popen([DEMO, "--step", "2"], stdout=subprocess.PIPE, text=True,
                          env=environment()) as process:
        out, _err = process.communicate(timeout=100)
    assert process.returncode == 0, out
    assert out.splitlines()[-1].startswith("demo: PASS  5 joins, 3 leaves; "), out
    for word in ("A1 joins news", "stopped", "mcastctl show groups", "239.1.1.1"):
        assert word in out
    assert "\x1b" not in out
    assert not namespaces_of(process.pid)


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(number, status):
    """Ctrl-C in the middle: everything is removed."""
    with subprocess.Popen([DEMO, "--step", "2"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env=environment()) as process:
        while "A1 joins news" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(number)
        out = process.stdout.read()
        assert process.wait(30) == status, out
    wait_for(lambda: not namespaces_of(process.pid), 2, "namespaces removed")


def test_daemon_that_dies_is_a_failure():
    """A verdict FAIL and status 1 when mcastd is killed on the way."""
    with subprocess.Popen([DEMO, "--step", "2"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env=environment()) as process:
        while "A1 joins news" not in process.stdout.readline():
            assert process.poll() is None
        children = subprocess.run(["pgrep", "-P", str(process.pid), "mcastd"], text=True,
                                  capture_output=True, check=True).stdout.split()
        assert len(children) == 1
        os.kill(int(children[0]), signal.SIGKILL)
        out = process.stdout.read()
        assert process.wait(30) == 1
    assert "demo: FAIL" in out


class Thing(types.SimpleNamespace):
    """Attributes as given, hashed by identity like the demo's own objects."""

    __hash__ = object.__hash__


def viewing(received, *, joined=100, left=300, rate=100):
    host = Thing(label="A1", port="lan")
    show = Thing(name="news", rate=rate)
    return Thing(host=host, show=show, joined_number=joined, left_number=left,
                                 joined_at=10.0, left_at=11.0), received


@pytest.mark.parametrize("received, fault", [
    (list(range(101, 300)), None),
    (list(range(101, 302)), None),
    ([], "nothing arrived"),
    (list(range(101, 299)), "198 of 199"),
    (list(range(101, 200)) + list(range(201, 300)), "198 of 199"),
    (list(range(101, 300)) + [299], "200 in all"),
    (list(range(295, 300)), "first 195 packets"),
])
def test_verdict_on_a_member(received, fault):
    demo = load_demo()
    told = demo.judge_viewing(*viewing(received))
    assert (fault is None and told is None) or fault in told


@pytest.mark.parametrize("times, count", [
    ([10.1, 10.9, 12.0], 0),
    ([9.9, 10.1], 1),
    ([10.1, 13.5, 14.0], 2),
])
def test_verdict_on_a_lan(times, count):
    demo = load_demo()
    member, _received = viewing([])
    lan = Thing(port="lan", seen={member.show: [(t, n) for n, t in
                                                                enumerate(times)]})
    assert demo.unwanted(lan, member.show, [member]) == count
    lan.seen[member.show].append((10.5, 0))  # a packet that came twice
    assert demo.unwanted(lan, member.show, [member]) == count + 1
