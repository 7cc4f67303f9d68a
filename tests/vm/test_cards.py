# SPDX-License-Identifier: BSD-2-Clause
"""mcastd on emulated network cards: what real drivers do that veth does not."""

import pytest

from bed import G, FAST, learn_macs, through
from cards import CardBed, label, threes

MEMBERS = 40  # enough that each of four queues hears some of them


def check_stream(bed, mcastd):
    """Joins on two ports, streams every way with the right bytes, and leaves."""
    receivers = []
    for host, port in ((bed.h1, "d1"), (bed.h3, "d2")):
        receivers.append(host.receiver(G).join())
        mcastd.wait_member(port, G, timeout=10)
    learn_macs(mcastd, bed.router.ports)
    bed.clear()
    frames = bed.send(count=20)
    bed.expect({bed.h1: through(frames, bed.d1), bed.h3: through(frames, bed.d2)})
    frames = bed.send(host=bed.h1, source=None, count=20)
    bed.expect({bed.source: through(frames, bed.up), bed.h3: through(frames, bed.d2)})
    for receiver, port in zip(receivers, ("d1", "d2")):
        receiver.leave()
        mcastd.wait_no_member(port, G, timeout=20)
    bed.clear()
    bed.send(count=20)
    bed.expect({})


@pytest.mark.parametrize("mode", ["auto", "generic"])
@pytest.mark.parametrize("cards", threes(), ids=label)
def test_cards(lab, cards, mode):
    """Attached, heard, forwarded, left; and all of it again after another start."""
    bed = CardBed(lab, cards)
    for _ in range(2):
        with bed.daemon(FAST + f"xdp-mode = {mode}\n") as mcastd:
            for host in (bed.h1, bed.h3):
                host.wire.wait_message(lambda m: m.is_query, timeout=10, what="a query")
            check_stream(bed, mcastd)


@pytest.mark.parametrize("cards", threes(), ids=label)
def test_every_queue_hears_igmp(lab, cards):
    """Reports of many hosts come in by all queues of a card, and none is lost."""
    bed = CardBed(lab, cards)
    with bed.daemon() as mcastd:
        for port, host, network in ((bed.d1, bed.h1, "10.0.1"), (bed.d2, bed.h3, "10.0.2")):
            before = port.statistics(r"rx_queue_\d+_packets")
            groups = [f"239.2.0.{number}" for number in range(MEMBERS)]
            for number, group in enumerate(groups):
                host.report((4, group, ()), source=f"{network}.{20 + number}")
            for group in groups:
                mcastd.wait_member(port.name, group, timeout=10)
            after = port.statistics(r"rx_queue_\d+_packets")
            for name, count in after.items():
                assert count > before[name], f"nothing came by {name} of {port.name}: {after}"


@pytest.mark.parametrize("cards", threes(), ids=label)
def test_carrier_comes_back(lab, cards):
    """The cable is pulled out and put in: the members are asked, and served again."""
    bed = CardBed(lab, cards)
    with bed.daemon() as mcastd:
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G, timeout=10)
        for flap in (bed.d1.card.set_carrier, lambda up: bed.router.space.ip(
                "link", "set", "d1", "up" if up else "down")):
            flap(False)
            mcastd.wait_no_member("d1", G, timeout=10)
            flap(True)
            mcastd.wait_member("d1", G, timeout=20)
            bed.d1.forget_taps()
            bed.clear()
            frames = bed.send(count=10)
            bed.expect({bed.h1: through(frames, bed.d1)})
