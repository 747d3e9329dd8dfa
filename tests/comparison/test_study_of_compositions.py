"""Losses made of losses, losses with a state and a loss of another library train, compare and report like any other."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from comparison.studies import recipe
from nearkin.comparison import compare

SIZE = {"classes": 10, "dimensions": 4}
METHODS = [
    {"name": "both", "loss": {"name": "sum", "losses": ["triplet", {"name": "n-pair", "weight": 0.5}]}},
    {"name": "bank", "loss": {"name": "memory-bank", "loss": "contrastive", "size": 30}},
    {"name": "joint", "loss": {"name": "joint", "metric": {"name": "center", "update": "rule", **SIZE}, **SIZE}},
    {"name": "own", "loss": "comparison.wild_loss:Pull"},
]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compositions") / "study"
    compare(recipe(methods=METHODS, seeds=1, baseline="both"), folder)
    return folder


def test_every_method_is_in_the_table(study: Path) -> None:
    rows = list(csv.DictReader((study / "results.csv").read_text().splitlines()))
    assert {row["method"] for row in rows} >= {"both", "bank", "joint", "own"}
    assert (study / "report.html").exists()


def test_the_state_of_a_loss_is_kept_with_its_run(study: Path) -> None:
    states = {}
    for file in study.glob("runs/*/run.json"):
        if (file.parent / "loss.safetensors").exists():
            states[json.loads(file.read_text())["method"]] = load_file(file.parent / "loss.safetensors")
    assert states["bank"]["embeddings"].shape == (30, 4)
    assert int(states["bank"]["written"]) in (36, 72)  # 12 a step, at one of the two validations
    assert states["joint"]["classifier"].shape == states["joint"]["metric.centers"].shape == (10, 4)
