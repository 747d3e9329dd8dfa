"""The same code runs on a device that is not the CPU: here on a simulated one, as no GPU is at hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_losses_miners_and_evaluation_run_on_another_device() -> None:
    tests = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-m", "device.runs"], cwd=tests, capture_output=True, text=True, timeout=1000)
    assert done.returncode == 0, done.stderr[-3000:]
    waits = int(done.stdout.rpartition(":")[2])
    assert waits <= 6  # labels, two lists of kin, norms, near pairs, the value
