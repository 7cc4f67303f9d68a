# SPDX-License-Identifier: BSD-2-Clause
"""
What Debian has in suites that this machine does not run: packages of other suites by an apt of our
own, which leaves the machine's alone, and where they are kept.
"""

import contextlib
import fcntl
import os
import shlex
import subprocess
import time

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Kernels and roots are large: several trees may share them.
CACHE = os.environ.get("MCASTD_CACHE") or os.path.join(TREE, "out")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
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


def mirror():
    """Where this machine gets Debian from."""
    for line in output("apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)").splitlines():
        label, _, uri = line.partition(" ")
        if label == "Debian":
            return uri
    raise Unavailable("apt knows no archive of Debian here: apt-get update")


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
            with contextlib.suppress(FileNotFoundError):
                if time.time() - os.path.getmtime(stamp) < LISTS_KEEP:
                    return
            for name in ("lists", "cache"):
                os.makedirs(os.path.join(directory, name), exist_ok=True)
            with open(os.path.join(directory, "sources.list"), "w", encoding="ascii") as file:
                file.write(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
            output("apt-get", *self.options, "update")
            with open(stamp, "w", encoding="ascii"):
                pass

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
