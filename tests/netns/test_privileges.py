# SPDX-License-Identifier: BSD-2-Clause
"""
What the running processes may still do, to the bit, and that it is enough: for everything that
comes after the start. All other tests run under the same filter of system calls, set to kill.
"""

import os
import re
import signal

import pytest

from bed import FAST, G, QUICK, Bed, through
from lab import Daemon, wait_for
from lab.daemon import ROOT, is_sanitized

NET_ADMIN, NET_RAW, IPC_LOCK, SYS_ADMIN = (1 << n for n in (12, 13, 14, 21))
PORT = 9455


def status(pid):
    """/proc/PID/status; of every thread the same."""
    threads = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as file:
            lines = dict(line.rstrip("\n").split(":\t", 1) for line in file)
        threads.append({key: lines[key] for key in lines
                        if key.startswith(("Cap", "NoNew", "Seccomp")) or key in ("Uid", "Gid")})
    assert all(thread == threads[0] for thread in threads)
    return threads[0]


def capabilities(pid):
    """The sets of a process by name."""
    return {key[3:]: int(value, 16) for key, value in status(pid).items() if key.startswith("Cap")}


def memory_is_limited(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        return not re.search(r"^Max locked memory +unlimited +unlimited", file.read(), re.MULTILINE)


def assert_confined(pid, filters=1):
    """Exactly what the daemon keeps. Where the limit of memory cannot be lifted: IPC_LOCK as well."""
    kept = NET_ADMIN | NET_RAW | SYS_ADMIN | (IPC_LOCK if memory_is_limited(pid) else 0)
    assert capabilities(pid) == {"Inh": 0, "Prm": kept, "Eff": kept, "Bnd": 0, "Amb": 0}
    assert_filtered(pid, filters)


def assert_filtered(pid, filters):
    got = status(pid)
    assert got["NoNewPrivs"] == "1"
    if not is_sanitized():
        assert (got["Seccomp"], got["Seccomp_filters"]) == ("2", str(filters))


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def http_config(bed):
    return f"http-listen = \"{PORT}\"\n" + bed.config(QUICK)


def test_daemon_keeps_three_capabilities(lab):
    """From before the first packet on, and no more after what may happen in its life."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        assert_confined(mcastd.process.pid)
        mcastd.reload(http_config(bed))
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        assert_confined(mcastd.process.pid)


def test_http_keeps_nothing(lab):
    """Starter and server: no capability, another user, filters of their own, no map to hold."""
    bed = Bed(lab)
    mcastd = Daemon(lab, bed.router, http_config(bed))
    with mcastd:
        starter, = children(mcastd.process.pid)
        server, = mcastd.wait(lambda: children(starter), what="the process that serves")
        mcastd.wait(lambda: is_sanitized() or status(server)["Seccomp_filters"] == "2")
        for filters, pid in enumerate((starter, server), 1):
            assert capabilities(pid) == {"Inh": 0, "Prm": 0, "Eff": 0, "Bnd": 0, "Amb": 0}
            assert "0" not in status(pid)["Uid"].split() + status(pid)["Gid"].split()
            assert_filtered(pid, filters)
            files = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
                assert not [text for text in (*files, maps.read()) if "bpf-" in text]


def test_starter_gone(lab):
    """Without it there is no HTTP, which is said; all else goes on."""
    bed = Bed(lab)
    with Daemon(lab, bed.router, http_config(bed)) as mcastd:
        starter, = children(mcastd.process.pid)
        server, = mcastd.wait(lambda: children(starter), what="the process that serves")
        os.kill(starter, signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f"/proc/{server}/exe"), 5, "the end of the server")
        mcastd.wait(lambda: "mcastd must be started anew for it" in mcastd.log())
        assert mcastd.ctl("show", "statistics")["http"]["state"] == "waiting"
        mcastd.reload(bed.config(QUICK))
        mcastd.reload(http_config(bed))
        assert mcastd.log().count("cannot serve") == 1
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_ports_come_and_go(lab, mode):
    """An interface that appears later gets program, sockets and maps, and loses them again."""
    bed = Bed(lab)
    extra = f"xdp-mode = {mode}\n" + FAST
    with bed.daemon(extra, u=None, d1=None) as mcastd:
        mcastd.reload(bed.config(extra) + "interface d9 {\n    role = downstream\n}\n")
        port = bed.router.port("d9", "10.0.9.100/24")
        host = port.host("10.0.9.10")
        mcastd.wait(lambda: mcastd.interface("d9")["state"] == "up", what="d9 up")
        assert mcastd.interface("d9")["xdp-mode"] == mode
        host.receiver(G).join()
        mcastd.wait_member("d9", G)
        frames = bed.send()
        host.wait_data(G)
        bed.router.settle()
        assert host.data() == through(frames, port)
        bed.router.space.ip("link", "del", "d9")
        bed.router.ports.remove(port)
        mcastd.wait(lambda: mcastd.interface("d9")["state"] != "up", what="d9 gone")
        assert_confined(mcastd.process.pid)


@pytest.mark.parametrize("policy", ["detach", "keep"])
def test_restarts_without_privileges(lab, policy):
    """Reload by both ways, kill -9 with take-over, and both ways to end."""
    bed = Bed(lab)
    config = bed.config(QUICK) + f"on-exit = {policy}\n"
    mcastd = Daemon(lab, bed.router, config)
    for host in (bed.h1, bed.h3):
        host.receiver(G).join()
    mcastd.wait_member("d1", G)
    mcastd.ctl("reload")
    mcastd.reload(config)
    mcastd.crash()
    mcastd.start()
    mcastd.wait_member("d2", G)
    assert_confined(mcastd.process.pid)
    if policy == "keep":
        mcastd.send_signal(signal.SIGTERM)
        assert mcastd.process.wait(10) == 0
        bed.h1.wire.clear()
        bed.send()
        bed.h1.wait_data(G)
        mcastd.write_config(bed.config(QUICK))
        mcastd.start()
    mcastd.stop()


def unit_file():
    with open(os.path.join(ROOT, "deploy", "mcastd.service.in"), encoding="ascii") as file:
        return dict(line.rstrip("\n").split("=", 1) for line in file
                    if "=" in line and not line.startswith("#"))


class Bounded(Daemon):
    """As the unit starts it: with the capabilities that are named there and no others."""

    def argv(self):
        names = unit_file()["CapabilityBoundingSet"].lower().replace("cap_", "+").split()
        return ["setpriv", "--no-new-privs", "--bounding-set", ",".join(["-all", *names]),
                *super().argv()]


def test_the_units_capabilities_are_enough(lab):
    """To start, with HTTP, and to serve."""
    bed = Bed(lab)
    with Bounded(lab, bed.router, http_config(bed)) as mcastd:
        kept = capabilities(mcastd.process.pid)["Eff"]
        assert kept == NET_ADMIN | NET_RAW | SYS_ADMIN
        starter, = children(mcastd.process.pid)
        mcastd.wait(lambda: children(starter), what="the process that serves")
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        bed.expect({bed.h1: through(bed.send(), bed.d1)})


@pytest.mark.parametrize("mode, text", [("off", "system calls are not filtered"), ("deny", None)])
def test_modes_of_the_filter(lab, mode, text):
    """Off is told; either way the capabilities are gone."""
    bed = Bed(lab)
    with Daemon(lab, bed.router, bed.config(), arguments=("--seccomp", mode)) as mcastd:
        got = status(mcastd.process.pid)
        if not is_sanitized():
            assert got["Seccomp"] == ("0" if mode == "off" else "2")
            assert bool(text) == ("system calls are not filtered" in mcastd.log())
        assert capabilities(mcastd.process.pid)["Bnd"] == 0
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)


def test_what_is_no_mode(lab):
    bed = Bed(lab)
    mcastd = Daemon(lab, bed.router, bed.config(), arguments=("--seccomp", "on"), start=False)
    code, text = mcastd.run_to_end()
    assert (code, "deny, kill or off" in text) == (64, True)
