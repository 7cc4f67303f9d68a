# SPDX-License-Identifier: BSD-2-Clause
"""
What emulated cards filter out or change, as their drivers set them up: VLANs, tags, groups. mcastd
has to see to it that frames arrive, and as they were sent; the tests change nothing themselves.
"""

import re
import signal

import pytest

from bed import FAST, QUICK, G, learn_macs, through
from cards import CardBed, label, threes
from lab import packet, wait_for
from lab.daemon import SLOWNESS
from test_vlan import igmp_of, is_tagged, report, tagged

COUNT = 10  # thrice as many at once are still no burst for any card
WAIT = 20


def turned(some_cards, turn):
    return some_cards[turn:] + some_cards[:turn]


def settings(port):
    """What may be changed for mcastd: features and flags."""
    text = port.router.space.run("ethtool", "-k", port.name)
    flags = port.router.link(port.name)["flags"]
    return ({name: value for name, value in re.findall(r"^([a-z0-9-]+): (\w+)", text, re.M)
             if name.startswith(("rx-vlan", "large-receive", "rx-gro-hw"))},
            {flag for flag in ("ALLMULTI", "PROMISC") if flag in flags})


def numbered(host, group, vlan=None, count=COUNT):
    """Frames to be sent by a host, each another one, and none so short that a card fills it up."""
    frames = [packet.data_frame(host.mac, host.address, group, b"number %d".ljust(64) % n)
              for n in range(count)]
    return [tagged(frame, vlan) for frame in frames] if vlan else frames


def settle(bed):
    """Until what was sent has been dealt with; the way by the daemon takes longer."""
    for _ in range(2):
        bed.router.settle()


def got_tagged(host, vlan):
    return [frame.data for frame in host.wire.arrived() if is_tagged(frame.data, vlan)]


@pytest.mark.parametrize("turn", range(3))
@pytest.mark.parametrize("cards", threes(), ids=label)
def test_tagged_and_untagged_ports(lab, cards, turn):
    """
    D-VLAN: a port with `vlan` gets its VLAN and no other, one without gets none at all, whatever
    the card does with tags by itself; and all is as it was in the end.
    """
    bed = CardBed(lab, turned(cards, turn))
    before = [settings(port) for port in bed.router.ports]
    print(label(turned(cards, turn)), before)
    with bed.daemon(FAST, d1=["vlan = 7"]) as mcastd:
        for port in bed.router.ports:
            told = mcastd.interface(port.name)
            print(port.name, told["xdp-mode"], told["card-settings"], told.get("xdp-note"))
        mcastd.wait(lambda: any(m.is_general_query for m in igmp_of(bed.h1, 7)), WAIT,
                    "a tagged query")
        # Members: what is not of the port's VLAN makes none.
        bed.h1.send(report(bed.h1, (packet.TO_EX, "239.1.1.2", [])))
        bed.h1.send(tagged(report(bed.h1, (packet.TO_EX, "239.1.1.3", [])), 8))
        bed.h3.send(tagged(report(bed.h3, (packet.TO_EX, "239.1.1.4", [])), 7))
        bed.h1.send(tagged(report(bed.h1, (packet.TO_EX, G, [])), 7))
        mcastd.wait_member("d1", G, WAIT)
        bed.h3.receiver(G).join()
        mcastd.wait_member("d2", G, WAIT)
        settle(bed)
        assert sorted((g["interface"], g["group-address"])
                      for g in mcastd.ctl("show", "groups")["groups"]) == [("d1", G), ("d2", G)]
        # Untagged to tagged and untagged.
        learn_macs(mcastd, bed.router.ports)
        bed.clear()
        frames = numbered(bed.source, G)
        for frame in frames:
            bed.source.send(frame)
        bed.h3.wait_data(G, COUNT, timeout=WAIT)
        settle(bed)
        assert got_tagged(bed.h1, 7) == [tagged(f, 7) for f in through(frames, bed.d1)]
        assert not bed.h1.data(G)
        assert bed.h3.data(G) == through(frames, bed.d2)
        # Tagged to untagged.
        bed.clear()
        frames = numbered(bed.h1, G)
        for frame in frames:
            bed.h1.send(tagged(frame, 7))
            bed.h1.send(tagged(frame, 8))
            bed.h1.send(frame)
        bed.h3.wait_data(G, COUNT, timeout=WAIT)
        settle(bed)
        assert bed.h3.data(G) == through(frames, bed.d2)
        assert bed.source.data(G) == through(frames, bed.up)
        # Tagged, into ports without: nowhere.
        bed.clear()
        for host in (bed.source, bed.h3):
            for frame in numbered(host, G, 7):
                host.send(frame)
        settle(bed)
        assert not got_tagged(bed.h1, 7) and not bed.h1.data(G)
        assert not bed.h3.data(G) and not bed.source.data(G)
    assert [settings(port) for port in bed.router.ports] == before


@pytest.mark.parametrize("crash", [False, True], ids=["keep", "crash"])
@pytest.mark.parametrize("cards", threes(), ids=label)
def test_filter_stays_open(lab, cards, crash):
    """
    L-RESTART: nothing of a stream is lost while no daemon is there and by the next one's start,
    though only the daemon knows of the group, and no program on the router.
    """
    bed = CardBed(lab, cards)
    before = [settings(port) for port in bed.router.ports]
    with bed.daemon(QUICK + "on-exit = keep\n") as mcastd:
        receiver = bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G, WAIT)
        stream = bed.source.stream(G).start(50)
        mcastd.wait(receiver.drain, WAIT, "the stream")
        if crash:
            mcastd.crash()
        else:
            mcastd.send_signal(signal.SIGTERM)
            assert mcastd.process.wait(60) == 0
        packets, received = stream.sent, len(receiver.drain())
        wait_for(lambda: stream.sent >= packets + COUNT, WAIT * SLOWNESS, "more of the stream")
        wait_for(lambda: len(receiver.drain()) > received, WAIT * SLOWNESS, "it without a daemon")
        mcastd.start()
        mcastd.wait_member("d1", G, WAIT)
        sent = stream.stop()
        settle(bed)
        mcastd.wait(lambda: receiver.drain()[-1][2] == sent - 1, WAIT, "the end of the stream")
        numbers = [number for _source, _stream, number in receiver.drain()]
        assert numbers == list(range(numbers[0], sent))
        mcastd.reload(bed.config(QUICK))
    assert [settings(port) for port in bed.router.ports] == before
