# SPDX-License-Identifier: BSD-2-Clause
"""
Tests of what the development kernel lacks: `make check-vm` runs them on Debian's kernel. Collected
elsewhere, each is skipped with the name of what is missing.
"""

import os
import sys

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(os.path.dirname(TESTS), "tools"), os.path.join(TESTS, "netns")]

import lab as laboratory  # noqa: E402  pylint: disable=wrong-import-position


def pytest_configure(config):
    del config
    if os.geteuid():
        pytest.exit("these tests need root", 77)
    laboratory.exit_on_signals()


@pytest.fixture(name="lab")
def fixture_lab():
    with laboratory.Lab() as lab:
        yield lab


@pytest.fixture(name="needs")
def fixture_needs(lab):
    """needs("bonds", "ip", "link", "add", ...): skips the test if that does not work here."""
    def needs(what, *command):
        try:
            lab.namespace("probe").run(*command)
        except laboratory.LabError as error:
            pytest.skip(f"this kernel has no {what} ({error})")

    return needs
