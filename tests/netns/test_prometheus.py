# SPDX-License-Identifier: BSD-2-Clause
"""A real Prometheus scrapes the real daemon, and answers every query of the dashboard with data."""

import json
import os
import re
import shutil
import socket
import subprocess
import urllib.parse

import pytest

from lab import packet, wait_for
from lab.daemon import ROOT, SLOWNESS
from test_http import PORT, Web, parse, read_all

PROMETHEUS = os.environ.get("PROMETHEUS") or shutil.which("prometheus")
SERVER_PORT = 9090
VARIABLES = {"$__rate_interval": "5s", "$instance": ".*", "$interface": ".*"}

pytestmark = pytest.mark.skipif(not PROMETHEUS, reason="prometheus is not there; its service need "
                                "not be installed: apt-get download prometheus; dpkg -x "
                                "prometheus_*.deb DIR; PROMETHEUS=DIR/usr/bin/prometheus")


def panels():
    path = os.path.join(ROOT, "deploy", "grafana", "mcastd.json")
    with open(path, encoding="utf-8") as file:
        return [panel for panel in json.load(file)["panels"] if panel["type"] != "row"]


class Server:
    """Prometheus in the router's namespace."""

    def __init__(self, lab, web):
        self.space = web.router.space
        config = os.path.join(lab.dir, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("global: { scrape_interval: 1s }\nscrape_configs:\n- job_name: mcastd\n"
                       f"  static_configs: [{{ targets: ['127.0.0.1:{PORT}'] }}]\n")
        lab.popen(self.space, [PROMETHEUS, f"--config.file={config}",
                               f"--storage.tsdb.path={lab.dir}/tsdb",
                               f"--web.listen-address=127.0.0.1:{SERVER_PORT}"],
                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def query(self, expression):
        """The samples, or None as long as nobody answers."""
        with self.space.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            if connection.connect_ex(("127.0.0.1", SERVER_PORT)):
                return None
            path = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            code, _headers, body = parse(read_all(connection))
        if code == 503:
            return None
        answer = json.loads(body)
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        return answer["data"]["result"]


def test_every_panel_has_data(lab):
    """With traffic, unwanted traffic, and everything refused that can be refused."""
    with Web(lab, static="ttl-threshold = 200") as web:
        server = Server(lab, web)
        for host in web.hosts:
            host.receiver("239.1.1.1").join()
        for port in ("d1", "d2"):
            web.daemon.wait_member(port, "239.1.1.1")
        web.source.stream("239.1.1.1", size=1000).start(100)
        web.source.stream("239.9.9.9").start(10)
        broken = packet.igmp_report((4, "239.1.1.2", []), bad_checksum=True)
        foreign = packet.igmp_report((4, "224.0.0.1", []))
        missing = {}
        for panel in panels():
            for target in panel["targets"]:
                missing[target["expr"]] = panel["title"]

        def answered():
            for host in web.hosts:
                host.send_igmp(packet.ALL_V3_ROUTERS, broken)
                host.send_igmp(packet.ALL_V3_ROUTERS, foreign)
            for expression in list(missing):
                query = expression
                for name, value in VARIABLES.items():
                    query = query.replace(name, value)
                assert "$" not in query, f"a variable that nobody defines: {expression}"
                if server.query(query):
                    del missing[expression]
            return not missing

        try:
            wait_for(answered, 30 * SLOWNESS)
        except AssertionError as error:
            raise AssertionError(f"no data for {missing}") from error


def test_panels_have_units_and_legends():
    """No bare numbers: every panel has a unit, every line of a graph a name with what it is by."""
    titles = set()
    for panel in panels():
        assert panel["title"] not in titles, "a title twice"
        titles.add(panel["title"])
        assert panel["fieldConfig"]["defaults"].get("unit"), panel["title"]
        for target in panel["targets"]:
            if panel["type"] != "timeseries":
                continue
            legend = target["legendFormat"]
            assert legend, panel["title"]
            by = re.search(r"sum by \(([^)]+)\)", target["expr"])
            for label in by[1].split(", ") if by else ():
                assert "{{%s}}" % label in legend, f"{panel['title']}: {label} is not told apart"
