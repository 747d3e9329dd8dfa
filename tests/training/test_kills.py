"""A kill at any moment costs time and nothing else: the same call ends with the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest

from killing import run_script

SCRIPT = Path(__file__).with_name("killed_runs.py")


@pytest.mark.slow
def test_random_kills_change_no_bit_of_the_result(tmp_path: Path) -> None:
    found = run_script(SCRIPT, "random", tmp_path, 20)
    assert sum(found["phases"].values()) == 20
    assert found["resumed"] >= 5
    assert found["same"] == found["runs"] >= 1


@pytest.mark.slow
def test_random_kills_change_no_bit_of_a_result_with_generated_negatives(tmp_path: Path) -> None:
    found = run_script(SCRIPT, "random", tmp_path, 10, "generated")
    assert found["resumed"] >= 2
    assert found["same"] == found["runs"] >= 1


@pytest.mark.slow
def test_a_kill_before_any_operation_on_a_file_changes_no_bit_of_the_result(tmp_path: Path) -> None:
    found = run_script(SCRIPT, "files", tmp_path)
    assert found["status"] == 0
    assert found["same"] == found["operations"] > 25
