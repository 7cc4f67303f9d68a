# SPDX-License-Identifier: BSD-2-Clause
"""
Metrics and the status page, over the real port of the real daemon: what they tell, what the
process that serves them may do, and what it costs to abuse them.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from bed import Watcher
from lab import Daemon, Router, wait_for
from lab.daemon import ROOT, SLOWNESS, is_sanitized

PORT = 9455
CONNECTION_MAX = 15  # seconds a connection may live, HTTP_CONNECTION_MS
ADDRESS_CONNECTIONS_MAX = 32  # of one address at a time
PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")
CHROMIUM = shutil.which("chromium")
CHROMIUM_FLAGS = ("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
                  "--disable-background-networking --disable-component-update "
                  "--disable-sync").split()


class Web:
    """A router with a source and two receivers' ports, and the daemon serving HTTP there."""

    def __init__(self, lab, listen=PORT, static=""):
        self.router = Router(lab)
        self.up = self.router.port("u", "10.9.0.100/24")
        self.down = [self.router.port(f"d{n}", f"10.0.{n}.100/24") for n in (1, 2)]
        self.source = self.up.host("10.9.0.10")
        self.hosts = [port.host(f"10.0.{n}.10") for n, port in enumerate(self.down, 1)]
        self.static = static
        self.daemon = Daemon(lab, self.router, self.config(listen))

    def config(self, listen):
        return (f"http-listen = \"{listen}\"\n" if listen else "") + \
            self.up.config("upstream") + self.down[0].config("downstream", self.static) + \
            self.down[1].config("downstream")

    def __enter__(self):
        self.daemon.__enter__()
        return self

    def __exit__(self, *exception):
        pid = self.process()
        self.daemon.__exit__(*exception)
        if exception[0] is None and pid:
            wait_for(lambda: not os.path.exists(f"/proc/{pid}/exe"), 5, "the HTTP process ended")

    def starter(self):
        """The daemon's only child, which starts the process that serves HTTP."""
        return only_child(self.daemon.process.pid)

    def process(self):
        """The process that serves HTTP, or None."""
        return only_child(self.starter())

    def connect(self, port=PORT):
        """A connection from inside the router's namespace; tries until somebody listens."""
        def attempt():
            connection = self.router.space.socket(socket.AF_INET, socket.SOCK_STREAM)
            connection.settimeout(20 * SLOWNESS)
            try:
                connection.connect(("127.0.0.1", port))
            except ConnectionRefusedError:
                connection.close()
                return None
            return connection

        return wait_for(attempt, 5 * SLOWNESS, f"somebody listens on {port}")

    def raw(self, data, port=PORT):
        """Sends bytes as they are; what came back until the end of the connection."""
        with self.connect(port) as connection:
            try:
                connection.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return read_all(connection)

    def get(self, path, port=PORT, method="GET", host="localhost", headers=""):
        """(status, headers in lower case, body)."""
        return parse(self.raw(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"
                              .encode(), port))

    def status(self):
        code, _, body = self.get("/api/status")
        assert code == 200, body
        return json.loads(body)

    def metrics(self):
        """{name{labels}: value} of all samples."""
        code, headers, body = self.get("/metrics")
        assert code == 200, body
        assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
        samples = dict(line.rsplit(" ", 1) for line in lines)
        assert len(samples) == len(lines), "no series twice"
        return {series: float(value) for series, value in samples.items()}

    def assert_well(self):
        """Both still do their work."""
        assert self.get("/healthz")[::2] == (200, b"ok\n")
        assert len(self.daemon.ctl("show", "interfaces")["interfaces"]) == 3


def only_child(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        children = file.read().split()
    assert len(children) <= 1, "one child at most"
    return int(children[0]) if children else None


def read_all(connection):
    data = b""
    while True:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece


def parse(data):
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return int(first.split()[1]), headers, body


@pytest.fixture(name="web")
def fixture_web(lab):
    with Web(lab) as web:
        yield web


# --- What is told --------------------------------------------------------------------------------

def test_off_by_default(lab):
    with Web(lab, None) as web:
        assert web.process() is None
        assert "http" not in web.daemon.ctl("show", "statistics")


def test_pages(web):
    code, headers, body = web.get("/")
    assert (code, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<title>mcastd</title>" in body
    assert (web.get("/nope")[0], web.get("/metrics/")[0], web.get("//")[0]) == (404, 404, 404)
    assert web.get("/metrics?x=1")[0] == 200
    assert web.get("/healthz")[2] == b"ok\n"
    for path in ("/", "/metrics", "/api/status", "/healthz"):
        code, headers, body = web.get(path, method="HEAD")
        assert (code, body) == (200, b"")
        assert int(headers["content-length"]) > 0


def test_page_loads_nothing_from_elsewhere(web):
    """One file: the only script and style are in it, under a nonce that is new every time."""
    nonces = set()
    for _ in range(3):
        _, headers, body = web.get("/")
        policy = headers["content-security-policy"]
        nonce = re.search(r"script-src 'nonce-([0-9a-f]{32})'", policy)[1]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert body.count(f'nonce="{nonce}"'.encode()) == 2
        assert b"@NONCE" not in body
        nonces.add(nonce)
    assert len(nonces) == 3
    assert not re.search(rb"(src|href)=[\"']?(https?:)?//", body)


def test_security_headers_everywhere(web):
    for path in ("/", "/metrics", "/api/status", "/healthz", "/nope"):
        _, headers, _ = web.get(path)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]


def test_status_is_what_mcastctl_shows(web):
    web.hosts[0].receiver("239.1.1.1").join()
    web.daemon.wait_member("d1", "239.1.1.1")
    wait_for(lambda: web.status()["groups"]["groups"], 3)
    status = web.status()
    assert status["version"]["version"] == web.daemon.ctl("show", "version")["version"]
    names = [i["name"] for i in web.daemon.ctl("show", "interfaces")["interfaces"]]
    assert [i["name"] for i in status["interfaces"]["interfaces"]] == names
    group = status["groups"]["groups"][0]
    assert (group["group-address"], group["last-reporter"]) == ("239.1.1.1", "10.0.1.10")
    assert status["upstream"]["memberships"][0]["group-address"] == "239.1.1.1"
    assert status["groups"]["omitted"] == status["flows"]["omitted"] == 0


def test_metrics_count_what_happened(web):
    before = web.metrics()
    assert before['mcastd_interface_up{interface="u"}'] == 1
    assert before['mcastd_interface_is_querier{interface="d1"}'] == 1
    web.hosts[0].receiver("239.1.1.1").join()
    web.hosts[1].receiver("239.1.1.1").join()
    for port in ("d1", "d2"):
        web.daemon.wait_member(port, "239.1.1.1")
    stream = web.source.stream("239.1.1.1", size=100)
    stream.send(25)
    web.source.stream("239.9.9.9").send(7)
    web.router.settle()
    flow = '{group="239.1.1.1",source="*"}'
    # What is younger than a second is told again.
    wait_for(lambda: web.metrics().get("mcastd_flow_packets_total" + flow) == 25, 5 * SLOWNESS,
             "the packets counted")
    after = web.metrics()
    assert after["mcastd_flow_bytes_total" + flow] == 25 * 128
    assert after["mcastd_flow_outgoing_interfaces" + flow] == 2
    assert after['mcastd_interface_sent_packets_total{interface="d2"}'] == 25
    assert after['mcastd_interface_arrived_frames_total{interface="u",verdict="forwarded"}'] == 25
    assert after['mcastd_interface_groups{interface="d1"}'] == 1
    assert after['mcastd_igmp_received_messages_total{interface="d1",type="reports"}'] > 0
    assert after["mcastd_unwanted_flows"] >= 1
    assert after["mcastd_upstream_memberships"] == 1
    assert after['mcastd_http_responses_total{code="200"}'] >= 1


@pytest.mark.skipif(not PROMTOOL, reason="promtool is not there; it comes with prometheus, whose "
                    "service need not be installed: apt-get download prometheus; dpkg -x "
                    "prometheus_*.deb DIR; PROMTOOL=DIR/usr/bin/promtool")
def test_metrics_please_promtool(web):
    web.hosts[0].receiver("239.1.1.1").join()
    web.daemon.wait_member("d1", "239.1.1.1")
    result = subprocess.run([PROMTOOL, "check", "metrics"], input=web.get("/metrics")[2],
                            capture_output=True, check=False)
    assert (result.returncode, result.stdout + result.stderr) == (0, b"")


def test_dashboard_and_documentation_agree_with_metrics(web):
    with open(os.path.join(ROOT, "deploy", "grafana", "mcastd.json"), encoding="utf-8") as file:
        text = file.read()
    expressions = [target["expr"] for panel in json.loads(text)["panels"]
                   for target in panel.get("targets", [])]
    used = {name for e in expressions for name in re.findall(r"\bmcastd_[a-z_]+", e)}
    body = web.get("/metrics")[2].decode()
    there = set(re.findall(r"^# TYPE (\S+)", body, re.MULTILINE))
    assert len(used) > 10
    assert used <= there
    with open(os.path.join(ROOT, "docs", "METRICS.md"), encoding="utf-8") as file:
        documented = set(re.findall(r"^\| `(mcastd_\w+)` \|", file.read(), re.MULTILINE))
    assert documented == there


def test_series_are_limited(lab):
    """1000 flows have series of their own, however many there are; the others are counted."""
    static = "\n".join(f"    static-group 239.5.{n // 250}.{n % 250} {{ }}" for n in range(1100))
    with Web(lab, static=static) as web:
        metrics = web.metrics()
        flows = [series for series in metrics if series.startswith("mcastd_flow_packets_total")]
        assert len(flows) == 1000
        assert metrics["mcastd_flows_omitted"] == 100
        assert metrics["mcastd_flows"] == 1100
        status = web.status()
        assert (len(status["groups"]["groups"]), status["groups"]["omitted"]) == (1000, 100)
        # The control socket tells all unless asked not to.
        assert len(web.daemon.ctl("show", "flows")["flows"]) == 1100


def page_in_a_browser(web, milliseconds):
    """The page so much of the browser's time after it was opened, its picture, the texts there."""
    with tempfile.TemporaryDirectory() as profile:
        result = web.router.space.run(
            CHROMIUM, *CHROMIUM_FLAGS, f"--user-data-dir={profile}", "--window-size=1280,1000",
            f"--virtual-time-budget={milliseconds}", "--dump-dom", f"http://localhost:{PORT}/")
    picture = re.search(r'<svg id="picture".*?</svg>', result, re.DOTALL)[0]
    return result, picture, re.findall(r"<text[^>]*>([^<]*)</text>", picture)


@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed (apt-get install chromium)")
def test_page_in_a_browser(web):
    """The page runs under its own policy and draws the stream from port to port."""
    web.hosts[0].receiver("239.1.1.1").join()
    web.daemon.wait_member("d1", "239.1.1.1")
    web.source.stream("239.1.1.1", size=1000).start(100)
    web.source.stream("239.9.9.9", size=1000).start(10)
    wait_for(lambda: web.status()["flows"]["flows"][0]["packets"], 5)
    # The browser's time runs ahead of the daemon's: a rate is there when two answers differ.
    for milliseconds in (8_000, 40_000, 200_000, 1_000_000):
        result, picture, texts = page_in_a_browser(web, milliseconds)
        rates = [t for t in texts if re.fullmatch(r"10\.9\.0\.10 +· +[0-9.]+ [kM]?bit/s", t)]
        if rates:
            break
    assert rates, texts
    assert {"239.1.1.1", "u", "d1", "d2", "239.9.9.9"} <= set(texts)
    assert any(text.startswith("nobody asked for it") for text in texts)
    # Two ribbons with moving dots: into the router, and out of it.
    assert len(re.findall(r'<path class="run" ', picture)) == 2
    assert '<div class="card" id="alarm"' in result and "live" in result


# --- What the process may do ---------------------------------------------------------------------

def proc_status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file)


def test_process_has_nothing_to_lose(web):
    web.assert_well()
    pid = web.process()
    status = proc_status(pid)
    assert status["Name"] == "mcastd-http"
    assert "0" not in status["Uid"].split() + status["Gid"].split()
    assert status["Groups"].strip() == ""
    for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
        assert int(status[f"Cap{kind}"], 16) == 0, kind
    assert status["NoNewPrivs"] == "1"
    if not is_sanitized():
        assert status["Seccomp"] == "2"
    links = {int(fd): os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert links[0] == links[1] == "/dev/null"
    assert links[2] == web.daemon.log_path
    rest = [re.sub(r"\[\d+\]", "", link) for fd, link in sorted(links.items()) if fd > 2]
    assert set(rest) <= {"socket:", "anon_inode:[eventpoll]", "anon_inode:[timerfd]",
                         "anon_inode:[eventfd]"}
    assert rest.count("socket:") == 2, "the listening one and the one to the daemon"
    # The daemon's mapped BPF arrays are not in its memory, either.
    with open(f"/proc/{web.daemon.process.pid}/maps", encoding="ascii") as file:
        assert "anon_inode:bpf-map" in file.read()
    with open(f"/proc/{pid}/maps", encoding="ascii") as file:
        assert "anon_inode" not in file.read()
    with open(f"/proc/{pid}/environ", encoding="ascii") as file:
        assert file.read() == ""
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        limits = dict(re.findall(r"^(Max [a-z ]+?) {2,}(\S+)", file.read(), re.MULTILINE))
    assert (limits["Max core file size"], limits["Max processes"]) == ("0", "0")
    assert int(limits["Max open files"]) < 100


def test_process_ends_with_a_daemon_that_crashes(lab):
    with Web(lab) as web:
        web.assert_well()
        pid = web.process()
        web.daemon.crash()
        # Of a zombie that nobody has waited for yet only this is gone.
        wait_for(lambda: not os.path.exists(f"/proc/{pid}/exe"), 5, "the HTTP process ended")
        web.daemon.start()
        web.assert_well()


def test_process_is_started_again(web):
    web.assert_well()
    for number in (1, 2):
        pid = web.process()
        os.kill(pid, signal.SIGKILL)
        # Nobody is refused meanwhile: the daemon keeps the listening socket.
        web.assert_well()
        assert web.process() not in (None, pid)
        statistics = web.daemon.ctl("show", "statistics")["http"]
        assert statistics == {"listen": str(PORT), "state": "serving", "restarts": number}
        assert web.metrics()["mcastd_http_restarts_total"] == number
    assert web.daemon.log().count("the process that serves it ended with signal 9") == 2


def test_reload_moves_it(web):
    web.assert_well()
    first = web.process()
    web.daemon.reload(web.config(PORT))
    assert web.process() == first, "the same address changes nothing"
    web.daemon.reload(web.config("127.0.0.1:9456"))
    assert web.get("/healthz", 9456)[0] == 200
    assert web.process() != first
    with web.router.space.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        assert probe.connect_ex(("127.0.0.1", PORT)) != 0
    web.daemon.reload(web.config(None))
    assert web.process() is None
    with web.router.space.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        assert probe.connect_ex(("127.0.0.1", 9456)) != 0
    web.daemon.reload(web.config(PORT))
    web.assert_well()


def test_address_in_use_is_told_and_tried_again(lab):
    with Web(lab, None) as web:
        with web.router.space.socket(socket.AF_INET, socket.SOCK_STREAM) as squatter:
            squatter.bind(("127.0.0.1", PORT))
            squatter.listen()
            web.daemon.reload(web.config(PORT))
            told = f"HTTP: cannot serve {PORT}: Address already in use; trying again"
            web.daemon.wait(lambda: told in web.daemon.log())
            assert web.daemon.ctl("show", "statistics")["http"]["state"] == "waiting"
        web.daemon.wait(lambda: web.process() is not None, 10)
        web.assert_well()
        assert web.daemon.log().count(told) == 1


def test_daemon_that_does_not_answer(web):
    web.assert_well()
    os.kill(web.daemon.process.pid, signal.SIGSTOP)
    try:
        # What it told last is told again for a second.
        wait_for(lambda: web.get("/metrics")[0] != 200, 5 * SLOWNESS, "no answer of old")
        code, _, body = web.get("/metrics")
        assert (code, body) == (503, b"The daemon does not answer.\n")
        assert web.get("/")[0] == 200
    finally:
        os.kill(web.daemon.process.pid, signal.SIGCONT)
    web.assert_well()


# --- Bad input -----------------------------------------------------------------------------------

HOST = b" HTTP/1.1\r\nHost: localhost\r\n"
BAD = {  # what is sent, and the statuses that may answer it; None: no answer
    "post": (b"POST /metrics" + HOST + b"Content-Length: 5\r\n\r\nhello", {405}),
    "delete": (b"DELETE /" + HOST + b"\r\n", {405}),
    "broken chunk": (b"PUT /" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", {405}),
    "endless body": (b"GET /" + HOST + b"Content-Length: 99999999999\r\n\r\n", {200, 413}),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", {400}),
    "long path": (b"GET /" + b"a" * 100000 + HOST + b"\r\n", {413, 414, 431}),
    "long header": (b"GET /" + HOST + b"X: " + b"a" * 100000 + b"\r\n\r\n", {413, 431}),
    "many headers": (b"GET /" + HOST + b"X: y\r\n" * 20000 + b"\r\n", {413, 431}),
    "zero byte": (b"GET /%00%ff/../../etc/passwd" + HOST + b"\r\n", {400, 404}),
    "escaped": (b"GET /%6detrics" + HOST + b"\r\n", {404}),
    "dots": (b"GET /api/status/../../../etc/passwd" + HOST + b"\r\n", {404}),
    "other site": (b"GET http://elsewhere/metrics" + HOST + b"\r\n", {404}),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 4, {400, None}),
    "binary": (bytes(range(256)) * 1000, {400, 413, 414, 431, None}),
    "empty lines": (b"\r\n" * 5000 + b"GET", {None}),
    "control words": (b"show flows\nreload\n\n", {400, 404, 405, None}),
    "foreign name": (b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", {421}),
    "name like ours": (b"GET / HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", {421}),
    "name like address": (b"GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example:1\r\n\r\n", {421}),
    "address": (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:9455\r\n\r\n", {200}),
    "address v6": (b"GET /healthz HTTP/1.1\r\nHost: [::1]:9455\r\n\r\n", {200}),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_request(web, name):
    """An error at most, nothing leaks, and the next one is served as ever."""
    request, codes = BAD[name]
    pid = web.process()
    with web.connect() as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = read_all(connection)
    code = int(answer.split()[1]) if answer else None
    assert code in codes, answer[:200]
    assert b"root:x:" not in answer
    web.assert_well()
    assert web.process() == pid


def test_slow_and_silent_clients_are_cut_off(web):
    """One request in 15 seconds, or none: a byte now and then buys no more time."""
    began = time.monotonic()
    silent = web.connect()
    drip = web.connect()
    greedy = web.connect()
    # Asks, and does not read.
    greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    greedy.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    drip.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    try:
        while time.monotonic() - began < CONNECTION_MAX + 10 * SLOWNESS:
            drip.sendall(b"a")
            time.sleep(0.5)
    except (BrokenPipeError, ConnectionResetError):
        pass
    taken = time.monotonic() - began
    assert CONNECTION_MAX - 1 < taken < CONNECTION_MAX + 5 * SLOWNESS
    assert read_all(silent) == b""
    assert web.metrics()["mcastd_http_cut_connections_total"] >= 2
    for connection in (silent, drip, greedy):
        connection.close()
    web.assert_well()


@pytest.mark.parametrize("request_head", [b"", b"GET / HT", b"GET / HTTP/1.1\r\n\r\n",
                                          b"\xff" * 99])
def test_thousand_clients(web, request_head):
    """They cost the latest among them their connection, and the daemon nothing."""
    pid = web.process()
    fds = f"/proc/{pid}/fd"
    own = len(os.listdir(fds))
    with Watcher(web.daemon, web.source, *web.hosts):
        clients = []
        for _ in range(1000):
            client = web.router.space.socket(socket.AF_INET, socket.SOCK_STREAM)
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", PORT))
            with contextlib.suppress(OSError):
                client.send(request_head)
            clients.append(client)
        if len(request_head) < 9:  # nothing to answer yet: all that are served hold their place
            wait_for(lambda: len(os.listdir(fds)) >= own + ADDRESS_CONNECTIONS_MAX, 5 * SLOWNESS,
                     "as many served as are allowed")
        assert len(os.listdir(fds)) <= own + 2 * ADDRESS_CONNECTIONS_MAX
        # Not through HTTP now: the host has all the connections it is given.
        assert len(web.daemon.ctl("show", "interfaces")["interfaces"]) == 3
    for client in clients:
        client.close()
    wait_for(lambda: healthy(web), 5 * SLOWNESS, "served again")
    assert web.process() == pid


def healthy(web):
    try:
        return web.get("/healthz")[0] == 200
    except (OSError, IndexError, ValueError):
        return False


def test_hundred_requests_cost_the_daemon_one(web):
    """However many ask at the same time, the daemon is asked about once a second."""
    web.assert_well()
    ticks = daemon_ticks(web)
    began = time.monotonic()
    for _ in range(300):
        assert web.get("/metrics")[0] == 200
    taken = time.monotonic() - began
    spent = (daemon_ticks(web) - ticks) / os.sysconf("SC_CLK_TCK")
    assert spent < 0.05 * SLOWNESS * (1 + taken), f"{spent} s of CPU in {taken} s"


def daemon_ticks(web):
    with open(f"/proc/{web.daemon.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


