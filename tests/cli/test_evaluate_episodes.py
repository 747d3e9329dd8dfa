"""`nearkin evaluate --episodes`: the library's numbers, and sizes and groups in words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cli.commands import nearkin, refused
from nearkin.evaluation import episodes

LABELS = np.repeat(np.arange(12), 8)


@pytest.fixture
def rows(tmp_path: Path) -> np.ndarray:
    found = np.random.default_rng(0).normal(size=(12, 4))[LABELS] + np.random.default_rng(1).normal(size=(96, 4))
    np.save(tmp_path / "rows.npy", found)
    (tmp_path / "labels.txt").write_text("".join(f"class {label}\n" for label in LABELS))
    (tmp_path / "groups.txt").write_text("".join(f"{'ab'[label % 2]}\n" for label in LABELS))
    return found


def test_sizes_are_judged_as_the_library_does(tmp_path: Path, rows: np.ndarray) -> None:
    words = ("--episodes", "5x1", "--episodes", "3x4", "--episode-queries", 2, "--seed", 3, "--distance", "cosine")
    files = (tmp_path / "rows.npy", "--labels", tmp_path / "labels.txt", "--no-clustering")
    result = nearkin("evaluate", *files, *words, "--json")
    assert result.exit_code == 0, result.output
    options = {"queries": 2, "seed": 3, "distance": "cosine"}
    wanted = [episodes(rows, LABELS, ways=ways, shots=shots, **options) for ways, shots in ((5, 1), (3, 4))]
    found = json.loads(result.stdout)["episodes"]
    assert [each["accuracy"] for each in found] == [each.accuracy for each in wanted]
    assert [(each["low"], each["high"]) for each in found] == [(each.interval.low, each.interval.high) for each in wanted]
    assert [(each["ways"], each["shots"], each["episodes"], each["within"]) for each in found] == [(5, 1, 1000, False), (3, 4, 1000, False)]
    text = " ".join(nearkin("evaluate", *files, *words).stdout.split())
    assert f"5-way 1-shot {wanted[0].accuracy:.4f} [{wanted[0].interval.low:.4f}, {wanted[0].interval.high:.4f}]" in text


def test_classes_of_one_group_meet(tmp_path: Path, rows: np.ndarray) -> None:
    result = nearkin(
        "evaluate", tmp_path / "rows.npy", "--labels", tmp_path / "labels.txt", "--no-clustering",
        "--episodes", "5x1", "--within", tmp_path / "groups.txt",
    )  # fmt: skip
    wanted = episodes(rows, LABELS, ways=5, within=np.array(["a", "b"])[LABELS % 2])
    assert f"5-way 1-shot, within a group  {wanted.accuracy:.4f} [" in result.stdout


def test_without_sizes_nothing_is_said_of_episodes(tmp_path: Path, rows: np.ndarray) -> None:
    result = nearkin("evaluate", tmp_path / "rows.npy", "--labels", tmp_path / "labels.txt", "--json")
    assert "episodes" not in json.loads(result.stdout)


def test_what_does_not_fit_is_refused(tmp_path: Path, rows: np.ndarray) -> None:
    files = (tmp_path / "rows.npy", "--labels", tmp_path / "labels.txt", "--no-clustering")
    assert "write 20x1 for 20 classes with 1 image" in refused("evaluate", *files, "--episodes", "20")
    assert "is no size of episodes" in refused("evaluate", *files, "--episodes", "1x5")
    assert "12 of 12 classes have so many images" in refused("evaluate", *files, "--episodes", "20x1")
    assert "say which episodes" in refused("evaluate", *files, "--within", tmp_path / "groups.txt")
    (tmp_path / "few.txt").write_text("a\n")
    assert "has 1 lines for 96 rows" in refused("evaluate", *files, "--episodes", "5x1", "--within", tmp_path / "few.txt")
