"""`nearkin evaluate` judges embeddings from files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cli.commands import QUICK, nearkin, refused
from comparison.studies import recipe
from nearkin.comparison import compare
from nearkin.evaluation import evaluate


@pytest.fixture
def rows(tmp_path: Path) -> np.ndarray:
    """30 embeddings of three classes in rows.npy, their labels in labels.npy and labels.txt."""
    labels = np.repeat(np.arange(3), 10)
    found = np.random.default_rng(0).normal(size=(30, 4)) + labels[:, None]
    np.save(tmp_path / "rows.npy", found)
    np.save(tmp_path / "labels.npy", labels)
    (tmp_path / "labels.txt").write_text("".join(f"class {label}\n" for label in labels))
    return found


def scores(*words: object) -> dict[str, float]:
    result = nearkin("evaluate", *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["scores"]


@pytest.mark.parametrize("labels", ["labels.npy", "labels.txt"])
def test_the_scores_are_those_of_the_library(tmp_path: Path, rows: np.ndarray, labels: str) -> None:
    wanted = evaluate(rows, np.repeat(np.arange(3), 10), distance="cosine", at=(3,), knn=(5,)).scores
    options = ("--distance", "cosine", "--at", 3, "--knn", 5)
    assert scores(tmp_path / "rows.npy", "--labels", tmp_path / labels, *options) == pytest.approx(wanted)


def test_a_csv_brings_its_labels_and_support_votes(tmp_path: Path, rows: np.ndarray) -> None:
    lines = [",".join(["007" if i < 15 else "NaN", *map(str, row)]) for i, row in enumerate(rows)]
    (tmp_path / "rows.csv").write_text("\n".join(["label,e0,e1,e2,e3", *lines]) + "\n")
    found = scores(tmp_path / "rows.csv", "--support", tmp_path / "rows.csv", "--knn", 1, "--no-clustering")
    assert found["knn@1"] == 1.0
    assert "nmi" not in found


def test_without_json_every_score_is_a_line(tmp_path: Path, rows: np.ndarray) -> None:
    result = nearkin("evaluate", tmp_path / "rows.npy", "--labels", tmp_path / "labels.npy")
    assert any(line.split()[0] == "map@r" for line in result.stdout.splitlines())


def test_bad_files_are_named_with_what_is_wrong(tmp_path: Path, rows: np.ndarray) -> None:
    place, labels = tmp_path / "rows.npy", tmp_path / "labels.npy"
    assert "give them with --labels" in refused("evaluate", place)
    assert "there are no embeddings at" in refused("evaluate", tmp_path / "nothing.npy")
    np.save(tmp_path / "few.npy", np.arange(7))
    assert "has 30 rows, but there are 7 labels" in refused("evaluate", place, "--labels", tmp_path / "few.npy")
    np.save(tmp_path / "holes.npy", np.where(np.eye(30, 4) > 0, np.nan, rows))
    assert "NaN or infinity in 4 of 30 rows" in refused("evaluate", tmp_path / "holes.npy", "--labels", labels)
    np.save(tmp_path / "real.npy", np.linspace(0, 1, 30))
    assert "must be one column of whole numbers or texts" in refused("evaluate", place, "--labels", tmp_path / "real.npy")
    np.save(tmp_path / "one.npy", np.zeros(30, dtype=int))
    assert "class" in refused("evaluate", place, "--labels", tmp_path / "one.npy")
    (tmp_path / "text.npy").write_text("hello")
    assert "text.npy is no array" in refused("evaluate", tmp_path / "text.npy", "--labels", labels)
    (tmp_path / "x.csv").write_text("label,x\na,1\n")
    assert "has no columns e0" in refused("evaluate", tmp_path / "x.csv")
    np.save(tmp_path / "wide.npy", np.zeros((30, 9)))
    said = refused("evaluate", place, "--labels", labels, "--support", tmp_path / "wide.npy", "--support-labels", labels)
    assert "embeddings have 4 dimensions and support 9" in said
    assert "did you mean 'cosine'" in refused("evaluate", place, "--labels", labels, "--distance", "cosin")


def test_what_was_noticed_is_a_note_and_no_warning_of_python(tmp_path: Path, rows: np.ndarray) -> None:
    words = ("evaluate", tmp_path / "rows.npy", "--labels", tmp_path / "labels.npy", "--knn", 500)
    result = nearkin(*words)
    assert result.exit_code == 0
    assert "Warning" not in result.stderr
    assert "! knn@500 uses the 29 references that there are" in result.stderr
    assert nearkin(*words, "--json").stderr == ""


def test_blank_lines_and_a_byte_order_mark_are_no_labels(tmp_path: Path, rows: np.ndarray) -> None:
    plain = (tmp_path / "labels.txt").read_text()
    (tmp_path / "marked.txt").write_text(plain, encoding="utf-8-sig")
    (tmp_path / "blank.csv").write_text("label\n" + plain + "\n\n")
    wanted = scores(tmp_path / "rows.npy", "--labels", tmp_path / "labels.txt")
    assert scores(tmp_path / "rows.npy", "--labels", tmp_path / "marked.txt") == wanted
    assert scores(tmp_path / "rows.npy", "--labels", tmp_path / "blank.csv") == wanted


def test_files_that_hold_something_else_are_said_without_advice_on_pickles(tmp_path: Path, rows: np.ndarray) -> None:
    labels = tmp_path / "labels.npy"
    np.savez(tmp_path / "several.npz", rows=rows)
    (tmp_path / "junk.npy").write_bytes(b"junk")
    assert "holds several arrays (.npz)" in refused("evaluate", tmp_path / "several.npz", "--labels", labels)
    assert "it holds no plain numbers" in refused("evaluate", tmp_path / "junk.npy", "--labels", labels)
    assert "give --support as well" in refused(
        "evaluate", tmp_path / "rows.npy", "--labels", labels, "--support-labels", labels
    )


def test_every_run_of_a_study_can_be_judged_raw_pixels_too(tmp_path: Path) -> None:
    assert nearkin("compare", "quickstart", *QUICK, "methods=[{loss: n-pair, name: n}]", "--output", tmp_path).exit_code == 0
    runs = list((tmp_path / "runs").iterdir())
    assert len(runs) == 3
    for run in runs:
        wanted = json.loads((run / "run.json").read_text())["scores"]["map@r"]
        assert scores(run, "--no-clustering")["map@r"] == pytest.approx(wanted, abs=1e-4)


def test_a_stop_says_that_nothing_is_saved_where_nothing_is(
    tmp_path: Path, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nearkin.evaluation.evaluate", stopped)
    result = nearkin("evaluate", tmp_path / "rows.npy", "--labels", tmp_path / "labels.npy")
    assert (result.exit_code, result.stderr) == (130, "nearkin: stopped\n")
    monkeypatch.setattr("nearkin.comparison.read_recipe", stopped)
    result = nearkin("compare", "quickstart")
    assert result.exit_code == 130
    assert "the same command goes on from there" in result.stderr


def test_a_run_with_a_learned_distance_is_judged_without_a_word_on_learning(tmp_path):
    rows = np.random.default_rng(0).normal(size=(12, 3))
    (tmp_path / "run.json").write_text('{"distance": "mahalanobis"}')
    lines = [",".join(["i", str(i % 3), *map(str, row)]) for i, row in enumerate(rows)]
    (tmp_path / "embeddings.csv").write_text("\n".join(["id,label,e0,e1,e2", *lines]))
    found = nearkin("evaluate", str(tmp_path), "--json")
    assert found.exit_code == 0, found.output
    assert "learned nothing" not in found.output


def test_a_run_is_judged_by_its_own_distance_with_that_distances_options(tmp_path: Path) -> None:
    distances = [{"name": "snr-symmetric", "form": "max"}, {"name": "relative-mahalanobis", "rank": 3, "center": True, "power": 1}]
    methods = [{"name": d["name"], "loss": {"name": "triplet", "distance": d}} for d in distances]
    compare(recipe("seeds=1", methods=methods, protocols=["class-disjoint"]), tmp_path / "study")
    made = {}
    for path in (tmp_path / "study").glob("runs/*/run.json"):
        run = json.loads(path.read_text())
        made[run["method"]] = run
        found = scores(path.parent, "--at", 1, "--no-clustering")
        assert found["map@r"] == pytest.approx(run["scores"]["map@r"], abs=1e-9), run["method"]
    assert made["snr-symmetric"]["distance_options"]["form"] == "max"
    assert made["relative-mahalanobis"]["distance_options"]["rank"] == 3
    assert made["untrained"]["distance_options"] == {}
    plain = scores(tmp_path / "study" / "runs" / made["snr-symmetric"]["key"], "--distance", "snr-symmetric", "--no-clustering")
    assert plain["map@r"] != pytest.approx(made["snr-symmetric"]["scores"]["map@r"], abs=1e-9)
