"""A kill at any moment of a comparison costs time and nothing else: the same call ends with the same table."""

from __future__ import annotations

from pathlib import Path

import pytest

from killing import run_script

SCRIPT = Path(__file__).with_name("killed_studies.py")


@pytest.mark.parametrize("kills", [5, pytest.param(30, marks=pytest.mark.slow)])
def test_kills_change_no_bit_of_the_result(tmp_path: Path, kills: int) -> None:
    found = run_script(SCRIPT, tmp_path, kills, timeout=1000)
    assert sum(found["phases"].values()) == kills
    assert found["same"] == found["studies"] >= 1
    if kills >= 30:
        assert min(found["phases"].values()) > 0, "every phase was killed at least once"


@pytest.mark.slow
def test_kills_change_no_trial_that_follows_from_others(tmp_path: Path) -> None:
    found = run_script(SCRIPT, tmp_path, 12, "tuned", timeout=1000)
    assert found["same"] == found["studies"] >= 1
