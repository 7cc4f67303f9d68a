# SPDX-License-Identifier: BSD-2-Clause
"""
D-MTU on cards whose driver does not refuse an MTU that its native program has no room for (virtio-net),
set while it runs: larger frames must get through, or it must be told.

    tools/vm/run --card virtio-net --card virtio-net --card virtio-net ...
"""

from bed import G, learn_macs, through
from cards import CardBed, needs_cards
from lab import wait_for
from lab.daemon import SLOWNESS, CtlError


STEADY = "query-interval = 125\nquery-max-response-time = 2\n"  # outlasts a busy daemon


def set_mtu(bed, mtu):
    for port, host in zip(bed.router.ports, bed.hosts):
        bed.router.space.ip("link", "set", port.name, "mtu", str(mtu))
        host.space.ip("link", "set", "eth0", "mtu", str(mtu))


def rows(bed, mcastd):
    """The ports' rows. While it attaches, on a slow machine, the daemon may not answer in time."""
    try:
        return [mcastd.interface(port.name) for port in bed.router.ports]
    except CtlError:
        return []


def modes(bed, mcastd):
    return {row["xdp-mode"] for row in rows(bed, mcastd)}


def notes(bed, mcastd):
    return [row.get("xdp-note", "") for row in rows(bed, mcastd)]


def wait(predicate, what):
    wait_for(predicate, 30 * SLOWNESS, what)


def check(bed, mcastd, *sizes):
    wait(lambda: rows(bed, mcastd), "an answer")
    learn_macs(mcastd, bed.router.ports)
    for name in ("d1", "d2"):
        mcastd.wait_member(name, G, timeout=10)
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
    with bed.daemon(STEADY) as mcastd:
        join(bed, mcastd)
        before = modes(bed, mcastd)
        check(bed, mcastd, 100, 1472)
        set_mtu(bed, 9000)
        wait(lambda: modes(bed, mcastd) == {"generic"}, "generic mode")
        if before == {"native"}:
            wait(lambda: any("MTU" in note for note in notes(bed, mcastd)), "the driver's reason")
        check(bed, mcastd, 100, 4200, 8900)
        set_mtu(bed, 1500)
        wait(lambda: modes(bed, mcastd) == before, f"{before} mode")
        check(bed, mcastd, 100, 1472)


def test_mtu_grows_and_native_is_demanded(lab):
    """What fits goes on, and the note says what does not."""
    bed = CardBed(lab, needs_cards(3, ["virtio_net"]))
    set_mtu(bed, 1500)  # the cards are used again, whatever became of another test
    with bed.daemon(STEADY + "xdp-mode = native\n") as mcastd:
        join(bed, mcastd)
        check(bed, mcastd, 1472)
        set_mtu(bed, 9000)
        wait(lambda: [("an MTU of 9000" in note) for note in notes(bed, mcastd)] == [True] * 3,
             "the notes")
        check(bed, mcastd, 1472)
        bed.source.send_data(G, bytes(8900))
        check(bed, mcastd, 1472)
        set_mtu(bed, 1500)
        wait(lambda: notes(bed, mcastd) == [""] * 3, "no note")
