# SPDX-License-Identifier: BSD-2-Clause
"""
D-MTU on cards whose driver does not refuse an MTU that its native program has no room for (virtio-net),
set while it runs: larger frames must get through, or it must be told.

    tools/vm/run --card virtio-net --card virtio-net --card virtio-net ...
"""

from bed import FAST, G, learn_macs, through
from cards import CardBed, needs_cards


def set_mtu(bed, mtu):
    for port, host in zip(bed.router.ports, bed.hosts):
        bed.router.space.ip("link", "set", port.name, "mtu", str(mtu))
        host.space.ip("link", "set", "eth0", "mtu", str(mtu))


def modes(bed, mcastd):
    return {mcastd.interface(port.name)["xdp-mode"] for port in bed.router.ports}


def check(bed, mcastd, *sizes):
    learn_macs(mcastd, bed.router.ports)
    bed.clear()
    for size in sizes:
        frames = [bed.source.send_data(G, bytes(size)) for _ in range(5)]
        bed.expect({bed.h1: through(frames, bed.d1), bed.h3: through(frames, bed.d2)})


def join(bed, mcastd):
    bed.h1.receiver(G).join()
    bed.h3.receiver(G).join()
    mcastd.wait_member("d1", G, timeout=10)
    mcastd.wait_member("d2", G, timeout=10)


def test_mtu_grows(lab):
    """Native at 1,500; at 9,000 generic, and 8,900 octets get through; at 1,500 native again."""
    bed = CardBed(lab, needs_cards(3, ["virtio_net"]))
    set_mtu(bed, 1500)  # the cards are used again, whatever became of another test
    with bed.daemon(FAST) as mcastd:
        join(bed, mcastd)
        before = modes(bed, mcastd)
        check(bed, mcastd, 100, 1472)
        set_mtu(bed, 9000)
        mcastd.wait(lambda: modes(bed, mcastd) == {"generic"}, 30, "generic mode")
        if before == {"native"}:
            assert "MTU" in "".join(mcastd.interface(port.name).get("xdp-note", "")
                                    for port in bed.router.ports)
        check(bed, mcastd, 100, 4200, 8900)
        set_mtu(bed, 1500)
        mcastd.wait(lambda: modes(bed, mcastd) == before, 30, f"{before} mode")
        check(bed, mcastd, 100, 1472)


def test_mtu_grows_and_native_is_demanded(lab):
    """What fits goes on, and the note says what does not."""
    bed = CardBed(lab, needs_cards(3, ["virtio_net"]))
    set_mtu(bed, 1500)  # the cards are used again, whatever became of another test
    with bed.daemon(FAST + "xdp-mode = native\n") as mcastd:
        join(bed, mcastd)
        check(bed, mcastd, 1472)
        set_mtu(bed, 9000)
        for port in bed.router.ports:
            mcastd.wait(lambda p=port: "an MTU of 9000" in
                        mcastd.interface(p.name).get("xdp-note", ""),
                        30, "the note")
        check(bed, mcastd, 1472)
        bed.source.send_data(G, bytes(8900))
        check(bed, mcastd, 1472)
        set_mtu(bed, 1500)
        mcastd.wait(lambda: not any("xdp-note" in mcastd.interface(port.name)
                                    for port in bed.router.ports), 30, "no note")
