"""Few-shot studies: kNN and a classifier on the same questions, k by folds, novel classes enrolled and never trained on."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comparison.studies import recipe
from nearkin.comparison import compare
from nearkin.comparison.few_shot_answers import Searched, Side, right_by_knn, voters_for_five
from nearkin.comparison.problems import RecipeError
from nearkin.core import derived_seed
from nearkin.data import load_images, make_split
from nearkin.decision import Space
from nearkin.decision.choosing import choose_k

FEW = {"classes": 7, "images_per_class": 10, "train_per_class": 7, "novel": True}
METHODS = [
    {"name": "softmax", "loss": "joint"},
    {"name": "triplet", "loss": {"name": "triplet", "mining": "semi-hard", "margin": 1.0}, "network": {"normalize": True}},
]


def few_shot_recipe(*changes: str, **parts: Any):
    given = {
        "protocols": ["few-shot"],
        "split": {"seed": 1, "few_shot": FEW},
        "methods": METHODS,
        "primary": "top-1",
        "baseline": "softmax",
    }
    return recipe(*changes, **{**given, **parts})


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few") / "study"
    compare(few_shot_recipe(), folder)
    return folder


def runs_of(folder: Path) -> dict[tuple[str, int], Path]:
    found = {}
    for path in folder.glob("runs/*/run.json"):
        run = json.loads(path.read_text())
        assert run["status"] == "done", run
        found[run["method"], run["seed"]] = path.parent
    return found


def columns_of(folder: Path) -> dict[str, list[str]]:
    with open(folder / "records.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return dict(zip(header, zip(*rows), strict=True))


def numbers(column: Any) -> np.ndarray:
    return np.array([float(cell) if cell else np.nan for cell in column])


def slow_right(asked: Side, known: Side, k: int) -> tuple[np.ndarray, np.ndarray]:
    """One query at a time: the k nearest, 1/d for each class, ties to the lower class."""
    first, five = [], []
    for row, label in zip(asked.rows.astype(np.float64), asked.labels, strict=True):
        distances = np.sqrt(np.square(known.rows - row).sum(1))
        near = np.argsort(distances, kind="stable")[:k]
        votes: dict[int, float] = {}
        for place in near:
            votes[int(known.labels[place])] = votes.get(int(known.labels[place]), 0.0) + 1 / distances[place]
        order = sorted(votes, key=lambda one: (-votes[one], one))
        first.append(order[0] == label)
        five.append(label in order[:5])
    return np.array(first, float), np.array(five, float)


def test_every_method_answers_the_same_questions_by_its_own_answer_and_by_knn(study: Path) -> None:
    images = load_images("digits", limit_per_class=20)
    split = make_split(images, "few-shot", seed=1, few_shot=FEW)
    known = np.isin(images.labels[split.test], images.labels[split.train])
    for (method, _), folder in runs_of(study).items():
        columns, scores = columns_of(folder), json.loads((folder / "run.json").read_text())["scores"]
        assert columns["query"] == tuple(map(str, split.test))
        for name in ("top-1", "top-5", "knn-top-1", "knn-top-5", "means-top-1", "means-top-5"):
            values = numbers(columns[name])
            assert np.array_equal(np.isnan(values), ~known)
            assert scores[name] == pytest.approx(np.nanmean(values))
        assert (columns["top-1"] == columns["knn-top-1"]) == (method != "softmax")
        if method == "softmax":
            assert columns["top-1"] == columns["accuracy"] and columns["top-5"] == columns["accuracy-top5"]
            assert "classifier" not in scores
        assert scores["train-knn-top-1-in-index"] >= scores["train-knn-top-1"]


def test_novel_classes_are_asked_for_among_all_and_among_themselves(study: Path) -> None:
    images = load_images("digits", limit_per_class=20)
    split = make_split(images, "few-shot", seed=1, few_shot=FEW)
    asked = images.labels[split.test]
    new = ~np.isin(asked, images.labels[split.train])
    pixels = images.scaled().reshape(len(images), -1)
    folder = runs_of(study)["pixels", 0]
    columns, run = columns_of(folder), json.loads((folder / "run.json").read_text())
    said = next(note for note in run["notes"] if "kNN with k" in note)
    k, five = (int(re.search(words, said)[1]) for words in (r"k = (\d+)", r"(\d+) vote for top-5"))
    side = lambda places: Side(pixels[places], images.labels[places])  # noqa: E731
    answering = np.concatenate([split.train, split.validation])
    everything = np.concatenate([answering, split.enrolled])
    for place, (top, voters) in enumerate(((1, k), (5, five))):
        slow = slow_right(side(split.test), side(everything), voters)[place]
        np.testing.assert_array_equal(numbers(columns[f"all-classes-top-{top}"]), slow)
        np.testing.assert_array_equal(numbers(columns[f"all-classes-novel-top-{top}"])[new], slow[new])
        assert np.isnan(numbers(columns[f"all-classes-novel-top-{top}"])[~new]).all()
        assert np.isnan(numbers(columns[f"all-classes-known-top-{top}"])[new]).all()
    among, _ = slow_right(side(split.test[new]), side(split.enrolled), k)
    np.testing.assert_array_equal(numbers(columns["novel-top-1"])[new], among)
    of_known, _ = slow_right(side(split.test[~new]), side(answering), k)
    np.testing.assert_array_equal(numbers(columns["top-1"])[~new], of_known)


def test_the_nearest_class_mean_answers_too(study: Path) -> None:
    images = load_images("digits", limit_per_class=20)
    split = make_split(images, "few-shot", seed=1, few_shot=FEW)
    pixels = images.scaled().reshape(len(images), -1).astype(np.float64)
    answering = np.concatenate([split.train, split.validation])
    classes = np.unique(images.labels[answering])
    means = {label: pixels[answering[images.labels[answering] == label]].mean(0) for label in classes}
    asked = split.test[np.isin(images.labels[split.test], classes)]
    near = [sorted(classes, key=lambda label, row=pixels[q]: np.square(row - means[label]).sum()) for q in asked]
    columns = columns_of(runs_of(study)["pixels", 0])
    known = np.isin(images.labels[split.test], classes)
    for top in (1, 5):
        slow = [images.labels[q] in order[:top] for q, order in zip(asked, near, strict=True)]
        np.testing.assert_array_equal(numbers(columns[f"means-top-{top}"])[known], np.array(slow, float))


def test_the_paired_test_compares_the_classifier_with_the_vote(study: Path) -> None:
    results = json.loads((study / "results.json").read_text())["protocols"][0]
    rows = {row["method"]: row for row in results["rows"]}
    assert rows["triplet"]["difference"]["b"] == "softmax"
    assert rows["triplet"]["difference"]["queries"] == 21  # 7 known classes, 3 images each
    assert rows["triplet"]["scores"]["all-classes-top-1"]["queries"] == 30


def test_k_is_chosen_by_folds_of_the_known_images(study: Path) -> None:
    images = load_images("digits", limit_per_class=20)
    split = make_split(images, "few-shot", seed=1, few_shot=FEW)
    answering = np.concatenate([split.train, split.validation])
    rows = images.scaled(answering).reshape(len(answering), -1)
    found = choose_k(Space(), rows, images.labels[answering], folds=5, seed=derived_seed(0, "folds"))
    notes = json.loads((runs_of(study)["pixels", 0] / "run.json").read_text())["notes"]
    shares = ", ".join(f"{k}: {share:.4f}" for k, share in found.accuracy.items())
    assert f"kNN with k = {found.k}, weighted by distance, chosen by 5 folds of the known images ({shares})" in notes[-1]


def test_one_known_image_a_class_leaves_no_choice_of_k(tmp_path: Path) -> None:
    few = {"images_per_class": 3, "train_per_class": 1, "validation_per_class": 0}
    training = {"steps": 1, "classes_per_batch": 4, "images_per_class": 1}
    compare(few_shot_recipe("seeds=1", split={"few_shot": few}, training=training, methods=METHODS[:1]), tmp_path)
    notes = json.loads((runs_of(tmp_path)["softmax", 0] / "run.json").read_text())["notes"]
    assert "kNN with k = 1: there is one known image a class" in notes[-1]


def test_for_five_classes_five_neighbours_or_more_vote_as_is_best_for_images_left_out() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(20), 7)
    rows = (rng.normal(size=(20, 3))[labels] + 0.9 * rng.normal(size=(140, 3))).astype(np.float32)
    left_out = {}
    for k in (5, 7, 9):
        others = [np.arange(140) != one for one in range(140)]
        asked = [Side(rows[[one]], labels[[one]]) for one in range(140)]
        left_out[k] = np.mean([slow_right(ask, Side(rows[of], labels[of]), k)[1][0] for ask, of in zip(asked, others, strict=True)])
    assert voters_for_five(Space(), Side(rows, labels)) == max(left_out, key=lambda k: (left_out[k], k))
    apart = Side(np.eye(20, dtype=np.float32)[labels], labels)
    assert voters_for_five(Space(), apart) == 9  # all right with any, so as many as can be


def test_a_vote_where_distances_go_below_zero_is_not_weighted() -> None:
    known = Side(np.array([[1.0, 0], [0.9, 0], [0, 1]], dtype=np.float32), np.array([1, 1, 0]))
    searched = Searched.by("inner-product", {"unread": 1})
    found = right_by_knn(searched.space, Side(known.rows[:1], known.labels[:1]), known, {"1": 3})
    assert found["1"].tolist() == [1.0]


def test_weights_are_chosen_on_validation_images_answered_by_those_trained_on(tmp_path: Path) -> None:
    compare(few_shot_recipe("seeds=1", primary="knn-top-1"), tmp_path / "study")
    images = load_images("digits", limit_per_class=20)
    split = make_split(images, "few-shot", seed=1, few_shot=FEW)
    folder = runs_of(tmp_path / "study")["triplet", 0]
    best = json.loads((folder / "run.json").read_text())["best_validation"]
    assert round(best * len(split.validation)) == pytest.approx(best * len(split.validation))  # a share of the 7 images
    none = few_shot_recipe("seeds=1", split={"few_shot": {**FEW, "validation_per_class": 0}})
    compare(none, tmp_path / "none")
    folder = runs_of(tmp_path / "none")["triplet", 0]
    assert json.loads((folder / "run.json").read_text())["best_validation"] is None


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"split": {"few_shot": {"clases": 7}}}, "did you mean 'classes'"),
        ({"split": {"few_shot": {"novel": True}}}, "say how many"),
        ({"primary": "novel-top-1"}, "primary"),
        ({"protocols": ["closed-set"]}, "primary"),
    ],
)
def test_mistakes_are_said_before_anything_is_trained(parts: Mapping[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        few_shot_recipe(**parts)


def test_a_recipe_without_few_shot_is_written_as_before() -> None:
    assert "few_shot" not in recipe().as_section()["split"]
