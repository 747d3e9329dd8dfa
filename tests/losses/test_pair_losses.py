"""What margin, multi-similarity, circle, SupCon, NT-Xent, tuplet margin and NCA promise beyond their values."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from torch import Tensor

from nearkin.core import InputError
from nearkin.losses import NCA, Circle, Margin, MultiSimilarity, NPair, NTXent, SupCon, TupletMargin
from nearkin.pairs import Matrix
from oracles import distances, softmaxes
from oracles.gradient import value_and_gradient
from oracles.kin import by_position, kin, same_label


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, Y = normal(9, 4), torch.tensor([0, 1, 0, 2, 1, 0, 3, 2, 0])
PLANE = {angle: [math.cos(math.radians(angle)), math.sin(math.radians(angle))] for angle in (0, 30, 60, 90, 180)}


def directions(*angles: int) -> Tensor:
    return torch.tensor([PLANE[angle] for angle in angles], dtype=torch.float64)


def slope(value: Tensor, x: Tensor) -> Tensor:
    return torch.autograd.grad(value, x)[0]


# Margin


def test_the_border_moves_out_for_far_positives_and_in_for_near_negatives():
    """Chords of 60 and 180 degrees are 1 and 2; the border stands at 1.2, the margin is 0.2."""
    loss = Margin(reduction="mean").double()
    far_positive = loss(directions(0), torch.tensor([0]), directions(180), torch.tensor([0]))
    assert far_positive.item() == pytest.approx(0.2 + 2 - 1.2, rel=1e-6)
    assert slope(far_positive, loss.beta).item() == -1
    near_negative = loss(directions(0), torch.tensor([0]), directions(60), torch.tensor([1]))
    assert near_negative.item() == pytest.approx(0.2 + 1.2 - 1, rel=1e-6)
    assert slope(near_negative, loss.beta).item() == 1


def test_each_class_of_anchors_has_its_border():
    loss = Margin(per_class=True, classes=4).double()
    assert loss.beta.shape == (4,)
    loss.beta.data[2] = 0.3
    x = X.clone().requires_grad_()
    value = loss(x, Y)
    moved = slope(value, loss.beta)
    assert (moved[:2] != 0).all()
    one, two = (Margin(beta=beta)(x, Y) for beta in (1.2, 0.3))
    assert min(one, two) < value < max(one, two)


@pytest.mark.parametrize("block_size", [None, 2])
def test_borders_learn_in_every_form(block_size):
    loss = Margin(per_class=True, classes=4, nu=0.3, block_size=block_size).double()
    value = loss(X, Y)
    found = slope(value, loss.beta)
    step = 1e-6
    for place in range(4):
        values = []
        for sign in (1, -1):
            loss.beta.data[place] += sign * step
            values.append(loss(X, Y).item())
            loss.beta.data[place] -= sign * step
        assert found[place].item() == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-7)


def test_nu_adds_the_mean_border_of_the_anchors():
    plain, drawn = Margin(), Margin(nu=0.5)
    assert (drawn(X, Y) - plain(X, Y)).item() == pytest.approx(0.5 * 1.2, rel=1e-6)
    with pytest.warns(UserWarning, match="no valid term"):
        assert Margin(nu=0.5)(X[:1], Y[:1]).item() == 0


def test_a_border_a_class_asks_for_class_indices():
    with pytest.raises(InputError, match=r"labels of Margin must be class indices 0\.\.2, got 0\.\.3"):
        Margin(per_class=True, classes=3)(X, Y)
    with pytest.raises(InputError, match="give classes="):
        Margin(per_class=True)(X, Y)
    with pytest.raises(InputError, match="give per_class=False"):
        Margin(per_class=True, classes=4)(X, Matrix(Y[:, None] == Y[None]))
    assert Margin(classes=4).beta.shape == ()


def test_one_class_pulls_and_all_different_classes_push():
    assert Margin()(directions(0, 180), torch.tensor([0, 0])).item() == pytest.approx(1.0, rel=1e-6)
    assert Margin()(directions(0, 60), torch.tensor([0, 1])).item() == pytest.approx(0.4, rel=1e-6)


# Multi-similarity


def test_both_sides_of_multi_similarity_by_hand():
    x, y = directions(0, 60, 90), torch.tensor([0, 0, 1])

    def pull(s: float) -> float:
        return math.log1p(math.exp(-2 * (s - 0.5))) / 2

    def push(*several: float) -> float:
        return math.log1p(sum(math.exp(50 * (s - 0.5)) for s in several)) / 50

    c = math.cos(math.pi / 6)
    wanted = (pull(0.5) + push(0.0) + pull(0.5) + push(c) + push(0.0, c)) / 3
    assert MultiSimilarity()(x, y).item() == pytest.approx(wanted, rel=1e-12)


def test_anchors_that_keep_nothing_count_as_nothing_in_the_mean():
    """The last anchor has no positive: mining leaves it nothing, the mean still has three anchors."""
    x, y = directions(0, 60, 90), torch.tensor([0, 0, 1])
    loss = MultiSimilarity(mining="multi-similarity", reduction="sum")
    mean = MultiSimilarity(mining="multi-similarity")
    assert mean(x, y).item() == pytest.approx(loss(x, y).item() / 3)
    assert mean.measure(x, y).active == pytest.approx(1 / 3)  # the first anchor's negative is far below its positive


def test_mining_keeps_what_is_strictly_within_eps():
    """Similarities 0.5 and 0 with eps exactly 0.5: neither s_p - eps < max s_n nor s_n + eps > min s_p."""
    anchor, others = torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
    here, there = torch.tensor([0]), torch.tensor([0, 1])
    for eps, some in ((0.5, False), (0.5001, True)):
        loss = MultiSimilarity(mining="multi-similarity", eps=eps)
        assert bool(loss(anchor, here, others, there) > 0) == some
        loss.closed = None  # by its rows
        assert bool(loss(anchor, here, others, there) > 0) == some


# Circle


def test_circle_leaves_out_anchors_without_both_sides():
    x = torch.cat([X, normal(1, 4, seed=5)])
    alone = torch.cat([Y, torch.tensor([9])])
    loss = Circle(reduction="sum", scale=8.0)
    with_both = int(((Y[:, None] == Y[None]).sum(1) > 1).sum())
    assert Circle(scale=8.0)(x, alone).item() == pytest.approx(loss(x, alone).item() / with_both, rel=1e-12)


def test_pairs_of_circle_at_their_optimum_are_still_and_cost_little():
    """s_p = 1 and s_n = -m: the weights of the paper are m and 0."""
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-0.4, math.sqrt(1 - 0.16)]], dtype=torch.float64)
    value = Circle()(x, torch.tensor([0, 0, 1]))
    assert value.item() == pytest.approx(math.log1p(math.exp(-80 * 0.4 * 0.4)), rel=1e-6)


# SupCon, NT-Xent, NCA


def test_supcon_on_one_class_is_at_least_the_logarithm_of_the_others():
    x = X.clone().requires_grad_()
    value = SupCon()(x, torch.zeros(9, dtype=torch.int64))
    assert value.item() >= math.log(8)
    assert slope(value, x).any()
    equal = SupCon()(torch.ones(9, 4, dtype=torch.float64), torch.zeros(9, dtype=torch.int64))
    assert equal.item() == pytest.approx(math.log(8), rel=1e-12)


def test_supcon_of_one_positive_is_nt_xent():
    y = torch.arange(4).repeat(2)
    x = normal(8, 4)
    assert SupCon(0.2)(x, y).item() == pytest.approx(NTXent(0.2)(x, y).item(), rel=1e-12)
    three = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2])
    assert SupCon(0.2)(x, three) > NTXent(0.2)(x, three)  # other positives stand in the way there


def test_two_views_are_simclr():
    first, second = normal(5, 4), normal(5, 4, seed=1)
    views = torch.nn.functional.normalize(torch.cat([first, second]))
    logits = (views @ views.T / 0.5).fill_diagonal_(-torch.inf)
    wanted = torch.nn.functional.cross_entropy(logits, torch.arange(10).roll(5))
    value = NTXent(0.5)(torch.cat([first, second]), torch.arange(5).repeat(2))
    assert value.item() == pytest.approx(wanted.item(), rel=1e-12)


@pytest.mark.parametrize("block_size", [None, 2])
@pytest.mark.parametrize("distance", ["cosine", "inner-product"])
def test_queries_against_keys_are_info_nce(distance, block_size):
    queries, keys, pairs = normal(6, 4).requires_grad_(), normal(6, 4, seed=1), torch.arange(6)
    value = NTXent(0.1, distance=distance, block_size=block_size)(queries, pairs, keys, pairs)
    unit = torch.nn.functional.normalize if distance == "cosine" else lambda rows: rows
    wanted = torch.nn.functional.cross_entropy(unit(queries) @ unit(keys).T / 0.1, pairs)
    assert value.item() == pytest.approx(wanted.item(), rel=1e-12)
    torch.testing.assert_close(slope(value, queries), slope(wanted, queries), rtol=1e-10, atol=1e-12)


def test_nt_xent_of_products_is_n_pair_over_all_positives():
    both = NTXent(1.0, distance="inner-product"), NPair(pairs="all")
    assert both[0](X, Y).item() == pytest.approx(both[1](X, Y).item(), rel=1e-12)


def test_nca_keeps_the_digits_of_a_share_near_one():
    """Positive at 0, negative at distance 6: the share misses 1 by e^-36."""
    x, y = torch.tensor([[0.0], [0.0], [6.0]], dtype=torch.float64), torch.tensor([0, 0, 1])
    assert NCA()(x, y).item() == pytest.approx(math.exp(-36), rel=1e-12)


@pytest.mark.parametrize("labels", [[0] * 9, list(range(9))])
def test_nca_without_a_negative_or_without_a_positive_is_zero_in_the_graph(labels):
    x = X.clone().requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = NCA()(x, torch.tensor(labels))
    assert value.item() == 0
    assert not slope(value, x).any()


# Tuplet margin


def test_a_positive_pair_within_the_slack_of_the_angle_is_nearer_than_it_is():
    """At an angle of b the positive counts as identical."""
    anchor, others = directions(0), directions(30, 90)
    value = TupletMargin(30.0, scale=4.0)(anchor, torch.tensor([0]), others, torch.tensor([0, 1]))
    assert value.item() == pytest.approx(math.log1p(math.exp(4 * (0 - 1))), rel=1e-12)


@pytest.mark.parametrize("apart", [0.0, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_identical_and_nearly_identical_positives_have_a_finite_gradient(apart, dtype):
    x = X.clone()
    x[2] = x[0] + apart * X[1]
    x = x.to(dtype).requires_grad_()
    found = slope(TupletMargin()(x, Y), x)
    assert found.isfinite().all()
    assert found.abs().max() < 1e3


def test_tuplet_margin_of_duplicates_is_the_formula_to_the_last_digits():
    """An arccos beyond 1 is NaN elsewhere; here value and gradient are the oracle's, in float32 too."""
    relation = kin(same_label(Y.tolist()), by_position, 9, 9)
    x = X.bfloat16().double()
    x[2], x[4] = x[0], x[1]

    def pair(a: list[complex], b: list[complex]) -> complex:
        same = [complex(v).real for v in a] == [complex(v).real for v in b]
        return distances.near_cosine(a, b) if same else distances.cosine(a, b)

    def oracle(x: list[list[complex]]) -> complex:
        return softmaxes.tuplet_margin(distances.self_matrix(pair, x), relation)

    value, gradient = value_and_gradient(oracle, {"x": x.numpy()})
    for dtype, close in ((torch.float64, 1e-10), (torch.float32, 1e-4)):
        leaf = x.to(dtype).requires_grad_()
        got = TupletMargin()(leaf, Y)
        assert got.item() == pytest.approx(value, rel=close / 10)
        wanted = torch.tensor(gradient["x"])
        torch.testing.assert_close(slope(got, leaf).double(), wanted, rtol=0, atol=close * float(wanted.abs().max()))
