# SPDX-License-Identifier: BSD-2-Clause
"""
Systems on which mcastd cannot run, or not all of it: one line each that says why and what to do,
with a status of sysexits.h. docs/TROUBLESHOOTING.md has these lines as they are told.
"""

import os
import re
import resource
import subprocess

import pytest

from bed import FAST, G, Bed, through
from lab import Daemon
from lab.daemon import ROOT, environment, is_sanitized

EX_OSERR, EX_NOPERM = 71, 77


class Elsewhere(Daemon):
    """mcastd on another system than this: behind a command that makes it so."""

    def __init__(self, bed, *command, arguments=(), **variables):
        self.command, self.variables = command, variables
        super().__init__(bed.lab, bed.router, bed.config(FAST), arguments=arguments, start=False)
        os.chmod(bed.lab.dir, 0o755)  # for other users

    def argv(self):
        names = [f"{name}={value}" for name, value in self.variables.items()]
        return ["env", *names, *self.command, *super().argv()]

    def assert_documented(self, text):
        """The page has the line, with DIR, STEP and NAMES for what differs."""
        text = text.replace(self.bpffs, "DIR")
        text = re.sub(r"^[^:]+(?=: not permitted: )", "STEP", text)
        text = re.sub(r"(?<=missing \()[A-Z_,]+", "NAMES", text)
        with open(os.path.join(ROOT, "docs", "TROUBLESHOOTING.md"), encoding="utf-8") as page:
            assert f"`{text}`" in page.read()

    def assert_ends(self, status, text):
        """It ends by itself, after one line, which has this text, and leaves nothing."""
        was_there = os.path.exists(self.bpffs)
        result = subprocess.run(self.router.space.command(self.argv()), capture_output=True,
                                text=True, timeout=60, check=False, env=environment())
        line, = result.stderr.splitlines()
        assert (result.returncode, text in line) == (status, True), line
        self.assert_documented(line.partition(" error: ")[2])
        assert not os.path.exists(self.socket_path)
        assert os.path.exists(self.bpffs) == was_there

    def assert_ports_fail(self, text):
        """It runs, and says what is wrong with its ports."""
        self.start()
        port = self.interface("u")
        assert (port["state"], text in port["xdp-note"]) == ("failed", True), port
        self.assert_documented(port["xdp-note"])


def mounted(*words):
    """A command in a mount namespace of its own in which something else is mounted."""
    return ["unshare", "-m", "sh", "-c", f"mount {' '.join(words)} && exec \"$@\"", "sh"]


@pytest.fixture(name="refusing", scope="session")
def fixture_refusing(tmp_path_factory):
    """refusing(what): the variables with which a program meets a kernel that refuses it."""
    if is_sanitized():
        pytest.skip("the sanitizers want to be loaded first")
    library = tmp_path_factory.mktemp("refuse") / "refuse.so"
    subprocess.run(["cc", "-Wall", "-Werror", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library,
                    os.path.join(ROOT, "tests", "netns", "refuse.c")], check=True)
    return lambda what: {"LD_PRELOAD": library, "REFUSE": what}


# --- it does not start ----------------------------------------------------------------------------

def test_no_bpf_file_system(lab):
    mcastd = Elsewhere(Bed(lab), *mounted("-t", "tmpfs", "none", "/sys/fs/bpf"))
    mcastd.assert_ends(EX_OSERR, "mount -t bpf bpf /sys/fs/bpf")


@pytest.mark.parametrize("there", [False, True])
def test_bpf_file_system_is_read_only(lab, there):
    """As in containers; whether an earlier run has left its directory there or not."""
    mcastd = Elsewhere(Bed(lab), *mounted("-o", "remount,ro,bind", "/sys/fs/bpf"))
    if there:
        os.mkdir(mcastd.bpffs)
    mcastd.assert_ends(EX_OSERR, "may only be read")


def test_no_sysfs(lab):
    mcastd = Elsewhere(Bed(lab), *mounted("-t", "tmpfs", "none", "/sys/devices/system/cpu"))
    mcastd.assert_ends(EX_OSERR, "mount -t sysfs")


def test_control_socket_cannot_be_made(lab):
    mcastd = Elsewhere(Bed(lab), arguments=("-u", "/proc/mcastd.sock"))
    mcastd.assert_ends(EX_OSERR, "No such file or directory; choose another place with -u")


def test_not_root(lab):
    mcastd = Elsewhere(Bed(lab), "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    mcastd.assert_ends(EX_NOPERM, "(NET_ADMIN,NET_RAW,SYS_ADMIN): run as root")


@pytest.mark.parametrize("missing", ["NET_ADMIN", "NET_RAW", "SYS_ADMIN", "NET_ADMIN,SYS_ADMIN"])
def test_container_without_capabilities(lab, missing):
    """CAP_BPF alone does not help: SYS_ADMIN is asked for by the id of a program."""
    names = missing.lower().replace(",", ",-")
    mcastd = Elsewhere(Bed(lab), "setpriv", f"--bounding-set=-{names}")
    mcastd.assert_ends(EX_NOPERM, f"({missing}): run as root, in a container with --cap-add")


def test_user_namespace(lab):
    """Root of a rootless container: all capabilities, and none that counts."""
    command = ["unshare", "--user", "--map-root-user"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespace can be made here, as in a chroot")
    mcastd = Elsewhere(Bed(lab), *command)
    mcastd.assert_ends(EX_NOPERM, "this is a user namespace")


def test_bpf_is_forbidden(lab, refusing):
    mcastd = Elsewhere(Bed(lab), **refusing("bpf"))
    mcastd.assert_ends(EX_NOPERM, "root may not do it here")


def test_no_xdp_sockets(lab, refusing):
    mcastd = Elsewhere(Bed(lab), **refusing("xskmap"))
    mcastd.assert_ends(EX_OSERR, "XSKMAP (AF_XDP)")


# --- it starts, and ports fail --------------------------------------------------------------------

def test_no_xdp_sockets_on_ports(lab, refusing):
    with Elsewhere(Bed(lab), **refusing("af_xdp")) as mcastd:
        mcastd.assert_ports_fail("CONFIG_XDP_SOCKETS")


def test_little_memory_may_be_locked(lab):
    """The ports come up when the limit is raised, without a restart."""
    bed = Bed(lab)
    _soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    with Elsewhere(bed, "prlimit", "--memlock=65536:", "setpriv",
                   "--bounding-set=-ipc_lock,-sys_resource") as mcastd:
        mcastd.assert_ports_fail("LimitMEMLOCK=infinity")
        resource.prlimit(mcastd.process.pid, resource.RLIMIT_MEMLOCK, (hard, hard))
        mcastd.wait(lambda: mcastd.interface("u")["state"] == "up", what="u up")


# --- it does not matter ---------------------------------------------------------------------------

def test_no_type_information_of_the_kernel(lab):
    """A kernel without CONFIG_DEBUG_INFO_BTF: mcastd's programs need none."""
    bed = Bed(lab)
    mcastd = Elsewhere(bed, *mounted("-t", "tmpfs", "none", "/sys/kernel/btf"))
    mcastd.start()
    with mcastd:
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        bed.expect({bed.h1: through(bed.send(), bed.d1)})
