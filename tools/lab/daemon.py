# SPDX-License-Identifier: BSD-2-Clause
"""mcastd under test: configured, started, asked, stopped, and looked after for what it leaves."""

import json
import os
import signal
import socket
import subprocess
import time

from .capture import wait_for
from .netns import end_process, run

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Whatever leaks, or is used wrongly, makes the exit status of a sanitized build differ from 0.
SANITIZERS = {
    # What is freed stays for a while, but little of it: tests look at the memory of the daemon.
    "ASAN_OPTIONS": "detect_leaks=1:exitcode=99:abort_on_error=0:quarantine_size_mb=32",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
    "TSAN_OPTIONS": "halt_on_error=1:exitcode=99",
}


def output_dir():
    """Where the build put mcastd and mcastctl."""
    return os.environ.get("MCASTD_OUT") or os.path.join(ROOT, "out")


def bpf_object():
    """The program for xdp-loader; one for all kinds of builds."""
    return os.path.join(ROOT, "out", "bpf", "mcast.bpf.o")


def is_sanitized():
    return os.path.basename(os.path.normpath(output_dir())) in ("asan", "tsan")


# Sanitized builds run several times slower, emulated machines even more so; on a busy machine
# everything does.
SLOWNESS = float(os.environ.get("MCASTD_SLOWNESS", 3 if is_sanitized() else 1))
START_TIMEOUT = 20 * SLOWNESS
STOP_TIMEOUT = 10 * SLOWNESS


def environment(**more):
    return {**os.environ, **SANITIZERS, **more}


class DaemonFailed(AssertionError):
    """mcastd did not do what it must; the text has its log."""


class CtlError(Exception):
    """mcastctl answered with an error; status is its exit status, the text its stderr."""

    def __init__(self, status, text):
        super().__init__(f"status {status}: {text}")
        self.status, self.text = status, text


class Ctl:
    """mcastctl on one control socket."""

    def __init__(self, path):
        self.path = path

    def run(self, *words):
        """mcastctl as typed: the finished process with stdout and stderr."""
        return subprocess.run([os.path.join(output_dir(), "mcastctl"), "-u", self.path, *words],
                              capture_output=True, text=True, timeout=30, check=False,
                              env=environment())

    def text(self, *words):
        result = self.run(*words)
        if result.returncode:
            raise CtlError(result.returncode, result.stderr.strip())
        return result.stdout

    def __call__(self, *words):
        """The answer as JSON."""
        return json.loads(self.text("-j", *words))


class Daemon:
    """
    A running mcastd in a router's namespace. As a context it is stopped at the end, and stop()
    asserts that it ended well and left nothing behind; after an exception the log is printed.
    A system call that its filter does not know kills it, so that no test passes over one.
    """

    def __init__(self, lab, router, config, *, arguments=(), bpffs=None, start=True,
                 log_level="debug"):
        self.lab, self.router = lab, router
        self.name = f"mcastd-{len(os.listdir(lab.dir))}"
        self.config_path = os.path.join(lab.dir, f"{self.name}.conf")
        self.socket_path = os.path.join(lab.dir, f"{self.name}.sock")
        self.log_path = os.path.join(lab.dir, f"{self.name}.log")
        self.bpffs = bpffs or lab.bpffs_dir()
        self.arguments = arguments
        self.build = output_dir()
        self.log_level = log_level
        self.process = None
        self.notifications = []
        self._notify = None
        self._starts = 0
        self.ctl = Ctl(self.socket_path)
        self.write_config(config)
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
        elif self.process:
            end_process(self.process)
            print(f"--- {self.name}: status {self.process.returncode}\n{self.log()}")

    def write_config(self, text):
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(text)

    def argv(self):
        return [os.path.join(self.build, "mcastd"), "-f", self.config_path, "-u",
                self.socket_path, "-b", self.bpffs, "-l", self.log_level, "--seccomp", "kill",
                *self.arguments]

    def start(self, ready=True):
        """Starts it and waits until it says that it is ready (sd_notify)."""
        path = os.path.join(self.lab.dir, f"{self.name}.notify-{self._starts}")
        self._starts += 1
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(path)
        self.notifications.clear()
        self._notify.setblocking(False)
        self.lab.callback(self._notify.close)
        with open(self.log_path, "ab") as log:
            self.process = self.lab.popen(self.router.space, self.argv(), stdout=log, stderr=log,
                                          stdin=subprocess.DEVNULL,
                                          env=environment(NOTIFY_SOCKET=path))
        if ready:
            self.wait_notification("READY=1", START_TIMEOUT)

    def _poll_notifications(self):
        while True:
            try:
                text = self._notify.recv(4096).decode()
            except BlockingIOError:
                return self.notifications
            self.notifications += text.splitlines()

    def wait_notification(self, line, timeout=10):
        """Waits for one line of the sd_notify protocol, and takes it away."""
        def told():
            if line in self._poll_notifications():
                self.notifications.remove(line)
                return True
            if self.process.poll() is not None:
                self.fail(f"ended with status {self.process.returncode} before {line}")
            return False

        try:
            wait_for(told, timeout)
        except DaemonFailed:
            raise
        except AssertionError:
            self.fail(f"no {line} within {timeout} s; told {self.notifications}")

    def run_to_end(self, timeout=START_TIMEOUT):
        """Runs it when it is expected to end by itself: (exit status, log)."""
        result = subprocess.run(self.router.space.command(self.argv()), capture_output=True,
                                text=True, timeout=timeout, check=False, env=environment())
        return result.returncode, result.stdout + result.stderr

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def fail(self, text):
        raise DaemonFailed(f"{self.name}: {text}\n--- log\n{self.log()}")

    def send_signal(self, number):
        self.process.send_signal(number)

    def reload(self, config=None):
        """SIGHUP, perhaps with a new configuration; waits until it has been taken over."""
        if config is not None:
            self.write_config(config)
        self._poll_notifications()
        self.notifications.clear()
        self.send_signal(signal.SIGHUP)
        self.wait_notification("READY=1")

    def wait(self, predicate, timeout=5.0, what=""):
        """Waits for a condition; if the daemon dies meanwhile, its log is told."""
        def alive():
            if self.process.poll() is not None:
                self.fail(f"died with status {self.process.returncode}, waiting for: {what}")
            return predicate()

        try:
            return wait_for(alive, timeout * SLOWNESS, what)
        except AssertionError as error:
            if isinstance(error, DaemonFailed):
                raise
            self.fail(str(error))

    # --- what it answers ---------------------------------------------------------------------

    def interface(self, name):
        return next(i for i in self.ctl("show", "interfaces")["interfaces"] if i["name"] == name)

    def statistics(self, name):
        return next(i for i in self.ctl("show", "statistics")["interfaces"] if i["name"] == name)

    def membership(self, interface, group):
        """What one port wants of a group, or None."""
        return next((g for g in self.ctl("show", "groups")["groups"]
                     if (g["interface"], g["group-address"]) == (interface, group)), None)

    def filter(self, interface, group):
        """(mode, {forwarded sources}, {blocked sources}) of a membership, or None."""
        found = self.membership(interface, group)
        if not found:
            return None
        sources = {True: set(), False: set()}
        for source in found["sources"]:
            sources[source["forwarding"]].add(source["source-address"])
        return found["filter-mode"], sources[True], sources[False]

    def wait_filter(self, interface, group, wanted, timeout=5.0):
        """Waits until a port's membership is ("include"|"exclude", {fwd}, {blocked}), or None."""
        self.wait(lambda: self.filter(interface, group) == wanted, timeout,
                  f"{group} on {interface} to be {wanted}")

    def wait_member(self, interface, group, timeout=5.0):
        self.wait(lambda: self.membership(interface, group), timeout,
                  f"{group} joined on {interface}")

    def wait_no_member(self, interface, group, timeout=5.0):
        self.wait(lambda: not self.membership(interface, group), timeout,
                  f"{group} gone from {interface}")

    # --- the end -----------------------------------------------------------------------------

    def stop(self, number=signal.SIGTERM, left=(), all_multicast=()):
        """
        Ends it and asserts status 0, and that nothing is left behind: no XDP program on the ports
        (but on those named in left), no pin, no control socket, no all-multicast (but on those
        that had it before).
        """
        if self.process.poll() is not None:
            self.fail(f"had ended before, with status {self.process.returncode}")
        self.process.send_signal(number)
        try:
            status = self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.fail(f"did not end within {STOP_TIMEOUT} s of signal {number}")
        if status:
            self.fail(f"ended with status {status}")
        if os.path.exists(self.socket_path):
            self.fail("left its control socket behind")
        if not left and os.path.exists(self.bpffs):
            self.fail(f"left pins behind: {os.listdir(self.bpffs)}")
        for port in self.router.ports:
            link = self.router.link(port.name)
            if "xdp" in link and port.name not in left:
                self.fail(f"left a program on {port.name}: {link['xdp']}")
            if link["allmulti"] and port.name not in all_multicast:
                self.fail(f"left {port.name} receiving all multicast")

    def crash(self):
        """SIGKILL, as a crash would be."""
        self.process.kill()
        self.process.wait()


def xdp_loader(space, *words):
    """Runs xdp-loader in a namespace, without hiding the bpf file system."""
    return run(space.command(["xdp-loader", *words]))


def hold(seconds):
    """Lets time pass where the passing of time is what is tested."""
    time.sleep(seconds)
