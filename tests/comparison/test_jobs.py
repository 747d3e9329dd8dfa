"""Several processes on one study make the same study, and stop when they are asked to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from comparison.studies import recipe, results, section
from nearkin.comparison import compare, workers
from nearkin.comparison.study_folder import open_study
from nearkin.comparison.yaml_text import to_yaml


def test_two_processes_make_what_one_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    compare(recipe(), tmp_path / "one")
    compare(recipe(), tmp_path / "two", jobs=2)
    assert results(tmp_path / "two") == results(tmp_path / "one")
    processes = [json.loads(path.read_text()) for path in (tmp_path / "two").glob("runs/*/run.json")]
    assert len(processes) == 7
    assert not list((tmp_path / "two").glob("runs/*/.claim"))


def test_a_workers_own_words_reach_the_caller(tmp_path: Path) -> None:
    study = open_study(recipe(), tmp_path / "study")
    (tmp_path / "study" / "recipe.yaml").write_text("name: broken\n")
    with pytest.raises(workers.WorkerFailed, match="recipe.yaml"):
        workers.work_with_others(study, 2, workers.Telling())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_stop_ends_all_processes_with_everything_saved(tmp_path: Path, number: signal.Signals, jobs: int) -> None:
    (tmp_path / "long.yaml").write_text(to_yaml(section("training.steps=100000")))
    command = [sys.executable, "-m", "nearkin", "compare", "long.yaml", "--jobs", str(jobs), "--output", "study"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    with process:
        until(lambda: len(list(tmp_path.glob("study/runs/*/run.json"))) >= 2 and list(tmp_path.glob("study/runs/*/.claim")))
        time.sleep(0.5)
        process.send_signal(number)
        said = process.communicate(timeout=300)[1]
    assert process.returncode == 130, said
    assert said.count("\n") <= 4
    assert said.splitlines()[-1].startswith("nearkin: ")
    assert "Traceback" not in said


def until(true: object, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
