"""Every valid triplet is counted without being listed: sums, counts and slopes equal those of the list."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import Tensor

from nearkin.mining import TripletCounts, TripletSums, all_triplets, count_triplets
from nearkin.mining.all_triplets import _cube

MARGIN = 0.5


def hinge(z: Tensor) -> tuple[Tensor, Tensor]:
    return torch.relu(z + MARGIN), (z + MARGIN > 0).to(z.dtype)


def squared(z: Tensor) -> tuple[Tensor, Tensor]:
    excess = torch.relu(z + MARGIN)
    return excess.square(), 2 * excess


def smooth(z: Tensor) -> tuple[Tensor, Tensor]:
    share = torch.sigmoid(z)
    return share.square(), 2 * share.square() * (1 - share)


TERMS: list[Callable[[Tensor], tuple[Tensor, Tensor]]] = [hinge, squared, smooth]


def drawn(seed: int, rows: int, columns: int, grid: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    distances = rng.integers(0, 5, (rows, columns)) / 2 if grid else rng.random((rows, columns)) * 2
    side = rng.integers(0, 3, (rows, columns))
    weights = rng.random((rows, columns)) + 0.1
    return (
        torch.tensor(distances, dtype=torch.float64),
        torch.tensor(side == 0),
        torch.tensor(side == 1),
        torch.tensor(weights),
    )


def listed(
    distances: Tensor,
    positives: Tensor,
    negatives: Tensor,
    term: Callable[[Tensor], tuple[Tensor, Tensor]],
    weights: Tensor | None,
) -> TripletSums:
    """The same by a list of triplets and plain autograd."""
    total = distances.sum() * 0
    valid = active = 0.0
    for i in range(len(distances)):
        for p in positives[i].nonzero().flatten().tolist():
            weight = 1.0 if weights is None else float(weights[i, p])
            for n in negatives[i].nonzero().flatten().tolist():
                value = term(distances[i, p] - distances[i, n])[0]
                total = total + weight * value
                valid += weight
                active += weight * (value.item() > 0)
    return TripletSums(total, torch.tensor(valid, dtype=torch.float64), torch.tensor(active, dtype=torch.float64))


@pytest.mark.parametrize("term", TERMS)
@given(
    seed=some.integers(0, 9999),
    rows=some.integers(0, 5),
    columns=some.integers(0, 7),
    grid=some.booleans(),
    graded=some.booleans(),
)
def test_sums_counts_and_slopes_equal_those_of_the_list(term, seed, rows, columns, grid, graded):
    distances, positives, negatives, weights = drawn(seed, rows, columns, grid)
    given_weights = weights if graded else None
    distances.requires_grad_()
    wanted = listed(distances, positives, negatives, term, given_weights)
    for form in (all_triplets, cube):
        found = form(distances, positives, negatives, term, given_weights)
        for one, other in zip(found, wanted):
            torch.testing.assert_close(one.detach().double(), other.detach().double(), rtol=1e-12, atol=1e-12)
        (slope,) = torch.autograd.grad(found.total, distances, retain_graph=True)
        (wanted_slope,) = torch.autograd.grad(wanted.total, distances, retain_graph=True)
        torch.testing.assert_close(slope, wanted_slope, rtol=1e-12, atol=1e-12)


def cube(distances, positives, negatives, term, weights):
    """The form that a compiler traces, with what it is given."""
    weighted = positives if weights is None else torch.where(positives, weights, 0)
    count = (weighted.sum(1) * negatives.sum(1)).sum()
    return _cube(distances, positives, negatives, term, weighted, count)


@pytest.mark.parametrize("term", [squared, smooth])
@pytest.mark.parametrize("graded", [False, True])
def test_second_derivatives_are_right(term, graded):
    distances, _, _, weights = drawn(3, 3, 6, False)
    positives = torch.tensor([[0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 0], [0] * 6]) == 1  # as many as can be unlike
    negatives = torch.tensor([[0, 0, 0, 0, 1, 1], [1, 1, 0, 1, 0, 0], [1] * 6]) == 1
    distances.requires_grad_()

    def total(d: Tensor) -> Tensor:
        return all_triplets(d, positives, negatives, term, weights if graded else None).total

    assert torch.autograd.gradcheck(total, distances)
    (plain,), (twice,) = (torch.autograd.grad(total(distances), distances, create_graph=more) for more in (False, True))
    torch.testing.assert_close(twice, plain, rtol=1e-12, atol=1e-14)
    assert torch.autograd.gradgradcheck(total, distances)


def test_a_second_backward_through_the_same_graph_gives_the_same_slope():
    distances, positives, negatives, _ = drawn(3, 3, 6, False)
    distances.requires_grad_()
    total = all_triplets(distances, positives, negatives, hinge).total
    first = torch.autograd.grad(3 * total, distances, retain_graph=True)[0]
    second = torch.autograd.grad(3 * total, distances)[0]
    assert torch.equal(first, second)


def test_counts_beyond_float32_are_exact():
    """20,011 x 3,001 triplets in a row are more than 2^24 holds."""
    columns = 20_011 + 3_001
    positives = torch.arange(columns)[None] < 3_001
    sums = all_triplets(torch.zeros(1, columns), positives, ~positives, lambda z: (z * 0, z * 0))
    assert int(sums.valid) == 20_011 * 3_001


def test_the_order_of_columns_does_not_matter():
    distances, positives, negatives, weights = drawn(5, 4, 8, True)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    one = all_triplets(distances, positives, negatives, hinge, weights)
    other = all_triplets(distances[:, order], positives[:, order], negatives[:, order], hinge, weights[:, order])
    for a, b in zip(one, other):
        torch.testing.assert_close(a, b, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0])
@given(seed=some.integers(0, 9999), rows=some.integers(1, 5), columns=some.integers(1, 7))
def test_triplets_are_easy_semi_hard_or_hard_and_nothing_else(margin, seed, rows, columns):
    distances, positives, negatives, _ = drawn(seed, rows, columns, True)
    easy = semi_hard = hard = 0
    for i in range(rows):
        for p in positives[i].nonzero().flatten().tolist():
            for n in negatives[i].nonzero().flatten().tolist():
                near, far = float(distances[i, p]), float(distances[i, n])
                easy += far >= near + margin
                hard += far < near
                semi_hard += near <= far < near + margin
    found = count_triplets(distances, positives, negatives, margin)
    assert found == TripletCounts(easy, semi_hard, hard)
    assert found.total == int((positives.sum(1) * negatives.sum(1)).sum())
