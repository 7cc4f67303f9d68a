# SPDX-License-Identifier: BSD-2-Clause
"""
Issue 6 point 4: the Debian package under systemd as process 1, from its installation to its
removal. `make check-vm` runs this in a machine of its own; elsewhere it is skipped.
"""

import contextlib
import glob
import json
import os
import time

import pytest

from bed import G, QUICK, Bed
from lab import Ctl, LabError, Router, wait_for
from lab.daemon import ROOT, SLOWNESS
from lab.netns import Namespace, run

WATCHDOG = 30  # seconds, as the unit says
KEEP = QUICK + "on-exit = keep\n"


class HostRouter(Router):
    """The machine itself: its first network namespace, in which systemd starts services."""

    def __init__(self, lab):  # pylint: disable=super-init-not-called
        self.lab, self.label, self.ports = lab, "router", []
        self.space = Namespace(f"{lab.prefix}-machine")
        run(["ip", "netns", "attach", self.space.name, "1"])
        lab.callback(run, ["ip", "netns", "del", self.space.name])
        self.space.sysctl("ipv4/ip_forward", 1)
        for scope in ("all", "default"):
            self.space.sysctl(f"ipv4/conf/{scope}/rp_filter", 0)


class HostBed(Bed):
    """The usual test bed with the machine as its router."""

    def __init__(self, lab):  # pylint: disable=super-init-not-called
        self.lab = lab
        self.router = HostRouter(lab)
        self.up = self.router.port("u", "10.9.0.100/24")
        self.d1 = self.router.port("d1", "10.0.1.100/24")
        self.d2 = self.router.port("d2", "10.0.2.100/24")
        self.source = self.up.host("10.9.0.10", "source")
        self.h1 = self.d1.host("10.0.1.10", "h1")
        self.h3 = self.d2.host("10.0.2.10", "h3")
        self.hosts = [self.source, self.h1, self.h3]


@pytest.fixture(name="package")
def fixture_package():
    """The package that `make deb` has built."""
    with open("/proc/1/comm", encoding="ascii") as file:
        systemd = file.read().strip() == "systemd"
    if not systemd or not os.path.exists("/run/systemd/system/vm-job.service"):
        pytest.skip("not in the machine of tools/vm/run --systemd")
    with contextlib.suppress(FileNotFoundError):  # what keeps a container's services from starting
        os.unlink("/usr/sbin/policy-rc.d")
    (path,) = glob.glob(os.path.join(ROOT, "out", "mcastd_*.deb"))
    return path


def unit(name):
    """A property of mcastd.service."""
    return run(["systemctl", "show", "--value", "-p", name, "mcastd.service"]).strip()


def journal(*matches):
    lines = run(["journalctl", "-o", "json", "-u", "mcastd.service", *matches]).splitlines()
    return [json.loads(line) for line in lines]


def systemctl(verb):
    try:
        run(["systemctl", verb, "mcastd"])
    except LabError as error:
        pytest.fail(f"{error}\n" + "\n".join(line["MESSAGE"] for line in journal()))


def configure(text):
    with open("/etc/mcastd.conf", "w", encoding="ascii") as file:
        file.write(text)


def test_package_under_systemd(lab, package):
    """Installed, started, watched, reloaded, restarted without loss, stopped, removed."""
    bed = HostBed(lab)
    run(["dpkg", "-i", package])
    files = [path for path in run(["dpkg", "-L", "mcastd"]).split() if not os.path.isdir(path)]
    assert "/usr/sbin/mcastd" in files and unit("LoadState") == "loaded"
    assert unit("ActiveState") == "inactive"  # there was nothing to configure yet
    configure(bed.config(KEEP))

    systemctl("start")  # returns when the daemon has told that it is ready
    assert unit("ActiveState") == "active" and unit("StatusText") == "3 of 3 ports up"
    started = time.monotonic()
    ctl = Ctl("/run/mcastd.sock")
    receiver = bed.h1.receiver(G).join()

    def joined(port):
        return any(g["interface"] == port for g in ctl("show", "groups")["groups"])

    wait_for(lambda: joined("d1"), 5 * SLOWNESS, "the group joined")
    stream = bed.source.stream(G).start(per_second=100)
    wait_for(lambda: len(receiver.drain()) > 50, 5 * SLOWNESS, "the stream")
    told = [(line["MESSAGE"], line["PRIORITY"])
            for line in journal("EVENT=querier-self", "INTERFACE=d1")]
    assert told == [("d1: we are the querier", "5")]

    configure(bed.config(KEEP, d2=["static-group 239.9.9.9 { }"]))
    systemctl("reload")
    wait_for(lambda: joined("d2"), 5 * SLOWNESS, "the new configuration in force")
    assert unit("ActiveState") == "active"

    pid = unit("MainPID")
    systemctl("restart")
    assert unit("MainPID") != pid
    wait_for(lambda: joined("d1"), 5 * SLOWNESS, "the group joined again")

    pid = unit("MainPID")
    time.sleep(max(0, started + WATCHDOG + 10 - time.monotonic()))
    assert unit("MainPID") == pid and unit("NRestarts") == "0"
    sent = stream.stop()
    bed.router.settle()
    assert [number for _, _, number in receiver.drain()] == list(range(sent))

    configure(bed.config(QUICK))
    systemctl("reload")
    systemctl("stop")
    assert unit("Result") == "success" and unit("ActiveState") == "inactive"
    assert not any("xdp" in bed.router.link(port.name) for port in bed.router.ports)
    assert not os.path.exists("/sys/fs/bpf/mcastd") and not os.path.exists("/run/mcastd.sock")
    # That the machine is slow may be worth a warning.
    assert not [line["MESSAGE"] for line in journal() if int(line["PRIORITY"]) <= 4 and
                not line["MESSAGE"].startswith("nothing was done for")]

    systemctl("start")
    run(["dpkg", "--purge", "mcastd"])  # stops it
    assert not any("xdp" in bed.router.link(port.name) for port in bed.router.ports)
    assert not [path for path in files if os.path.exists(path)]
    assert unit("LoadState") == "not-found"
