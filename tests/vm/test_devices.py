# SPDX-License-Identifier: BSD-2-Clause
"""Ports that are VLAN devices and bonds: no XDP in a driver below them, hence generic mode."""

from bed import G, S1, Bed, learn_macs, through
from lab import Router, packet, wait_for
from lab.topology import Port

VLAN = "10"


class VlanPort(Port):
    """A VLAN device on a trunk, at both ends."""

    def _link(self, space, ifname):
        near = self.router.space
        self.router.lab.veth(near, "trunk", space, "trunk")
        for end, name in ((near, self.name), (space, ifname)):
            end.ip_batch(f"link add link trunk name {name} type vlan id {VLAN}",
                         f"link set {name} up")
        near.ip("address", "add", f"{self.address}/{self.prefix_length}", "dev", self.name)
        self.mac = self.router.link(self.name)["address"]


class BondPort(Port):
    """Two links to one switch, of which one is in use."""

    def _make_switch(self):
        near = self.router.space
        self.switch = self.router.lab.namespace(f"{self.router.label}-{self.name}-switch")
        self.switch.ip_batch("link add br0 type bridge mcast_snooping 0", "link set br0 up")
        near.ip("link", "add", self.name, "type", "bond", "mode", "active-backup", "miimon", "50")
        for number in range(2):
            self.router.lab.veth(near, f"b{number}", self.switch, f"up{number}")
            self.switch.ip("link", "set", f"up{number}", "master", "br0")
            near.ip_batch(f"link set b{number} down", f"link set b{number} master {self.name}")
        near.ip_batch(f"link set {self.name} up",
                      f"address add {self.address}/{self.prefix_length} dev {self.name}")
        self.mac = self.router.link(self.name)["address"]


class SpecialBed(Bed):
    """The usual test bed with d1 of another kind."""

    def __init__(self, lab, port_class, **kwargs):  # pylint: disable=super-init-not-called
        self.lab = lab
        self.router = Router(lab)
        self.up = self.router.port("u", "10.9.0.100/24")
        self.d1 = port_class(self.router, "d1", "10.0.1.100/24", **kwargs)
        self.d2 = self.router.port("d2", "10.0.2.100/24")
        self.router.ports.insert(1, self.d1)
        self.source = self.up.host("10.9.0.10", "source")
        self.h1 = self.d1.host("10.0.1.10", "h1")
        self.h3 = self.d2.host("10.0.2.10", "h3")
        self.hosts = [self.source, self.h1, self.h3]


def test_vlan_device(lab, needs):
    """D-MAC, D-TTL: tagged on the trunk below, both ways and across, and IGMP with it."""
    needs("VLAN devices", "sh", "-c", "ip link add base type veth peer other && "
          f"ip link add link base name v type vlan id {VLAN}")
    bed = SpecialBed(lab, VlanPort)
    with bed.daemon() as mcastd:
        for port in bed.router.ports:
            assert mcastd.interface(port.name)["xdp-mode"] == "generic"
        bed.h1.wire.wait_message(lambda m: m.is_query, timeout=10, what="a query")
        bed.check_forwarding(mcastd)


def arrives(bed, host, port):
    """Does a datagram from upstream come out of a port, as it must look?"""
    host.wire.clear()
    frames = bed.send(source=S1)
    host.wire.wait(lambda d: packet.is_data(d, G), timeout=10, what=f"data on {port.name}")
    return host.data() == through(frames, port)


def test_bond_fails_over(lab, needs):
    """A bond as a port: its members' frames arrive as the bond's, and a failover costs no member."""
    needs("bonds", "ip", "link", "add", "probe-bond", "type", "bond")
    bed = SpecialBed(lab, BondPort, lan=True)
    with bed.daemon() as mcastd:
        assert mcastd.interface("d1")["xdp-mode"] == "generic"
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G, timeout=10)
        learn_macs(mcastd, bed.router.ports)
        assert arrives(bed, bed.h1, bed.d1)

        def active():
            return bed.router.link("d1")["linkinfo"]["info_data"]["active_slave"]

        first = active()
        bed.d1.switch.ip("link", "set", f"up{first[1:]}", "down")
        wait_for(lambda: active() != first, 10, "the other member to take over")
        assert arrives(bed, bed.h1, bed.d1)
        assert mcastd.membership("d1", G)
        # Reports through the member that took over.
        bed.h1.receiver("239.1.1.2").join()
        mcastd.wait_member("d1", "239.1.1.2", timeout=10)
        # Data from the bond upstream.
        bed.source.wire.clear()
        frames = bed.send(host=bed.h1, source=None)
        bed.source.wire.wait(lambda d: packet.is_data(d, G), timeout=10, what="data upstream")
        assert bed.source.data() == through(frames, bed.up)

