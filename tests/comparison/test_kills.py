"""A kill at any moment of a comparison costs time and nothing else: the same call ends with the same table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def killing(folder: Path, kills: int, *words: str) -> dict:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))}
    command = [sys.executable, str(HERE / "killing.py"), str(folder), str(kills), *words]
    done = subprocess.run(
        command, env={**environment, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    return json.loads(done.stdout)


@pytest.mark.parametrize("kills", [5, pytest.param(30, marks=pytest.mark.slow)])
def test_kills_change_no_bit_of_the_result(tmp_path: Path, kills: int) -> None:
    found = killing(tmp_path, kills)
    assert sum(found["phases"].values()) == kills
    assert found["same"] == found["studies"] >= 1
    if kills >= 30:
        assert min(found["phases"].values()) > 0, "every phase was killed at least once"


@pytest.mark.slow
def test_kills_change_no_trial_that_follows_from_others(tmp_path: Path) -> None:
    found = killing(tmp_path, 12, "tuned")
    assert found["same"] == found["studies"] >= 1
