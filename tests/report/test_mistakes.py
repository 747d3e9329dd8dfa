"""The worst mistakes and the distances between classes, against slow forms."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearkin.report.class_distances import class_distances
from nearkin.report.confusion import Confusion, Mixup
from nearkin.report.mistakes import LISTED, NEIGHBOURS, mistakes, pictured
from nearkin.report.records import Records
from nearkin.report.study import Run


def records_of(near: np.ndarray, distances: np.ndarray) -> Records:
    texts = ("",) * len(near)
    return Records(texts, texts, texts, {}, {}, near, distances)


def ranked(labels: list[int], rows: np.ndarray, listed: int) -> list[tuple[int, int]]:
    """(image, number of strangers before its first kin) of every mistake, worst first, by a loop over sorted neighbours."""
    found = []
    for image, row in enumerate(rows):
        near = sorted((abs(row - other), place) for place, other in enumerate(rows) if place != image)[:listed]
        strangers = 0
        for _, place in near:
            if labels[place] == labels[image]:
                break
            strangers += 1
        if strangers and labels.count(labels[image]) > 1:
            found.append((-strangers, near[0][0], image))
    return [(image, -minus) for minus, _, image in sorted(found)]


@given(st.integers(0, 500))
def test_mistakes_are_those_of_a_slow_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, rows = rng.integers(0, 4, 30).tolist(), rng.permutation(30) + rng.random(30) * 0.1
    apart = np.abs(rows[:, None] - rows[None])
    np.fill_diagonal(apart, np.inf)
    near = np.argsort(apart, axis=1, kind="stable")[:, :7]
    found = mistakes("m", 3, records_of(near, np.take_along_axis(apart, near, 1)), np.array(labels))
    assert found is not None
    wanted = ranked(labels, rows, 7)
    assert [each.image for each in found.worst] == [image for image, _ in wanted][:LISTED]
    for mistake, (image, strangers) in zip(found.worst, wanted):
        assert mistake.first_kin == (strangers + 1 if strangers < 7 else None)
        assert mistake.neighbours == tuple(near[image, :NEIGHBOURS])
        assert mistake.distances == tuple(apart[image, near[image, :NEIGHBOURS]])
    assert (found.count, found.recorded) == (len(wanted), 7)
    assert found.asked == sum(labels.count(label) > 1 for label in labels)


def test_a_record_without_neighbours_has_no_mistakes() -> None:
    assert mistakes("m", 0, records_of(np.empty((3, 0), dtype=np.int64), np.empty((3, 0))), np.zeros(3, np.int64)) is None
    padded = mistakes("m", 0, records_of(np.full((3, 2), -1), np.full((3, 2), np.nan)), np.zeros(3, np.int64))
    assert padded is not None and (padded.count, padded.asked, padded.worst) == (0, 0, ())


def test_the_sheet_holds_the_worst_of_every_method_first() -> None:
    rng = np.random.default_rng(0)
    labels, near = np.arange(40) // 2, np.stack([rng.permutation(40)[:6] for _ in range(40)])
    found = [mistakes(name, 0, records_of(near, rng.random((40, 6))), labels) for name in "ab"]
    thumbnails = rng.integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    shown = [each for each in found if each is not None]
    whole = pictured(shown, thumbnails, 1 << 20)
    first = [each.worst[0].image for each in shown]
    assert sorted(whole.number.values()) == list(range(len(whole.number)))
    assert {place for each in shown for m in each.worst for place in (m.image, *m.neighbours)} == set(whole.number)
    few = pictured(shown, thumbnails, 700)
    assert 0 < len(few.number) < len(whole.number) and few.number[first[0]] == 0
    assert pictured(shown, None, 100).sprite is None


def embedded(folder: Path, rows: np.ndarray) -> Run:
    np.save(folder / "embeddings.npy", rows.astype(np.float32))
    return Run(folder, "k", "m", "p", 0, "euclidean", {}, 0.0, 0, (), {})


def test_class_distances_are_means_over_pairs(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    labels, rows = np.array([0, 0, 0, 1, 1, 2]), rng.normal(size=(6, 3)).astype(np.float32)
    found = class_distances(embedded(tmp_path, rows), labels, ["a", "b", "c"], None)
    assert found.classes == ("a", "b", "c")
    for i in range(3):
        for j in range(3):
            pairs = [math.dist(rows[a], rows[b]) for a in range(6) for b in range(6) if a != b and (labels[a], labels[b]) == (i, j)]
            if pairs:
                assert found.mean[i, j] == pytest.approx(sum(pairs) / len(pairs), rel=1e-6)
            else:
                assert math.isnan(found.mean[i, j])


def test_of_many_classes_those_mixed_up_most_are_drawn(tmp_path: Path) -> None:
    names, labels = [f"c{i}" for i in range(60)], np.repeat(np.arange(60), 2)
    mixups = (Mixup("c50", "c7", 9, 0.5), Mixup("c59", "c50", 8, 0.4))
    confused = Confusion("m", 5, 1, tuple(names), tuple(names), None, 0.5, mixups)
    found = class_distances(embedded(tmp_path, np.random.default_rng(0).normal(size=(120, 2))), labels, names, confused)
    assert len(found.classes) == 24 and {"c7", "c50", "c59", "c0"} <= set(found.classes)
    assert list(found.classes) == sorted(found.classes, key=lambda name: int(name[1:])) and found.of == 60
