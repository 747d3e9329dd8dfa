"""`nearkin evaluate --verification --unknown`: the library's numbers, with the number of pairs beside them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cli.commands import nearkin, refused
from nearkin.evaluation import open_set_scores, verification_scores

LABELS = np.repeat(np.arange(12), 5)


@pytest.fixture
def rows(tmp_path: Path) -> np.ndarray:
    found = np.random.default_rng(0).normal(size=(12, 4))[LABELS] + 0.5 * np.random.default_rng(1).normal(size=(60, 4))
    np.save(tmp_path / "rows.npy", found)
    (tmp_path / "labels.txt").write_text("".join(f"class {label}\n" for label in LABELS))
    return found


def files(tmp_path: Path) -> tuple[object, ...]:
    return (tmp_path / "rows.npy", "--labels", tmp_path / "labels.txt", "--no-clustering")


def test_pairs_are_judged_as_the_library_does(tmp_path: Path, rows: np.ndarray) -> None:
    result = nearkin("evaluate", *files(tmp_path), "--verification", "--distance", "cosine", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["verification"]
    wanted = verification_scores(rows, LABELS, distance="cosine", bootstrap=1000)
    assert found["scores"] == wanted.scores
    assert found["intervals"] == {name: list(ends) for name, ends in wanted.intervals.items()}
    assert (found["positive_pairs"], found["impostor_pairs"], found["classes"]) == (120, 1650, 12)
    assert found["scores"]["tar@far=0.0001"] is None


def test_a_rate_without_enough_pairs_is_a_dash_with_its_reason(tmp_path: Path, rows: np.ndarray) -> None:
    result = nearkin("evaluate", *files(tmp_path), "--verification")
    lines = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()}
    assert lines["tar@far=0.0001"] == ["-"] and len(lines["eer"]) == 3
    assert "! TAR at FAR 0.0001 needs at least 100,000 impostor pairs, there are 1,650" in result.stderr
    assert "120 positive and 1,650 impostor pairs of 12 classes, by euclidean" in result.stderr


def test_unknown_classes_are_judged_as_the_library_does(tmp_path: Path, rows: np.ndarray) -> None:
    words = ("--unknown", "class 3", "--unknown", "class 11")
    result = nearkin("evaluate", *files(tmp_path), *words, "--json")
    assert result.exit_code == 0, result.output
    wanted = open_set_scores(rows, LABELS, unknown=[3, 11])
    assert json.loads(result.stdout)["open_set"] == {"scores": wanted.scores, "known": 50, "unknown": 10}
    assert f"oscr {wanted.oscr:.4f}" in " ".join(nearkin("evaluate", *files(tmp_path), *words).stdout.split())


def test_a_class_that_is_not_there_cannot_be_unknown(tmp_path: Path, rows: np.ndarray) -> None:
    assert "did you mean 'class 11'" in refused("evaluate", *files(tmp_path), "--unknown", "class11")
    support = ("--support", tmp_path / "rows.npy", "--support-labels", tmp_path / "labels.txt")
    assert "does not go with --support" in refused("evaluate", *files(tmp_path), *support, "--unknown", "class 3")
    assert "verification" not in nearkin("evaluate", *files(tmp_path), "--json").stdout
