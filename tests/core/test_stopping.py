"""A request to end becomes an exception, and the exit code stays the program's own wherever it arrives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, signal, sys
from nearkin.core import StopRequested, raise_on_signals
{before}
raise_on_signals()
try:
    exec("os.kill(os.getpid(), signal.{name})")  # as an import or a generated class does
except StopRequested:
    sys.exit(130)
sys.exit(7)
"""


def exit_code(folder: Path, name: str, before: str = "") -> int:
    (folder / "program.py").write_text(PROGRAM.format(name=name, before=before))
    return subprocess.run([sys.executable, "-m", "program"], cwd=folder, timeout=200).returncode


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_stop_inside_generated_code_leaves_the_exit_code_to_the_program(tmp_path, name):
    assert exit_code(tmp_path, name) == 130


def test_an_ignored_signal_stays_ignored(tmp_path):
    assert exit_code(tmp_path, "SIGINT", "signal.signal(signal.SIGINT, signal.SIG_IGN)") == 7
