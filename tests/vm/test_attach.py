# SPDX-License-Identifier: BSD-2-Clause
"""Drivers that refuse the program or go away: said in their words, remembered, taken up again."""

import os

import pytest

from bed import G, FAST, through
from cards import CardBed, label, name_of, needs_cards, threes
from lab import wait_for
from lab.daemon import SLOWNESS
from lab.netns import run


def device_of(card):
    """Its device and the directory of its driver in sysfs, while it is in no router."""
    path = os.path.realpath(f"/sys/class/net/{name_of(card.near)}/device")
    return os.path.basename(path), os.path.realpath(f"{path}/driver")


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def state_of(mcastd, name):
    return mcastd.interface(name)["state"]


@pytest.mark.parametrize("cards", threes(), ids=label)
def test_driver_unbound(lab, cards):
    """The port is absent, nothing is called a failure, and the card that comes back works."""
    device, driver = device_of(cards[1])
    bed = CardBed(lab, cards)
    with bed.daemon() as mcastd:
        mcastd.wait(lambda: state_of(mcastd, "d1") == "up", 60, "d1 up")
        write(f"{driver}/unbind", device)
        mcastd.wait(lambda: state_of(mcastd, "d1") == "absent", 60, "d1 absent")
        assert "cannot attach" not in mcastd.log()
        write(f"{driver}/bind", device)
        name = wait_for(lambda: name_of(cards[1].near), 10 * SLOWNESS, "the card")
        run(["ip", "link", "set", "dev", name, "netns", bed.router.space.name, "name", "d1"])
        bed.router.space.ip_batch("address add 10.0.1.100/24 dev d1", "link set d1 up")
        mcastd.wait(lambda: state_of(mcastd, "d1") == "up", 60, "d1 up again")
        bed.d1.forget_taps()
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G, timeout=20)
        bed.clear()
        frames = bed.send(count=10)
        bed.expect({bed.h1: through(frames, bed.d1)})
        assert "cannot attach" not in mcastd.log()


def test_native_refused(lab):
    """xdp-mode = native where the driver has none: failed, once, in the kernel's words."""
    bed = CardBed(lab, needs_cards(3, ["e1000", "e1000e", "8139cp"]))
    mcastd = bed.daemon(FAST + "xdp-mode = native\n", start=False)
    mcastd.start(ready=False)
    mcastd.wait_notification("READY=1", 60)
    assert state_of(mcastd, "d1") == "failed"
    note = mcastd.interface("d1")["xdp-note"]
    assert "in native mode: " in note and "driver does not support XDP" in note, note
    mcastd.stop()
