# SPDX-License-Identifier: BSD-2-Clause
"""
Issue 5 point 4: a member that stays receives every packet once and in order, whatever others do.

MCASTD_STEADY_SECONDS makes the runs longer than the few seconds of `make check`.
"""

import json
import os
import socket
import struct
import threading
import time

import pytest

from bed import G
from lab import Daemon, Router, packet
from lab.host import SO_RCVBUFFORCE
from lab.netns import run

SECONDS = float(os.environ.get("MCASTD_STEADY_SECONDS", "4"))
RATE = 10000  # packets per second of one stream
CHANGES = 1000  # joins and leaves per second
OTHERS = [f"239.7.{n >> 8}.{n & 255}" for n in range(1, 400)]
SETTINGS = """
immediate-leave = true
query-interval = 60
query-max-response-time = 5
"""


class Rig:
    """u, the steady member behind d1, changeable ones behind d2 to d4; more ports can come."""

    def __init__(self, lab, queues=1):
        self.lab, self.queues = lab, queues
        self.router = Router(lab)
        self.up = self.router.port("u", "10.9.0.100/24", queues=queues)
        self.source = self.up.host("10.9.0.10", "source")
        self.ports, self.hosts = [], []
        for _ in range(4):
            self.add_port()
        self.steady = self.hosts[0]

    def add_port(self):
        number = len(self.ports) + 1
        port = self.router.port(f"d{number}", f"10.0.{number}.100/24", queues=self.queues)
        self.ports.append(port)
        self.hosts.append(port.host(f"10.0.{number}.10", f"h{number}"))
        return port

    def config(self, text=SETTINGS):
        return (text + self.up.config("upstream") +
                "".join(port.config("downstream") for port in self.ports))

    def daemon(self):
        return Daemon(self.lab, self.router, self.config(), log_level="warning")

    def link_drops(self, space, ifname):
        stats = json.loads(space.ip("-s", "-j", "link", "show", "dev", ifname))[0]["stats64"]
        return stats["tx"]["dropped"]


class Agitator(threading.Thread):
    """
    Calls a function so many times a second, with the number of the call, until stopped. What a
    busy machine was late with is made up for, also after stop().
    """

    def __init__(self, function, per_second):
        super().__init__(daemon=True)
        self.function, self.per_second = function, per_second
        self.calls, self.error = 0, None
        self._end = float("inf")

    def run(self):
        begin = time.monotonic()
        try:
            while time.monotonic() < self._end:
                while self.calls < (min(time.monotonic(), self._end) - begin) * self.per_second:
                    self.function(self.calls)
                    self.calls += 1
                time.sleep(0.001)
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.error = error

    def stop(self):
        self._end = time.monotonic()
        self.join()
        if self.error:
            raise self.error
        return self.calls


def prepared(host, *records):
    """A report as a frame, made before time is short."""
    return packet.igmp_frame(host.mac, host.address, packet.ALL_V3_ROUTERS,
                             packet.igmp_report(*records))


def changes_of_members(rig):
    """Joins and leaves of the stream's own group, each by another host in turn."""
    frames = [(host, prepared(host, (kind, G, ()))) for kind in (packet.TO_EX, packet.TO_IN)
              for host in rig.hosts[1:4]]
    # 2 joins, 3 joins, 2 leaves, 4 joins, ...: all port sets that there are, in a changing order.
    order = [0, 1, 3, 2, 4, 0, 5, 3, 1, 2, 4, 5]

    def change(number):
        host, frame = frames[order[number % len(order)]]
        host.wire.socket.send(frame)
    return change


def changes_of_groups(rig):
    """Other groups come and go, some with sources, on all ports but the steady member's."""
    frames = []
    for number, group in enumerate(OTHERS):
        host = rig.hosts[1 + number % 3]
        joins = (packet.TO_IN, group, ["192.0.2.9"]) if number % 4 == 0 else (
            packet.TO_EX, group, ())
        frames.append((host, prepared(host, joins), prepared(host, (packet.TO_IN, group, ()))))

    def change(number):
        host, join, leave = frames[number % len(frames)]
        host.wire.socket.send(leave if number // len(frames) % 2 else join)
    return change


class Steady:
    """The receiver with its large buffer, and what it must have got."""

    def __init__(self, rig):
        self.rig = rig
        self.receiver = rig.steady.receiver(G).join()
        self.receiver.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 512 << 20)
        rig.steady.wire.close()  # it would hold a copy of everything
        self.agitator = Agitator(lambda _number: self.receiver.drain(), 5)

    def dropped_by_socket(self):
        SO_MEMINFO, drops = 55, 8
        data = self.receiver.socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 64)
        return struct.unpack("=9I", data[:36])[drops]

    def check(self, mcastd, streams):
        """
        Every packet of every stream, once and in order. What the rig itself lost, between the
        sender and the port or behind the port, is told apart by the counters of both ends.
        """
        rig = self.rig
        numbers = {stream.number: [] for stream in streams}
        for _source, stream, number in self.receiver.drain():
            numbers[stream].append(number)
        sent = sum(stream.sent for stream in streams)
        before = rig.link_drops(rig.source.space, rig.source.ifname)
        behind = rig.link_drops(rig.router.space, "d1") + self.dropped_by_socket()
        arrived = mcastd.statistics("u")["data"]["arrived"]["forwarded"]
        left = mcastd.statistics("d1")["data"]["sent-packets"]
        got = sum(map(len, numbers.values()))
        told = (f"sent {sent}, lost before the router {before}, forwarded {arrived}, left d1 "
                f"{left}, lost behind it {behind}, received {got}")
        assert arrived == sent - before, told
        assert left == arrived, told
        assert got == left - behind, told
        for stream in streams:
            seen = numbers[stream.number]
            assert all(a < b for a, b in zip(seen, seen[1:])), f"out of order or twice; {told}"
        # A rig that loses much would prove little.
        assert before + behind <= sent // 100, told
        assert sent > 0.3 * SECONDS * RATE * len(streams), told
        return told


def one_queue_for_each_cpu(host):
    """What a CPU sends goes to the queue of its own number (XPS), and no other CPU's gets there."""
    for cpu in (0, 1):
        # `ip netns exec` for its /sys, which is the namespace's.
        path = f"/sys/class/net/{host.ifname}/queues/tx-{cpu}/xps_cpus"
        run(["ip", "netns", "exec", host.space.name, "sh", "-c", f"echo {1 << cpu} >{path}"])


def pinned(stream, cpu):
    """
    Sends from one CPU only: there the router's port takes the packets in as well, and there they go
    out, so that each stream has an order to be kept.
    """
    thread = Agitator(lambda _number: stream.send(10), RATE // 10)
    run_plain = thread.run

    def run_pinned():
        os.sched_setaffinity(0, {cpu})
        run_plain()
    thread.run = run_pinned
    return thread


def disturb(rig, mcastd, seconds):
    """Members of the group, other groups, the configuration and the ports change all the time."""
    agitators = [Agitator(changes_of_members(rig), CHANGES),
                 Agitator(changes_of_groups(rig), CHANGES / 4)]
    for agitator in agitators:
        agitator.start()
    end = time.monotonic() + seconds
    wanted = 0.5 * CHANGES * seconds
    reloads = 0
    # A busy machine takes longer for as much.
    while time.monotonic() < end or reloads < 4 or agitators[0].calls < wanted:
        if agitators[0].error:
            break
        if len(rig.ports) < 8:
            rig.add_port()
        other = "ttl-threshold = 2\nlast-member-query-interval = 0.5\n" if reloads % 2 else ""
        mcastd.reload(rig.config(SETTINGS + other))
        reloads += 1
        time.sleep(0.2)
    changes = [agitator.stop() for agitator in agitators]
    for port in rig.ports:
        assert mcastd.interface(port.name)["state"] == "up"
    received = sum(mcastd.statistics(f"d{n}")["received"]["reports"] for n in (2, 3, 4))
    assert received > 0.5 * sum(changes), f"{received} of {sum(changes)} reports arrived"


def forwarded_by_cpu(mcastd, port):
    """How many packets from a port each CPU has forwarded."""
    dump = json.loads(run(["bpftool", "-j", "map", "dump", "pinned",
                           f"{mcastd.bpffs}/mcastd_ports"]))
    slot = next(e["formatted"]["key"] for e in dump
                if e["formatted"]["value"]["ifindex"] == port.router.space.index(port.name))
    entry = json.loads(run(["bpftool", "-j", "map", "lookup", "pinned",
                            f"{mcastd.bpffs}/mcastd_pstats", "key",
                            *[str(b) for b in struct.pack("=I", slot)]]))
    return [cpu["value"]["verdict"][0] for cpu in entry["formatted"]["values"]]


def test_steady_member(lab):
    """One queue: the stream, and around it everything changes."""
    rig = Rig(lab)
    with rig.daemon() as mcastd:
        steady = Steady(rig)
        mcastd.wait_member("d1", G)
        steady.agitator.start()
        stream = rig.source.stream(G).start(per_second=RATE)
        disturb(rig, mcastd, SECONDS)
        stream.stop()
        steady.agitator.stop()
        rig.router.settle()
        print(steady.check(mcastd, [stream]))


@pytest.mark.skipif(os.cpu_count() < 2, reason="needs two CPUs")
def test_steady_member_two_queues(lab):
    """Two queues and two CPUs that deliver at the same time, each its own stream."""
    rig = Rig(lab, queues=2)
    with rig.daemon() as mcastd:
        assert mcastd.interface("u")["queues"] == 2
        one_queue_for_each_cpu(rig.source)
        steady = Steady(rig)
        mcastd.wait_member("d1", G)
        steady.agitator.start()
        streams = [rig.source.stream(G, number=cpu) for cpu in (0, 1)]
        senders = [pinned(stream, cpu) for cpu, stream in enumerate(streams)]
        for sender in senders:
            sender.start()
        disturb(rig, mcastd, SECONDS)
        for sender in senders:
            sender.stop()
        steady.agitator.stop()
        rig.router.settle()
        print(steady.check(mcastd, streams))
        shares = forwarded_by_cpu(mcastd, rig.up)
        assert sum(share > 0.1 * sum(shares) for share in shares) >= 2, shares
