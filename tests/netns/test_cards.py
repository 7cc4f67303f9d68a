# SPDX-License-Identifier: BSD-2-Clause
"""
Settings of the cards: what mcastd changes on an interface for as long as it is a port, and undoes.
What cards that filter do to frames is tested in tests/vm/test_cards.py; veth only has the settings.
"""

import re
import signal

import pytest

from bed import G, QUICK, Bed, through

PORTS = ("u", "d1", "d2")
SET = ["allmulticast on", "rx-vlan-hw-parse off", "rx-vlan-stag-hw-parse off"]


def card(bed, name):
    """(all multicast, promiscuous, tags of 802.1Q taken off, tags of 802.1ad taken off)."""
    flags = bed.router.link(name)["flags"]
    features = dict(re.findall(r"^([a-z-]+): (on|off)", bed.router.space.run("ethtool", "-k", name),
                               re.MULTILINE))
    return ("ALLMULTI" in flags, "PROMISC" in flags, features["rx-vlan-offload"] == "on",
            features["rx-vlan-stag-hw-parse"] == "on")


FREE, PORT = (False, False, True, True), (True, False, False, False)


def cards(bed):
    return {card(bed, name) for name in PORTS}


def changed(mcastd, name):
    return mcastd.interface(name)["card-settings"]


def end(mcastd, bed):
    """Ends a daemon that keeps forwarding."""
    mcastd.send_signal(signal.SIGTERM)
    assert mcastd.process.wait(10) == 0
    assert cards(bed) == {PORT}


def test_set_and_undone(lab):
    bed = Bed(lab)
    assert cards(bed) == {FREE}
    with bed.daemon(QUICK) as mcastd:
        assert cards(bed) == {PORT}
        assert all(changed(mcastd, name) == SET for name in PORTS)
    assert cards(bed) == {FREE}


@pytest.mark.parametrize("crash", [False, True], ids=["keep", "crash"])
def test_stay_as_long_as_the_program_forwards(lab, crash):
    """L-RESTART: they outlive the daemon with the program; the next one takes them for its own."""
    bed = Bed(lab)
    with bed.daemon(QUICK + "on-exit = keep\n") as mcastd:
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        for _ in range(2):
            if crash:
                mcastd.crash()
            else:
                end(mcastd, bed)
            bed.clear()
            bed.expect({bed.h1: through(bed.send(), bed.d1)})
            assert cards(bed) == {PORT}
            mcastd.start()
            assert cards(bed) == {PORT}
            assert all(changed(mcastd, name) == SET for name in PORTS)
            mcastd.wait_member("d1", G)
        mcastd.reload(bed.config(QUICK))
    assert cards(bed) == {FREE}


def test_what_the_operator_had_set_stays(lab):
    """It was so before, so it is so afterwards, also when another daemon undoes the rest."""
    bed = Bed(lab)
    bed.router.space.ip("link", "set", "d1", "allmulticast", "on")
    bed.router.space.run("ethtool", "-K", "d2", "rxvlan", "off")
    with bed.daemon(QUICK) as mcastd:
        assert cards(bed) == {PORT}
        assert changed(mcastd, "d1") == SET[1:]
        assert changed(mcastd, "d2") == [SET[0], SET[2]]
        mcastd.crash()
        mcastd.start()
        assert changed(mcastd, "d1") == SET[1:]
        mcastd.stop(all_multicast=("d1",))
        assert card(bed, "u") == FREE
        assert card(bed, "d1") == (True, *FREE[1:])
        assert card(bed, "d2") == (False, False, False, True)
        mcastd.start()
        bed.router.space.ip("link", "set", "d1", "allmulticast", "off")
        mcastd.wait(lambda: card(bed, "d1") == PORT, what="d1 set again")


def test_no_port_any_more(lab):
    """A port that leaves the configuration is as it was; also if it does so between two daemons."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        mcastd.reload(bed.config(QUICK, d1=None))
        assert card(bed, "d1") == FREE and card(bed, "d2") == PORT
        mcastd.reload(bed.config(QUICK))
        assert card(bed, "d1") == PORT
        mcastd.crash()
        mcastd.write_config(bed.config(QUICK, d2=None))
        mcastd.start()
        assert card(bed, "d2") == FREE and card(bed, "d1") == PORT
        assert "xdp" not in bed.router.link("d2")
        mcastd.reload(bed.config(QUICK))
        assert cards(bed) == {PORT}


def undo_tags(bed):
    bed.router.space.run("ethtool", "-K", "d2", "rxvlan", "on")


def test_undone_by_somebody_else(lab):
    """It is set again and told; whoever does it again and again does not keep mcastd busy."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        bed.router.space.ip("link", "set", "d1", "allmulticast", "off")
        mcastd.wait(lambda: card(bed, "d1") == PORT, what="all multicast again")
        assert "allmulticast on: undone by somebody else; set again (1 times)" in mcastd.log()
        mcastd.wait(lambda: undo_tags(bed) or "again and again" in mcastd.log(), 20,
                    "a word about who undoes it again and again")
        mcastd.wait(lambda: card(bed, "d2") == PORT, what="tags left in in the end")
        assert mcastd.interface("d1")["card-lost"] == 1
        assert mcastd.interface("d2")["card-lost"] >= 1
        assert mcastd.interface("u")["card-lost"] == 0
    assert cards(bed) == {FREE}


def test_made_again(lab):
    """An interface that is deleted and made again is set anew."""
    bed = Bed(lab)
    port = bed.router.port("x1", "10.0.7.100/24")
    port.host("10.0.7.10")
    with bed.daemon(QUICK + port.config("downstream")) as mcastd:
        assert card(bed, "x1") == PORT
        bed.router.space.ip("link", "del", "x1")
        mcastd.wait(lambda: mcastd.interface("x1")["state"] == "absent", what="x1 gone")
        bed.router.space.ip("link", "add", "x1", "type", "veth", "peer", "x2")
        bed.router.space.ip_batch("link set x1 up", "link set x2 up")
        mcastd.wait(lambda: mcastd.interface("x1")["state"] == "up", what="x1 again")
        assert card(bed, "x1") == PORT
    assert card(bed, "x1") == FREE
