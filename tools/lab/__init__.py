# SPDX-License-Identifier: BSD-2-Clause
"""A laboratory of network namespaces for mcastd: routers, LANs, hosts, streams and captures.

    with Lab() as lab:
        router = Router(lab)
        up = router.port("u", "10.9.0.100/24")
        d1 = router.port("d1", "10.0.1.100/24")
        source, host = up.host("10.9.0.10"), d1.host("10.0.1.10")
        with Daemon(lab, router, up.config("upstream") + d1.config("downstream")) as daemon:
            ...

Everything a Lab makes has a name of its own and is removed when the Lab is closed, after
exceptions and signals too. Nothing outside its namespaces is touched. Needs root.
"""

from .capture import Capture, Frame, wait_for
from .daemon import SLOWNESS, Ctl, CtlError, Daemon, DaemonFailed, output_dir
from .host import Receiver, Stream
from .netns import Lab, LabError, Namespace, exit_on_signals, sweep
from .topology import Host, Port, Router

__all__ = [
    "Capture", "Ctl", "CtlError", "Daemon", "DaemonFailed", "Frame", "Host", "Lab", "LabError",
    "Namespace", "Port", "Receiver", "Router", "SLOWNESS", "Stream", "exit_on_signals", "output_dir",
    "sweep", "wait_for",
]
