# SPDX-License-Identifier: BSD-2-Clause
"""Frames seen on an interface, and waiting for conditions instead of sleeping."""

import select
import socket
import struct
import time

from . import packet

ETH_P_ALL = 3
PACKET_OUTGOING = 4
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
SOL_PACKET = 263
PACKET_AUXDATA = 8
TP_STATUS_VLAN_VALID = 1 << 4
RECEIVE_BUFFER = 64 << 20


def wait_for(predicate, timeout=5.0, what="", interval=0.02):
    """Calls predicate until it answers something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() >= end:
            raise AssertionError(f"not within {timeout} s: {what or predicate.__doc__ or '?'}")
        time.sleep(interval)


class Frame:
    """A captured frame: bytes, the kernel's time stamp in seconds, and which way it went."""

    def __init__(self, data, when, outgoing):
        self.data = data
        self.time = when
        self.outgoing = outgoing

    def scapy(self):
        """Decoded by scapy, for assertions that want another's opinion."""
        # pylint: disable=import-outside-toplevel,unused-import
        from scapy.layers.l2 import Ether
        import scapy.layers.inet
        import scapy.contrib.igmp
        import scapy.contrib.igmpv3
        return Ether(self.data)

    def __repr__(self):
        return f"<{'out' if self.outgoing else 'in'} {self.time:.6f} {self.data.hex()}>"


def with_tag(data, ancillary):
    """The frame as it was on the wire: the kernel tells of a VLAN tag beside the frame."""
    for level, kind, value in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, tci, proto = struct.unpack("=I12xHH", value[:20])
            if status & TP_STATUS_VLAN_VALID:
                return data[:12] + struct.pack("!HH", proto or 0x8100, tci) + data[12:]
    return data


class Capture:
    """What passes one interface from now on."""

    def __init__(self, space, ifname):
        self.name = f"{ifname} of {space.name}"
        self.frames = []
        with space.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
            self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self.socket.bind((ifname, ETH_P_ALL))
        self.socket.setblocking(False)

    def close(self):
        self.socket.close()

    def send(self, frame):
        """Puts a frame on the wire as it is."""
        self.socket.send(frame)

    def poll(self):
        """Reads what has come; returns all frames so far."""
        while True:
            try:
                data, ancillary, _flags, address = self.socket.recvmsg(65536, 128)
            except BlockingIOError:
                return self.frames
            when = next((struct.unpack("qq", value) for level, kind, value in ancillary
                         if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS)), (0, 0))
            self.frames.append(Frame(with_tag(data, ancillary), when[0] + when[1] / 1e9,
                                     address[2] == PACKET_OUTGOING))

    def clear(self):
        self.poll()
        self.frames.clear()

    def arrived(self, predicate=lambda data: True, outgoing=False):
        """The frames that came in (or went out) and whose bytes satisfy the predicate."""
        return [f for f in self.poll() if f.outgoing == outgoing and predicate(f.data)]

    def wait(self, predicate, count=1, timeout=5.0, what="", outgoing=False):
        """Waits until `count` such frames have arrived; returns all of them."""
        end = time.monotonic() + timeout
        while True:
            found = self.arrived(predicate, outgoing)
            if len(found) >= count:
                return found
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(
                    f"{self.name}: {len(found)} of {count} frames within {timeout} s ({what}); "
                    f"seen: {self.summary()}")
            select.select([self.socket], [], [], left)

    def messages(self, predicate=lambda message: True, outgoing=False):
        """The IGMP messages that came in (or went out), each with the time of its frame."""
        found = []
        for frame in self.poll():
            if frame.outgoing != outgoing or not packet.is_igmp(frame.data):
                continue
            message = packet.Message(frame.data)
            message.time = frame.time
            if predicate(message):
                found.append(message)
        return found

    def wait_message(self, predicate, count=1, timeout=5.0, what="", outgoing=False):
        """Waits for IGMP messages; returns the list of all that satisfy the predicate."""
        self.wait(lambda data: packet.is_igmp(data) and predicate(packet.Message(data)), count,
                  timeout, what, outgoing)
        return self.messages(predicate, outgoing)

    def summary(self):
        """The last frames, short."""
        def line(frame):
            data, way = frame.data, "out " if frame.outgoing else "in "
            if packet.is_igmp(data):
                return way + repr(packet.Message(data))
            if packet.is_ipv4(data):
                return way + (f"{packet.ip_source(data)} > {packet.ip_destination(data)} "
                              f"proto {data[23]} ttl {data[22]} len {len(data)}")
            return way + data[:24].hex()

        return "; ".join(line(f) for f in self.poll()[-12:]) or "nothing"
