# SPDX-License-Identifier: BSD-2-Clause
"""Issue 7 point 6: the short form of `make soak`. The heap is still filling in so short a time."""

import os
import subprocess
import sys

from lab.daemon import ROOT, SLOWNESS, environment


def test_churn_leaves_nothing():
    """Files, maps and their memory are after the churn what they were before; nothing leaks."""
    result = subprocess.run([sys.executable, os.path.join(ROOT, "tools", "soak"), "--minutes", "0.3",
                             "--pace", "1000", "--memory-bound", str(6 << 20)],
                            capture_output=True, text=True, timeout=120 * SLOWNESS, check=False,
                            env=environment())
    assert result.returncode == 0, result.stdout + result.stderr
