# SPDX-License-Identifier: BSD-2-Clause
"""Packets as bytes: built here to the octet, wrong on purpose where a test wants that."""

import socket
import struct

ETH_P_IP = 0x0800
MARKER_ETHERTYPE = 0x88B5  # IEEE local experimental: our own frames that tell where a queue ends
IPPROTO_IGMP = 2
ROUTER_ALERT = bytes([0x94, 4, 0, 0])
ALL_SYSTEMS = "224.0.0.1"
ALL_ROUTERS = "224.0.0.2"
ALL_V3_ROUTERS = "224.0.0.22"

QUERY, V1_REPORT, V2_REPORT, V2_LEAVE, V3_REPORT = 0x11, 0x12, 0x16, 0x17, 0x22
IS_IN, IS_EX, TO_IN, TO_EX, ALLOW, BLOCK = 1, 2, 3, 4, 5, 6


def ip4(text):
    return socket.inet_aton(text)


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def mac_text(data):
    return data.hex(":")


def group_mac(group):
    """RFC 1112 section 6.4: 01:00:5e and the low 23 bits of the group."""
    g = ip4(group)
    return bytes([0x01, 0x00, 0x5E, g[1] & 0x7F, g[2], g[3]])


def checksum(data):
    """RFC 1071, over an even or odd number of octets."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(dst, src, payload, ethertype=ETH_P_IP, pad=0):
    """dst, src: 6 bytes or text. pad: fill up with zeros to so many octets."""
    dst, src = (mac_bytes(mac) if isinstance(mac, str) else mac for mac in (dst, src))
    frame = dst + src + struct.pack("!H", ethertype) + payload
    return frame.ljust(pad, b"\0")


def ipv4(src, dst, protocol, payload, *, ttl=8, tos=0, options=b"", ident=0x1234, flags_offset=0,
         total_length=None, header_checksum=None, first_octet=None):
    """
    An IPv4 packet. flags_offset: the 16 bits of flags and fragment offset. total_length,
    header_checksum (added to the right one) and first_octet (version and IHL) can be wrong.
    """
    assert len(options) % 4 == 0
    size = 20 + len(options)
    head = bytearray(struct.pack(
        "!BBHHHBBH4s4s", 0x40 | size // 4 if first_octet is None else first_octet, tos,
        size + len(payload) if total_length is None else total_length, ident, flags_offset, ttl,
        protocol, 0, ip4(src), ip4(dst)) + options)
    value = checksum(bytes(head))
    if header_checksum is not None:
        value = (value + header_checksum) & 0xFFFF
    head[10:12] = struct.pack("!H", value)
    return bytes(head) + payload


def udp(src, dst, payload, sport=4000, dport=5000):
    length = 8 + len(payload)
    pseudo = ip4(src) + ip4(dst) + struct.pack("!BBH", 0, socket.IPPROTO_UDP, length)
    head = struct.pack("!HHH", sport, dport, length)
    value = checksum(pseudo + head + b"\0\0" + payload) or 0xFFFF
    return head + struct.pack("!H", value) + payload


def data_frame(src_mac, src, group, payload, *, ports=(4000, 5000), dst_mac=None, **ip_fields):
    """A multicast UDP datagram on the wire."""
    datagram = udp(src, group, payload, *ports)
    return ethernet(dst_mac or group_mac(group), src_mac,
                    ipv4(src, group, socket.IPPROTO_UDP, datagram, **ip_fields))


def forwarded(frame, src_mac, hops=1):
    """
    What a router makes of a frame, computed anew: the group's MAC, its own MAC, TTL less one, the
    header checksum from scratch; all the rest as it was (D-TTL, D-MAC).
    """
    size = (frame[14] & 0x0F) * 4
    head = bytearray(frame[14:14 + size])
    head[8] -= hops
    head[10:12] = b"\0\0"
    head[10:12] = struct.pack("!H", checksum(bytes(head)))
    group = socket.inet_ntoa(bytes(head[16:20]))
    total = struct.unpack("!H", head[2:4])[0]
    return (group_mac(group) + mac_bytes(src_mac) + frame[12:14] + bytes(head) +
            frame[14 + size:14 + total])


def igmp(message, *, bad_checksum=False):
    """Fills the checksum into a message whose octets 2 and 3 are zero."""
    value = checksum(message) ^ (0x5555 if bad_checksum else 0)
    return message[:2] + struct.pack("!H", value) + message[4:]


def igmp_short(kind, group, code=0, extra=b"", **kwargs):
    """The 8 octets of versions 1 and 2."""
    return igmp(struct.pack("!BBH4s", kind, code, 0, ip4(group)) + extra, **kwargs)


def igmp_record(kind, group, sources=(), aux=b""):
    return (struct.pack("!BBH4s", kind, len(aux) // 4, len(sources), ip4(group)) +
            b"".join(map(ip4, sources)) + aux)


def igmp_report(*records, extra=b"", **kwargs):
    """A version 3 report of (type, group, sources) records, or of records as bytes."""
    body = b"".join(r if isinstance(r, bytes) else igmp_record(*r) for r in records)
    return igmp(struct.pack("!BBHHH", V3_REPORT, 0, 0, 0, len(records)) + body + extra, **kwargs)


def igmp_query(group="0.0.0.0", sources=(), *, mrc=100, suppress=False, qrv=2, qqic=125,
               extra=b"", **kwargs):
    """A version 3 query."""
    return igmp(struct.pack("!BBH4sBBH", QUERY, mrc, 0, ip4(group), suppress << 3 | qrv, qqic,
                            len(sources)) + b"".join(map(ip4, sources)) + extra, **kwargs)


def igmp_frame(src_mac, src, dst, message, *, dst_mac=None, pad=0, **ip_fields):
    """An IGMP message as hosts and routers send it: TTL 1, TOS 0xc0, Router Alert."""
    fields = {"ttl": 1, "tos": 0xC0, "options": ROUTER_ALERT, **ip_fields}
    return ethernet(dst_mac or group_mac(dst), src_mac,
                    ipv4(src, dst, IPPROTO_IGMP, message, **fields), pad=pad)


def icmp_echo(number, data=b"mcastd-lab"):
    """An ICMP echo request."""
    message = struct.pack("!BBHHH", 8, 0, 0, number, 1) + data
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def is_ipv4(frame):
    return frame[12:14] == b"\x08\x00" and len(frame) >= 34


def is_igmp(frame):
    return is_ipv4(frame) and frame[23] == IPPROTO_IGMP


def is_icmp(frame):
    return is_ipv4(frame) and frame[23] == socket.IPPROTO_ICMP


def ip_source(frame):
    return socket.inet_ntoa(frame[26:30])


def ip_destination(frame):
    return socket.inet_ntoa(frame[30:34])


def ip_payload(frame):
    """What follows the IPv4 header, without the padding of Ethernet."""
    size = (frame[14] & 0x0F) * 4
    return frame[14 + size:14 + struct.unpack("!H", frame[16:18])[0]]


def is_data(frame, group=None, source=None):
    """A multicast IPv4 datagram that is not IGMP, of this group and source if named."""
    return (is_ipv4(frame) and 224 <= frame[30] < 240 and frame[23] != IPPROTO_IGMP and
            group in (None, ip_destination(frame)) and source in (None, ip_source(frame)))


class Message:
    """An IGMP message read back: type, group, and by its kind records or query fields."""

    def __init__(self, frame):
        data = ip_payload(frame)
        self.frame = frame
        self.kind, self.code = data[0], data[1]
        self.valid = checksum(data) == 0
        self.source, self.destination = ip_source(frame), ip_destination(frame)
        self.group = None if self.kind == V3_REPORT else socket.inet_ntoa(data[4:8])
        self.records, self.sources = [], []
        self.suppress = self.qrv = self.qqic = None
        self.version = {QUERY: 3 if len(data) >= 12 else 2 if self.code else 1, V1_REPORT: 1,
                        V2_REPORT: 2, V2_LEAVE: 2, V3_REPORT: 3}.get(self.kind)
        if self.kind == V3_REPORT:
            self._read_records(data)
        elif self.kind == QUERY and self.version == 3:
            self.suppress, self.qrv, self.qqic = bool(data[8] & 8), data[8] & 7, data[9]
            self.sources = self._addresses(data, 12, struct.unpack("!H", data[10:12])[0])

    @staticmethod
    def _addresses(data, offset, count):
        return [socket.inet_ntoa(data[i:i + 4]) for i in range(offset, offset + 4 * count, 4)]

    def _read_records(self, data):
        offset = 8
        for _ in range(struct.unpack("!H", data[6:8])[0]):
            kind, aux, count = struct.unpack("!BBH", data[offset:offset + 4])
            group = socket.inet_ntoa(data[offset + 4:offset + 8])
            self.records.append((kind, group, self._addresses(data, offset + 8, count)))
            offset += 8 + 4 * count + 4 * aux

    @property
    def is_query(self):
        return self.kind == QUERY

    @property
    def is_general_query(self):
        return self.kind == QUERY and self.group == "0.0.0.0"

    def record(self, group):
        """(type, sources) of the one record for a group in a version 3 report, or None."""
        found = [(kind, sorted(sources)) for kind, g, sources in self.records if g == group]
        return found[0] if len(found) == 1 else None

    def __repr__(self):
        return (f"Message({self.kind:#x} code {self.code} {self.source} > {self.destination} "
                f"group {self.group} s={self.suppress} qrv={self.qrv} qqic={self.qqic} "
                f"sources={self.sources} records={self.records})")
