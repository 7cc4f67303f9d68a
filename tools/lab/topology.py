# SPDX-License-Identifier: BSD-2-Clause
"""A router with its ports, the links or LANs behind them, and the hosts there."""

import contextlib
import json
import os
import socket

from . import packet
from .capture import Capture
from .host import Receiver, Stream


class Router:
    """The namespace in which the daemon runs."""

    def __init__(self, lab, label="router"):
        self.lab = lab
        self.label = label
        self.space = lab.namespace(label)
        self.ports = []
        self.space.sysctl("ipv4/ip_forward", 1)
        # Multicast sources that no unicast route leads to are what tests are about.
        for scope in ("all", "default"):
            self.space.sysctl(f"ipv4/conf/{scope}/rp_filter", 0)

    def port(self, name, address, **kwargs):
        port = Port(self, name, address, **kwargs)
        self.ports.append(port)
        return port

    def link(self, name):
        """What `ip -d link` tells of an interface."""
        return json.loads(self.space.ip("-d", "-j", "link", "show", "dev", name))[0]

    def settle(self):
        """
        Returns when every frame sent before has been dealt with: what was to come out of a port
        has reached the captures of the hosts there. So nothing seen then is nothing sent.
        """
        for port in self.ports:
            port.flush_in()
        for port in self.ports:
            port.flush_out()


class Port:
    """
    An interface of the router, address in prefix notation. Behind it is the single host that
    host() makes first, or with lan=True a switch (a kernel bridge without snooping) for many.
    """

    def __init__(self, router, name, address, *, gro=True, queues=1, lan=False):
        self.router, self.name, self.address = router, name, address.split("/")[0]
        self.prefix_length = address.split("/")[1]
        self.gro, self.queues = gro, queues
        self.hosts = []
        self.switch = None
        self._taps = None
        if lan:
            self._make_switch()

    def _make_switch(self):
        self.switch = self.router.lab.namespace(f"{self.router.label}-{self.name}-switch")
        self.switch.ip_batch("link add br0 type bridge mcast_snooping 0", "link set br0 up")
        self._link(self.switch, "up0")
        self.switch.ip("link", "set", "up0", "master", "br0")

    def _link(self, space, ifname):
        lab, near = self.router.lab, self.router.space
        lab.veth(near, self.name, space, ifname, gro=self.gro, queues=self.queues)
        near.ip("address", "add", f"{self.address}/{self.prefix_length}", "dev", self.name)
        self.mac = self.router.link(self.name)["address"]

    def host(self, address, label=None):
        """A host with this address on the port's network, its default route the router."""
        return Host(self, address, label or f"{self.name}-h{len(self.hosts) + 1}")

    def receiver(self, group, **kwargs):
        """A program on the router itself that receives a group from this port."""
        receiver = Receiver(self.router.space, self.name, group, **kwargs)
        self.router.lab.callback(receiver.close)
        return receiver

    def config(self, role, *lines):
        """The section of mcastd.conf for this port."""
        body = "".join(f"    {line}\n" for line in (f"role = {role}", *lines))
        return f"interface {self.name} {{\n{body}}}\n"

    def _marker(self, text):
        return packet.ethernet("ff:ff:ff:ff:ff:ff", "02:00:00:00:ff:ff", text.encode(),
                               packet.MARKER_ETHERTYPE, pad=60)

    def taps(self):
        """Captures for markers: at the router's interface, and at the far end of its link."""
        if not self._taps:
            space, ifname = (self.switch, "up0") if self.switch else (
                self.hosts[0].space, self.hosts[0].ifname)
            self._taps = (Capture(self.router.space, self.name), Capture(space, ifname))
            for tap in self._taps:
                self.router.lab.callback(tap.close)
        return self._taps

    def forget_taps(self):
        """The interface was down or away: its sockets tell so once, or hear nothing any more."""
        self._taps = None

    def flush_in(self):
        """Waits until the router has taken in everything sent to this port so far."""
        near, far = self.taps()
        for number in range(2):  # the second is read in a later turn of the driver, or behind it
            marker = self._marker(f"in {number}")
            near.clear()
            far.send(marker)
            near.wait(lambda data, m=marker: data == m, what="marker into the router")

    def flush_out(self):
        """Waits until everything the router has sent out of this port has arrived."""
        near, far = self.taps()
        marker = self._marker("out")
        far.clear()
        near.send(marker)
        far.wait(lambda data: data == marker, what="marker out of the router")


class Host:
    """A host behind a port: its kernel is an IGMP host like any other."""

    def __init__(self, port, address, label):
        self.port, self.address, self.label = port, address, label
        lab = port.router.lab
        self.space = lab.namespace(label)
        self.ifname = "eth0"
        if port.switch:
            number = len(port.hosts)
            lab.veth(port.switch, f"p{number}", self.space, self.ifname)
            port.switch.ip("link", "set", f"p{number}", "master", "br0")
        else:
            assert not port.hosts, "one host on a plain link; lan=True makes room for more"
            port._link(self.space, self.ifname)  # pylint: disable=protected-access
        port.hosts.append(self)
        self.space.ip_batch(f"address add {address}/{port.prefix_length} dev {self.ifname}",
                            f"route add default via {port.address}")
        for scope in ("all", self.ifname):
            self.space.sysctl(f"ipv4/conf/{scope}/rp_filter", 0)
        # So many memberships and sources as a test may want of one socket.
        self.space.sysctl("ipv4/igmp_max_memberships", 10000)
        self.space.sysctl("ipv4/igmp_max_msf", 1000)
        self.mac = json.loads(self.space.ip("-j", "link", "show", "dev", self.ifname))[0]["address"]
        self.wire = Capture(self.space, self.ifname)
        lab.callback(self.wire.close)
        # Another socket to send by: a capture sees what others send, not what it sends itself.
        self._out = self.space.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._out.bind((self.ifname, 0))
        lab.callback(self._out.close)

    def force_igmp_version(self, version):
        for scope in ("all", self.ifname):
            self.space.sysctl(f"ipv4/conf/{scope}/force_igmp_version", version)

    def receiver(self, group, **kwargs):
        receiver = Receiver(self.space, self.ifname, group, **kwargs)
        self.port.router.lab.callback(receiver.close)
        return receiver

    def stream(self, group, **kwargs):
        stream = Stream(self.space, self.ifname, group, **kwargs)
        self.port.router.lab.callback(stream.close)
        return stream

    def send(self, frame):
        """Puts a frame on the wire as it is."""
        self._out.send(frame)

    def sent_message(self, predicate=lambda message: True, **kwargs):
        """
        Waits for an IGMP message that this host sends, and returns the last such. (On the
        router's interface it is not to be seen: XDP takes it before any capture there.)
        """
        return self.wire.wait_message(predicate, outgoing=True, **kwargs)[-1]

    def send_data(self, group, payload, *, source=None, **fields):
        """Sends one crafted datagram and returns its frame. source: any address; else our own."""
        frame = packet.data_frame(self.mac, source or self.address, group, payload, **fields)
        self.send(frame)
        return frame

    def send_igmp(self, destination, message, *, source=None, **fields):
        self.send(packet.igmp_frame(self.mac, self.address if source is None else source,
                                    destination, message, **fields))

    def report(self, *records, **fields):
        """Sends a version 3 report of (type, group, sources) records."""
        self.send_igmp(packet.ALL_V3_ROUTERS, packet.igmp_report(*records), **fields)

    def data(self, group=None, source=None):
        """Multicast data that has arrived here, as bytes."""
        return [f.data for f in self.wire.arrived(lambda d: packet.is_data(d, group, source))]

    def wait_data(self, group, count=1, **kwargs):
        self.wire.wait(lambda d: packet.is_data(d, group), count, **kwargs)
        return self.data(group)

    def ping(self, address, tries=4):
        """True if an echo request to a unicast address is answered."""
        message = packet.icmp_echo(number=os.getpid() & 0xFFFF)
        with self.space.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
            raw.settimeout(1)
            for _ in range(tries):
                raw.sendto(message, (address, 0))
                with contextlib.suppress(TimeoutError):
                    while True:
                        data, (source, _port) = raw.recvfrom(2048)
                        # An answer: type 0, the rest as it was asked.
                        if source == address and data[20:21] == b"\0" and data[24:] == message[4:]:
                            return True
        return False
