# SPDX-License-Identifier: BSD-2-Clause
"""
In which mode ports run on emulated network cards: drivers that transmit XDP frames only while they
have a native program (virtio-net, vmxnet3), and drivers without (e1000, e1000e, rtl8139), alone and
mixed, whatever is configured.
"""

import os
import re

import pytest

from bed import FAST
from cards import CardBed, label, threes
from lab import LabError

RELEASE = tuple(int(part) for part in os.uname().release.split(".")[:2])
GENERIC_ONLY = ("e1000", "e1000e", "8139cp", "8139too", *(() if RELEASE >= (6, 6) else ("vmxnet3",)))
# Words of a note or warning that would be wrong of a card that does what it should.
FALSE_ALARMS = ("takes no part", "refused by its driver")


def drivers(cards):
    return [card.driver for card in cards]


def is_native(mcastd):
    modes = {mcastd.interface(name)["xdp-mode"] for name in ("u", "d1", "d2")}
    assert len(modes) == 1, modes
    return modes == {"native"}


def note(mcastd, name):
    return mcastd.interface(name).get("xdp-note", "")


def check_words(mcastd, cards):
    """One line for each port, true of the whole set."""
    log = mcastd.log()
    assert not any(words in log for words in FALSE_ALARMS), log
    causes = [name for name, driver in zip(("u", "d1", "d2"), drivers(cards))
              if driver in GENERIC_ONLY]
    for name in ("u", "d1", "d2"):
        lines = [line for line in log.splitlines() if f" {name}: " in line and "generic" in line]
        assert len(lines) == (1 if causes else 0), log
        if causes:
            assert name in causes or f"because {causes[0]} has no XDP transmit" in note(mcastd, name)
            assert "set xdp-mode = generic" not in note(mcastd, name)


@pytest.mark.parametrize("cards", threes(), ids=label)
def test_mode_of_auto(lab, cards):
    """Native if no driver is without; the second start is as the first, and streams go both ways."""
    bed = CardBed(lab, cards)
    for _ in range(2):
        with bed.daemon(FAST) as mcastd:
            assert is_native(mcastd) == (not any(d in GENERIC_ONLY for d in drivers(cards)))
            bed.check_forwarding(mcastd)
            check_words(mcastd, cards)


@pytest.mark.parametrize("cards", threes(), ids=label)
def test_one_generic_among_native(lab, cards):
    """
    A port that is generic by configuration, on a driver that may transmit with a native program
    only: its members get the stream, and what is counted as sent has left.
    """
    bed = CardBed(lab, cards)
    with bed.daemon(FAST, d2=("xdp-mode = generic",)) as mcastd:
        assert mcastd.interface("d2")["xdp-mode"] == "generic"
        if drivers(cards)[2] == "virtio_net":
            assert not is_native(mcastd)
        bed.check_forwarding(mcastd)
        assert mcastd.statistics("d2")["data"]["sent-packets"] == 20
        assert mcastd.statistics("d2")["data"]["transmit-refused"] == 0


def queue_counts(port):
    """How many queues a card may have, and has; or nothing."""
    try:
        text = port.router.space.run("ethtool", "-l", port.name)
    except LabError:  # the driver does not know the question
        return []
    return [int(count) for count in re.findall(r"Combined:\s+(\d+)", text)]


@pytest.mark.parametrize("cards", threes(), ids=label)
def test_more_queues_than_processors(lab, cards):
    """virtio_net would stop the kernel with the first frame: not native, and why is told."""
    bed = CardBed(lab, cards)
    port = next((p for p in bed.router.ports if p.card.driver == "virtio_net" and
                 queue_counts(p) and queue_counts(p)[0] > os.cpu_count()), None)
    if not port:
        pytest.skip("no card virtio-net:queues=N with N above --cpus")
    most, before = queue_counts(port)
    port.router.space.run("ethtool", "-L", port.name, "combined", str(most))
    try:
        with bed.daemon(FAST) as mcastd:
            assert not is_native(mcastd)
            assert f"ethtool -L {port.name} combined {os.cpu_count()}" in mcastd.log()
            bed.check_forwarding(mcastd)
    finally:
        port.router.space.run("ethtool", "-L", port.name, "combined", str(before))
