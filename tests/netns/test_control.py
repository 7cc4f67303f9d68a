# SPDX-License-Identifier: BSD-2-Clause
"""
Issue 6: bad input on the control socket costs nothing but an error, and strangers are kept out.
Meanwhile a stream that must not lose a packet and a host that joins show that the daemon goes on.
"""

import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
import time

import pytest

from bed import Bed, Watcher
from lab import output_dir, wait_for
from lab.daemon import SLOWNESS, environment

REQUEST_MAX = 5.0  # seconds to send a line, SERVER_REQUEST_MS
CLIENTS_MAX = 256 + 32  # SERVER_CLIENTS_MAX, SERVER_MONITORS_MAX


@pytest.fixture(name="bed")
def fixture_bed(lab):
    bed = Bed(lab)
    with bed.daemon() as bed.mcastd:
        with Watcher(bed.mcastd, bed.source, bed.h1, bed.h3):
            yield bed


def connect(bed, data=b"", timeout=20 * SLOWNESS):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(timeout)
    client.connect(bed.mcastd.socket_path)
    if data:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(data)
    return client


def read_all(client):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            data += piece
    return data


def assert_well(bed):
    assert len(bed.mcastd.ctl("show", "interfaces")["interfaces"]) == 3


BAD = {
    "empty line": b"\n",
    "unknown": b"frobnicate\n",
    "too many words": b"show " * 20 + b"\n",
    "oversized": b"show " + b"a" * 1000000 + b"\n",
    "oversized, no end": b"a" * 1000000,
    "binary": bytes(range(256)) * 40 + b"\n",
    "zero bytes": b"\0" * 600,
    "not ASCII": "show grüppen\n".encode(),
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no such interface": b"show groups nope\n",
    "format": b"show groups %s%n\n",
    "bad address": b"explain 1.2.3 239.1.1.1\n",
    "bad group": b"explain 192.0.2.1 239.1.1\n",
    "bad number": b"show flows limit -1\n",
    "large number": b"show flows limit 99999999999999999999x\n",
    "log": b"log loud\n",
    "flush": b"flush everything\n",
    "partial": b"explain 192.0.2.1",
}


@pytest.mark.parametrize("what", BAD)
def test_bad_request(bed, what):
    """One line of JSON that says what is wrong, with a status; nothing else happens."""
    with connect(bed, BAD[what]) as client:
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)
        answer = read_all(client)
    # Who still sends when the answer is written may lose it.
    if answer or not what.startswith("oversized"):
        error = json.loads(answer)
        assert set(error) == {"error", "status"} and error["error"] and 64 <= error["status"] <= 78
        assert answer.count(b"\n") == 1
    assert_well(bed)


def test_slow_client(bed):
    """A byte now and then buys no time: the line must be there after five seconds."""
    began = time.monotonic()
    with connect(bed, b"show ") as drip, connect(bed) as silent:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - began < REQUEST_MAX + 10 * SLOWNESS:
                drip.sendall(b"a")
                time.sleep(0.2)
        taken = time.monotonic() - began
        assert REQUEST_MAX - 1 < taken < REQUEST_MAX + 5 * SLOWNESS
        assert read_all(silent) == b""
    assert_well(bed)


@pytest.mark.parametrize("request_line", [b"", b"show inter", b"show interfaces\n", b"monitor\n",
                                          b"\xff\n"])
def test_thousand_clients(bed, request_line):
    """They push each other out; whoever comes now is served, and the descriptors are bounded."""
    directory = f"/proc/{bed.mcastd.process.pid}/fd"
    before = len(os.listdir(directory))
    with contextlib.ExitStack() as clients:
        for _ in range(1000):
            clients.enter_context(connect(bed, request_line))
        assert_well(bed)
        assert len(os.listdir(directory)) <= before + CLIENTS_MAX + 1
    wait_for(lambda: len(os.listdir(directory)) <= before, 5 * SLOWNESS, "connections closed")
    assert_well(bed)


def test_clients_that_do_not_read(bed):
    """A large answer that nobody reads is dropped, with its memory, after some time."""
    for n in range(4):
        bed.h1.report(*((4, f"239.3.{n}.{m}", []) for m in range(150)))
    bed.mcastd.wait_member(bed.d1.name, "239.3.3.149")
    with contextlib.ExitStack() as clients:
        for _ in range(300):
            client = clients.enter_context(connect(bed))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.sendall(b"show groups\n")
        assert_well(bed)
        with open(f"/proc/{bed.mcastd.process.pid}/statm", encoding="ascii") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        assert resident < (200 << 20) * SLOWNESS
    assert_well(bed)


# --- Strangers -----------------------------------------------------------------------------------

def as_user(group, *argv):
    return subprocess.run(["setpriv", "--reuid=nobody", f"--regid={group}", "--clear-groups",
                           *argv], capture_output=True, text=True, timeout=30, check=False,
                          env=environment(), cwd="/")


def test_strangers_are_kept_out(bed, tmp_path):
    """Mode 0660: another user gets status 77 and a reason; one of the socket's group is served."""
    path = bed.mcastd.socket_path
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    # The way to the socket and to the client is open, so that the socket's own mode decides.
    os.chmod(os.path.dirname(path), 0o755)
    for directory in (tmp_path, *tmp_path.parents):
        if str(directory).startswith("/tmp/"):
            os.chmod(directory, 0o755)
    client = shutil.copy(os.path.join(output_dir(), "mcastctl"), tmp_path)
    for words in (["show", "groups"], ["reload"], ["flush", "groups"], ["log", "none"],
                  ["monitor"], ["top"]):
        result = as_user("nogroup", client, "-u", path, *words)
        assert (result.returncode, result.stdout) == (77, ""), words
        assert path in result.stderr and "permission" in result.stderr
    result = as_user("nogroup", "/usr/bin/python3", "-c", "import socket, sys; "
                     "socket.socket(socket.AF_UNIX).connect(sys.argv[1])", path)
    assert "PermissionError" in result.stderr
    group = str(os.stat(path).st_gid)
    assert as_user(group, client, "-u", path, "show", "version").returncode == 0
    # Nor can a stranger take the socket away, or put another in its place.
    result = as_user("nogroup", "rm", "-f", path)
    assert result.returncode and os.path.exists(path)
