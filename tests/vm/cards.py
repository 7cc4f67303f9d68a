# SPDX-License-Identifier: BSD-2-Clause
"""
A test bed whose ports are emulated network cards, in a machine of `tools/vm/run --card ...`.

    tools/vm/run --card virtio-net:queues=4 --card vmxnet3 --card e1000e \\
        env MCASTD_OUT=$PWD/out MCASTD_SLOWNESS=5 \\
        python3 -m pytest -q -p no:cacheprovider tests/vm/test_cards.py

A card is linked to its far end, which is another card. Between tests both lie in the machine's own
namespace. CardPort moves the card into the router's namespace, under the port's name, and the far
end into that of the host (or of the switch, with lan=True); the end of a namespace gives them back.

    @pytest.mark.parametrize("cards", threes(), ids=label)
    def test_something(lab, cards):
        bed = CardBed(lab, cards)            # u, d1, d2 in this order: as Bed, from tests/netns
        with bed.daemon() as mcastd:
            bed.check_forwarding(mcastd)

threes() takes the cards in the order of the command line, so this says which kinds a test mixes.
`needs_cards(3)` is for tests that choose for themselves out of cards(). What a test changes at a
card (ethtool -K, MTU, carrier) it changes back: the card is used again. A card has as many queues
as the command line says, if there are as many processors (--cpus; more queues than processors in
use make virtio_net crash the kernel with the first frame that XDP transmits). Frames spread over
them by the hash of their addresses, and router.settle() has seen the end of one queue only: wait
for what is to come.

The far end has no multicast or VLAN filter, no offloads, and a single queue.
"""

import json
import os
import re

import pytest

from bed import Bed
from lab import LabError, Router, wait_for
from lab.daemon import SLOWNESS
from lab.netns import run
from lab.topology import Port

NEAR, FAR = "02:ca:4d:00:00:", "02:ca:4d:00:01:"


class Card:
    """A card of the machine by its number on the command line."""

    def __init__(self, number):
        self.number = number
        self.near, self.far = f"{NEAR}{number:02x}", f"{FAR}{number:02x}"
        device = f"/sys/class/net/{name_of(self.near)}/device"
        self.driver = os.path.basename(os.readlink(f"{device}/driver"))

    def move(self, near, ifname, far, far_ifname):
        """Into two namespaces, and up; returns when both have a carrier."""
        for mac, space, name in ((self.near, near, ifname), (self.far, far, far_ifname)):
            # A namespace that ended gives its cards back some time later.
            wait_for(lambda m=mac: name_of(m), 10 * SLOWNESS, f"{mac} in the machine's namespace")
            run(["ip", "link", "set", "dev", name_of(mac), "netns", space.name, "name", name])
            space.ip("link", "set", name, "up")
        for space, name in ((near, ifname), (far, far_ifname)):
            wait_for(lambda s=space, n=name: carrier(s, n), 10 * SLOWNESS, f"carrier of {name}")

    def set_carrier(self, up):
        """The card sees its cable put in or pulled out; the far end does not."""
        Monitor.get().execute("set_link", name=f"card-near{self.number}", up=up)


def name_of(mac):
    """The interface of the machine's own namespace with this permanent address, or None."""
    for link in json.loads(run(["ip", "-j", "link", "show"])):
        if mac in (link.get("address"), link.get("permaddr")):
            return link["ifname"]
    return None


def carrier(space, ifname):
    return "LOWER_UP" in json.loads(space.ip("-j", "link", "show", "dev", ifname))[0]["flags"]


def cards():
    """All cards, in the order of the command line."""
    found = []
    while name_of(f"{NEAR}{len(found):02x}"):
        found.append(Card(len(found)))
    return found


def threes():
    """Parameters for tests: cards 0 to 2, 3 to 5 and so on; a skipped one where there are none."""
    all_cards = cards()
    found = [all_cards[n:n + 3] for n in range(0, len(all_cards) - 2, 3)]
    none = pytest.param(None, marks=pytest.mark.skip("not three cards: tools/vm/run --card"))
    return found or [none]


def label(some_cards):
    return "-".join(card.driver for card in some_cards) if some_cards else "none"


def needs_cards(number, drivers=None):
    """The first `number` cards (of these drivers), or skips the test."""
    found = [card for card in cards() if not drivers or card.driver in drivers][:number]
    if len(found) < number:
        pytest.skip(f"not {number} cards ({drivers or 'any'}): tools/vm/run --card")
    return found


class Monitor:
    """qemu itself, by QMP. One for all: the port cannot be opened twice."""

    _instance = None

    @classmethod
    def get(cls):
        if not cls._instance:
            cls._instance = cls()
        return cls._instance

    def __init__(self):
        for port in os.listdir("/sys/class/virtio-ports"):
            with open(f"/sys/class/virtio-ports/{port}/name", encoding="ascii") as file:
                if file.read().strip() == "monitor":
                    # pylint: disable-next=consider-using-with
                    self._file = open(f"/dev/{port}", "r+b", buffering=0)
        self._reader = os.fdopen(os.dup(self._file.fileno()), "rb")
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        self._file.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self._reader.readline())
            if "error" in answer:
                raise LabError(f"qemu: {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]


class CardPort(Port):
    """A port of the router that is a card."""

    def __init__(self, router, name, address, card, **kwargs):
        self.card = card
        super().__init__(router, name, address, **kwargs)

    def _link(self, space, ifname):
        near = self.router.space
        self.card.move(near, self.name, space, ifname)
        near.ip("address", "add", f"{self.address}/{self.prefix_length}", "dev", self.name)
        self.mac = self.router.link(self.name)["address"]

    def statistics(self, pattern):
        """Counters of the driver (ethtool -S) whose name matches."""
        text = self.router.space.run("ethtool", "-S", self.name)
        return {name: int(value) for name, value in re.findall(r"^\s+([^:\n]+): (\d+)$", text, re.M)
                if re.fullmatch(pattern, name)}

    def offload(self, **features):
        """ethtool -K, for what the driver lets one change: tx="off", rxvlan="off"."""
        words = [word for item in features.items() for word in item]
        self.router.space.run("ethtool", "-K", self.name, *words)


class CardBed(Bed):
    """The usual test bed with cards for u, d1 and d2."""

    def __init__(self, lab, some_cards, *, lan=False):  # pylint: disable=super-init-not-called
        self.lab = lab
        self.router = Router(lab)
        addresses = (("u", "10.9.0.100/24"), ("d1", "10.0.1.100/24"), ("d2", "10.0.2.100/24"))
        for (name, address), card in zip(addresses, some_cards):
            self.router.ports.append(CardPort(self.router, name, address, card,
                                              lan=lan and name == "d1"))
        self.up, self.d1, self.d2 = self.router.ports
        self.source = self.up.host("10.9.0.10", "source")
        self.h1 = self.d1.host("10.0.1.10", "h1")
        self.h2 = self.d1.host("10.0.1.11", "h2") if lan else None
        self.h3 = self.d2.host("10.0.2.10", "h3")
        self.hosts = [host for host in (self.source, self.h1, self.h2, self.h3) if host]
