"""Defects that were seen elsewhere by running it: here the right value is asserted, not only another one."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nearkin.losses import LOSSES, Contrastive, NPair, RowLoss, Triplet, TripletNetwork, make_loss
from sweeps.variants import ROW_LOSSES

GENERATOR_SEED = 1


def normal(*shape: int, seed: int = GENERATOR_SEED) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, Y = normal(12, 4), torch.tensor([0, 1, 0, 2, 1, 0, 2, 2, 1, 0, 3, 0])
LINEAR = {"form": "linear", "average": "sides"}


def several() -> list[RowLoss]:
    return [
        *(make_loss(name) for name in ROW_LOSSES),
        Contrastive(form="linear"),
        NPair(pairs="all"),
        *(Triplet(mining=mining) for mining in ("semi-hard", "semi-hard-set", "batch-hard")),
    ]


def ids(loss: RowLoss) -> str:
    return repr(loss).replace("\n", " ")[:60]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_log_of_exponentials_does_not_saturate(dtype):
    """Positive orthogonal and two negatives equal to the anchor, products of 100: log(1 + 2 e^100), not 87.337."""
    anchor = torch.tensor([[10.0, 0.0]], dtype=dtype)
    columns = torch.tensor([[0.0, 10.0], [10.0, 0.0], [10.0, 0.0]], dtype=dtype)
    value = NPair(pairs="all")(anchor, torch.tensor([0]), columns, torch.tensor([0, 1, 1]))
    assert value.item() == pytest.approx(100 + math.log(2), rel=1e-6)
    assert value.item() == pytest.approx(100.693, abs=1e-3)


def test_triplets_into_references_address_rows_of_the_references_and_any_number_of_them():
    z, triplets = normal(20, 4, seed=2), torch.tensor([[0, 19, 3], [11, 2, 17]])
    d = torch.cdist(X, z)
    wanted = torch.relu(torch.stack([d[a, p] - d[a, n] for a, p, n in triplets.tolist()]) + 0.2).mean()
    assert Triplet()(X, references=z, triplets=triplets).item() == pytest.approx(wanted.item())
    assert Triplet()(X, references=z[:20], triplets=triplets.unbind(1)).item() == pytest.approx(wanted.item())


@pytest.mark.parametrize("loss", several(), ids=ids)
@pytest.mark.parametrize("far", [2**24, 2**53, 2**62, -(2**62)])
def test_large_labels_are_as_good_as_small_ones(loss, far):
    assert torch.equal(loss(X, Y + far), loss(X, Y))


def test_one_positive_and_one_negative_pair_are_enough():
    """One query against {positive, negative}: the values by hand, never 0."""
    query, columns = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.5]])
    label, labels = torch.tensor([0]), torch.tensor([0, 1])
    assert Contrastive()(query, label, columns, labels).item() == pytest.approx((0.5 * 25 + 0.5 * 0.25) / 2)
    assert Contrastive(**LINEAR)(query, label, columns, labels).item() == pytest.approx(5 + 0.5)
    assert Triplet(0.2)(query, label, columns, labels).item() == pytest.approx(5 - 0.5 + 0.2)
    assert TripletNetwork()(query, label, columns, labels).item() == pytest.approx(2 / (1 + math.exp(-4.5)) ** 2)
    assert NPair(distance="euclidean")(query, label, columns, labels).item() == pytest.approx(math.log1p(math.exp(4.5)))


def test_two_samples_of_a_class_and_one_of_another():
    """Four negative pairs and two positive ones, ordered."""
    x, y = torch.tensor([[0.0], [2.0], [2.5]]), torch.tensor([0, 0, 1])
    assert Contrastive()(x, y).item() == pytest.approx((2 * 0.5 * 4 + 2 * 0.5 * 0.25) / 6)
    assert Triplet(0.2)(x, y).item() == pytest.approx((0 + (2 - 0.5 + 0.2)) / 2)


@pytest.mark.parametrize("loss", several(), ids=ids)
def test_a_copy_of_the_labels_is_as_good_as_the_labels(loss):
    assert torch.equal(loss(X, Y), loss(X, Y.clone()))
    if not loss.tuples:
        both = loss(X, Y, X, Y), loss(X, Y, X.clone(), Y.clone())
        assert torch.equal(*both)  # references are other samples, whoever made them, ...
        numbers = torch.arange(12)
        known = loss(X, Y, X, Y, ids=numbers, reference_ids=numbers.clone())
        torch.testing.assert_close(known, loss(X, Y), rtol=1e-12, atol=1e-12)  # ... unless ids say otherwise


def test_duplicates_are_positives_and_only_self_is_not_a_pair():
    """Four times the same row, two classes: distances are 0 and pairs all the same."""
    x, y = torch.ones(4, 2), torch.tensor([0, 0, 1, 1])
    assert Contrastive(1.0)(x, y).item() == pytest.approx(8 * 0.5 / 12)
    seen = Triplet(0.2).measure(x, y)
    assert seen.value.item() == pytest.approx(0.2)
    assert seen.active == 1.0
    assert seen.positive == seen.negative == 0.0
    same = torch.tensor([5, 5, 6, 7])
    assert Contrastive(1.0)(x, y, ids=same).item() == pytest.approx(8 * 0.5 / 10)  # two views of one sample: no pair


@pytest.mark.parametrize("loss", several(), ids=ids)
def test_the_order_of_the_references_does_not_matter(loss):
    z, other = normal(9, 4, seed=3), torch.tensor([0, 1, 2, 0, 1, 2, 3, 0, 5])
    order = torch.randperm(9, generator=torch.Generator().manual_seed(5))
    x, z = X.clone().requires_grad_(), z.requires_grad_()
    one, two = loss(x, Y, z, other), loss(x, Y, z[order], other[order])
    torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)
    for a, b in zip(torch.autograd.grad(one, [x, z]), torch.autograd.grad(two, [x, z])):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loss", several(), ids=ids)
def test_half_precision_runs_and_gives_a_float32_loss(loss):
    exact = loss(X.bfloat16().double(), Y)
    for dtype in (torch.bfloat16, torch.float16):
        x = X.bfloat16().to(dtype).requires_grad_()
        value = loss(x, Y)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=1e-5)
        assert torch.autograd.grad(value, x)[0].isfinite().all()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(X.bfloat16().float(), Y).dtype == torch.float32


EVERY_DISTANCE = ("cosine", "euclidean", "inner-product", "snr", "squared-euclidean")
WORKING = [(name, distance) for name in ROW_LOSSES for distance in LOSSES[name].make.distances or EVERY_DISTANCE]


@pytest.mark.parametrize(("name", "distance"), WORKING)
def test_duplicate_points_of_equal_and_unequal_labels_have_finite_gradients(name, distance):
    x = normal(8, 4)
    x[1], x[2], x[5] = x[0], x[0], x[4]
    x = x.requires_grad_()
    value = make_loss(name, distance=distance)(x, torch.tensor([0, 0, 1, 1, 2, 2, 1, 0]))
    assert value.isfinite()
    assert torch.autograd.grad(value, x)[0].isfinite().all()


def test_large_distances_never_overflow():
    """An exponential of 1000 would; the share of the positive is 1 or 0."""
    a, p, n = (torch.tensor([[value]], dtype=torch.float64) for value in (0.0, 1000.0, 1.0))
    from nearkin.core.tensors import Own

    assert TripletNetwork()(a, own=Own.triplets(p, n)).item() == pytest.approx(2.0)
    assert TripletNetwork()(a, own=Own.triplets(n, p)).item() == pytest.approx(0.0, abs=1e-300)
    for loss in (
        make_loss("combined-negatives"),
        make_loss("combined-negatives", printed=True),
        NPair(distance="euclidean"),
    ):
        assert loss(a, own=Own.triplets(p, n)).isfinite()
        assert loss(a, own=Own.triplets(n, p)).isfinite()
