"""A kill at any moment costs time and nothing else: the same call ends with the same bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def killing(*arguments: str) -> dict:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "killing.py"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_random_kills_change_no_bit_of_the_result(tmp_path: Path) -> None:
    found = killing("random", str(tmp_path), "20")
    assert sum(found["phases"].values()) == 20
    assert found["resumed"] >= 5
    assert found["same"] == found["runs"] >= 1


@pytest.mark.slow
def test_random_kills_change_no_bit_of_a_result_with_generated_negatives(tmp_path: Path) -> None:
    found = killing("random", str(tmp_path), "10", "generated")
    assert found["resumed"] >= 2
    assert found["same"] == found["runs"] >= 1


@pytest.mark.slow
def test_a_kill_before_any_operation_on_a_file_changes_no_bit_of_the_result(tmp_path: Path) -> None:
    found = killing("files", str(tmp_path))
    assert found["status"] == 0
    assert found["same"] == found["operations"] > 25
