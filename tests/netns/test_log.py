# SPDX-License-Identifier: BSD-2-Clause
"""What the log tells, and where: lines, the journal's fields, how much, and nothing at rest."""

import contextlib
import os
import re
import socket
import threading

import pytest

from bed import G, GS, S1, Bed
from lab import Daemon, packet, wait_for
from lab.daemon import SLOWNESS, hold


class Journal:
    """
    Stands where journald listens, in a mount namespace of the daemon's own. Standard error is the
    journal's stream by its device and inode, as systemd says it.
    """

    def __init__(self, lab, monkeypatch):
        self.path = os.path.join(lab.dir, "journal")
        self.monkeypatch = monkeypatch
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        lab.callback(self.close)
        self.entries = []
        # As journald does: only some ten messages may wait in the socket, whoever sends them.
        self.reader = threading.Thread(target=self.receive)
        self.reader.start()

    def receive(self):
        while entry := self.socket.recv(65536):
            self.entries.append(parse(entry))

    def close(self):
        with contextlib.suppress(OSError):  # it is closed
            self.socket.shutdown(socket.SHUT_RDWR)
        self.reader.join()
        self.socket.close()

    def stream(self, log_path):
        with open(log_path, "ab") as log:
            status = os.fstat(log.fileno())
        self.monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")

    def wrap(self, argv):
        script = ("mount -t tmpfs none /run && mkdir -p /run/systemd/journal && "
                  ": > /run/systemd/journal/socket && "
                  f"mount --bind {self.path} /run/systemd/journal/socket && exec \"$@\"")
        return ["unshare", "--mount", "sh", "-c", script, "sh", *argv]

    def read(self):
        """All entries so far, each as {field: text}."""
        return list(self.entries)

    def find(self, **fields):
        """Those with these fields; there must be one, sooner or later."""
        return wait_for(lambda: [e for e in self.read() if all(
            e.get(name) == value for name, value in fields.items())], 5 * SLOWNESS, f"{fields}")


class JournalDaemon(Daemon):
    """mcastd as a unit of systemd."""

    def __init__(self, journal, lab, *args, **kwargs):
        self.journal = journal
        super().__init__(lab, *args, start=False, **kwargs)
        journal.stream(self.log_path)
        self.start()

    def argv(self):
        return self.journal.wrap(super().argv())


def parse(entry):
    """An entry of journald's native protocol; a field may come once only here."""
    fields = {}
    while entry:
        line, _, entry = entry.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(entry[:8], "little")
            value, entry = entry[8:8 + length], entry[8 + length:]
            assert entry[:1] == b"\n"
            entry = entry[1:]
        assert re.fullmatch(rb"[A-Z][A-Z0-9_]*", name), name
        assert name.decode() not in fields
        fields[name.decode()] = value.decode()
    return fields


def test_parser_of_the_test():
    assert parse(b"A=b=c\nD\n\x03\0\0\0\0\0\0\0e\nf\nG=\n") == {"A": "b=c", "D": "e\nf", "G": ""}


def test_journal_fields(lab, monkeypatch):
    """journalctl INTERFACE=d1, GROUP=232.1.1.1, EVENT=source-joined, -p err find what they name."""
    bed = Bed(lab)
    journal = Journal(lab, monkeypatch)
    with JournalDaemon(journal, lab, bed.router, bed.config(), log_level="info") as daemon:
        bed.h1.receiver(GS).join_source(S1)
        daemon.wait_member(bed.d1.name, GS)
        joined = journal.find(EVENT="source-joined")
        assert len(joined) == 1
        assert joined[0].pop("CODE_LINE").isdigit()
        assert joined[0] == {
            "MESSAGE": f"d1: 10.0.1.10 joined {GS} from {S1}", "PRIORITY": "6",
            "SYSLOG_IDENTIFIER": "mcastd", "CODE_FILE": "userspace/mcastd/event.c",
            "CODE_FUNC": "event_tell", "EVENT": "source-joined", "INTERFACE": "d1", "GROUP": GS,
            "SOURCE": S1, "HOST": "10.0.1.10"}
        # What has no group has no such field; a message for the daemon as a whole has no interface.
        (querier,) = journal.find(EVENT="querier-self", INTERFACE="d1")
        assert querier["PRIORITY"] == "5" and not {"GROUP", "SOURCE"} & set(querier)
        (first,) = [e for e in journal.read() if re.match(r"mcastd \d", e["MESSAGE"])]
        assert "INTERFACE" not in first and first["CODE_FILE"].endswith("daemon.c")
        # A path of two lines stays one message, and does not become a field.
        daemon.write_config('include("/nowhere/x\nPRIORITY=0")\n')
        assert daemon.ctl.run("reload").returncode == 78
        assert journal.find(PRIORITY="3")
        assert not [e for e in journal.read() if "\n" in e["MESSAGE"] or e["PRIORITY"] == "0"]
        daemon.write_config(bed.config())
    assert journal.find(MESSAGE="stopping")
    assert daemon.log() == "", "nothing is told twice"


def test_journal_that_is_gone(lab, monkeypatch):
    """Without its socket the lines go to the stream, with their priority in front."""
    bed = Bed(lab)
    journal = Journal(lab, monkeypatch)
    journal.close()
    with JournalDaemon(journal, lab, bed.router, bed.config(), log_level="notice") as daemon:
        pass
    assert re.search(r"^<5>mcastd \d", daemon.log(), re.M)
    assert not re.search(r"^(?!<[0-7]>)", daemon.log().rstrip("\n"), re.M)


@pytest.mark.parametrize("level", ["notice", "info"])
def test_no_noise_at_rest(lab, level):
    """Queries, answers to them and data that flows are no events: not a line in three intervals."""
    bed = Bed(lab)
    with bed.daemon("query-interval = 2\nquery-max-response-time = 1\n",
                    log_level=level) as daemon:
        bed.h1.receiver(G).join()
        daemon.wait_member(bed.d1.name, G)
        bed.source.stream(G, size=100).start(50)
        bed.source.stream("239.7.7.7", size=100).start(50)
        daemon.wait(lambda: daemon.ctl("show", "flows")["flows"][0]["packets"])
        before, heard = daemon.log(), daemon.statistics("d1")["received"]["reports"]
        hold(6)
        assert daemon.statistics("d1")["received"]["reports"] > heard + 1
        assert daemon.log() == before


def test_flood_makes_few_lines(lab):
    """What any host can send makes some lines a second at most; the last counts the others."""
    bed = Bed(lab)
    with bed.daemon(log_level="info") as daemon:
        before = daemon.log().count("\n")
        broken = packet.igmp_report((4, G, []), bad_checksum=True)
        for _ in range(500):
            bed.h1.send_igmp(packet.ALL_V3_ROUTERS, broken)
        # A slow daemon need not have read them all.
        daemon.wait(lambda: daemon.statistics("d1")["errors"]["checksum"] > 50)
        told = [line for line in daemon.log().splitlines()[before:] if "checksum" in line]
        assert 1 <= len(told) < 20 * SLOWNESS
        before = daemon.log().count("\n")
        for n in range(20):
            bed.h1.report(*((4, f"239.2.{n}.{m}", []) for m in range(100)))
        daemon.wait_member("d1", "239.2.19.99")
        lines = daemon.log().splitlines()[before:]
        assert 200 <= len(lines) < 1000 * SLOWNESS
        assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3} \w+: \S", line) for line in lines)
