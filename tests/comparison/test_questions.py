"""Images that say who asks and who answers: only queries are judged, by the gallery alone."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from comparison.studies import recipe
from nearkin.comparison import Recipe, compare
from nearkin.core import InputError
from nearkin.data import ImageSet, load_images

METHOD = [{"name": "siamese", "loss": "contrastive"}]


def flagged(*, queries: bool = True, gallery: bool = True, overlap: bool = True) -> ImageSet:
    """Digits with random flags; the two may both stand at an image."""
    images = load_images("digits", limit_per_class=20)
    rng = np.random.default_rng(5)
    asks = rng.random(len(images)) < 0.5
    answers = rng.random(len(images)) < 0.7 if overlap else ~asks
    return replace(images, queries=asks if queries else None, gallery=answers if gallery else None)


def small(**parts: object) -> Recipe:
    return recipe(methods=METHOD, seeds=1, evaluation={"at": [1, 2], "knn": [1], "clustering": True}, **parts)


@pytest.mark.parametrize("flags", [{}, {"queries": False}, {"gallery": False}, {"overlap": False}], ids=["both", "gallery", "queries", "apart"])
@pytest.mark.parametrize("protocol", ["closed-set", "class-disjoint"])
def test_queries_are_judged_by_the_gallery_alone(tmp_path: Path, protocol: str, flags: dict) -> None:
    images = flagged(**flags)
    compare(small(protocols=[protocol]), tmp_path / "study", images=images)
    test = np.array(json.loads((tmp_path / "study" / "splits" / f"{protocol}.json").read_text())["test"])
    run = next(path for path in (tmp_path / "study" / "runs").iterdir() if json.loads((path / "run.json").read_text())["kind"] == "trained")
    rows = list(csv.DictReader((run / "records.csv").read_text().splitlines()))
    embeddings = np.load(run / "embeddings.npy").astype(np.float64)
    everyone = np.ones(len(images), bool)
    asks = (everyone if images.queries is None else images.queries)[test]
    answers = (everyone if images.gallery is None else images.gallery)[test]
    assert [int(row["query"]) for row in rows] == test.tolist()
    first = []
    for place, row in enumerate(rows):
        candidates = [other for other in range(len(test)) if answers[other] and other != place]
        if not asks[place]:
            assert {row[name] for name in ("hits@1", "ap@r", "knn@1", "predicted@1", "neighbours", "distances")} == {""}
            continue
        near = sorted(candidates, key=lambda other: (np.linalg.norm(embeddings[other] - embeddings[place]), other))
        assert [int(other) for other in row["neighbours"].split()] == [test[other] for other in near[:10]]
        right = images.labels[test[near[0]]] == images.labels[test[place]]
        assert float(row["knn@1"]) == right
        if any(images.labels[test[other]] == images.labels[test[place]] for other in candidates):
            assert float(row["hits@1"]) == right
            first.append(right)
    record = json.loads((run / "run.json").read_text())
    assert record["scores"]["recall@1"] == pytest.approx(np.mean(first))
    assert any("may answer" in note for note in record["notes"])
    assert (tmp_path / "study" / "report.html").exists()


def test_flags_make_another_study(tmp_path: Path) -> None:
    compare(small(), tmp_path / "study", images=flagged())
    with pytest.raises(InputError, match="the images or their labels are not the same"):
        compare(small(), tmp_path / "study", images=flagged(gallery=False))


def test_questions_without_any_answer_are_refused_before_training(tmp_path: Path) -> None:
    images = load_images("digits", limit_per_class=20)
    images = replace(images, queries=images.labels < 5, gallery=images.labels >= 5)
    with pytest.raises(InputError, match=r"closed-set: no test image that asks \(query\) has another"):
        compare(small(), tmp_path / "study", images=images)
    itself = np.zeros(len(images), bool)
    itself[:] = images.labels == 0
    alone = replace(images, queries=itself, gallery=images.labels > 0)
    with pytest.raises(InputError, match="nothing to find"):
        compare(small(), tmp_path / "study", images=alone)
