# SPDX-License-Identifier: BSD-2-Clause
"""D-VLAN: a port with `vlan` speaks tagged; other tags are the kernel's business."""

import struct

import pytest
from bed import FAST, G, Bed, learn_macs, through
from lab import packet


def tagged(frame, vlan, priority=0):
    return frame[:12] + struct.pack("!HH", 0x8100, priority << 13 | vlan) + frame[12:]


def untagged(frame):
    return frame[:12] + frame[16:]


def is_tagged(data, vlan):
    return (data[12:14] == b"\x81\x00" and
            struct.unpack("!H", data[14:16])[0] & 0xFFF == vlan and
            packet.is_data(untagged(data)))


def wait_tagged(host, vlan, count):
    """Waits for that much data, of which some may go through the daemon."""
    host.wire.wait(lambda data: is_tagged(data, vlan), count)


def igmp_of(host, vlan):
    """IGMP that arrived at a host in a VLAN."""
    return [packet.Message(untagged(f.data)) for f in host.wire.arrived()
            if f.data[12:14] == b"\x81\x00" and
            struct.unpack("!H", f.data[14:16])[0] & 0xFFF == vlan and
            packet.is_igmp(untagged(f.data))]


def report(host, *records):
    return packet.igmp_frame(host.mac, host.address, packet.ALL_V3_ROUTERS,
                             packet.igmp_report(*records))


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_tagged_downstream(lab, mode):
    """Queries and data go out tagged to d1 and untagged to d2, from one stream, byte for byte."""
    bed = Bed(lab)
    with bed.daemon(FAST + f"xdp-mode = {mode}\n", d1=["vlan = 7"]) as mcastd:
        mcastd.wait(lambda: any(m.is_general_query for m in igmp_of(bed.h1, 7)),
                    what="a tagged query")
        bed.h1.send(report(bed.h1, (packet.TO_EX, "239.1.1.2", [])))  # no tag: not for this port
        bed.h1.send(tagged(report(bed.h1, (packet.TO_EX, "239.1.1.3", [])), 8))  # another VLAN
        bed.h1.send(tagged(report(bed.h1, (packet.TO_EX, G, [])), 7))
        mcastd.wait_member("d1", G)
        assert len(mcastd.ctl("show", "groups")["groups"]) == 1
        learn_macs(mcastd, bed.router.ports)
        for members in ((bed.h1,), (bed.h1, bed.h3)):
            if bed.h3 in members:
                bed.h3.receiver(G).join()
                mcastd.wait_member("d2", G)
            for host in bed.hosts:
                host.wire.clear()
            frames = bed.send(count=3)
            wait_tagged(bed.h1, 7, 3)
            bed.router.settle()
            got = [f.data for f in bed.h1.wire.arrived() if is_tagged(f.data, 7)]
            assert got == [tagged(frame, 7) for frame in through(frames, bed.d1)]
            assert not bed.h1.data(G)  # none without a tag
            assert bed.h3.data(G) == (through(frames, bed.d2) if bed.h3 in members else [])


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_tagged_upstream(lab, mode):
    """Arrivals with the tag of the port lose it on the way; without it, or with two, they pass."""
    bed = Bed(lab)
    with bed.daemon(FAST + f"xdp-mode = {mode}\n", u=["vlan = 5"]) as mcastd:
        bed.h1.receiver(G).join()
        bed.h3.receiver(G).join()
        mcastd.wait_member("d1", G)
        mcastd.wait_member("d2", G)
        mcastd.wait(lambda: any(m.record(G) for m in igmp_of(bed.source, 5)),
                    what="a tagged report upstream")
        learn_macs(mcastd, bed.router.ports)
        for host in bed.hosts:
            host.wire.clear()
        frame = packet.data_frame(bed.source.mac, bed.source.address, G, b"tagged")
        bed.source.send(frame)
        bed.source.send(tagged(frame, 6))
        bed.source.send(tagged(tagged(frame, 5), 5))
        bed.source.send(tagged(frame, 5, priority=3))
        for host in (bed.h1, bed.h3):
            host.wire.wait(packet.is_data, 1)
        bed.router.settle()
        assert bed.h1.data(G) == through([frame], bed.d1)
        assert bed.h3.data(G) == through([frame], bed.d2)
        # And the other way: from a downstream to the upstream, tagged.
        bed.source.wire.clear()
        sent = bed.h1.send_data(G, b"from d1")
        wait_tagged(bed.source, 5, 1)
        bed.router.settle()
        got = [f.data for f in bed.source.wire.arrived() if is_tagged(f.data, 5)]
        assert got == [tagged(through([sent], bed.up)[0], 5)]


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_from_tag_to_tag(lab, mode):
    """One tag goes, another comes, copy by copy, up to the MTU, for one member and for several."""
    bed = Bed(lab)
    with bed.daemon(FAST + f"xdp-mode = {mode}\n", u=["vlan = 5"], d1=["vlan = 7"]) as mcastd:
        bed.h1.send(tagged(report(bed.h1, (packet.TO_EX, G, [])), 7))
        mcastd.wait_member("d1", G)
        learn_macs(mcastd, bed.router.ports)
        for members in ((bed.h1,), (bed.h1, bed.h3)):
            if bed.h3 in members:
                bed.h3.receiver(G).join()
                mcastd.wait_member("d2", G)
            for host in bed.hosts:
                host.wire.clear()
            frames = [packet.data_frame(bed.source.mac, bed.source.address, G, bytes(size))
                      for size in (18, 100, 1472)]
            for frame in frames:
                bed.source.send(tagged(frame, 5, priority=3))
            wait_tagged(bed.h1, 7, 3)
            bed.router.settle()
            got = [f.data for f in bed.h1.wire.arrived() if is_tagged(f.data, 7)]
            assert got == [tagged(frame, 7) for frame in through(frames, bed.d1)]
            assert not bed.h1.data(G)
            assert bed.h3.data(G) == (through(frames, bed.d2) if bed.h3 in members else [])
        # Counted as the frame is without a tag, with it or not.
        sent = [mcastd.statistics(name)["data"]["sent-bytes"] for name in ("d1", "d2")]
        size = sum(len(frame) for frame in frames)
        assert sent == [2 * size, size]


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_tag_comes_and_goes(lab, mode):
    """A reload gives a port a tag, and takes it away again: the next packet leaves that way."""
    bed = Bed(lab)
    text = FAST + f"xdp-mode = {mode}\n"
    with bed.daemon(text) as mcastd:
        for vlan in (0, 7, 9, 0):
            lines = [f"static-group {G} {{ }}"] + ([f"vlan = {vlan}"] if vlan else [])
            mcastd.reload(bed.config(text, d2=lines))
            mcastd.wait_member("d2", G)
            bed.clear()
            frames = through(bed.send(count=3), bed.d2)
            bed.router.settle()
            got = [f.data for f in bed.h3.wire.arrived() if is_tagged(f.data, vlan)]
            assert got == ([tagged(frame, vlan) for frame in frames] if vlan else [])
            assert bed.h3.data(G) == ([] if vlan else frames)
