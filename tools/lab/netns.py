# SPDX-License-Identifier: BSD-2-Clause
"""Network namespaces, and the Lab that removes everything it made."""

import atexit
import contextlib
import ctypes
import fcntl
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import weakref

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PREFIX = "mcastd-lab"
BPFFS = "/sys/fs/bpf"

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()
_open_labs = weakref.WeakSet()


class LabError(Exception):
    """The laboratory itself could not do something; the text says what."""


def run(argv, **kwargs):
    """Runs a command to its end; its output is in the exception when it fails."""
    result = subprocess.run(argv, capture_output=True, text=True, check=False, **kwargs)
    if result.returncode:
        raise LabError(f"{' '.join(argv)}: status {result.returncode}: "
                       f"{(result.stderr or result.stdout).strip()}")
    return result.stdout


class Namespace:
    """One network namespace, known to `ip netns` by its name."""

    def __init__(self, name):
        self.name = name
        self.path = f"/run/netns/{name}"

    @contextlib.contextmanager
    def entered(self):
        """This thread is inside the namespace; sockets made here stay there for good."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(self.path, "rb") as there:
            self._setns(there)
            try:
                yield
            finally:
                self._setns(home)

    @staticmethod
    def _setns(file):
        if _libc.setns(file.fileno(), CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, f"setns: {os.strerror(number)}")

    def socket(self, *args):
        with self.entered():
            return socket.socket(*args)

    def index(self, ifname):
        with self.entered():
            return socket.if_nametoindex(ifname)

    def sysctl(self, key, value):
        """key: below /proc/sys/net, with slashes."""
        with self.entered(), open(f"/proc/sys/net/{key}", "w", encoding="ascii") as file:
            file.write(str(value))

    def command(self, argv):
        """argv as it is run inside. `ip netns exec` would hide the bpf file system."""
        return ["nsenter", f"--net={self.path}", *argv]

    def run(self, *argv, **kwargs):
        return run(self.command(argv), **kwargs)

    def ip(self, *argv):
        return run(["ip", "-n", self.name, *argv])

    def ip_batch(self, *lines):
        """Several `ip` commands in one process."""
        try:
            run(["ip", "-n", self.name, "-batch", "-"], input="\n".join(lines) + "\n")
        except LabError as error:
            raise LabError(f"{error} in {lines}") from None


def die_with_parent():
    """For a child to be: ends it when the laboratory dies without closing."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Lab(contextlib.ExitStack):
    """One experiment. What is made through it is undone in reverse order by close()."""

    def __init__(self):
        super().__init__()
        self.prefix = f"{PREFIX}-{os.getpid()}-{next(_numbers)}"
        self.namespaces = {}
        self._macs = itertools.count(1)
        _open_labs.add(self)
        self.dir = tempfile.mkdtemp(prefix=f"{self.prefix}-")
        self.callback(shutil.rmtree, self.dir, ignore_errors=True)

    def namespace(self, label):
        space = Namespace(f"{self.prefix}-{label}")
        run(["ip", "netns", "add", space.name])
        self.callback(run, ["ip", "netns", "del", space.name])
        self.namespaces[label] = space
        for scope in ("all", "default"):
            with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
                space.sysctl(f"ipv6/conf/{scope}/disable_ipv6", 1)
        space.ip("link", "set", "lo", "up")
        return space

    def mac(self):
        """A hardware address that is easy to tell in a dump: 02:00:00:00:00:NN."""
        number = next(self._macs)
        return f"02:00:00:00:{number >> 8:02x}:{number & 0xff:02x}"

    def veth(self, space, ifname, peer_space, peer_ifname, *, gro=True, queues=1):
        """
        A link between two namespaces. gro: GRO on at the peer, without which the near side's
        driver cannot transmit frames that XDP redirects. Checksums are always computed by the
        sender: XDP sees frames before the device that would fill them in.
        """
        counts = f"numrxqueues {queues} numtxqueues {queues}"
        space.ip_batch(
            f"link add {ifname} address {self.mac()} {counts} type veth "
            f"peer name {peer_ifname} address {self.mac()} {counts} netns {peer_space.name}",
            f"link set {ifname} up")
        peer_space.ip("link", "set", peer_ifname, "up")
        space.run("ethtool", "-K", ifname, "tx", "off")
        peer_space.run("ethtool", "-K", peer_ifname, "tx", "off", "gro", "on" if gro else "off")

    def popen(self, space, argv, **kwargs):
        """Starts a command inside a namespace; close() ends it."""
        # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
        process = subprocess.Popen(space.command(argv), preexec_fn=die_with_parent, **kwargs)
        self.callback(end_process, process)
        return process

    def bpffs_dir(self):
        """The name of a directory for pins of this experiment, not made yet."""
        mount_bpffs()
        path = f"{BPFFS}/mcastd-t-{os.getpid()}-{next(_numbers)}"
        self.callback(shutil.rmtree, path, ignore_errors=True)
        return path


def end_process(process, timeout=5):
    """SIGTERM, and SIGKILL if that does not do; returns the exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def _bpffs_mounted():
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        return any(line.split()[1:3] == [BPFFS, "bpf"] for line in mounts)


def mount_bpffs():
    """Mounts the bpf file system at its usual place, once, whoever asks at the same time."""
    with open("/run/mcastd-lab.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _bpffs_mounted():
            run(["mount", "-t", "bpf", "bpf", BPFFS])


def sweep():
    """Removes what laboratories left that were killed before they could."""
    def dead(name, pattern):
        match = re.fullmatch(pattern, name)
        return match and not os.path.exists(f"/proc/{match[1]}")

    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
        if dead(name, rf"{PREFIX}-(\d+)-.*"):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    for name in os.listdir(BPFFS) if _bpffs_mounted() else []:
        if dead(name, r"mcastd-t-(\d+)-\d+"):
            shutil.rmtree(f"{BPFFS}/{name}", ignore_errors=True)


def exit_on_signals():
    """SIGTERM and SIGHUP end the program as an exception does, so that laboratories are closed."""
    def stop(number, _frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


@atexit.register
def _close_open_labs():
    for lab in list(_open_labs):
        lab.close()
