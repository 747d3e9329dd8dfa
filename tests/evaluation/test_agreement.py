"""Scores equal pytorch-metric-learning's calculator and scikit-learn's neighbours where their definitions meet ours."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from evaluation.cases import random_case, tied_case
from nearkin.evaluation import evaluate

PAIRS = (("precision_at_1", "precision@1"), ("r_precision", "r-precision"), ("mean_average_precision_at_r", "map@r"))


def their_scores(x: np.ndarray, y: np.ndarray, x_ref=None, y_ref=None) -> dict[str, float]:
    """Their calculator on plain Euclidean distances in float64, by its own search (not faiss)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        accuracy = pytest.importorskip("pytorch_metric_learning.utils.accuracy_calculator")
        from pytorch_metric_learning.distances import LpDistance
        from pytorch_metric_learning.utils.inference import CustomKNN

        calculator = accuracy.AccuracyCalculator(
            include=[theirs for theirs, _ in PAIRS],
            k="max_bin_count",
            knn_func=CustomKNN(LpDistance(normalize_embeddings=False)),
            device=torch.device("cpu"),
        )
        arguments = [torch.from_numpy(each) for each in (x, y, x_ref, y_ref) if each is not None]
        return calculator.get_accuracy(*arguments)


@pytest.mark.parametrize("seed", range(5))
def test_retrieval_equals_pytorch_metric_learning_on_random_data(seed):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(12), [1, 1, 2, 2, 3, 5, 8, 13, 21, 30, 40, 60]))
    x = rng.normal(size=(12, 8))[y] + 1.5 * rng.normal(size=(len(y), 8))
    theirs, ours = their_scores(x, y), evaluate(x, y, clustering=False).scores
    for their_name, our_name in PAIRS:
        assert ours[our_name] == pytest.approx(theirs[their_name], abs=1e-6)


def test_retrieval_among_references_equals_pytorch_metric_learning():
    rng = np.random.default_rng(9)
    y, y_ref = rng.integers(0, 6, size=50), rng.integers(0, 5, size=90)
    x, x_ref = (rng.normal(size=(6, 4))[labels] + rng.normal(size=(len(labels), 4)) for labels in (y, y_ref))
    theirs = their_scores(x, y, x_ref, y_ref)
    ours = evaluate(x, y, references=x_ref, reference_labels=y_ref, clustering=False).scores
    for their_name, our_name in PAIRS:
        assert ours[our_name] == pytest.approx(theirs[their_name], abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_ties_within_a_class_leave_the_two_equal(seed):
    """Their order among equal distances is undefined. Here equal distances never hold both a relevant reference and
    another one (every point of a class comes several times, classes lie at their own distances), so it cannot matter."""
    rng = np.random.default_rng(seed)
    distinct, classes = rng.normal(size=(20, 3)), rng.integers(0, 5, size=20)
    copies = rng.integers(1, 6, size=20)
    place = rng.permutation(np.repeat(np.arange(20), copies))
    x, y = distinct[place], classes[place]
    found = evaluate(x, y, clustering=False)
    assert found.ties.queries == 0
    assert (np.diff(found.queries["distances"], axis=1) == 0).mean() > 0.3  # the ties are there
    theirs = their_scores(x, y)
    for their_name, our_name in PAIRS:
        assert found.scores[our_name] == pytest.approx(theirs[their_name], abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_where_ties_cross_classes_their_score_lies_within_our_bounds(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 3, size=(60, 3)).astype(float), rng.integers(0, 4, size=60)
    theirs = their_scores(x, y)
    with pytest.warns(UserWarning, match="equal distances at the cut"):
        ties = evaluate(x, y, clustering=False).ties
    for their_name, our_name in PAIRS:
        bounds = ties.bounds["recall@1" if our_name == "precision@1" else our_name]
        assert bounds.low - 1e-6 <= theirs[their_name] <= bounds.high + 1e-6
        assert bounds.low < bounds.high


def test_labels_above_two_to_the_24_are_right_where_theirs_are_not():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(20), 4)
    x = rng.normal(size=(20, 6))[y] * 100 + rng.normal(size=(80, 6))
    assert evaluate(x, y + 2**24, clustering=False).scores["map@r"] == 1.0


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("k", [1, 3, 7])
def test_knn_equals_scikit_learn(k, weights):
    neighbors = pytest.importorskip("sklearn.neighbors")
    train, test = random_case(1), random_case(2)
    x = np.vstack([test.x, train.x[:3]])  # three queries lie on a training point
    y = np.concatenate([test.y, train.y[:3]])
    model = neighbors.KNeighborsClassifier(k, weights=weights, algorithm="brute").fit(train.x, train.y)
    found = evaluate(x, y, support=train.x, support_labels=train.y, knn=(k,), clustering=False)
    name = f"knn@{k}" + ("-weighted" if weights == "distance" else "")
    assert found.queries[name].tolist() == (model.predict(x) == y).tolist()
    if weights == "uniform":
        assert found.queries[f"predicted@{k}"].tolist() == model.predict(x).tolist()


def test_knn_votes_equal_scikit_learns_on_tied_data_of_whole_neighbourhoods():
    """With as many neighbours as voters every tie at the cut is gone, and only tied votes are left to the smallest class."""
    neighbors = pytest.importorskip("sklearn.neighbors")
    train, test = tied_case(1), tied_case(2)
    for weights in ("uniform", "distance"):
        model = neighbors.KNeighborsClassifier(18, weights=weights, algorithm="brute").fit(train.x, train.y)
        name = "knn@18" + ("-weighted" if weights == "distance" else "")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = evaluate(test.x, test.y, support=train.x, support_labels=train.y, knn=(18,), clustering=False)
        assert found.queries[name].tolist() == (model.predict(test.x) == test.y).tolist()
