# SPDX-License-Identifier: BSD-2-Clause
"""What programs on hosts do: join, leave, filter, receive, and send numbered streams."""

import socket
import struct
import threading
import time

IP_MULTICAST_ALL = 49
MCAST_JOIN_SOURCE_GROUP = 46
MCAST_LEAVE_SOURCE_GROUP = 47
MCAST_MSFILTER = 48
IP_ADD_SOURCE_MEMBERSHIP = 39
SO_RCVBUFFORCE = 33
MCAST_EXCLUDE, MCAST_INCLUDE = 0, 1

PORT = 5000
_payload = struct.Struct("!4sIQ")  # magic, stream, number
MAGIC = b"MCST"


def _sockaddr(address):
    """struct sockaddr_storage holding an IPv4 address."""
    data = struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(address))
    return data.ljust(128, b"\0")


def payload(stream, number, size=32):
    """The datagram of one stream with this number."""
    return _payload.pack(MAGIC, stream, number).ljust(size, b"\0")


def read_payload(data):
    """(stream, number), or None if the datagram is not one of ours."""
    if len(data) < _payload.size:
        return None
    magic, stream, number = _payload.unpack_from(data)
    return (stream, number) if magic == MAGIC else None


class Receiver:
    """
    A UDP socket of a host that receives one group, joined as an ordinary program does. It hears
    what its own membership asked for and nothing else (IP_MULTICAST_ALL is off).
    """

    def __init__(self, space, ifname, group, port=PORT):
        self.space, self.group = space, group
        self.ifindex = space.index(ifname)
        self.seen = []  # (source, stream, number)
        self.socket = space.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
        self.socket.bind((group, port))
        self.socket.setblocking(False)

    def join(self):
        """Any source: EXCLUDE{}."""
        self._mreqn(socket.IP_ADD_MEMBERSHIP)
        return self

    def leave(self):
        self._mreqn(socket.IP_DROP_MEMBERSHIP)

    def _mreqn(self, option):
        request = struct.pack("=4s4si", socket.inet_aton(self.group), b"\0" * 4, self.ifindex)
        self.socket.setsockopt(socket.IPPROTO_IP, option, request)

    def join_source(self, source):
        """One source more: INCLUDE{..., source}."""
        self._source(MCAST_JOIN_SOURCE_GROUP, source)
        return self

    def join_source_v4(self, source, interface_address):
        """The same by the older IPv4 option IP_ADD_SOURCE_MEMBERSHIP."""
        request = b"".join(map(socket.inet_aton, (self.group, interface_address, source)))
        self.socket.setsockopt(socket.IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, request)
        return self

    def leave_source(self, source):
        self._source(MCAST_LEAVE_SOURCE_GROUP, source)

    def _source(self, option, source):
        # struct group_source_req: 4 octets of padding follow the index
        request = struct.pack("=I4x", self.ifindex) + _sockaddr(self.group) + _sockaddr(source)
        self.socket.setsockopt(socket.IPPROTO_IP, option, request)

    def set_filter(self, mode, sources):
        """MCAST_MSFILTER: mode MCAST_INCLUDE or MCAST_EXCLUDE; the group must be joined before."""
        request = (struct.pack("=I4x", self.ifindex) + _sockaddr(self.group) +
                   struct.pack("=II", mode, len(sources)) + b"".join(map(_sockaddr, sources)))
        self.socket.setsockopt(socket.IPPROTO_IP, MCAST_MSFILTER, request)

    def drain(self):
        """Reads what has come; returns the list of (source, stream, number) so far."""
        while True:
            try:
                data, address = self.socket.recvfrom(2048)
            except BlockingIOError:
                return self.seen
            numbered = read_payload(data)
            if numbered:
                self.seen.append((address[0], *numbered))

    def close(self):
        self.socket.close()


class Stream:
    """
    A sender of numbered datagrams at an even pace, in a thread of its own between start() and
    stop(); or by hand with send().
    """

    def __init__(self, space, ifname, group, *, number=0, ttl=8, source=None, port=PORT, size=32):
        self.group, self.number, self.port, self.size = group, number, port, size
        self.sent = 0
        self._stop = threading.Event()
        self._thread = None
        self.socket = space.socket(socket.AF_INET, socket.SOCK_DGRAM)
        request = struct.pack("=4s4si", b"\0" * 4, b"\0" * 4, space.index(ifname))
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        if source:
            self.socket.bind((source, 0))

    def send(self, count=1):
        for _ in range(count):
            self.socket.sendto(payload(self.number, self.sent, self.size), (self.group, self.port))
            self.sent += 1

    def start(self, per_second):
        self._thread = threading.Thread(target=self._run, args=(per_second,), daemon=True)
        self._thread.start()
        return self

    def _run(self, per_second):
        begin, first = time.monotonic(), self.sent
        while not self._stop.wait(0.005):
            due = first + int((time.monotonic() - begin) * per_second)
            self.send(due - self.sent)

    def stop(self):
        """Returns how many datagrams were sent in all."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        return self.sent

    def close(self):
        self.stop()
        self.socket.close()
