# SPDX-License-Identifier: BSD-2-Clause
"""Start, signals, crash, reload, links that come and go; nothing half-attached is left behind."""

import signal

import pytest

from bed import FAST, G, QUICK, Bed, through
from lab import packet, wait_for


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_and_nothing_is_left(lab, number):
    """SURFACE.md: status 0; stop() looks at programs, pins, socket and all-multicast."""
    bed = Bed(lab)
    mcastd = bed.daemon()
    for port in bed.router.ports:
        link = bed.router.link(port.name)
        assert "xdp" in link and link["allmulti"] == 1
    mcastd.stop(number)
    assert bed.h1.ping("10.9.0.10")


def test_kept_forwarding(lab):
    """on-exit = keep, L-RESTART: streams go on without a daemon, and it takes them over again."""
    bed = Bed(lab)
    mcastd = bed.daemon(QUICK + "on-exit = keep\n")
    receiver = bed.h1.receiver(G).join()
    mcastd.wait_member("d1", G)
    stream = bed.source.stream(G).start(per_second=200)
    mcastd.wait(receiver.drain, what="the stream")
    mcastd.send_signal(signal.SIGTERM)
    assert mcastd.process.wait(10) == 0
    count = len(receiver.drain())
    wait_for(lambda: len(receiver.drain()) > count + 100, what="the stream without a daemon")
    mcastd.start()
    mcastd.wait_member("d1", G)
    sent = stream.stop()
    bed.router.settle()
    numbers = [number for _source, _stream, number in receiver.drain()]
    assert numbers == list(range(numbers[0], sent))
    mcastd.reload(bed.config(QUICK))
    mcastd.stop()


def test_takes_over_after_a_crash(lab):
    """After SIGKILL the pinned maps are taken over, and a clean stop leaves nothing."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        mcastd.crash()
        mcastd.start()
        mcastd.wait_member("d1", G)
        bed.h1.wire.clear()
        bed.expect({bed.h1: through(bed.send(), bed.d1)})


def test_second_daemon_is_refused(lab):
    """Two daemons with one socket and one set of maps: the second ends with 69, harmlessly."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        status, text = mcastd.run_to_end()
        assert status == 69, text
        assert mcastd.socket_path in text
        bed.expect({bed.h1: through(bed.send(), bed.d1)})


def test_missing_interface_is_waited_for(lab):
    """Issue 2, bad input: reported, not fatal; taken in when it appears."""
    bed = Bed(lab)
    config = bed.config() + "interface d9 {\n    role = downstream\n}\n"
    with bed.daemon() as mcastd:
        mcastd.reload(config)
        mcastd.wait(lambda: "d9" in mcastd.log(), what="a word about d9")
        assert mcastd.interface("d9")["state"] != "up"
        port = bed.router.port("d9", "10.0.9.100/24")
        host = port.host("10.0.9.10")
        mcastd.wait(lambda: mcastd.interface("d9")["state"] == "up", what="d9 up")
        host.receiver(G).join()
        mcastd.wait_member("d9", G)
        frames = bed.send()
        host.wait_data(G)
        bed.router.settle()
        assert host.data() == through(frames, port)


def test_only_missing_interfaces(lab):
    """It is ready when every configured port that exists is up, even if none does."""
    bed = Bed(lab)
    with bed.daemon("interface nowhere0 {\n    role = downstream\n}\n", u=None, d1=None,
                    d2=None) as mcastd:
        assert mcastd.interface("nowhere0")["state"] != "up"
        assert "nowhere0" in mcastd.log()


def test_link_down_and_up(lab):
    """R-LINK: down drops the link's state and leaves upstream; up starts with a query."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        bed.h1.report((packet.TO_EX, G, []))
        bed.source.wire.wait_message(lambda m: m.record(G) == (packet.TO_EX, []))
        bed.router.space.ip("link", "set", "d1", "down")
        mcastd.wait(lambda: mcastd.interface("d1")["state"] != "up", what="d1 down")
        mcastd.wait_no_member("d1", G)
        bed.source.wire.wait_message(lambda m: m.record(G) == (packet.TO_IN, []))
        bed.h1.wire.clear()
        bed.router.space.ip("link", "set", "d1", "up")
        mcastd.wait(lambda: mcastd.interface("d1")["state"] == "up", what="d1 up")
        bed.h1.wire.wait_message(lambda m: m.is_general_query)
        bed.h1.report((packet.TO_EX, G, []))
        mcastd.wait_member("d1", G)
        bed.source.wire.clear()
        bed.h1.wire.clear()
        bed.expect({bed.h1: through(bed.send(), bed.d1)})


def test_interface_deleted_and_made_again(lab):
    """R-LINK: a port that vanishes is let go of, and its successor of the same name taken."""
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        bed.h3.receiver(G).join()
        mcastd.wait_member("d2", G)
        bed.router.space.ip("link", "del", "d1")
        mcastd.wait(lambda: mcastd.interface("d1")["state"] != "up", what="d1 gone")
        bed.router.ports.remove(bed.d1)
        bed.hosts.remove(bed.h1)
        bed.expect({bed.h3: through(bed.send(), bed.d2)})
        port = bed.router.port("d1", "10.0.1.100/24")
        host = port.host("10.0.1.20", "again")
        mcastd.wait(lambda: mcastd.interface("d1")["state"] == "up", what="d1 back")
        host.receiver(G).join()
        mcastd.wait_member("d1", G)
        frames = bed.send()
        bed.router.settle()
        assert host.data() == through(frames, port)
        assert bed.h3.data() == through(frames, bed.d2)


def test_address_change(lab):
    """R-LINK, R-4.1-SRC: queries move to the new address."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        bed.h1.wire.wait_message(lambda m: m.is_general_query and m.source == "10.0.1.100")
        bed.router.space.ip_batch("address del 10.0.1.100/24 dev d1",
                                  "address add 10.0.1.101/24 dev d1")
        mcastd.wait(lambda: mcastd.interface("d1")["address"] == "10.0.1.101",
                    what="the new address")
        bed.h1.wire.wait_message(lambda m: m.is_general_query and m.source == "10.0.1.101")


def test_mac_change(lab):
    """D-MAC: the source MAC is the port's, also after it was changed."""
    bed = Bed(lab)
    with bed.daemon(QUICK) as mcastd:
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        bed.d1.mac = "02:00:00:00:aa:bb"
        bed.router.space.ip("link", "set", "d1", "address", bed.d1.mac)

        def new_mac():
            bed.send()
            bed.router.settle()
            return bed.h1.data()[-1][6:12] == packet.mac_bytes(bed.d1.mac)

        mcastd.wait(new_mac, what="the new address in forwarded frames")
        bed.h1.wire.clear()
        bed.expect({bed.h1: through(bed.send(), bed.d1)})
        message = bed.h1.wire.wait_message(lambda m: m.is_general_query)[0]
        assert message.frame[6:12] == packet.mac_bytes(bed.d1.mac)


def test_plain_router_without_upstream(lab):
    """Issue 4 point 2: LAN to LAN."""
    bed = Bed(lab)
    with bed.daemon(u=None) as mcastd:
        bed.h3.receiver(G).join()
        mcastd.wait_member("d2", G)
        frames = bed.send(host=bed.h1, source=None)
        bed.expect({bed.h3: through(frames, bed.d2)})
        assert not bed.source.wire.messages()


def test_unknown_multicast_drop(lab):
    """unknown-multicast: pass lets the router's own programs have it, drop does not."""
    bed = Bed(lab)
    receiver = bed.up.receiver("239.5.5.5").join()
    with bed.daemon(FAST, u=["unknown-multicast = drop"]) as mcastd:
        bed.send("239.5.5.5", "10.9.0.10", count=3)
        bed.router.settle()
        assert not receiver.drain()
        mcastd.reload(bed.config(FAST))
        bed.source.stream("239.5.5.5").send(3)
        mcastd.wait(lambda: len(receiver.drain()) == 3, what="data for the router itself")


def test_log_says_what_happens(lab):
    """Joins and leaves at level info, nothing of them at level error."""
    bed = Bed(lab)
    for level, wanted in (("info", True), ("error", False)):
        mcastd = bed.daemon(QUICK, log_level=level)
        receiver = bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        receiver.leave()
        mcastd.wait_no_member("d1", G)
        mcastd.stop()
        assert (G in mcastd.log()) == wanted, mcastd.log()
        receiver.close()
