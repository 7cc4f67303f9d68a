# SPDX-License-Identifier: BSD-2-Clause
"""
In which mode ports run on emulated network cards: drivers that transmit XDP frames only while they
have a native program (virtio-net, vmxnet3), and drivers without (e1000, e1000e, rtl8139), alone and
mixed, whatever is configured.
"""

import pytest

from bed import FAST
from cards import CardBed, label, threes

GENERIC_ONLY = ("e1000", "e1000e", "8139cp", "8139too")
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
    A port that is generic by configuration, on a driver that transmits with a native program only:
    its members get the stream, and what is counted as sent has left.
    """
    bed = CardBed(lab, cards)
    with bed.daemon(FAST, d2=("xdp-mode = generic",)) as mcastd:
        assert not is_native(mcastd)
        bed.check_forwarding(mcastd)
        assert mcastd.statistics("d2")["data"]["sent-packets"] == 20
        assert mcastd.statistics("d2")["data"]["transmit-refused"] == 0
