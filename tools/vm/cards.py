# SPDX-License-Identifier: BSD-2-Clause
"""
Emulated network cards of the virtual machine. Each card is linked to another one, its far end: two
taps on a bridge that floods, all of it in a network namespace that ends with the machine.

Both ends are found by their hardware addresses: 02:ca:4d:00:00:NN is card NN of the command line,
counted from 0, and 02:ca:4d:00:01:NN its far end.
"""

from debian import Unavailable

# As the command line names them; else the name is that of qemu's device.
DEVICES = {"virtio-net": "virtio-net-pci"}

# The far end plays a host of tests: it hears everything, computes checksums as it sends, merges
# nothing.
FAR = ("virtio-net-pci", {name: "off" for name in (
    "csum", "guest_csum", "gso", "guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo", "ctrl_rx",
    "ctrl_vlan", "ctrl_guest_offloads")})

LARGEST = 9216  # MTU of the links


class Card:
    """MODEL[:OPTION=VALUE[,...]]: queues=N, other options are those of qemu's device."""

    def __init__(self, text):
        model, _, rest = text.partition(":")
        self.device = DEVICES.get(model, model)
        self.options = dict(option.split("=", 1) for option in rest.split(",") if option)
        self.queues = int(self.options.pop("queues", 1))
        if self.queues > 1:
            if self.device != "virtio-net-pci":
                raise Unavailable(f"{model} has one queue here; virtio-net can have several")
            self.options.update(mq="on", vectors=2 * self.queues + 2)


def link_commands(number, card):
    """The commands of a shell for the link of a card and its far end."""
    several = "multi_queue" if card.queues > 1 else ""
    return f"""
        ip link add w{number} type bridge ageing_time 0 mcast_snooping 0
        ip tuntap add near{number} mode tap vnet_hdr {several}
        ip tuntap add far{number} mode tap vnet_hdr
        for tap in near{number} far{number}; do
            ip link set $tap mtu {LARGEST} master w{number} up
        done
        ip link set w{number} up
    """


def device_argv(end, number, queues, device, options):
    """qemu's arguments for one end of a link: end 0 is the card, 1 the far one."""
    name = f"{('near', 'far')[end]}{number}"
    words = [device, f"netdev={name}", f"id=card-{name}", f"mac=02:ca:4d:00:{end:02x}:{number:02x}",
             "romfile=", *(f"{key}={value}" for key, value in options.items())]
    return ["-netdev", f"tap,id={name},ifname={name},script=no,downscript=no,queues={queues}",
            "-device", ",".join(words)]


def with_cards(argv, cards):
    """The command that starts qemu with these cards, and no other network of this machine."""
    if not cards:
        return argv
    script = "set -e\necho 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6\n"
    for number, card in enumerate(cards):
        script += link_commands(number, card)
        argv = argv + device_argv(0, number, card.queues, card.device, card.options)
        argv = argv + device_argv(1, number, 1, *FAR)
    return ["unshare", "--net", "sh", "-c", script + 'exec "$@"', "sh", *argv]
