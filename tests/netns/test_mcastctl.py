# SPDX-License-Identifier: BSD-2-Clause
"""mcastctl as people see it: tables that fit, and the live view in a terminal."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from bed import G, GS, S1, Bed
from lab import output_dir
from lab.daemon import ROOT, environment


def ctl(*words):
    return subprocess.run([os.path.join(output_dir(), "mcastctl"), *words], capture_output=True,
                          text=True, timeout=30, check=False, env=environment())


class Terminal:
    """mcastctl top in a terminal of 80 columns."""

    def __init__(self, path):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen([os.path.join(output_dir(), "mcastctl"), "-u", path, "top"],
                                        stdin=slave, stdout=slave, stderr=slave,
                                        env=environment(TERM="vt100"), start_new_session=True)
        os.close(slave)
        self.text = ""

    def wait_for(self, pattern, timeout=15):
        """Reads what is drawn until the pattern stands in it, which is forgotten then."""
        end = time.monotonic() + timeout
        while not re.search(pattern, self.text):
            left = end - time.monotonic()
            assert left > 0, f"{pattern} does not appear in {self.text!r}"
            if select.select([self.master], [], [], left)[0]:
                drawn = os.read(self.master, 65536).decode(errors="replace")
                # Cursor positions become blanks, other sequences nothing.
                drawn = re.sub(r"\x1b\[[0-9;]*[HCG]", " ", drawn)
                self.text += re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>78])|[\x0e\x0f]", "",
                                    drawn)
        self.text = ""

    def press(self, keys):
        os.write(self.master, keys.encode())

    def end(self):
        """The exit status after 'q'."""
        self.press("q")
        status = self.process.wait(timeout=15)
        os.close(self.master)
        return status


def test_tables_fit(lab):
    """80 columns, whatever stands in them; each row of JSON has its line."""
    bed = Bed(lab)
    with bed.daemon() as daemon:
        bed.h1.receiver(G).join()
        bed.h1.receiver(GS).join_source(S1)
        daemon.wait_member(bed.d1.name, GS)
        bed.send(count=3)
        bed.send("239.7.7.7")
        daemon.wait(lambda: daemon.ctl("show", "flows")["unwanted"], what="unwanted traffic")
        for words in ("show interfaces", "sh g", "show fl", "show up", "sho stat", "sh v",
                      f"expl {S1} {G}"):
            lines = daemon.ctl.text(*words.split()).splitlines()
            assert lines
            if not words.startswith("expl"):
                assert max(len(line) for line in lines) <= 80, lines
            assert all(line == line.rstrip() for line in lines)
        groups = daemon.ctl.text("show", "groups", bed.d1.name)
        assert re.search(rf"^{bed.d1.name} +{re.escape(G)} +exclude +3 ", groups, re.M)
        assert re.search(rf"^ +{re.escape(S1)} +forward ", groups, re.M)
        assert "239.7.7.7" in daemon.ctl.text("show", "flows").split("not forwarded")[1]


def test_top(lab):
    """Rates of a stream; views, orders, and the end."""
    bed = Bed(lab)
    with bed.daemon() as daemon:
        bed.h1.receiver(G).join()
        daemon.wait_member(bed.d1.name, G)
        bed.send()
        bed.send("239.7.7.7")
        terminal = Terminal(daemon.socket_path)
        terminal.wait_for(rf"{re.escape(G)} +\* +{re.escape(S1)} +{bed.up.name}")
        bed.source.stream(G).start(100)
        terminal.wait_for(r"\b[1-9][0-9]+ packets/s")
        terminal.press("u")
        terminal.wait_for(r"239\.7\.7\.7")
        terminal.press("ig")
        terminal.wait_for(rf"{bed.d2.name} ")
        terminal.press("r ")
        terminal.wait_for(r"(?s)reversed.*held")
        assert terminal.end() == 0


def test_top_outlives_the_daemon(lab):
    """It says that nobody answers, and goes on when the daemon is back."""
    bed = Bed(lab)
    daemon = bed.daemon()
    terminal = Terminal(daemon.socket_path)
    terminal.wait_for("0 flows")
    daemon.stop()
    terminal.wait_for("no answer")
    assert terminal.end() == 0


def test_top_ends_with_its_terminal(lab):
    """A window that was closed leaves no process behind that spins."""
    bed = Bed(lab)
    with bed.daemon() as daemon:
        terminal = Terminal(daemon.socket_path)
        terminal.wait_for("0 flows")
        os.close(terminal.master)
        terminal.process.wait(timeout=15)


def test_top_needs_a_terminal(lab):
    bed = Bed(lab)
    with bed.daemon() as daemon:
        result = daemon.ctl.run("top")
        assert (result.returncode, result.stdout) == (64, "")
        assert "terminal" in result.stderr


def test_convert_igmpproxy(tmp_path):
    """Every line has its equal or a comment, and mcastd accepts the result."""
    old, new = tmp_path / "igmpproxy.conf", tmp_path / "mcastd.conf"
    old.write_text("""
# comment
quickleave
phyint eth0 upstream ratelimit 0 threshold 1
    altnet 10.0.0.0/8  # comment
    whitelist 239.0.0.0/8
phyint eth1.100 downstream ratelimit 100 threshold 16
    altnet 198.51.100.0/24
    altnet 192.0.2.7
    blacklist 239.9.0.0/16
    whitelist 239.0.0.0/8
phyint eth2 downstream
    blacklist 239.8.0.0/16
phyint ppp0 disabled
chroot /nowhere
""")
    result = ctl("convert", "igmpproxy", str(old))
    assert (result.returncode, result.stderr) == (0, "")
    new.write_text(result.stdout)
    settings = [line.strip() for line in result.stdout.splitlines() if line.strip()[0] != "#"]
    assert settings == [
        'interface "eth0" {', "role = upstream", "ttl-threshold = 1",
        'group-policy = { "permit 239.0.0.0/8", "deny any" }', "}",
        'interface "eth1.100" {', "role = downstream", "ttl-threshold = 16",
        'altnet = { "198.51.100.0/24", "192.0.2.7" }',
        'group-policy = { "deny 239.9.0.0/16", "permit 239.0.0.0/8", "deny any" }', "}",
        'interface "eth2" {', "role = downstream", 'group-policy = { "deny 239.8.0.0/16" }', "}"]
    for word in ("quickleave", "ratelimit 100", "ppp0", "chroot /nowhere"):
        assert re.search(f"# .*{word}", result.stdout)
    check = subprocess.run([os.path.join(output_dir(), "mcastd"), "-t", "-f", str(new)],
                           capture_output=True, text=True, check=False, env=environment())
    assert (check.returncode, check.stderr) == (0, "")

    old.write_text("defaultdown\nphyint eth0 upstream\n")
    result = ctl("convert", "igmpproxy", str(old))
    assert result.returncode == 0 and 'interface "*" { role = downstream }' in result.stdout

    # A pattern would take in what is to be left alone: said, not done silently.
    old.write_text("defaultdown\nphyint eth0 disabled\n")
    result = ctl("convert", "igmpproxy", str(old))
    assert result.returncode == 65 and "# not the same: " in result.stdout

    old.write_text("phyint eth0 sideways\n")
    result = ctl("conv", "igmp", str(old))
    assert result.returncode == 65 and "# not understood: phyint eth0 sideways" in result.stdout
    assert ctl("convert", "igmpproxy", str(tmp_path / "missing")).returncode == 66


def complete(line, path):
    """What bash offers for the last word of a command line."""
    words = line.split(" ")
    script = (f"mcastctl() {{ {output_dir()}/mcastctl \"$@\"; }}; . deploy/mcastctl.bash; "
              f"COMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; "
              "_mcastctl; printf '%s\\n' \"${COMPREPLY[@]}\"")
    result = subprocess.run(["bash", "-c", script.replace("SOCKET", path)], cwd=ROOT, text=True,
                            capture_output=True, check=True, env=environment())
    assert not result.stderr
    return result.stdout.split()


def test_completion(lab):
    """Commands as mcastctl knows them, and the names of the daemon's interfaces."""
    bed = Bed(lab)
    with bed.daemon() as daemon:
        path = daemon.socket_path
        known = set(re.findall(r"^  ([a-z]+) ?", ctl("--help").stdout.split("abbreviated:")[1],
                               re.M))
        assert set(complete("mcastctl ", path)) == known
        shown = set(re.findall(r"^  show ([a-z]+)", ctl("--help").stdout, re.M))
        assert set(complete("mcastctl show ", path)) == shown
        assert complete("mcastctl show up", path) == ["upstream"]
        assert complete("mcastctl -j log no", path) == ["none", "notice"]
        assert set(complete("mcastctl -u SOCKET show groups ", path)) == {"u", "d1", "d2"}
        assert complete("mcastctl -u SOCKET explain 192.0.2.1 239.1.1.1 d2", path) == ["d2"]
        assert complete("mcastctl show version ", path) == []
        assert "--json" in complete("mcastctl --", path)
