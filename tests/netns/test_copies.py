# SPDX-License-Identifier: BSD-2-Clause
"""
D-MAC, D-VLAN in generic mode where the copies of a frame share their bytes. A build of its own
takes them for shared whatever this kernel does: what it does then is right on every kernel. Without
that build's help the same is tested by test_same_bytes.py on kernels where they are.
"""

import os

import pytest
from bed import FAST, G, Bed, learn_macs, through
from lab import packet
from lab.daemon import ROOT
from test_vlan import is_tagged, report, tagged

SINGLE = "239.1.1.2"
GENERIC = FAST + "xdp-mode = generic\n"


def daemon(bed, text, **kwargs):
    mcastd = bed.daemon(text, start=False, **kwargs)
    mcastd.build = os.path.join(ROOT, "out", "shared-copies")
    if not os.path.exists(os.path.join(mcastd.build, "mcastd")):
        pytest.fail(f"{mcastd.build}/mcastd is not there: make variants")
    mcastd.start()
    return mcastd


def join(bed, mcastd, *groups):
    for host, port in ((bed.h1, "d1"), (bed.h3, "d2")):
        for group in groups:
            host.receiver(group).join()
            mcastd.wait_member(port, group)


def queries(host):
    """The source MACs of the IGMP queries that a host has got."""
    return {frame.data[6:12].hex(":") for frame in host.wire.arrived()
            if packet.is_igmp(frame.data) and packet.Message(frame.data).is_general_query}


def test_one_mac_for_data(lab):
    """D-MAC: all data leaves with the MAC of the first port in generic mode, IGMP with each port's own."""
    bed = Bed(lab)
    with daemon(bed, GENERIC) as mcastd:
        bed.check_forwarding(mcastd)
        told = learn_macs(mcastd, bed.router.ports)
        assert set(told.values()) == {bed.up.mac}
        assert "mac-note" not in mcastd.interface("u")
        assert "with the MAC of u" in mcastd.interface("d1")["mac-note"]
        assert "with the MAC of u" in mcastd.ctl.text("show", "interfaces")
        assert mcastd.log().count("copies share their bytes") == 1
        assert "VLAN" not in mcastd.log()
        mcastd.wait(lambda: queries(bed.h1) == {bed.d1.mac} and queries(bed.h3) == {bed.d2.mac},
                    what="queries with the ports' own MACs")


def test_native_ports_are_untouched(lab):
    """Without a port in generic mode nothing is shared; the first one makes the difference."""
    bed = Bed(lab)
    with daemon(bed, FAST) as mcastd:
        bed.check_forwarding(mcastd)
        assert learn_macs(mcastd, bed.router.ports)["d1"] == bed.d1.mac
        assert "share" not in mcastd.log()
        for text, mac in ((bed.config(d2=["xdp-mode = generic"]), bed.d2.mac),
                          (bed.config(), None)):
            mcastd.write_config(text)
            mcastd.reload()
            bed.check_forwarding(mcastd)
            assert learn_macs(mcastd, bed.router.ports)["d1"] == (mac or bed.d1.mac)


def arrived_tagged(host):
    return [frame.data for frame in host.wire.arrived() if is_tagged(frame.data, 7)]


def test_tags_by_the_daemon(lab):
    """D-VLAN: to ports of different VLANs the daemon sends the copies; what is alike goes fast."""
    bed = Bed(lab)
    with daemon(bed, GENERIC, d1=["vlan = 7"]) as mcastd:
        assert "different VLANs" in mcastd.log()
        bed.h3.receiver(G).join()
        mcastd.wait_member("d2", G)
        for group in (G, SINGLE):
            bed.h1.send(tagged(report(bed.h1, (packet.TO_EX, group, [])), 7))
            mcastd.wait_member("d1", group)
        learn_macs(mcastd, bed.router.ports)
        for host in bed.hosts:
            host.wire.clear()
        frames = [bed.source.send_data(G, b"%d" % n) for n in range(20)]
        mcastd.wait(lambda: len(arrived_tagged(bed.h1)) >= 20 and len(bed.h3.data(G)) >= 20,
                    what="all of it on both ports")
        assert arrived_tagged(bed.h1) == [tagged(f, 7) for f in through(frames, bed.d1)]
        assert bed.h3.data(G) == through(frames, bed.d2)
        bed.h1.wire.clear()
        single = bed.source.send_data(SINGLE, b"single")
        bed.router.settle()
        assert arrived_tagged(bed.h1) == [tagged(f, 7) for f in through([single], bed.d1)]
        # The same from a port with a tag to ports without.
        bed.source.wire.clear()
        bed.h3.wire.clear()
        frame = packet.data_frame(bed.h1.mac, bed.h1.address, G, b"from the VLAN")
        bed.h1.send(tagged(frame, 7))
        mcastd.wait(lambda: bed.source.data(G) and bed.h3.data(G), what="both copies")
        assert bed.source.data(G) == through([frame], bed.up)
        assert bed.h3.data(G) == through([frame], bed.d2)
