# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the namespace tests, and what they need of the machine."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "tools"))

import lab as laboratory  # noqa: E402  pylint: disable=wrong-import-position


def pytest_configure(config):
    if os.geteuid():
        pytest.exit("the namespace tests need root", 77)
    for program in ("mcastd", "mcastctl"):
        path = os.path.join(laboratory.output_dir(), program)
        if not os.path.exists(path):
            pytest.exit(f"{path} is not there: run make first, or set MCASTD_OUT", 69)
    if not hasattr(config, "workerinput"):
        laboratory.sweep()
    laboratory.exit_on_signals()


@pytest.fixture(name="lab")
def fixture_lab():
    with laboratory.Lab() as lab:
        yield lab
