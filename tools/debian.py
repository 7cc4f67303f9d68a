# SPDX-License-Identifier: BSD-2-Clause
"""
What Debian has in suites that this machine does not run: packages, by an apt of our own that leaves
the machine's alone, and root file systems, by debootstrap; and where all of it is kept.
"""

import contextlib
import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import time

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Kernels and roots are large: several trees may share them.
CACHE = os.environ.get("MCASTD_CACHE") or os.path.join(TREE, "out")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ROOTS = {"12": "bookworm", "13": "trixie", "sid": "sid"}
STABLE = ("bookworm", "trixie")
LISTS_KEEP = 86400  # seconds


class Unavailable(Exception):
    """Something cannot be had; the text says why and what to do."""


def output(*argv, **options):
    """What a command prints. One that is missing or fails is Unavailable."""
    try:
        return subprocess.run(argv, check=True, capture_output=True, text=True, **options).stdout
    except FileNotFoundError:
        raise Unavailable(f"{argv[0]} is not installed: make deps-vm") from None
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"{shlex.join(argv)}: {error.stderr.strip()}") from None


def mirrors():
    """Where this machine gets Debian from, and its security updates if it does."""
    found = {}
    for line in output("apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)").splitlines():
        label, _, uri = line.partition(" ")
        found.setdefault(label, uri)
    if "Debian" not in found:
        raise Unavailable("apt knows no archive of Debian here: apt-get update")
    return found["Debian"], found.get("Debian-Security")


def sources(suite):
    """The lines of an apt for a suite."""
    archive, security = mirrors()
    text = f"deb [signed-by={KEYRING}] {archive} {suite} main\n"
    if security and suite in STABLE:
        text += f"deb [signed-by={KEYRING}] {security} {suite}-security main\n"
    return text


@contextlib.contextmanager
def locked(directory):
    """One at a time makes things in a directory of the cache; makes the directory."""
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Apt:
    """The packages of a suite; without a name: those that the machine's own apt knows."""

    def __init__(self, suite=None):
        self.options = ["-qq", "-o", "APT::Sandbox::User=root"]
        if suite:
            self._own_configuration(suite, os.path.join(CACHE, "apt", suite))

    def _own_configuration(self, suite, directory):
        paths = {"Dir::Etc::sourcelist": "sources.list", "Dir::State::lists": "lists",
                 "Dir::Cache": "cache"}
        for option, name in paths.items():
            self.options += ["-o", f"{option}={os.path.join(directory, name)}"]
        self.options += ["-o", "Dir::Etc::sourceparts=-"]
        with locked(directory):
            stamp = os.path.join(directory, "updated")
            wanted = sources(suite)
            with contextlib.suppress(FileNotFoundError), open(stamp, encoding="ascii") as file:
                if file.read() == wanted and time.time() - os.path.getmtime(stamp) < LISTS_KEEP:
                    return
            for name in ("lists", "cache"):
                os.makedirs(os.path.join(directory, name), exist_ok=True)
            with open(os.path.join(directory, "sources.list"), "w", encoding="ascii") as file:
                file.write(wanted)
            output("apt-get", *self.options, "update")
            with open(stamp, "w", encoding="ascii") as file:
                file.write(wanted)

    def depends(self, package):
        """The names that a package depends on, the first of alternatives or all of them."""
        names = []
        for line in output("apt-cache", *self.options, "depends", package).splitlines():
            kind, _, name = line.strip().lstrip("|").partition(": ")
            if kind == "Depends":
                names.append(name)
        return names

    def download(self, packages, directory):
        output("apt-get", *self.options, "download", *packages, cwd=directory)


def root(name):
    """The directory of the root file system of a Debian; made if need be, as small as can be."""
    if name not in ROOTS:
        raise Unavailable(f"no Debian is called {name} here, but {', '.join(ROOTS)}")
    directory = os.path.join(CACHE, "root", name)
    with locked(os.path.dirname(directory)):
        if not os.path.exists(directory):
            print(f"debian: making {directory}", file=sys.stderr)
            _make_root(ROOTS[name], directory)
    return directory


def own_out(name):
    """Where the tree keeps what is built in that root; it is seen there as `out`."""
    directory = os.path.join(TREE, "out", "root", f"{name}.out")
    os.makedirs(directory, exist_ok=True)
    return directory


def _make_root(suite, directory):
    new = directory + ".new"
    shutil.rmtree(new, ignore_errors=True)
    output("debootstrap", "--variant=minbase", "--include=make,kmod", f"--keyring={KEYRING}", suite,
           new, mirrors()[0])
    # How this machine's apt reaches the archive: through which proxy, and how fresh it must be.
    reached = output("apt-config", "dump", "Acquire::http", "Acquire::https",
                     "Acquire::Check-Valid-Until")
    # The root is thrown away rather than repaired, and no service may start there.
    for path, mode, text in (("etc/apt/apt.conf.d/90machine", 0o644, reached),
                             ("etc/dpkg/dpkg.cfg.d/fast", 0o644, "force-unsafe-io\n"),
                             ("usr/sbin/policy-rc.d", 0o755, "#!/bin/sh\nexit 101\n")):
        with open(os.path.join(new, path), "w", encoding="ascii") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
    os.rename(new, directory)
