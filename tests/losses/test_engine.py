"""One equation, every form: parameters, several means, a first sweep, double backward, measurements, single anchors."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nearkin.core import InputError
from nearkin.core.tensors import Block, Own, Terms, added
from nearkin.losses import Contrastive, NPair, RowLoss, Triplet, engine, make_loss
from nearkin.pairs import Matrix
from oracles import contrastive, distances, mining, n_pair, triplet
from oracles.arithmetic import hinge, log_sum_exp, reduced, softplus, square
from oracles.gradient import central_differences, value_and_gradient
from oracles.kin import Kin, by_ids, by_position, kin, nobody, same_label
from oracles.lifted import lifted
from own_losses import LearnedMargin, LiftedStructure, Mahalanobis, Softened
from sweeps.variants import ROW_LOSSES

SIZES = (None, 1, 3, 7)
LABELS = [0, 1, 0, 2, 1, 0, 3, 2, 0]
Y = torch.tensor(LABELS)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


X = normal(9, 3, seed=11)
KIN = kin(same_label(LABELS), by_position, 9, 9)


def slopes(value: Tensor, *leaves: Tensor) -> list[np.ndarray]:
    return [slope.numpy() for slope in torch.autograd.grad(value, leaves)]


def agree(got: Any, wanted: Any) -> None:
    np.testing.assert_allclose(got, wanted, 1e-9, 1e-10 * max(1.0, float(np.abs(wanted).max(initial=0))))


# Parameters of the distance and of the loss


def through(factor: Any, rows: Any) -> Any:
    return [[sum(a * b for a, b in zip(weights, row, strict=True)) for weights in factor] for row in rows]


LEARNED_DISTANCE = {
    "all triplets": (lambda **m: Triplet(0.5, **m), lambda d: triplet.over_triplets(d, mining.all_valid(KIN), triplet.linear_hinge(0.5))),
    "semi-hard": (
        lambda **m: Triplet(0.5, mining="semi-hard", **m),
        lambda d: triplet.over_triplets(d, mining.semi_hard(d, KIN), triplet.linear_hinge(0.5)),
    ),
    "contrastive": (lambda **m: Contrastive(2.0, **m), lambda d: contrastive.contrastive(d, KIN, margin=2.0)),
    "two means": (
        lambda **m: Contrastive(2.0, average="sides", **m),
        lambda d: contrastive.contrastive(d, KIN, margin=2.0, reduction="pos_neg"),
    ),
    "n-pair": (lambda **m: NPair(pairs="all", **m), lambda d: n_pair.over_positive_pairs(d, KIN)),
}  # fmt: skip


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("name", LEARNED_DISTANCE)
def test_gradients_reach_the_parameters_of_a_distance(name, relative):
    make, formula = LEARNED_DISTANCE[name]
    factor = normal(2, 3, seed=4)

    def oracle(x: Any, factor: Any) -> Any:
        rows = through(factor, x)
        if not relative:
            return formula(distances.self_matrix("euclidean", rows))
        lengths = [distances.squared_euclidean(row, [0.0, 0.0]) for row in rows]
        squared = distances.self_matrix("squared-euclidean", rows)
        return formula([[entry / length for entry in row] for row, length in zip(squared, lengths, strict=True)])

    value, gradient = value_and_gradient(oracle, {"x": X.numpy(), "factor": factor.numpy()})
    for size in SIZES:
        distance, x = Mahalanobis(factor.clone(), relative=relative), X.clone().requires_grad_()
        got = make(distance=distance, block_size=size)(x, Y)
        agree(got.item(), value)
        for slope, wanted in zip(slopes(got, x, distance.factor), gradient.values(), strict=True):
            agree(slope, wanted)


def two_sides(d: Any, relation: Kin, border: Any, margin: float = 0.5) -> tuple[list[Any], list[Any]]:
    pull = [hinge(d[i][j] - border) for i in relation.rows for j in relation.positives[i]]
    push = [hinge(border + margin - d[i][j]) for i in relation.rows for j in relation.negatives[i]]
    return pull, push


@pytest.mark.parametrize("reduction", ["mean", "mean_nonzero", "sum"])
def test_gradients_reach_the_parameters_of_a_loss_of_two_means(reduction):
    def oracle(x: Any, border: Any) -> Any:
        sides = two_sides(distances.self_matrix("euclidean", x), KIN, border[0])
        return sum(reduced([(term, 1.0) for term in side], reduction) for side in sides)

    value, gradient = value_and_gradient(oracle, {"x": X.numpy(), "border": np.array([1.7])})
    for size in SIZES:
        loss, x = LearnedMargin(1.7, reduction=reduction, block_size=size), X.clone().requires_grad_()
        got = loss(x, Y)
        agree(got.item(), value)
        to_x, to_border = slopes(got, x, loss.border)
        agree(to_x, gradient["x"])
        agree(to_border, gradient["border"][0])


def test_gradients_reach_the_parameters_of_a_loss_of_one_mean_and_its_references_and_own_columns():
    z, own = normal(5, 3, seed=2), normal(9, 2, 3, seed=3)
    other = [0, 2, 2, 1, 5]
    relation = kin(same_label(LABELS, other), nobody, 9, 5).with_own(5, [[True, False]] * 9, [[False, False]] * 9)

    def oracle(x: Any, z: Any, own: Any, temperature: Any, border: Any) -> Any:
        d = distances.with_own("euclidean", distances.matrix("euclidean", x, z), x, own)
        pairs = [(i, j) for i in relation.rows for j in relation.positives[i]]
        return sum(softplus(temperature[0] * (d[i][j] - border[0])) for i, j in pairs) / len(pairs)

    arrays = {
        "x": X.numpy(),
        "z": z.numpy(),
        "own": own.numpy(),
        "temperature": np.array([0.7]),
        "border": np.array([0.4]),
    }
    value, gradient = value_and_gradient(oracle, arrays)
    mask = torch.tensor([[True, False]]).expand(9, 2)
    for size in SIZES:
        loss = Softened(block_size=size)
        leaves = [rows.clone().requires_grad_() for rows in (X, z, own)]
        got = loss(leaves[0], Y, leaves[1], torch.tensor(other), own=Own(leaves[2], mask, mask & False))
        agree(got.item(), value)
        found = slopes(got, *leaves, loss.temperature, loss.border)
        for slope, wanted in zip(found, gradient.values(), strict=True):
            agree(slope.flatten(), wanted.flatten())


class Product(LearnedMargin):
    """Its two means are multiplied."""

    def combine(self, totals: Tensor, divisors: Tensor) -> Tensor:
        return (totals / divisors.clamp(min=1)).prod()


@pytest.mark.parametrize("size", SIZES)
def test_several_means_may_be_combined_in_another_way(size):
    def oracle(x: Any, border: Any) -> Any:
        pull, push = two_sides(distances.self_matrix("euclidean", x), KIN, border[0])
        return sum(pull) / len(pull) * sum(push) / len(push)

    value, gradient = value_and_gradient(oracle, {"x": X.numpy(), "border": np.array([1.7])})
    loss, x = Product(1.7, block_size=size), X.clone().requires_grad_()
    got = loss(x, Y)
    agree(got.item(), value)
    to_x, to_border = slopes(got, x, loss.border)
    agree(to_x, gradient["x"])
    agree(to_border, gradient["border"][0])


# prepare: what is said of anchors and of columns


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["euclidean", "snr"])
def test_a_first_sweep_tells_of_both_ends_of_a_pair(name, size):
    def oracle(x: Any, margin: Any) -> Any:
        return lifted(distances.self_matrix(name, x), KIN, margin[0])

    value, gradient = value_and_gradient(oracle, {"x": X.numpy(), "margin": np.array([1.2])})
    loss, x = LiftedStructure(1.2, distance=name, block_size=size), X.clone().requires_grad_()
    got = loss(x, Y)
    agree(got.item(), value)
    to_x, to_margin = slopes(got, x, loss.margin)
    agree(to_x, gradient["x"])
    agree(to_margin, gradient["margin"][0])


def lifted_with_references(x: Any, z: Any, relation: Kin, among: Kin, margin: Any) -> Any:
    """The same over pairs of an anchor and a reference; the reference's crowd stands among the references."""
    d, between = distances.matrix("euclidean", x, z), distances.matrix("euclidean", z, z)
    total, count = 0.0, 0
    for i in relation.rows:
        for j in relation.positives[i]:
            count += 1
            crowd = [margin - d[i][k] for k in relation.negatives[i]] + [
                margin - between[j][k] for k in among.negatives[j]
            ]
            if crowd:
                total += square(hinge(log_sum_exp(crowd) + d[i][j]))
    return total / (2 * count)


@pytest.mark.parametrize("with_ids", [False, True])
def test_a_first_sweep_over_references_looks_at_each_of_them_as_an_anchor(with_ids):
    other, z = [0, 1, 2, 0, 1, 4], normal(6, 3, seed=5)
    ids, reference_ids = list(range(9)), [50, 1, 51, 5, 52, 53]
    for j, name in enumerate(reference_ids):
        if with_ids and name in ids:
            z[j] = X[name]
    relation = kin(same_label(LABELS, other), by_ids(ids, reference_ids) if with_ids else nobody, 9, 6)
    among = kin(same_label(other), by_position, 6, 6)
    more = {"ids": torch.tensor(ids), "reference_ids": torch.tensor(reference_ids)} if with_ids else {}

    def oracle(x: Any, z: Any, margin: Any) -> Any:
        return lifted_with_references(x, z, relation, among, margin[0])

    value, gradient = value_and_gradient(oracle, {"x": X.numpy(), "z": z.numpy(), "margin": np.array([1.2])})
    for size in SIZES:
        loss = LiftedStructure(1.2, block_size=size)
        leaves = [rows.clone().requires_grad_() for rows in (X, z)]
        got = loss(leaves[0], Y, leaves[1], torch.tensor(other), **more)
        agree(got.item(), value)
        for slope, wanted in zip(slopes(got, *leaves, loss.margin), gradient.values(), strict=True):
            agree(slope.flatten(), wanted.flatten())


@pytest.mark.parametrize("size", SIZES)
def test_a_first_sweep_sees_own_columns_too(size):
    own = normal(9, 2, 3, seed=3)
    nobody_, everybody = [[False, False]] * 9, [[True, True]] * 9
    relation = KIN.with_own(9, nobody_, everybody)

    def oracle(x: Any, own: Any) -> Any:
        return lifted(distances.with_own("euclidean", distances.self_matrix("euclidean", x), x, own), relation)

    value, gradient = value_and_gradient(oracle, {"x": X.numpy(), "own": own.numpy()})
    leaves = [rows.clone().requires_grad_() for rows in (X, own)]
    masks = Own(leaves[1], torch.tensor(nobody_), torch.tensor(everybody))
    got = LiftedStructure(block_size=size)(leaves[0], Y, own=masks)
    agree(got.item(), value)
    for slope, wanted in zip(slopes(got, *leaves), gradient.values(), strict=True):
        agree(slope, wanted)


def test_a_first_sweep_over_references_cannot_be_made_of_a_matrix():
    with pytest.raises(InputError, match="a matrix of pairs does not say: use labels"):
        LiftedStructure()(X, Matrix(torch.ones(9, 4) > 0), normal(4, 3))


def test_a_loss_without_a_first_sweep_is_told_nothing():
    seen: list[Block] = []

    class Curious(Softened):
        def rows(self, block: Block) -> Terms:
            seen.append(block)
            return super().rows(block)

    Curious(block_size=4)(X, Y)
    assert [len(block.distances) for block in seen] == [4, 4, 1]
    for block in seen:
        assert block.row is block.column is block.own is block.noise is block.weights is None
    assert torch.cat([block.labels for block in seen]).tolist() == LABELS
    torch.testing.assert_close(torch.cat([block.anchors for block in seen]), X)
    torch.testing.assert_close(seen[-1].references, X)
    assert not any((block.positives & block.negatives).any() for block in seen)
    Curious(block_size=None)(X, torch.ones(9, 2, dtype=torch.int64))
    assert seen[-1].labels is None


# Double backward

SMOOTH = {
    "contrastive": lambda **m: Contrastive(30.0, distance="squared-euclidean", **m),
    "soft triplet": lambda **m: Triplet(hinge="soft", **m),
    "squared hinge": lambda **m: Triplet(9.0, hinge="squared", **m),
    "soft batch-hard": lambda **m: Triplet(hinge="soft", mining="batch-hard", **m),
    "triplet-network": lambda **m: make_loss("triplet-network", **m),
    "n-pair with l2": lambda **m: NPair(0.1, **m),
    "n-pair over all": lambda **m: NPair(pairs="all", distance="cosine", **m),
    "tuple-triplet": lambda **m: make_loss("tuple-triplet", distance="snr", **m),
    "combined": lambda **m: make_loss("combined-negatives", log=True, **m),
    "lifted": lambda **m: LiftedStructure(2.0, **m),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_the_dense_form_has_the_right_second_derivative(name):
    loss = SMOOTH[name](block_size=None)
    x = X[:6].clone().requires_grad_()
    plain, twice = (torch.autograd.grad(loss(x, Y[:6]), x, create_graph=more)[0] for more in (False, True))
    torch.testing.assert_close(twice, plain, rtol=1e-11, atol=1e-13)
    assert torch.autograd.gradgradcheck(lambda rows: loss(rows, Y[:6]), x, atol=1e-6)


def test_the_second_derivative_equals_that_of_the_oracle():
    """The slope of a fixed combination of first derivatives, by central differences of the oracle's gradient."""
    x, way = X[:6], normal(6, 3, seed=8)
    relation = kin(same_label(LABELS[:6]), by_position, 6, 6)

    def oracle(x: Any) -> Any:
        d = distances.self_matrix("euclidean", x)
        return triplet.over_triplets(d, mining.all_valid(relation), triplet.squared_hinge(3.0))

    def directional(x: Any) -> float:
        return float((value_and_gradient(oracle, {"x": np.array(x)})[1]["x"] * way.numpy()).sum())

    leaf = x.clone().requires_grad_()
    (first,) = torch.autograd.grad(Triplet(3.0, hinge="squared")(leaf, Y[:6]), leaf, create_graph=True)
    (second,) = torch.autograd.grad((first * way).sum(), leaf)
    np.testing.assert_allclose(second.numpy(), central_differences(directional, {"x": x.numpy()})["x"], 1e-5, 1e-7)


@pytest.mark.parametrize("name", [*SMOOTH, "two means"])
def test_the_blocked_form_refuses_a_double_backward_and_names_the_dense_one(name):
    loss = LearnedMargin(block_size=3) if name == "two means" else SMOOTH[name](block_size=3)
    x = X.clone().requires_grad_()
    value = loss(x, Y)
    with pytest.raises(RuntimeError, match="no double backward; use the dense form: block_size=None"):
        torch.autograd.grad(value, x, create_graph=True)


# Backward


@pytest.mark.parametrize("size", [None, 3])
@pytest.mark.parametrize(
    "make", [lambda **m: Triplet(**m), lambda **m: LearnedMargin(**m), lambda **m: LiftedStructure(**m)]
)
def test_backward_may_be_repeated_and_scales_with_what_comes_from_outside(make, size):
    x = X.clone().requires_grad_()
    value = make(block_size=size)(x, Y)
    first = torch.autograd.grad(value, x, retain_graph=True)[0]
    again = torch.autograd.grad(value, x, retain_graph=True)[0]
    scaled = torch.autograd.grad(-2.5 * value, x)[0]
    assert torch.equal(first, again)
    torch.testing.assert_close(scaled, -2.5 * first, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("size", [None, 3])
def test_gradients_flow_through_what_made_the_embeddings(size):
    weight = normal(3, 3, seed=1).requires_grad_()
    value = Triplet(block_size=size)(X @ weight, Y)
    (slope,) = torch.autograd.grad(value, weight)
    x = (X @ weight.detach()).requires_grad_()
    (wanted,) = torch.autograd.grad(Triplet(block_size=None)(x, Y), x)
    torch.testing.assert_close(slope, X.T @ wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("size", [None, 3])
@pytest.mark.parametrize("make", [lambda **m: Triplet(**m), lambda **m: LearnedMargin(**m)])
def test_only_those_who_ask_get_a_gradient(make, size):
    z, other = normal(5, 3, seed=2).requires_grad_(), torch.tensor([0, 1, 2, 2, 0])
    value = make(block_size=size)(X, Y, z, other)
    (to_references,) = torch.autograd.grad(value, z)
    assert to_references.abs().sum() > 0
    x = X.clone().requires_grad_()
    value = make(block_size=size)(x, Y, z.detach(), other)
    (to_embeddings,) = torch.autograd.grad(value, x)
    assert to_embeddings.abs().sum() > 0


@pytest.mark.parametrize("size", [None, 3])
@pytest.mark.parametrize("name", ROW_LOSSES)
def test_without_gradients_the_value_is_the_same_and_has_no_past(name, size):
    loss = make_loss(name, block_size=size)
    with torch.no_grad():
        value = loss(X.clone().requires_grad_(), Y)
    assert not value.requires_grad
    assert value == loss(X.clone().requires_grad_(), Y).detach()
    assert loss(X, Y).requires_grad == any(parameter.requires_grad for parameter in loss.parameters())


# Blocks


def test_auto_takes_blocks_beyond_a_limit_and_the_dense_form_below(monkeypatch):
    seen: list[int] = []

    class Counting(Softened):
        def rows(self, block: Block) -> Terms:
            seen.append(len(block.distances))
            return super().rows(block)

    x, y = normal(150, 3), torch.arange(150) % 4
    Counting()(x, y)
    assert seen == [150]
    monkeypatch.setattr(engine, "DENSE_LIMIT", 150 * 150 - 1)
    seen.clear()
    Counting()(x, y)
    assert seen == [150]  # a buffer of BLOCK_NUMBERS holds up to 512 rows here
    monkeypatch.setattr(engine, "BLOCK_NUMBERS", 150 * 70)
    seen.clear()
    Counting()(x, y)
    assert seen == [70, 70, 10]
    monkeypatch.setattr(engine, "BLOCK_NUMBERS", 1)
    seen.clear()
    Counting()(x, y)
    assert seen == [64, 64, 22]  # never thinner than 64 rows
    seen.clear()
    Counting(block_size=None)(x, y)
    assert seen == [150]


def test_a_block_as_large_as_the_batch_is_the_dense_form():
    x = X.clone().requires_grad_()
    value = Triplet(block_size=9)(x, Y)
    assert torch.autograd.grad(value, x, create_graph=True)[0].requires_grad


# Measurements and single anchors


@pytest.mark.parametrize("size", SIZES)
def test_measure_tells_what_happened_in_the_batch(size):
    d = distances.self_matrix("euclidean", X.tolist())
    triplets = mining.all_valid(KIN)
    costs = [triplet.linear_hinge(0.2)(d[a][p], d[a][n]).real for a, p, n in triplets]
    loss, x = Triplet(block_size=size), X.clone().requires_grad_()
    seen = loss.measure(x, Y)
    assert seen.value.requires_grad
    assert seen.value.item() == pytest.approx(loss(X, Y).item(), rel=1e-12)
    assert seen.active == pytest.approx(sum(cost > 0 for cost in costs) / len(costs))
    assert seen.positive == pytest.approx(np.mean([d[i][j].real for i in KIN.rows for j in KIN.positives[i]]))
    assert seen.negative == pytest.approx(np.mean([d[i][j].real for i in KIN.rows for j in KIN.negatives[i]]))
    agree(slopes(seen.value, x)[0], slopes(loss(x, Y), x)[0])


@pytest.mark.parametrize("size", [None, 3])
def test_measure_of_a_loss_of_two_means_shares_over_both(size):
    pull, push = two_sides(distances.self_matrix("euclidean", X.tolist()), KIN, 1.7)
    seen = LearnedMargin(1.7, block_size=size).measure(X, Y)
    above = sum(complex(term).real > 0 for term in pull + push)
    assert seen.active == pytest.approx(above / len(pull + push))


def test_measure_says_none_where_terms_are_never_zero_and_nan_without_a_pair():
    assert make_loss("triplet-network").measure(X, Y).active is None
    one_class = Contrastive().measure(X, torch.zeros(9, dtype=torch.int64))
    assert one_class.positive > 0
    assert np.isnan(one_class.negative)
    assert np.isnan(Contrastive().measure(X, torch.arange(9)).positive)


def test_measure_of_graded_pairs_is_a_share_too():
    weights = torch.rand(9, 9, generator=torch.Generator().manual_seed(0)) * 5
    for loss in (Triplet(3.0), Contrastive(9.0), Triplet(3.0, mining="batch-hard")):
        share = loss.measure(X, Matrix(torch.where(weights > 3, weights, 0))).active
        assert 0 <= share <= 1


def test_nothing_is_left_on_the_object():
    for name in ROW_LOSSES:
        loss = make_loss(name)
        before, weights = dict(vars(loss)), copy.deepcopy(loss.state_dict())
        loss(X, Y), loss.measure(X, Y), loss.per_anchor(X, Y)
        assert vars(loss) == before
        assert loss.state_dict() == weights


@pytest.mark.parametrize("name", ROW_LOSSES)
def test_single_anchors_weighted_by_their_terms_are_the_sum(name):
    loss = make_loss(name, reduction="sum")
    x = X.clone().requires_grad_()
    rows = loss.per_anchor(x, Y)
    assert rows.shape == (9,)
    torch.testing.assert_close(rows.sum(), loss(X, Y), rtol=1e-10, atol=1e-12)
    agree(slopes(rows.sum(), x)[0], slopes(loss(x, Y), x)[0])


def test_an_anchor_without_terms_has_zero_and_the_others_their_own_mean():
    d = distances.self_matrix("euclidean", X.tolist())
    rows = Triplet().per_anchor(X, Y)
    for i in range(9):
        own = [one for one in mining.all_valid(KIN) if one[0] == i]
        assert rows[i].item() == pytest.approx(triplet.over_triplets(d, own, triplet.linear_hinge(0.2)).real)
    assert rows[6] == 0
    assert Triplet().per_anchor(X[:0], Y[:0]).shape == (0,)


def test_single_anchors_know_what_a_first_sweep_says():
    rows = LiftedStructure(reduction="sum").per_anchor(X, Y)
    torch.testing.assert_close(rows.sum(), LiftedStructure(reduction="sum")(X, Y))


# Order, dtype, copies


ORDERLESS = [name for name in ROW_LOSSES if not make_loss(name).tuples]


@pytest.mark.parametrize("name", [*ORDERLESS, "n-pair over all"])
@pytest.mark.parametrize("size", [None, 3])
def test_the_order_of_the_batch_does_not_matter(name, size):
    loss = NPair(pairs="all", block_size=size) if name == "n-pair over all" else make_loss(name, block_size=size)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(3))
    x, shuffled = X.clone().requires_grad_(), X[order].requires_grad_()
    one, other = loss(x, Y), loss(shuffled, Y[order])
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    agree(slopes(other, shuffled)[0], slopes(one, x)[0][order.numpy()])


@pytest.mark.parametrize("mining", ["semi-hard", "batch-hard", "semi-hard-set"])
def test_the_order_of_the_batch_does_not_matter_to_miners(mining):
    order = torch.randperm(9, generator=torch.Generator().manual_seed(3))
    loss = Triplet(0.5, mining=mining)
    torch.testing.assert_close(loss(X, Y), loss(X[order], Y[order]), rtol=1e-12, atol=1e-12)


def test_totals_are_added_in_float64():
    """A million float32 terms of 0.1 added one by one would drift; the mean must stay at 1e-7."""
    x = torch.zeros(1500, 2)
    x[:, 0] = torch.arange(1500) % 2 * 0.1
    value = Contrastive(form="linear", margin=1.0, average="pairs", reduction="mean")(
        x, torch.zeros(1500, dtype=torch.int64)
    )
    assert value.dtype == torch.float32
    wanted = float(torch.tensor(0.1)) * 750 / 1499
    assert abs(value.item() / wanted - 1) < 2e-7


@pytest.mark.parametrize("name", ROW_LOSSES)
def test_narrow_embeddings_and_autocast_give_a_float32_loss(name):
    exact = make_loss(name)(X.bfloat16().double(), Y)
    for size in (None, 3):
        loss = make_loss(name, block_size=size)
        for rows in (X.bfloat16(), X.bfloat16().half(), X.bfloat16().float()):
            rows = rows.requires_grad_()
            for autocast in (False, True):
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
                    value = loss(rows, Y)
                (slope,) = torch.autograd.grad(value, rows)
                assert value.dtype == torch.float32
                assert slope.dtype == rows.dtype
                assert value.item() == pytest.approx(exact.item(), rel=1e-5)
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
                    assert loss.measure(rows, Y).value.item() == pytest.approx(exact.item(), rel=1e-5)
                    assert loss.per_anchor(rows, Y).dtype == torch.float32


@pytest.mark.parametrize("name", ROW_LOSSES)
def test_a_backward_pass_under_autocast_is_that_without(name):
    for size in (None, 3):
        loss, found = make_loss(name, block_size=size), []
        loss.precise = 0
        for autocast in (False, True):
            x = X.float().requires_grad_()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
                found.append(torch.autograd.grad(loss(x, Y), x)[0])
        assert torch.equal(*found)


@pytest.mark.parametrize("size", [None, 3])
def test_a_learned_distance_is_exact_under_autocast(size):
    loss = Triplet(distance=Mahalanobis(normal(2, 3, seed=4).float()), block_size=size)
    x = X.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(x, Y)
    assert torch.equal(inside, loss(x, Y))


def test_a_loss_can_be_copied_saved_and_pickled():
    for loss in (
        *map(make_loss, ROW_LOSSES),
        LearnedMargin(1.3),
        LiftedStructure(0.7, distance=Mahalanobis(normal(2, 3))),
    ):
        value = loss(X, Y).detach()
        assert copy.deepcopy(loss)(X, Y) == value
        assert pickle.loads(pickle.dumps(loss))(X, Y) == value
        file = io.BytesIO()
        torch.save(loss.state_dict(), file)
        file.seek(0)
        again = copy.deepcopy(loss)
        for parameter in again.parameters():
            parameter.data.zero_()
        again.load_state_dict(torch.load(file))
        assert again(X, Y) == value


# What a loss of one's own must say


def test_a_loss_without_rows_says_what_it_needs():
    with pytest.raises(NotImplementedError, match="RowLoss needs rows"):
        RowLoss()(X, Y)


def test_a_loss_that_reads_similarities_refuses_other_distances():
    class Reads(Softened):
        distances = ("cosine", "inner-product")

    assert Reads(distance="cosine")(X, Y) > 0
    with pytest.raises(InputError, match="works with distance 'cosine' or 'inner-product', not Euclidean"):
        Reads()


@pytest.mark.parametrize("size", [None, 3])
def test_a_mean_over_active_terms_needs_their_number(size):
    class Mute(Softened):
        reductions = ("mean", "mean_nonzero")

    assert Mute(block_size=size)(X, Y) > 0
    with pytest.raises(InputError, match="reduction='mean_nonzero' needs Terms"):
        Mute(reduction="mean_nonzero", block_size=size)(X, Y)


def test_a_count_never_carries_a_gradient():
    class Counted(RowLoss):
        def rows(self, block: Block) -> Terms:
            size = added(block.distances)
            return Terms(size, size)

    for size in (None, 3):
        x = X.clone().requires_grad_()
        value = Counted(block_size=size)(x, Y)
        assert value.item() == pytest.approx(1.0)
        (slope,) = torch.autograd.grad(value, x)
        assert slope.abs().sum() > 1e-3  # of the total alone: that of a ratio of equals would be 0


def test_no_warning_where_there_are_terms():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ROW_LOSSES:
            make_loss(name)(X, Y)


class Narrow(Contrastive):
    """A loss that says what its distances are made in."""

    closed = None

    def rows(self, block: Block) -> Any:
        self.seen = block.distances.dtype
        return super().rows(block)


@pytest.mark.parametrize(("count", "precise", "wanted"), [(128, None, 64), (129, None, 32), (128, 0, 32), (129, True, 64)])
def test_few_distances_are_in_float64_unless_a_loss_says_otherwise(count, precise, wanted):
    loss = Narrow()
    if precise is not None:
        loss.precise = precise
    value = loss(normal(count, 3).float(), np.arange(count) % 3)
    assert (loss.seen, value.dtype) == (getattr(torch, f"float{wanted}"), torch.float32)
