# SPDX-License-Identifier: BSD-2-Clause
"""
What a kernel can be told to forbid, and what does not matter to mcastd all the same. In a machine
of its own, since neither can be taken back: `make check-vm`.
"""

import os

import pytest

from bed import G, Bed, through

LOCKDOWN = "/sys/kernel/security/lockdown"
UNPRIVILEGED_BPF = "/proc/sys/kernel/unprivileged_bpf_disabled"


def assert_works(lab):
    bed = Bed(lab)
    with bed.daemon() as mcastd:
        bed.h1.receiver(G).join()
        mcastd.wait_member("d1", G)
        bed.expect({bed.h1: through(bed.send(), bed.d1)})
        assert "not permitted" not in mcastd.log()


def test_lockdown(lab):
    """Confidentiality keeps BPF programs from reading the kernel's memory, which ours never do."""
    if not os.path.exists(LOCKDOWN):
        pytest.skip("this kernel has no lockdown, or no securityfs is mounted")
    with open(LOCKDOWN, encoding="ascii") as file:
        if "[confidentiality]" not in file.read():
            pytest.skip("tools/vm/run --append lockdown=confidentiality")
    assert_works(lab)


def test_unprivileged_bpf(lab):
    """The strictest value of the setting. It is about others: mcastd is privileged."""
    with open("/proc/cmdline", encoding="ascii") as file:
        if "vm.job=" not in file.read():
            pytest.skip("not a machine of tools/vm/run, and this value cannot be taken back")
    with open(UNPRIVILEGED_BPF, "w", encoding="ascii") as file:
        file.write("1")
    assert_works(lab)
