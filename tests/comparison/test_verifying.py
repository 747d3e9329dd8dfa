"""Pairs in a study: the threshold comes from the training pairs, the rates are counted, the page shows them."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from comparison.studies import recipe
from nearkin.comparison import compare
from nearkin.comparison.verifying import _asking
from nearkin.core import InputError
from nearkin.data import load_images
from nearkin.report import summarise
from nearkin.report.study import read_study
from nearkin.report.titles import score_meaning, score_title
from nearkin.report.verification import read_verification


def asked(**evaluation: Any) -> Any:
    return recipe(
        "evaluation.verification=true",
        protocols=["closed-set", "class-disjoint"],
        methods=[{"name": "triplet", "loss": {"name": "triplet", "margin": 0.2}}],
        baseline="triplet",
        **evaluation,
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs") / "study"
    compare(asked(), folder)
    return folder


def run_of(folder: Path, kind: str, protocol: str) -> tuple[dict[str, Any], dict[str, Any], np.ndarray]:
    """run.json, verification.json and test embeddings of the first such run."""
    for path in sorted(folder.glob("runs/*/run.json")):
        run = json.loads(path.read_text())
        if (run["kind"], run["protocol"]) == (kind, protocol):
            facts = json.loads((path.parent / "verification.json").read_text())
            return run, facts, np.load(path.parent / "embeddings.npy").astype(np.float64)
    raise AssertionError(f"no run {kind} {protocol}")


@pytest.mark.parametrize("protocol", ["closed-set", "class-disjoint"])
@pytest.mark.parametrize("kind", ["trained", "untrained", "pixels"])
def test_rates_are_those_of_a_count_over_all_test_pairs(study: Path, kind: str, protocol: str) -> None:
    run, facts, rows = run_of(study, kind, protocol)
    split = json.loads((study / "splits" / f"{protocol}.json").read_text())
    labels = load_images("digits", limit_per_class=20).labels[split["test"]]
    threshold = facts["thresholds"]["eer"]["value"]
    within = {True: 0, False: 0}
    everything = {True: 0, False: 0}
    for a, b in itertools.combinations(range(len(rows)), 2):
        same = bool(labels[a] == labels[b])
        everything[same] += 1
        within[same] += math.dist(rows[a], rows[b]) <= threshold * (1 + 1e-9)
    assert (facts["asked_of"]["positive"], facts["asked_of"]["negative"]) == (everything[True], everything[False])
    test = facts["thresholds"]["eer"]["test"]
    assert test["tpr"] == pytest.approx(within[True] / everything[True], abs=2e-3)
    assert test["tnr"] == pytest.approx(1 - within[False] / everything[False], abs=2e-3)
    assert run["scores"]["tpr-at-threshold"] == test["tpr"] and run["scores"]["tnr-at-threshold"] == test["tnr"]
    assert sum(facts["histograms"]["test"]["positive"]) == pytest.approx(1, abs=0.01)


def test_histograms_and_curve_are_those_of_all_test_pairs(study: Path) -> None:
    _, facts, rows = run_of(study, "trained", "closed-set")
    split = json.loads((study / "splits" / "closed-set.json").read_text())
    labels = load_images("digits", limit_per_class=20).labels[split["test"]]
    upper = np.triu(np.ones((len(rows), len(rows)), dtype=bool), 1)
    apart = np.sqrt(np.square(rows[:, None] - rows[None]).sum(-1))
    same = labels[:, None] == labels[None]
    kinds = {"positive": apart[upper & same], "negative": apart[upper & ~same]}
    for kind, distances in kinds.items():
        shares = np.histogram(distances, facts["edges"])[0] / len(distances)
        assert np.abs(shares - facts["histograms"]["test"][kind]).sum() < 0.02  # a pair on an edge may fall either way
    far, tar = np.array(facts["roc"]["far"]), np.array(facts["roc"]["tar"])
    assert (far[0], tar[0], far[-1], tar[-1]) == (0, 0, 1, 1) and (np.diff(far) >= 0).all() and (np.diff(tar) >= 0).all()
    for false, true in zip(far, tar, strict=True):
        accepted = round(true * len(kinds["positive"]))
        reached = np.sort(kinds["positive"])[accepted - 1] if accepted else -1.0
        beyond = np.sort(np.append(kinds["positive"], np.inf))[accepted]
        assert (kinds["negative"] <= reached).mean() - 1e-5 <= false <= (kinds["negative"] <= beyond).mean() + 1e-5


def test_the_threshold_is_that_of_equal_error_on_the_training_pairs(study: Path) -> None:
    _, facts, _ = run_of(study, "pixels", "closed-set")
    split = json.loads((study / "splits" / "closed-set.json").read_text())
    known = split["train"] + split["validation"]
    images = load_images("digits", limit_per_class=20)
    rows, labels = images.scaled(known).reshape(len(known), -1).astype(np.float64), images.labels[known]
    assert facts["chosen_on"]["positive"] == sum(int(n) * (int(n) - 1) // 2 for n in np.bincount(labels))
    apart = np.sqrt(np.maximum(np.square(rows[:, None] - rows[None]).sum(-1), 0))
    upper = np.triu(np.ones(apart.shape, dtype=bool), 1)
    same = labels[:, None] == labels[None]
    value = facts["thresholds"]["eer"]["value"]
    accepted, refused = (apart[upper & ~same] <= value).mean(), (apart[upper & same] > value).mean()
    assert accepted == pytest.approx(refused, abs=0.005)


def test_the_report_shows_pairs_and_their_scores(study: Path) -> None:
    summary = summarise(study)
    for protocol in summary.protocols:
        assert {found.method for found in protocol.verified} == {row.method.name for row in protocol.rows}
        assert {"verification-auc", "eer", "tar@far=0.1"} <= set(protocol.scores)
    assert score_title("tar@far=0.01") == "TAR@FAR=0.01" and score_meaning("eer")
    page = (study / "report.html").read_text("utf-8")
    assert "Same or different" in page and '"rule":"otsu"' in page


def test_without_the_option_nothing_is_written_and_a_recipe_keeps_its_name(tmp_path: Path) -> None:
    assert "verification" not in recipe("evaluation.verification=false").evaluation
    assert recipe("evaluation.verification=false").evaluation == recipe().evaluation
    assert asked().evaluation["verification"] is True


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda facts: facts.pop("edges"), "edges"),
        (lambda facts: facts["edges"].pop(), "do not fit together"),
        (lambda facts: facts["roc"].update(far=["x"]), "roc|far|number"),
        (lambda facts: facts["scores"].pop("eer"), "eer"),
    ],
)
def test_a_damaged_file_is_named(study: Path, tmp_path: Path, change: Any, words: str) -> None:
    from dataclasses import replace

    run = read_study(study).runs[0]
    facts = json.loads((run.folder / "verification.json").read_text())
    change(facts)
    (tmp_path / "verification.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match=words):
        read_verification(replace(run, folder=tmp_path))
    assert read_verification(replace(run, folder=tmp_path / "none")) is None


def test_novel_classes_make_no_pairs_where_known_ones_ask_too() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2, 3])

    def asking(train: list[int], test: list[int]) -> list[bool]:
        return _asking(labels, SimpleNamespace(train=np.array(train), test=np.array(test))).tolist()

    assert asking([0, 2], [1, 3, 4, 5]) == [True, True, False, False]
    assert asking([0, 2], [4, 5, 6]) == [True, True, True]
