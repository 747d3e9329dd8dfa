"""Pair losses with slopes made by hand: with and without a peak under the exponentials they equal those of `rows`."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from nearkin.core.tensors import LOG2E
from nearkin.losses import (
    NCA,
    Circle,
    Contrastive,
    Margin,
    MultiSimilarity,
    NTXent,
    RankedList,
    RowLoss,
    SupCon,
    TupletMargin,
)
from nearkin.losses.closed import Tile
from nearkin.losses.kin import KinBlock
from nearkin.losses.kin_counts import Counts
from nearkin.losses.shares import FITTING, LEAST, logarithm, negative_sums

LABELS = {
    "equal classes": [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3],
    "unequal classes": [5, 5, 5, 5, 5, 5, 2, 2, 9, 7, 7, 7],
    "one class": [1] * 12,
    "no positives": list(range(12)),
    "one sample": [1],
    "nobody": [],
}
CASES = [
    MultiSimilarity(),
    MultiSimilarity(negative_scale=130.0, positive_scale=45.0),
    MultiSimilarity(mining="multi-similarity"),
    MultiSimilarity(mining="multi-similarity", eps=0.01),
    Circle(),
    Circle(scale=256.0, margin=0.25),
    Circle(margin=2.0, scale=10.0),
    SupCon(),
    SupCon(0.01),
    SupCon(distance="inner-product"),
    NTXent(),
    NTXent(0.01),
    NTXent(distance="squared-euclidean"),
    TupletMargin(),
    TupletMargin(scale=16.0),
    TupletMargin(90.0),
    NCA(),
    NCA(5.0, distance="cosine"),
    NCA(100.0, distance="cosine"),
    RankedList(),
    RankedList(detach=False),
    RankedList(1.5, 0.0, negative_temperature=0.0, positive_temperature=3.0, balance=0.3, detach=False),
    RankedList(2.5, 1.9, negative_temperature=300.0, positive_temperature=200.0, detach=False),
    RankedList(0.5, 0.5, balance=0.0),
    Margin(),
    Margin(0.0, 2.5, nu=0.2),
    Margin(0.5, per_class=True, classes=40, nu=0.2, reduction="sum"),
]


def ids(loss: RowLoss) -> str:
    return repr(loss).replace("\n", " ")[:80]


def normal(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_autograd(loss: RowLoss) -> RowLoss:
    plain = copy.deepcopy(loss)
    plain.closed = None
    return plain


def value_and_slopes(loss: RowLoss, x: Tensor, y: Tensor, *others: Tensor) -> list[Tensor]:
    leaves = [rows.clone().requires_grad_() for rows in (x, *others[:1])]
    value = loss(leaves[0], y, *leaves[1:], *others[1:])
    return [value.detach(), *torch.autograd.grad(value, [*leaves, *loss.parameters()])]


def agree(loss: RowLoss, *arguments: Tensor) -> list[Tensor]:
    found, wanted = (value_and_slopes(each, *arguments) for each in (loss, by_autograd(loss)))
    close = 1e-6 if isinstance(loss, TupletMargin) else 1e-9  # an angle of 180 degrees has half the digits of its cosine
    for one, other in zip(found, wanted, strict=True):
        size = max(1.0, float(other.abs().max())) if other.numel() else 1.0
        torch.testing.assert_close(one, other, rtol=close, atol=close / 100 * size)
    return found


@pytest.mark.filterwarnings("ignore:.*no valid term")
@pytest.mark.parametrize("size", [None, 5], ids=["dense", "blocks"])
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("loss", CASES, ids=ids)
def test_a_batch_and_references(loss, labels, size):
    loss = copy.deepcopy(loss).double()
    loss.block_size = size
    y = torch.tensor(LABELS[labels], dtype=torch.int64)
    found = agree(loss, normal(len(y)), y)
    agree(loss, normal(len(y)), y, normal(7, seed=1), torch.tensor([0, 1, 5, 5, 2, 1, 30]))
    agree(loss, normal(len(y)), y, normal(0), torch.tensor([], dtype=torch.int64))
    if labels == "equal classes":
        assert found[1].any()


@pytest.mark.parametrize("loss", CASES, ids=ids)
def test_duplicates_opposites_and_zero_rows(loss):
    x, y, loss = normal(12), torch.tensor(LABELS["unequal classes"]), copy.deepcopy(loss).double()
    x[3], x[4], x[7], x[10], x[11] = x[0], x[1], x[8], -x[9], x[9] * (1 + 1e-7)
    agree(loss, x, y)
    x[5] = 0
    agree(loss, x, y)


@pytest.mark.parametrize("loss", CASES, ids=ids)
def test_single_precision(loss):
    x, y = normal(60), torch.arange(60) // 4
    exact, slope, *_ = value_and_slopes(by_autograd(loss), x, y)
    value, found, *_ = value_and_slopes(loss, x.float(), y)
    plain, by_rows, *_ = value_and_slopes(by_autograd(loss), x.float(), y)
    error, size = (found.double() - slope).abs().max(), float(slope.abs().max())
    assert abs(value - exact) <= 2e-6 * max(float(exact), 1e-3) + 2 * abs(plain - exact)
    assert error <= 3e-6 * size + 2 * (by_rows.double() - slope).abs().max()


@pytest.mark.parametrize("spread", [1e-2, 1e-5, 1e-7])
@pytest.mark.parametrize("temperature", [0.0, 10.0, 200.0])
def test_a_ranked_list_of_near_duplicates_keeps_its_digits(temperature, spread):
    loss = RankedList(negative_temperature=temperature, detach=False)
    x = torch.randn(61, 64, generator=torch.Generator().manual_seed(0))
    x, y = x[60] + spread * x[:60], torch.arange(60) // 4
    exact, slope, *_ = value_and_slopes(by_autograd(loss), x.double(), y)
    value, found, *_ = value_and_slopes(loss, x, y)
    assert abs(value - exact) <= 2e-7 * exact
    assert (found.double() - slope).abs().max() <= 6e-7 * slope.abs().max()


@pytest.mark.parametrize("form", ["closed", "rows"])
@pytest.mark.parametrize(
    ("loss", "labels"),
    [
        (Contrastive(1.2, form="linear"), [0, 1]),
        (Contrastive(1.2), [0, 1]),
        (Contrastive(0.5, positive_margin=1.17, form="linear"), [0, 0]),
    ],
    ids=["linear", "hadsell", "positives"],
)
def test_a_margin_that_float32_has_not_leaves_no_trace(loss, labels, form):
    """1.2 is 5e-8 less than float32 has for it: of a gap of 0.0125, 4e-6."""
    loss = copy.deepcopy(loss if form == "closed" else by_autograd(loss))
    loss.precise = 0
    x, y = torch.tensor([[0.0], [1.1875]]), torch.tensor(labels)
    exact, slope, *_ = value_and_slopes(by_autograd(loss), x.double(), y)
    value, found, *_ = value_and_slopes(loss, x, y)
    assert value.item() == pytest.approx(exact.item(), rel=1e-7)
    torch.testing.assert_close(found.double(), slope, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("form", ["closed", "rows"])
@pytest.mark.parametrize(
    ("loss", "spread"), [(RankedList(), 1e-3), (RankedList(1.9, 0.35, balance=0.0), 10.0)], ids=["negatives", "positives"]
)
def test_a_border_that_float32_has_not_leaves_no_trace(loss, spread, form):
    y, generator = torch.arange(600) // 4, torch.Generator().manual_seed(0)
    x = torch.randn(150, 128, generator=generator)[y] + spread * torch.randn(600, 128, generator=generator)
    exact, *_ = value_and_slopes(by_autograd(loss), x.double(), y)
    value, *_ = value_and_slopes(loss if form == "closed" else by_autograd(loss), x, y)
    assert value.item() == pytest.approx(exact.item(), rel=3e-6)


@pytest.mark.parametrize("name", ["points", "two points"])
@pytest.mark.parametrize("loss", CASES, ids=ids)
def test_a_collapsed_batch_never_overflows(loss, name):
    """All negatives at distance 0, in float32: the largest sums of exponentials that there are."""
    rows = torch.ones(64, 6) if name == "points" else torch.tensor([[1.0], [-1.0]]).repeat(32, 6)
    loss = copy.deepcopy(loss)
    loss.precise = 0
    value, slope, *_ = value_and_slopes(loss, rows, torch.arange(64) // 4)
    assert value.isfinite()
    assert slope.isfinite().all()


def test_which_have_slopes_made_by_hand():
    assert all(loss.closed is not None for loss in CASES)
    for options in ({"negative_scale": 141.0}, {"positive_scale": 50.0}):
        assert MultiSimilarity(**options).closed is None


@pytest.mark.parametrize("bounded", [True, False])
def test_shares_of_rows_without_a_negative_are_none(bounded):
    logits = torch.tensor([[1.0, 2.0, 3.0], [FITTING, -FITTING, 0.0], [1.0, 1.0, 1.0]])
    kin = torch.tensor([0, 1, 2, 5, 6])
    nothing = torch.zeros(3, 0, dtype=torch.int64)
    pairs = KinBlock(nothing, kin, Counts(np.zeros(3, int), np.array([0, 2, 2])))
    tile = Tile(logits, pairs, {1: logits * LOG2E}.__getitem__, reach=FITTING)
    total, peak = negative_sums(tile, bounded)
    wanted = torch.tensor([[-torch.inf], [FITTING], [1 + math.log(2)]])
    torch.testing.assert_close(logarithm(total, peak), wanted)
    torch.testing.assert_close(tile.slope / total.clamp(min=LEAST), torch.tensor([[0, 0, 0], [1, 0, 0], [0, 0.5, 0.5]]))


@pytest.mark.parametrize("size", [None, 5])
@pytest.mark.parametrize("loss", [MultiSimilarity(mining="multi-similarity", eps=0.01), RankedList(0.5)], ids=ids)
def test_the_share_of_anchors_that_have_a_cost_is_measured(loss, size):
    loss = copy.deepcopy(loss)
    loss.block_size = size
    x, y = normal(12), torch.tensor(LABELS["unequal classes"])
    found, wanted = loss.measure(x, y), by_autograd(loss).measure(x, y)
    assert found.active == wanted.active
    assert 0 < found.active < 1


@pytest.mark.parametrize("distance", ["inner-product", "cosine"])
def test_a_low_temperature_does_not_show_the_rounding_of_positives(distance: str) -> None:
    generator = torch.Generator().manual_seed(5)
    queries = torch.randn(256, 128, generator=generator)
    keys = queries + torch.randn(256, 128, generator=generator)
    same, found = torch.arange(256), []
    for dtype in (torch.float32, torch.float64):
        pair = [torch.nn.functional.normalize(rows).to(dtype).requires_grad_() for rows in (queries, keys)]
        loss = NTXent(0.07, distance=distance)
        if dtype == torch.float64:
            loss.closed = None  # type: ignore[assignment, method-assign]
        loss(pair[0], same, pair[1], same).backward()
        found.append([rows.grad.double() for rows in pair])
    for got, wanted in zip(*found, strict=True):
        assert float((got - wanted).abs().max() / wanted.abs().max()) < 8e-7
