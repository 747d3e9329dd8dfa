"""Peak memory of a contender: growth of the resident high-water mark (VmHWM) of a plain fresh process.

The process makes the case at full size, warms up on a tiny one, notes what is resident, runs the contender once and
notes the high-water mark. No allocator setting is passed on to it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from harness import Case

ALLOCATOR = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD", "PYTORCH_")
"""Beginnings of environment variables that would change the allocator."""

LIMIT = 600
"""Seconds after which a contender's process is given up."""


def peak(case: Case, contender: str, *, small: bool = False) -> float:
    """Megabytes (2^20) by which one run of the contender raises the high-water mark."""
    command = [sys.executable, str(Path(__file__).with_name("run.py")), "--peak-of", case.name, contender]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ALLOCATOR)}
    answer = subprocess.run(
        command + ["--quick"] * small, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    if answer.returncode:
        raise RuntimeError(f"{contender}: {answer.stderr.strip().splitlines()[-1:]}")
    return float(answer.stdout.split()[-1])


def child(case: Case, contender: str, *, small: bool) -> float:
    """What the fresh process does."""
    setups = case.make(True), case.make(small)
    warm, full = (next(one for one in setup.contenders if one.name == contender) for setup in setups)
    warm.run()
    _forget_peak()
    before = _status("VmHWM")
    full.run()
    return (_status("VmHWM") - before) / 1024


def _forget_peak() -> None:
    """Set the high-water mark to what is resident now, so that the making of the data does not hide growth."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(field: str) -> int:
    """A field of /proc/self/status, in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])
