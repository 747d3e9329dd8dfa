"""What learned negatives must beat: the segment, mirrored points, points between, each against slow loops."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nearkin.core import InputError, InputTypeError
from nearkin.generation import EmbeddingExpansion, Segment, SymmetricalSynthesis, select_rows
from nearkin.losses import Contrastive, NPair, Triplet, TripletNetwork
from nearkin.losses.angular import Angular
from nearkin.losses.lifted import Lifted
from oracles import contrastive, generation, lifted, mining, n_pair, triplet
from oracles.distances import PAIR, squared_euclidean
from oracles.gradient import value_and_gradient
from oracles.kin import Kin

LABELS = [0, 1, 0, 2, 1, 2, 0, 3, 1]
X = np.random.default_rng(7).normal(size=(9, 3))
TWOS = [(0, 2), (1, 4), (3, 5)]
ALL = [(0, 2), (0, 6), (1, 4), (1, 8), (2, 6), (3, 5), (4, 8)]


def kin_of_sets(pairs: list[tuple[int, int]]) -> Kin:
    """Row i: its own column is the positive, columns of other classes are negatives."""
    classes = [LABELS[i] for i, _ in pairs]
    count = range(len(pairs))
    return Kin(
        [[i] for i in count], [[j for j in count if classes[j] != classes[i]] for i in count], [{} for _ in count]
    )


def over_all(d: Any, kin: Kin, cost: Any) -> Any:
    return triplet.over_triplets(d, mining.all_valid(kin), cost)


BASES: list[tuple[Any, str, list[tuple[int, int]], Callable[..., Any]]] = [
    (Triplet(0.7), "euclidean", ALL, lambda d, kin: over_all(d, kin, triplet.linear_hinge(0.7))),
    (
        Triplet(0.7, distance="squared-euclidean", reduction="mean_nonzero"), "squared-euclidean", ALL,
        lambda d, kin: triplet.over_triplets(d, mining.all_valid(kin), triplet.linear_hinge(0.7), "mean_nonzero"),
    ),
    (
        Triplet(0.7, mining="batch-hard", distance="cosine"), "cosine", ALL,
        lambda d, kin: triplet.over_triplets(d, mining.batch_hard(d, kin), triplet.linear_hinge(0.7)),
    ),
    (NPair(), "inner-product", TWOS, lambda d, kin: n_pair.over_positive_pairs(d, kin)),
    (Contrastive(2.0), "euclidean", ALL, lambda d, kin: contrastive.contrastive(d, kin, margin=2.0)),
    (TripletNetwork(), "euclidean", ALL, lambda d, kin: over_all(d, kin, triplet.ratio())),
    (Lifted(1.0), "euclidean", ALL, lambda d, kin: crowds(d, kin)),
]  # fmt: skip


def crowds(d: Any, kin: Kin) -> Any:
    """The lifted loss of sets: both ends of a pair have its set's crowd of negatives."""
    both = Kin(kin.positives, kin.negatives, kin.weights)
    total: Any = 0.0
    for i in both.rows:
        crowd = [1.0 - d[i][k] for k in both.negatives[i]] * 2
        total += lifted.square(lifted.hinge(lifted.log_sum_exp(crowd) + d[i][i]))
    return total / (2 * len(both.positives))


POINTS: list[tuple[Any, Callable[..., Any]]] = [
    (SymmetricalSynthesis, generation.symmetrical_points),
    (EmbeddingExpansion, lambda a, p: generation.expanded_points(a, p, 2)),
    (lambda base: EmbeddingExpansion(base, points=3), lambda a, p: generation.expanded_points(a, p, 3)),
]


@pytest.mark.parametrize(("make", "points"), POINTS, ids=["mirrored", "two between", "three between"])
@pytest.mark.parametrize(("base", "distance", "pairs", "cost"), BASES, ids=[repr(b[0]).split("(\n")[0] for b in BASES])
def test_sets_of_points_equal_slow_loops(make, points, base, distance: str, pairs, cost) -> None:
    def oracle(x: Any) -> Any:
        ends = [(x[i], x[j]) for i, j in pairs]
        d = generation.sets_apart(PAIR[distance], ends, [points(*end) for end in ends])
        return cost(d, kin_of_sets(pairs))

    value, slopes = value_and_gradient(oracle, {"x": X})
    x = torch.tensor(X, requires_grad=True)
    found = make(base)(x, torch.tensor(LABELS))
    slope = torch.autograd.grad(found, x)[0]
    np.testing.assert_allclose(float(found.detach()), value, 1e-10)
    np.testing.assert_allclose(slope.numpy(), slopes["x"], 1e-8, 1e-10)


def test_mirrored_points_keep_length_and_angle() -> None:
    from nearkin.generation.symmetrical_synthesis import symmetrical_points

    a, p = torch.tensor(X[:4]), torch.tensor(X[4:8])
    points = symmetrical_points(a, p)
    torch.testing.assert_close(points[:, 2].norm(dim=1), p.norm(dim=1))
    torch.testing.assert_close((points[:, 2] * a).sum(1), (p * a).sum(1))
    torch.testing.assert_close((points[:, 3] * p).sum(1), (a * p).sum(1))


def test_points_between_unit_embeddings_are_unit() -> None:
    from nearkin.generation.embedding_expansion import expanded_points

    a, p = (torch.nn.functional.normalize(torch.tensor(part), dim=1) for part in (X[:4], X[4:8]))
    torch.testing.assert_close(expanded_points(a, p, 5).norm(dim=2), torch.ones(4, 7, dtype=torch.float64))


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("t", [0.3, 0.5, 1.0])
def test_the_segment_equals_slow_loops(t: float, weight: float) -> None:
    labels = torch.tensor(LABELS)
    base = Triplet(0.7, distance="squared-euclidean")
    rows = select_rows(base, torch.tensor(X), labels, generator=torch.Generator().manual_seed(2))
    triples = list(zip(*(index.flatten().tolist() for index in rows), strict=True))

    def oracle(x: Any) -> Any:
        total: Any = 0.0
        for a, p, n in triples:
            g = [
                generation.real(u) + t * (generation.real(v) - generation.real(u))
                for u, v in zip(x[a], x[n], strict=True)
            ]
            near = squared_euclidean(x[a], x[p]) + 0.7
            total += (1 - weight) * generation.hinge(near - squared_euclidean(x[a], x[n]))
            total += weight * generation.hinge(near - squared_euclidean(x[a], g))
        return total / len(triples)

    value, slopes = value_and_gradient(oracle, {"x": X})
    x = torch.tensor(X, requires_grad=True)
    found = Segment(base, t, weight)(x, labels, generator=torch.Generator().manual_seed(2))
    np.testing.assert_allclose(float(found.detach()), value, 1e-12)
    np.testing.assert_allclose(torch.autograd.grad(found, x)[0].numpy(), slopes["x"], 1e-9, 1e-12)


def test_a_generated_negative_is_seen_by_its_own_anchor_alone() -> None:
    """Other anchors' classes may resemble it: the loss of an anchor knows the negatives of its own rows, no others."""
    x, labels = torch.tensor(X), torch.tensor(LABELS)
    seen = []

    class Watching(Triplet):
        def rows(self, block):
            seen.append((block.distances.shape, block.references.shape[0]))
            return super().rows(block)

    Segment(Watching())(x, labels, generator=torch.Generator().manual_seed(2))
    assert seen == [((14, 2), 0)] * 2


METHODS = [Segment, SymmetricalSynthesis, EmbeddingExpansion]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "base", [Triplet(), Triplet(mining="random"), Triplet(mining="semi-hard"), NPair(), Lifted()], ids=repr
)
@pytest.mark.parametrize("labels", [[], [1], [1, 1], [1, 2, 3], [0, 0, 1, 1, 2]])
def test_any_batch_gives_a_finite_value_in_the_graph(method, base, labels: list[int]) -> None:
    for point in (False, True):
        x = torch.tensor(X[: len(labels)] * (not point)).requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            measure = method(base).measure(x, torch.tensor(labels, dtype=torch.int64), generator=torch.Generator())
        slope = torch.autograd.grad(measure.value, x)[0]
        assert bool(measure.value.isfinite()) and bool(slope.isfinite().all())
        if len(set(labels)) < 2:
            assert measure.value == 0


@pytest.mark.parametrize("method", METHODS)
def test_measures_say_what_happened(method) -> None:
    loss = method(Triplet(0.7))
    measure = loss.measure(torch.tensor(X), torch.tensor(LABELS), generator=torch.Generator())
    assert 0 < measure.active <= 1
    assert 0 < measure.positive and 0 < measure.negative
    value: Tensor = loss(torch.tensor(X), torch.tensor(LABELS), generator=torch.Generator())
    assert value == measure.value


def test_what_cannot_work_is_refused_in_words() -> None:
    x, labels = torch.tensor(X), torch.tensor(LABELS)
    with pytest.raises(InputError, match="sets of points need a symmetric distance, not SNR"):
        SymmetricalSynthesis(Triplet(distance="snr"))(x, labels)
    with pytest.raises(InputError, match="random mining draws numbers: pass generator="):
        EmbeddingExpansion(Triplet(mining="random"))(x, labels)
    for method in METHODS[1:]:
        with pytest.raises(InputError, match="Angular reads the embeddings, not their distances"):
            method(Angular())
    for method in METHODS:
        with pytest.raises(InputTypeError, match=r"labels must be integers of shape \(9,\), got torch.float64"):
            method(Triplet())(x, x[:, 0])
    with pytest.raises(InputError, match="points must be a whole number of at least 1"):
        EmbeddingExpansion(Triplet(), points=0)
    with pytest.raises(InputError, match="t must be a number from 0 to 1, got 1.2"):
        Segment(Triplet(), t=1.2)
