"""A distance object with its learned L judges embeddings: retrieval, votes and clusters are those of L, not of its name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evaluation.cases import CLASSES, random_case, tied_case
from evaluation.test_retrieval import KS, check, quietly
from nearkin.distances import Mahalanobis, make_distance
from nearkin.evaluation import evaluate, kmeans
from oracles.arithmetic import real
from oracles.distances import LEARNED, matrix
from oracles.retrieval import Oracle

WHOLE = np.array([[1, -2, 0, 1], [0, 1, 1, -1]])
"""A rank 2 map of whole numbers, which keeps exact ties exact."""


def made(name, factor, **options):
    distance = make_distance(name, **options).double()
    distance.load_state_dict({"weight": torch.tensor(factor, dtype=torch.float64)})
    return distance


def by_loops(name, factor, x, z=None, **options):
    pair = LEARNED[name]
    rows = matrix(lambda a, b: pair(a, b, factor.tolist(), **options), x.tolist(), (x if z is None else z).tolist())
    return [[round(real(d), 11) for d in row] for row in rows]


@pytest.mark.parametrize("options", [{}, {"power": 1}, {"center": True}], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_asymmetric_retrieval_equals_the_loops(seed, options):
    case, factor = random_case(seed), np.random.default_rng(seed).normal(size=(3, 5))
    d = by_loops("relative-mahalanobis", factor, case.x, **options)
    truth = Oracle(d, case.y.tolist(), case.y.tolist(), ks=KS)
    found = quietly(case.x, case.y, distance=made("relative-mahalanobis", factor, **options))
    check(found, truth)
    for i, order in enumerate(truth.orders):
        assert found.queries["neighbours"][i].tolist() == order[:10]
        assert found.queries["distances"][i] == pytest.approx([d[i][j] for j in order[:10]], rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_ties_after_the_map_are_ties(seed):
    case = tied_case(seed)
    truth = Oracle(by_loops("mahalanobis", WHOLE, case.x), case.y.tolist(), case.y.tolist(), ks=KS)
    check(quietly(case.x, case.y, distance=made("mahalanobis", WHOLE)), truth)


@pytest.mark.parametrize("name", LEARNED)
def test_references_answer_through_l_and_votes_and_clusters_see_it(name):
    queries, gallery = random_case(1), random_case(2)
    factor = np.random.default_rng(3).normal(size=(2, 5))
    distance = made(name, factor)
    d = by_loops(name, factor, queries.x, gallery.x)
    truth = Oracle(d, queries.y.tolist(), gallery.y.tolist(), excluded=lambda i, j: False, ks=KS)
    check(quietly(queries.x, queries.y, distance=distance, references=gallery.x, reference_labels=gallery.y), truth)

    found = evaluate(queries.x, queries.y, distance=distance, knn=(1, 3))
    projected = distance.project(torch.tensor(queries.x)).detach()
    same = evaluate(projected, queries.y, distance="euclidean", knn=(1, 3))  # orders of both are Euclidean there
    plain = evaluate(queries.x, queries.y, distance="euclidean", knn=(1, 3))
    for score, value in found.scores.items():
        assert value == pytest.approx(same.scores[score]), score
    assert found.scores != plain.scores
    best = kmeans(projected, len(set(CLASSES)), seed=0)[0]
    assert found.clustering.best.inertia == pytest.approx(best.inertia)
    assert f"rank={len(factor)}" in found.clustering.what


def test_evaluation_leaves_l_and_its_gradient_alone():
    case = random_case(0)
    distance = made("mahalanobis", np.random.default_rng(3).normal(size=(2, 5)))
    before = distance.weight.detach().clone()
    quietly(torch.tensor(case.x, dtype=torch.float32), case.y, distance=distance)
    assert torch.equal(distance.weight, before)
    assert distance.weight.grad is None


def test_an_inverse_covariance_finds_classes_that_noise_hides():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 12)
    x = np.concatenate(
        [rng.normal(size=(10, 3))[labels] * 3 + rng.normal(size=(120, 3)), 50 * rng.normal(size=(120, 2))], 1
    )
    by = {kind: Mahalanobis.from_covariance(x, labels, kind=kind) for kind in ("global", "within")}
    scores = {kind: quietly(x, labels, distance=distance).scores["map@r"] for kind, distance in by.items()}
    assert scores["global"] > 1.5 * quietly(x, labels).scores["map@r"]
    assert scores["within"] > 1.5 * quietly(x, labels).scores["map@r"]


@pytest.mark.parametrize("name", LEARNED)
def test_a_learned_distance_by_name_alone_says_that_it_has_learned_nothing(name):
    case = random_case(0)
    assert "has learned nothing" in quietly(case.x, case.y, distance=name).notes[0]
    assert not any("learned" in note for note in quietly(case.x, case.y, distance=make_distance(name)).notes)
