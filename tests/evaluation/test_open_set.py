"""Open-set scores of embeddings: answers by votes, and the distance to the answered class as the score."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nearkin.core import InputError
from nearkin.distances import make_distance
from nearkin.evaluation import open_set_scores
from oracles.knn import nearest, ranking, shares
from oracles.verification import open_set

rng = np.random.default_rng(0)
Y = np.repeat(np.arange(8), 5)
X = rng.normal(size=(8, 4))[Y] + 0.6 * rng.normal(size=(40, 4))


def by_loops(distance: str, k: int, unknown: set[int]) -> dict[str, float]:
    d = make_distance(distance)(torch.from_numpy(X)).detach().tolist()
    known = [j for j in range(40) if Y[j] not in unknown]
    correct, scores = {}, {}
    for i in range(40):
        near = nearest(d[i], [j for j in known if j != i], k)
        classes = sorted({int(Y[j]) for j in known})
        answer = ranking(shares([(d[i][j], int(Y[j])) for j in near], classes, "uniform"), classes)[0]
        correct[i] = int(answer == Y[i])
        scores[i] = -min(d[i][j] for j in near if Y[j] == answer)
    others = [i for i in range(40) if i not in known]
    return open_set([correct[i] for i in known], [scores[i] for i in known], [scores[i] for i in others])


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("distance", ["euclidean", "snr", "inner-product"])
def test_the_scores_are_those_of_votes_and_distances_one_by_one(distance, k):
    found = open_set_scores(X, Y, unknown=[2, 5], distance=distance, k=k)
    assert (found.known, found.unknown) == (30, 10)
    for name, value in by_loops(distance, k, {2, 5}).items():
        assert found.scores[name] == pytest.approx(value), name


def test_queries_of_classes_that_the_support_lacks_are_unknown():
    support = Y < 6
    support[::5] = False
    found = open_set_scores(X[~support], Y[~support], support=X[support], support_labels=Y[support])
    assert (found.known, found.unknown) == (6, 10)
    assert found.accuracy == np.mean(
        [Y[support][np.linalg.norm(X[support] - X[i], axis=1).argmin()] == Y[i] for i in range(0, 30, 5)]
    )


def test_an_unknown_row_answers_nobody():
    x = np.array([[0.0], [1.0], [1.1], [5.0], [0.01]])
    found = open_set_scores(x, [0, 0, 1, 1, 7], unknown=[7])
    assert found.accuracy == 0.5  # 0.0 finds 1.0 of its class, not the unknown row beside it


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "by support"),
        ({"unknown": [1], "support": X, "support_labels": Y}, "by support"),
        ({"support": X}, "together"),
        ({"unknown": [99]}, "no row has the label 99"),
        ({"unknown": ["a"]}, "whole numbers"),
        ({"unknown": []}, "empty"),
        ({"unknown": range(8)}, "two known rows"),
        ({"support": X, "support_labels": Y}, "empty"),
        ({"support": X[:, :2], "support_labels": Y}, "same network"),
        ({"unknown": [1], "k": 0}, "k must be"),
    ],
)
def test_what_cannot_be_judged_is_said(options, words):
    with pytest.raises(InputError, match=words):
        open_set_scores(X, Y, **options)
