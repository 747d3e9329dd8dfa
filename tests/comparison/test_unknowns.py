"""Novel classes before anybody enrolled them: how well the distance to the nearest known image tells them apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from comparison.test_few_shot import FEW, few_shot_recipe, runs_of
from nearkin.comparison import compare
from nearkin.core import InputError
from nearkin.data import load_images, make_split
from nearkin.report import summarise, to_table
from nearkin.report.study import read_study
from nearkin.report.unknowns import read_unknowns


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unknowns") / "study"
    compare(few_shot_recipe(), folder)
    return folder


def nearest_known() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each test image, as pixels: the distance to the nearest known one, whether that is of its class, whether its is known."""
    images = load_images("digits", limit_per_class=20)
    split = make_split(images, "few-shot", seed=1, few_shot=FEW)
    answering = np.concatenate([split.train, split.validation])
    rows = images.scaled().reshape(len(images), -1).astype(np.float64)
    apart = np.sqrt(np.square(rows[split.test][:, None] - rows[answering][None]).sum(-1))
    labels = images.labels[answering]
    right = labels[apart.argmin(1)] == images.labels[split.test]
    return apart.min(1), right, np.isin(images.labels[split.test], labels)


def test_scores_are_those_of_a_count_over_images_and_thresholds(study: Path) -> None:
    folder = runs_of(study)["pixels", 0]
    facts, scores = (json.loads((folder / name).read_text()) for name in ("unknowns.json", "run.json"))
    scores = scores["scores"]
    distance, right, known = nearest_known()
    assert (facts["known"], facts["unknown"]) == (int(known.sum()), int((~known).sum()))
    nearer = np.sign(distance[~known][None] - distance[known][:, None])
    assert scores["auroc"] == pytest.approx(((nearer + 1) / 2).mean())
    enough = np.sort(distance[known])[int(np.ceil(0.95 * known.sum())) - 1]
    assert scores["fpr@95tpr"] == pytest.approx((distance[~known] <= enough).mean())
    steps = [0.0, *np.sort(distance)]
    fpr = np.array([(distance[~known] <= step).mean() for step in steps])
    ccr = np.array([(right[known] & (distance[known] <= step)).mean() for step in steps])
    assert scores["oscr"] == pytest.approx((np.diff(fpr) * (ccr[1:] + ccr[:-1]) / 2).sum())
    assert facts["curve"]["ccr"][-1] == pytest.approx(right[known].mean(), rel=1e-5)
    assert (facts["curve"]["fpr"][0], facts["curve"]["tpr"][0]) == (0, 0)
    assert (facts["curve"]["fpr"][-1], facts["curve"]["tpr"][-1]) == (1, 1)
    for kind, chosen in (("known", known), ("unknown", ~known)):
        counted = np.histogram(distance[chosen], facts["edges"])[0] / chosen.sum()
        assert (
            np.abs(counted - facts["histograms"][kind]).sum() < 2.1 / chosen.sum()
        )  # one on an edge may fall either way


def test_the_report_shows_every_method_s_scores(study: Path) -> None:
    summary = summarise(study)
    (protocol,) = summary.protocols
    assert {found.method for found in protocol.unknowns} == {row.method.name for row in protocol.rows}
    (results,) = json.loads((study / "results.json").read_text())["protocols"]
    for row in results["rows"]:
        assert {"auroc", "fpr@95tpr", "oscr"} <= set(row["scores"])
    page = (study / "report.html").read_text("utf-8")
    assert "Known or unknown" in page and "FPR of unknowns@95TPR" in page
    assert "tells images of novel classes" in page
    console = Console(width=80)
    with console.capture() as capture:
        console.print(to_table(summary))
    assert "of the unknown are" in " ".join(capture.get().split())


def test_a_study_without_novel_classes_has_no_unknowns(tmp_path: Path) -> None:
    known_alone = {**FEW, "classes": None, "novel": False}
    compare(few_shot_recipe("seeds=1", split={"seed": 1, "few_shot": known_alone}), tmp_path)
    assert not list(tmp_path.glob("runs/*/unknowns.json"))
    assert not summarise(tmp_path).protocols[0].unknowns
    assert "auroc" not in json.loads((tmp_path / "results.json").read_text())["protocols"][0]["rows"][0]["scores"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda facts: facts.pop("edges"), "edges"),
        (lambda facts: facts["edges"].pop(), "do not fit together"),
        (lambda facts: facts["curve"]["ccr"].pop(), "do not fit together"),
        (lambda facts: facts["histograms"].update(known=["x"]), "known"),
        (lambda facts: facts["scores"].pop("oscr"), "oscr"),
    ],
)
def test_a_damaged_file_is_named(study: Path, tmp_path: Path, change: Any, words: str) -> None:
    run = read_study(study).runs[0]
    facts = json.loads((run.folder / "unknowns.json").read_text())
    change(facts)
    (tmp_path / "unknowns.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match=words):
        read_unknowns(replace(run, folder=tmp_path))
    assert read_unknowns(replace(run, folder=tmp_path / "none")) is None
