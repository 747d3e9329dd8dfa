"""What each formula promises beyond its value: identities, limits, which pair the gradient listens to, documented errors."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nearkin.core import InputError
from nearkin.core.tensors import Own
from nearkin.losses import CombinedNegatives, Contrastive, NPair, Triplet, TripletNetwork, TupleTriplet
from nearkin.mining import SemiHard
from oracles.contrastive import ready_pairs
from oracles.gradient import value_and_gradient
from oracles.tuples import tuple_triplets


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


A, P = normal(5, 4), normal(5, 4, seed=1)
CLASSES = torch.arange(5)


def slope(value: Tensor, x: Tensor) -> Tensor:
    return torch.autograd.grad(value, x)[0]


# Contrastive


def test_a_negative_pair_is_pushed_along_its_difference_by_what_is_missing_to_the_margin():
    x = torch.tensor([[0.0, 0.0], [0.3, 0.4]], dtype=torch.float64, requires_grad=True)
    (push,) = torch.autograd.grad(Contrastive(1.0)(x, torch.tensor([0, 1])), x)
    difference = (x[1] - x[0]).detach()
    torch.testing.assert_close(push[1], -(1.0 - 0.5) * difference / 0.5)
    torch.testing.assert_close(push[0], -push[1])


def test_a_negative_pair_at_distance_zero_costs_but_has_no_direction():
    x = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    value = Contrastive(1.0)(x, torch.tensor([0, 1]))
    assert value.item() == 0.5
    assert not slope(value, x).any()


def test_far_negatives_are_left_alone():
    x = torch.tensor([[0.0], [3.0]], dtype=torch.float64, requires_grad=True)
    for loss in (Contrastive(1.0), Contrastive(1.0, form="linear"), Contrastive(3.0), Contrastive(3.0, form="linear")):
        value = loss(x, torch.tensor([0, 1]))
        assert value.item() == 0
        assert not slope(value, x).any()


def test_the_linear_form_on_squared_distances_has_no_half():
    x, y = torch.tensor([[0.0], [1.5], [1.0]]), torch.tensor([0, 0, 1])
    loss = Contrastive(2.0, form="linear", average="pairs", reduction="mean", distance="squared-euclidean")
    assert loss(x, y).item() == pytest.approx((2 * 2.25 + 2 * (2 - 1) + 2 * (2 - 0.25)) / 6)


def test_two_sides_keep_one_positive_pair_from_drowning_among_negatives():
    x = torch.cat([torch.zeros(1, 2), torch.tensor([[0.6, 0.8]]), 100 * torch.eye(2)])
    y = torch.tensor([0, 0, 1, 2])
    assert Contrastive(1.0)(x, y).item() == pytest.approx(2 * 0.5 / 12)
    assert Contrastive(1.0, average="sides")(x, y).item() == pytest.approx(0.5)


@pytest.mark.parametrize("margin", [0.5, 3.0])
def test_ready_pairs_pull_the_same_and_push_the_different(margin):
    first, second = A.clone().requires_grad_(), P.clone().requires_grad_()
    different = [1, 0, 0, 1, 1]
    value, gradient = value_and_gradient(
        lambda first, second: ready_pairs(first, second, different, margin), {"first": A.numpy(), "second": P.numpy()}
    )
    loss = Contrastive(margin)
    for polarity in ({"different": torch.tensor(different)}, {"same": 1 - torch.tensor(different)}):
        got = loss.pairs(first, second, **polarity)
        assert got.item() == pytest.approx(value, rel=1e-12)
        for found, wanted in zip(torch.autograd.grad(got, [first, second]), gradient.values(), strict=True):
            torch.testing.assert_close(found, torch.tensor(wanted), rtol=1e-10, atol=1e-12)


def test_margins_below_0_say_how_large_inner_products_should_be():
    """The products are 0.7 of the pair of kin, 0.8 and 0.56 of the others."""
    x = torch.tensor([[1.0, 0.0], [0.7, 2.0], [0.8, 0.0]], dtype=torch.float64)
    loss = Contrastive(-0.6, form="linear", positive_margin=-0.9, distance="inner-product")
    assert loss(x, torch.tensor([0, 0, 1])).item() == pytest.approx((0.9 - 0.7) + (0.8 - 0.6), rel=1e-12)
    for margin in (0.0, -0.6):
        with pytest.raises(InputError, match="margin must be a finite number above 0"):
            Contrastive(margin)


# Triplets


def test_the_soft_margin_is_exact_far_beyond_20():
    """A softplus that turns linear above 20 is off by 1e-9 there."""
    x = torch.tensor([[0.0], [30.0], [9.5]], dtype=torch.float64)
    value = Triplet(hinge="soft")(x[:1], torch.tensor([0]), x[1:], torch.tensor([0, 1]))
    assert value.item() == pytest.approx(20.5 + math.log1p(math.exp(-20.5)), abs=1e-13)
    assert value.item() != 20.5


def test_a_triplet_exactly_at_the_margin_is_not_active():
    x, y = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64), torch.tensor([0, 0, 1])
    x.requires_grad_()
    loss = Triplet(1.0, reduction="mean_nonzero")
    value = loss(x[:1], y[:1], x[1:], y[1:])
    assert value.item() == 0
    assert not slope(value, x).any()
    assert Triplet(1.0).measure(x[:1], y[:1], x[1:], y[1:]).active == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("block_size", [None, 7])
@pytest.mark.parametrize("mining", ["all", "semi-hard-set"])
def test_copies_of_a_row_are_equally_far(mining, block_size, dtype):
    """Products round the distances of a row to two copies of another differently: a triplet at its corner would count."""
    x, places = torch.nn.functional.normalize(normal(64, 16)), torch.arange(32)
    x[:32] = x[32:]
    y = torch.cat([places // 4, places // 2 + 100])
    loss = Triplet(0.2 if mining == "semi-hard-set" else 0.0, mining=mining, block_size=block_size)
    loss.precise = 0
    d = (x.double()[:, None] - x.double()).square().sum(2).sqrt()
    kin = y[:, None] == y
    z = (d[:, :, None] - d[:, None])[(kin & ~torch.eye(64, dtype=torch.bool))[:, :, None] & ~kin[:, None]]
    active = z[(z < 0) & (z > -0.2)] + 0.2 if mining == "semi-hard-set" else z[z > 0]
    assert int((z == 0).sum()) > 100
    measured = loss.measure(x.to(dtype), y)
    count = len(active) if mining == "semi-hard-set" else len(z)
    assert measured.active == (1 if mining == "semi-hard-set" else len(active) / len(z))
    assert measured.value.item() == pytest.approx(float(active.sum()) / count, rel=1e-6 if dtype == torch.float32 else 1e-12)


def of_rows(x: Tensor) -> Tensor:
    """All distances by differences; 0 with gradient 0 between equal rows."""
    squared = (x[:, None] - x).square().sum(2)
    return torch.where(squared > 0, squared, 1).sqrt() * (squared > 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("block_size", [None, 7])
def test_batch_hard_chooses_among_near_duplicates_and_copies_as_float64_does(block_size, dtype):
    """Distances to a class that nearly is a point differ by less than float32 tells; a wrong choice moves another row."""
    y = torch.arange(64) // 8
    x = torch.nn.functional.normalize(normal(8, 128))[y] + 1e-6 * normal(64, 128, seed=1)
    x[9] = x[12] = x[13]
    x = x.to(dtype).requires_grad_()
    loss = Triplet(hinge="soft", mining="batch-hard", block_size=block_size)
    loss.precise = 0
    value = loss(x, y)
    exact = x.detach().double().requires_grad_()
    d = of_rows(exact)
    kin, rows = y[:, None] == y, torch.arange(64)
    farthest = torch.where(kin & ~torch.eye(64, dtype=torch.bool), d, -1).argmax(1)
    nearest = torch.where(kin, torch.inf, d).argmin(1)
    wanted = torch.nn.functional.softplus(d[rows, farthest] - d[rows, nearest]).mean()
    torch.testing.assert_close(value.double(), wanted, rtol=1e-6, atol=0)
    torch.testing.assert_close(slope(value, x).double(), slope(wanted, exact), rtol=0, atol=1e-6 / 64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("block_size", [None, 50])
@pytest.mark.parametrize("fallback", ["easiest", "skip"])
def test_semi_hard_chooses_among_near_duplicates_and_copies_as_float64_does(fallback, block_size, dtype):
    """Four rows of unlike classes nearly are one: which of them is nearest, or farther than a positive, float32 does not tell."""
    x = torch.nn.functional.normalize(normal(40, 64)).repeat_interleave(4, 0) + 1e-6 * normal(160, 64, seed=1)
    x[9] = x[8]
    x, y = x.to(dtype).requires_grad_(), torch.arange(160) % 40
    loss = Triplet(hinge="soft", mining=SemiHard(fallback), block_size=block_size)
    loss.precise = 0
    value = loss(x, y)
    exact = x.detach().double().requires_grad_()
    d = of_rows(exact)
    kin = y[:, None] == y
    anchor, positive = (kin & ~torch.eye(160, dtype=torch.bool)).nonzero().unbind(1)
    near, far = d[anchor, positive], torch.where(kin, torch.inf, d)[anchor]
    beyond = torch.where(far > near[:, None], far, torch.inf)
    some = beyond.amin(1) < torch.inf
    negative = torch.where(some, beyond.argmin(1), torch.where(far < torch.inf, far, -1).argmax(1))
    terms = torch.nn.functional.softplus(near - d[anchor, negative])
    wanted = terms[some].mean() if fallback == "skip" else terms.mean()
    torch.testing.assert_close(value.double(), wanted, rtol=1e-6, atol=0)
    torch.testing.assert_close(slope(value, x).double(), slope(wanted, exact), rtol=0, atol=1e-8)


def test_the_divisor_of_active_terms_is_a_constant_for_the_gradient():
    x, y = normal(6, 3).requires_grad_(), torch.tensor([0, 0, 1, 1, 2, 2])
    active = Triplet(1.0).measure(x, y).active
    mean, nonzero = Triplet(1.0)(x, y), Triplet(1.0, reduction="mean_nonzero")(x, y)
    assert 0 < active < 1
    torch.testing.assert_close(nonzero, mean / active)
    torch.testing.assert_close(slope(nonzero, x), slope(mean, x) / active)


def test_semi_hard_ignores_a_negative_as_near_as_the_positive():
    """d(a, p) = 1, negatives at 1 and 3: only 3 is farther; without it the fallback takes the farthest, 1."""
    x = torch.tensor([[0.0], [1.0], [-1.0], [3.0]], dtype=torch.float64)
    anchor, y = torch.tensor([0]), torch.tensor([0, 1, 1])
    loss = Triplet(0.5, mining="semi-hard")
    assert loss(x[:1], anchor, x[1:], y).item() == 0
    assert loss(x[:1], anchor, x[1:3], y[:2]).item() == 0.5


def test_a_term_beyond_the_margin_still_counts_under_semi_hard():
    """Two positive pairs; one has its nearest farther negative beyond the margin: cost 0, divisor 2."""
    x = torch.tensor([[0.0], [1.0], [2.0], [2.1], [9.0]], dtype=torch.float64)
    loss = Triplet(0.5, mining="semi-hard")
    value = loss(x[:1], torch.tensor([0]), x[1:], torch.tensor([0, 0, 1, 1]))
    assert value.item() == pytest.approx((0 + (2 - 2.1 + 0.5)) / 2)


@pytest.mark.parametrize("by_hand", [True, False])
def test_the_semi_hard_set_is_open_at_both_ends(by_hand):
    x = torch.tensor([[0.0], [1.0], [-1.0], [1.25], [2.0]], dtype=torch.float64)
    loss = Triplet(1.0, mining="semi-hard-set")
    if not by_hand:
        loss.closed = None
    value = loss(x[:1], torch.tensor([0]), x[1:], torch.tensor([0, 1, 1, 1]))
    assert value.item() == 0.75


# The triplet network


def test_the_squared_norm_of_the_shares_is_twice_the_square_of_the_positive_share():
    a, p, n = normal(7, 3), normal(7, 3, seed=1), normal(7, 3, seed=2)
    near, far = (a - p).norm(dim=1).exp(), (a - n).norm(dim=1).exp()
    shares = torch.stack([near / (near + far), far / (near + far) - 1], 1)
    value = TripletNetwork()(a, own=Own.triplets(p, n))
    assert value.item() == pytest.approx(shares.square().sum(1).mean().item(), rel=1e-12)
    assert TripletNetwork(scale=1.0)(a, own=Own.triplets(p, n)).item() == pytest.approx(shares.square().mean().item())


def test_its_gradient_vanishes_for_very_easy_and_for_very_wrong_triplets():
    sizes = []
    for far in (0.001, 5.0, 30.0):
        a = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
        p, n = (torch.tensor([[value]], dtype=torch.float64, requires_grad=True) for value in (15.0, far))
        sizes.append(abs(slope(TripletNetwork()(a, own=Own.triplets(p, n)), n).item()))
    assert sizes[0] < 1e-5
    assert sizes[2] < 1e-10
    a = torch.zeros(1, 1, dtype=torch.float64)
    n = torch.tensor([[15.0]], dtype=torch.float64, requires_grad=True)
    middle = slope(TripletNetwork()(a, own=Own.triplets(n.detach(), n)), n)
    assert middle.item() == pytest.approx(-4 * 0.25 * 0.5)


# N-pair


def test_n_pair_is_the_cross_entropy_of_inner_products():
    value = NPair()(A, CLASSES, P, CLASSES)
    assert value.item() == pytest.approx(torch.nn.functional.cross_entropy(A @ P.T, CLASSES).item(), rel=1e-12)


def test_zero_embeddings_are_a_saddle_of_n_pair_at_log_n():
    zero = torch.zeros(5, 4, dtype=torch.float64, requires_grad=True)
    value = NPair()(zero, CLASSES, torch.zeros_like(zero), CLASSES)
    assert value.item() == pytest.approx(math.log(5))
    assert not slope(value, zero).any()
    lower = NPair()(0.1 * A, CLASSES, 0.1 * A, CLASSES)
    assert lower < value


def test_l2_is_half_lambda_times_both_norms_of_a_pair():
    plain, pulled = NPair()(A, CLASSES, P, CLASSES), NPair(0.3)(A, CLASSES, P, CLASSES)
    wanted = 0.3 / (2 * 5) * (A.square().sum() + P.square().sum())
    assert (pulled - plain).item() == pytest.approx(wanted.item(), rel=1e-12)


def test_one_pair_has_no_negatives_but_its_l2():
    with pytest.warns(UserWarning, match="no valid term"):
        assert NPair()(A[:1], CLASSES[:1], P[:1], CLASSES[:1]).item() == 0
    value = NPair(0.3)(A[:1], CLASSES[:1], P[:1], CLASSES[:1])
    assert value.item() == pytest.approx(0.15 * (A[0].square().sum() + P[0].square().sum()).item())


def test_n_pair_out_of_a_batch_takes_the_first_two_of_each_class():
    x, y = normal(9, 4), torch.tensor([2, 0, 2, 1, 0, 2, 3, 0, 1])
    anchors, positives = [0, 1, 3], [2, 4, 8]
    for loss in (NPair(), NPair(0.1), TupleTriplet(), TupleTriplet("triplet"), CombinedNegatives()):
        wanted = loss(x[anchors], y[anchors], x[positives], y[positives])
        assert loss(x, y).item() == pytest.approx(wanted.item(), rel=1e-12)


# Tuples


def test_ten_classes_of_two_images_give_ninety_triplets():
    x, y = normal(20, 4), torch.arange(10).repeat_interleave(2)
    triplets = tuple_triplets(10)
    assert len(triplets) == 90
    indices = torch.tensor([[2 * a, 2 * p + 1, 2 * n + 1] for a, p, n in triplets])
    assert TupleTriplet()(x, y).item() == pytest.approx(TripletNetwork()(x, triplets=indices).item(), rel=1e-12)
    total = TupleTriplet("triplet", reduction="sum")(x, y)
    assert total.item() == pytest.approx(90 * Triplet(1.0)(x, triplets=indices).item(), rel=1e-12)


def test_both_forms_of_combined_negatives_agree_for_one_negative():
    printed, corrected = CombinedNegatives(printed=True), CombinedNegatives()
    pair = torch.arange(2)
    assert printed(A[:2], pair, P[:2], pair).item() == pytest.approx(
        corrected(A[:2], pair, P[:2], pair).item(), rel=1e-12
    )
    assert printed(A, CLASSES, P, CLASSES).item() != pytest.approx(corrected(A, CLASSES, P, CLASSES).item(), rel=0.01)


def test_the_logarithm_of_combined_negatives_is_n_pair_on_euclidean_distances():
    wanted = NPair(distance="euclidean")(A, CLASSES, P, CLASSES)
    assert CombinedNegatives(log=True)(A, CLASSES, P, CLASSES).item() == pytest.approx(wanted.item(), rel=1e-12)


def test_the_printed_form_listens_to_the_farthest_negative_the_corrected_one_to_the_nearest():
    anchor, positive = torch.zeros(1, 1, dtype=torch.float64), torch.tensor([[[2.0]]], dtype=torch.float64)
    heard = []
    for loss in (CombinedNegatives(printed=True), CombinedNegatives()):
        negatives = torch.tensor([[[1.0], [20.0]]], dtype=torch.float64, requires_grad=True)
        masks = torch.tensor([[True, False, False]])
        value = loss(anchor, own=Own(torch.cat([positive, negatives], 1), masks, ~masks))
        heard.append(slope(value, negatives).abs().flatten().tolist())
    assert heard[0][0] < 1e-7 * heard[0][1]
    assert heard[1][1] < 1e-7 * heard[1][0]
