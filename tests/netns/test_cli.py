# SPDX-License-Identifier: BSD-2-Clause
"""Exit statuses and messages of mcastd and mcastctl, as SURFACE.md fixes them."""

import json
import os
import re
import shutil
import subprocess

import pytest

from bed import FAST, G, GS, S1, Bed
from lab import Router, output_dir, packet
from lab.daemon import SLOWNESS, environment, hold

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


class Monitor:
    """mcastctl -j monitor, and what it has told."""

    def __init__(self, lab, daemon):
        self.process = lab.popen(daemon.router.space, [
            os.path.join(output_dir(), "mcastctl"), "-j", "-u", daemon.socket_path, "monitor"],
            stdout=subprocess.PIPE, text=True, env=environment())
        self.daemon = daemon
        self.events = []
        os.set_blocking(self.process.stdout.fileno(), False)
        self.wait(event="monitoring")

    def find(self, **wanted):
        self.events += [json.loads(line) for line in self.process.stdout.readlines()]
        return [e for e in self.events
                if all(e.get(key.replace("_", "-")) == value for key, value in wanted.items())]

    def wait(self, **wanted):
        """The first event with these keys, once it is there."""
        self.daemon.wait(lambda: self.find(**wanted), 8, f"event {wanted} in {self.events}")
        return self.find(**wanted)[0]


def test_monitor(lab):
    """Joins, leaves, queriers, link changes, as they happen, an object each."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        monitor = Monitor(lab, mcastd)
        receiver = bed.h1.receiver(G).join()
        joined = monitor.wait(event="group-joined", group_address=G)
        assert (joined["interface"], joined["host"]) == ("d1", bed.h1.address)
        receiver.close()
        left = monitor.wait(event="group-left", group_address=G)
        assert left["time"] > joined["time"]
        bed.h3.send_igmp("224.0.0.1", packet.igmp_query(), source="10.0.2.1")
        monitor.wait(event="querier-other", interface="d2", host="10.0.2.1")
        bed.h3.send_igmp("224.0.0.22", packet.igmp_report((4, G, []), bad_checksum=True))
        monitor.wait(event="igmp-dropped", interface="d2")
        bed.router.space.ip("link", "set", "d2", "down")
        monitor.wait(event="port-down", interface="d2")
        bed.router.space.ip("link", "set", "d2", "up")
        monitor.wait(event="port-up", interface="d2")


def test_monitor_tells_flows_and_drops(lab):
    """What the data plane does: flows that begin and stop, unwanted traffic, drops with reasons."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        bed.h1.receiver(GS).join()
        bed.send("239.6.6.6")
        bed.send(G)
        bed.router.settle()
        mcastd.wait(lambda: mcastd.ctl("show", "flows")["unwanted"])
        hold(3.5)  # what stopped long ago is no event later
        monitor = Monitor(lab, mcastd)
        hold(1.5)  # the first look
        bed.send(G)
        started = monitor.wait(event="flow-started", group_address=G, source_address=S1)
        assert started["text"] == f"{G} of {S1} flows to d1" and started["interface"] == "u"
        bed.send("239.7.7.7")
        unwanted = monitor.wait(event="unwanted-started", group_address="239.7.7.7")
        assert "no-route" in unwanted["text"]
        bed.send(G, count=7, source="10.0.1.77")
        dropped = monitor.wait(event="dropped", interface="u")
        assert (dropped["reason"], dropped["count"]) == ("wrong-port", 7)
        stopped = monitor.wait(event="flow-stopped", group_address=G)
        assert 2 < stopped["time"] - started["time"] < 6 * SLOWNESS
        monitor.wait(event="unwanted-stopped", group_address="239.7.7.7")
        assert not monitor.find(group_address="239.6.6.6")
        # A route that goes with its last member.
        bed.send(G)
        mcastd.wait(lambda: len(monitor.find(event="flow-started", group_address=G)) == 2)
        mcastd.ctl.text("flush", "groups", "d1")
        mcastd.wait(lambda: len(monitor.find(event="flow-stopped", group_address=G)) == 2, 8)


def test_monitor_bounds_what_it_tells(lab):
    """A scan through all groups makes a hundred lines a second, and a count."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        monitor = Monitor(lab, mcastd)
        hold(1.2)
        for n in range(1500):
            bed.send(f"239.8.{n // 250}.{n % 250}")
        more = monitor.wait(event="flows-changed")
        assert more["count"] > 0 and str(more["count"]) in more["text"]
        rounds = {e["time"] for e in monitor.find(event="flows-changed")}
        assert len(monitor.find(event="unwanted-started")) <= 100 * (len(rounds) + 2)


def test_reload_says_why_not(lab):
    """The first error with its place; the old configuration stays in force."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        mcastd.write_config("query-interval = 9\nquery-intervall = 3\n")
        result = mcastd.ctl.run("reload")
        assert (result.returncode, result.stdout) == (CONFIGURATION, "")
        assert f"{mcastd.config_path}:2: " in result.stderr and "query-interval" in result.stderr
        assert len(mcastd.ctl("show", "interfaces")["interfaces"]) == 3
        mcastd.write_config(bed.config())
        assert mcastd.ctl.run("reload").returncode == 0


def test_counters_carry_on_through_reloads(lab):
    """Of flows, of ports and of messages; those of a port that the difference touches, too."""
    bed = Bed(lab)

    def counters():
        flow = next(f for f in mcastd.ctl("show", "flows")["flows"] if f["group-address"] == G)
        port = mcastd.statistics("d1")
        return (flow["packets"], port["data"]["sent-packets"], port["received"]["reports"],
                port["sent"]["queries"])

    with bed.daemon() as mcastd:
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        for number, d1 in enumerate(([], ["ttl-threshold = 2"], ["immediate-leave = true"]), 1):
            mcastd.reload(bed.config(d1=d1))
            bed.send(count=5)
            bed.router.settle()
            packets, sent, reports, queries = counters()
            assert (packets, sent) == (5 * number, 5 * number)
            assert reports >= 1 and queries >= 1


def test_log_level_and_flush(lab):
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        bed.h1.report(*[(4, f"239.1.1.{n}", []) for n in range(1, 6)])
        mcastd.wait_member("d1", "239.1.1.5")
        mcastd.ctl.text("log", "debug")
        mcastd.ctl.text("flush", "groups", "d1")
        assert not mcastd.ctl("show", "groups")["groups"]
