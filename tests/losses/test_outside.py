"""Losses outside the engine: centres and regularisers against slow loops, in every option and on degenerate batches."""

from __future__ import annotations

import copy
import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

import nearkin
from nearkin.core import InputError, InputTypeError
from nearkin.losses import LOSSES, BatchLoss, Center, ContrastiveCenter, EnergyConfusion, OutsideLoss, ZeroMean
from nearkin.testing import run_processes
from oracles import centers as slow
from oracles import regularisers
from oracles.gradient import value_and_gradient

LABELS = [0, 2, 0, 3, 2, 0, 3, 0, 2]  # unequal classes; class 1 and 4 are not in the batch
Y = torch.tensor(LABELS)
CLASSES, DIMENSIONS = 5, 3


def normal(*shape: int, seed: int = 5) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, CENTERS = normal(9, DIMENSIONS), normal(CLASSES, DIMENSIONS, seed=6)


class Case(NamedTuple):
    """A loss with options, and its oracle: (x, labels, centres) -> value."""

    name: str
    options: dict[str, Any]
    oracle: Callable[..., Any]

    def make(self) -> Any:
        loss = LOSSES[self.name].make(**self.options).double()
        if getattr(loss, "centers", None) is not None:
            loss.centers.data.copy_(CENTERS)
        return loss


SIZE = {"classes": CLASSES, "dimensions": DIMENSIONS, "seed": 3}


def _to_centers(delta: float = 1.0, reduction: str = "mean", denominator: str = "sum") -> Callable[..., Any]:
    return lambda x, y, c: slow.contrastive_center(x, y, c, delta, reduction, denominator)


CASES = [
    Case("center", SIZE, lambda x, y, c: slow.center(x, y, c)),
    Case("center", {**SIZE, "reduction": "sum"}, lambda x, y, c: slow.center(x, y, c, "sum")),
    Case("center", {**SIZE, "update": "rule", "rate": 0.3}, lambda x, y, c: slow.center(x, y, c)),
    Case("contrastive-center", SIZE, _to_centers()),
    Case("contrastive-center", {**SIZE, "delta": 0.3, "reduction": "sum"}, _to_centers(0.3, "sum")),
    Case("contrastive-center", {**SIZE, "denominator": "mean"}, _to_centers(1e-6, "mean", "mean")),
    Case("zero-mean", {}, lambda x, y, c: regularisers.zero_mean(x)),
    Case("zero-mean", {"relative": True}, lambda x, y, c: regularisers.zero_mean(x, True)),
    Case("zero-mean", {"reduction": "sum"}, lambda x, y, c: regularisers.zero_mean(x, reduction="sum")),
    Case("embedding-norm", {}, lambda x, y, c: regularisers.embedding_norm(x)),
    Case("embedding-norm", {"target": 1.25}, lambda x, y, c: regularisers.embedding_norm(x, 1.25)),
    Case(
        "embedding-norm",
        {"target": 0.75, "order": 1.5, "power": 2.5, "reduction": "sum"},
        lambda x, y, c: regularisers.embedding_norm(x, 0.75, 1.5, 2.5, "sum"),
    ),
    Case("equal-norms", {}, lambda x, y, c: regularisers.equal_norms(x)),
    Case("equal-norms", {"squared": True}, lambda x, y, c: regularisers.equal_norms(x, True)),
    Case("equal-norms", {"reduction": "sum"}, lambda x, y, c: regularisers.equal_norms(x, reduction="sum")),
    Case("decorrelation", {}, lambda x, y, c: regularisers.decorrelation(x)),
    Case("decorrelation", {"relative": False}, lambda x, y, c: regularisers.decorrelation(x, False)),
    Case("decorrelation", {"reduction": "sum"}, lambda x, y, c: regularisers.decorrelation(x, reduction="sum")),
    Case("energy-confusion", {}, lambda x, y, c: regularisers.energy_confusion(x, y)),
    Case("energy-confusion", {"reduction": "sum"}, lambda x, y, c: regularisers.energy_confusion(x, y, "sum")),
]
TITLES = [f"{case.name} {case.options}" for case in CASES]


def slopes(loss: Any, x: Tensor, y: Any, **more: Any) -> tuple[float, np.ndarray, np.ndarray | None]:
    leaf = x.clone().requires_grad_()
    value = loss(leaf, y, **more)
    assert value.requires_grad and value.dim() == 0
    parameters = list(loss.parameters())
    found = torch.autograd.grad(value, [leaf, *parameters])
    return float(value.detach()), found[0].numpy(), found[1].numpy() if parameters else None


@pytest.mark.parametrize("case", CASES, ids=TITLES)
def test_value_and_gradients_equal_the_slow_form(case):
    def oracle(x: Any, c: Any) -> Any:
        return case.oracle(x, LABELS, c)

    value, gradient = value_and_gradient(oracle, {"x": X.numpy(), "c": CENTERS.numpy()})
    got, to_x, to_centers = slopes(case.make(), X, Y)
    assert got == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(to_x, gradient["x"], 1e-10, 1e-13)
    if to_centers is not None:
        np.testing.assert_allclose(to_centers, gradient["c"], 1e-10, 1e-13)
        assert np.abs(to_centers).max() > 1e-6


def test_every_option_is_turned():
    names = {name for name, entry in LOSSES.items() if entry.kind == "batch"}
    assert {case.name for case in CASES} == names
    for name in names:
        options = {option for case in CASES if case.name == name for option in case.options}
        assert options == set(inspect.signature(LOSSES[name].make).parameters), name


DEGENERATE = {
    "one class": (X, [2] * 9),
    "no positives": (X[:5], [0, 1, 2, 3, 4]),
    "a batch of one": (X[:1], [1]),
    "an empty batch": (X[:0], []),
    "a zero row and duplicates": (torch.stack([0 * X[0], X[1], X[1], X[1]]), [0, 1, 1, 2]),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("case", CASES, ids=TITLES)
def test_degenerate_batches_give_what_is_left_and_say_once_that_nothing_is(case, name):
    x, labels = DEGENERATE[name]
    few = {"energy-confusion": len(set(labels)), "decorrelation": len(labels)}.get(case.name, 2)
    empty = not labels or few < 2

    def oracle(x: Any, c: Any) -> Any:
        return case.oracle(x, labels, c)

    value, gradient = (
        (0.0, {"x": np.zeros(x.shape)}) if empty else value_and_gradient(oracle, {"x": x.numpy(), "c": CENTERS.numpy()})
    )
    loss = case.make().eval()
    for call in (1, 2):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            got, to_x, _ = slopes(loss, x, torch.tensor(labels, dtype=torch.int64))
        assert got == pytest.approx(value, rel=1e-12, abs=1e-15)
        np.testing.assert_allclose(to_x, gradient["x"], 1e-9, 1e-13)
        assert ["no valid term" in str(one.message) for one in said] == [True] * (empty and call == 1)


@pytest.mark.parametrize("case", CASES, ids=TITLES)
def test_two_processes_equal_one(case):
    wanted = slopes(case.make(), X, Y)
    shares: list[Any] = [None, None]

    def work(rank: int, group: Any) -> None:
        rows = (slice(0, 4), slice(4, None))[rank]
        loss = case.make()
        shares[rank] = (*slopes(loss, X[rows], Y[rows], group=group), loss)

    run_processes(work, 2)
    assert shares[0][0] == pytest.approx(wanted[0], rel=1e-12)
    assert shares[1][0] == pytest.approx(wanted[0], rel=1e-12)
    np.testing.assert_allclose(np.concatenate([shares[0][1], shares[1][1]]) / 2, wanted[1], 1e-11, 1e-14)
    if wanted[2] is not None:
        np.testing.assert_allclose((shares[0][2] + shares[1][2]) / 2, wanted[2], 1e-11, 1e-14)
    alone = case.make()
    alone(X, Y)
    for loss in (shares[0][3], shares[1][3]):
        for name, state in alone.state_dict().items():
            torch.testing.assert_close(loss.state_dict()[name], state)


@pytest.mark.parametrize("case", CASES, ids=TITLES)
def test_float32_bfloat16_and_autocast(case):
    exact = float(case.make()(X, Y).detach())
    loss = case.make().float()
    for rows, close in ((X.float(), 1e-5), (X.bfloat16(), 3e-2)):
        for autocast in (False, True):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
                value = loss.eval()(rows, Y)
            assert value.dtype == torch.float32
            assert float(value.detach()) == pytest.approx(exact, rel=close)


@pytest.mark.parametrize("case", CASES, ids=TITLES)
def test_measure_is_the_call_with_mean_distances(case):
    measure = case.make().measure(X, Y)
    assert float(measure.value.detach()) == float(case.make()(X, Y).detach())
    assert measure.active is None
    d = case.make().distance(X)
    same = Y[:, None] == Y
    assert measure.positive == pytest.approx(float(d[same & ~torch.eye(9, dtype=torch.bool)].mean()))
    assert measure.negative == pytest.approx(float(d[~same].mean()))
    assert math.isnan(case.make().measure(X[:3], Y[[0, 1, 3]]).positive)


@pytest.mark.parametrize("case", CASES, ids=TITLES)
def test_a_loss_can_be_copied_and_read_back(case):
    loss = case.make()
    state = copy.deepcopy(loss.state_dict())
    other = LOSSES[case.name].make(**{**case.options, **({"seed": 9} if "seed" in case.options else {})}).double()
    other.load_state_dict(state)
    assert torch.equal(other(X, Y), copy.deepcopy(loss)(X, Y))
    for option, value in case.options.items():
        assert f"{option}={value!r}" in repr(loss)


# Centres


def test_the_rule_moves_centres_once_a_call_and_only_in_training_mode():
    loss = Center(CLASSES, DIMENSIONS, update="rule").double()
    before = loss.centers.clone()
    assert not list(loss.parameters())
    loss.eval()
    loss(X, Y)
    loss.measure(X, Y)
    assert torch.equal(loss.centers, before)
    loss.train()
    once = torch.tensor(slow.moved(X.tolist(), LABELS, before.tolist(), 0.5), dtype=torch.float64)
    value = loss.measure(X, Y).value
    torch.testing.assert_close(loss.centers, once)
    torch.testing.assert_close(value, Center.forward(_with(loss, before).eval(), X, Y))
    assert torch.equal(loss.centers[1], before[1])  # a class that is not in the batch stays
    loss(X, Y)
    assert not torch.equal(loss.centers, once)


def _with(loss: Any, centers: Tensor) -> Any:
    other = copy.deepcopy(loss)
    other.centers.copy_(centers)
    return other


def test_a_moving_centre_does_not_disturb_the_gradient():
    loss = Center(CLASSES, DIMENSIONS, update="rule").double()
    x = X.clone().requires_grad_()
    before = loss.centers.clone()
    loss(x, Y).backward()
    torch.testing.assert_close(x.grad, (X - before[Y]) / 9)


def test_first_centres_come_from_the_seed():
    one, same, other = (ContrastiveCenter(4, 6, seed=seed).centers for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert 0.5 < float(ContrastiveCenter(200, 30).centers.detach().norm(dim=1).mean()) < 1.5


@pytest.mark.parametrize("make", [Center, ContrastiveCenter])
def test_what_does_not_fit_the_centres_is_said_in_words(make):
    with pytest.raises(InputError, match="give classes= and dimensions="):
        make()(X, Y)
    with pytest.raises(InputError, match="made for 4 dimensions, the embeddings have 3"):
        make(5, 4)(X, Y)
    for labels in (Y + 2, Y - 1):
        with pytest.raises(InputError, match=r"must be class indices 0\.\.4"):
            make(5, 3)(X, labels)
    with pytest.raises(InputTypeError, match="must be integers"):
        make(5, 3)(X, Y.double())
    with pytest.raises(InputError, match="labels are missing"):
        make(5, 3)(X)
    with pytest.raises(InputError, match="NaN"):
        make(5, 3)(X * math.nan, Y)
    with pytest.raises(InputError, match="class indices of shape"):
        make(5, 3)(X, torch.ones(9, 5, dtype=torch.int64))


def test_one_class_alone_divides_by_delta():
    loss = ContrastiveCenter(1, 3, delta=0.5).double()
    cost = (X - loss.centers.detach()).square().sum(1).mean() / 2 / 0.5
    assert float(loss(X, 0 * Y).detach()) == pytest.approx(float(cost))


# Regularisers


def test_zero_mean_reads_no_labels_and_its_relative_form_no_size():
    assert float(ZeroMean()(X)) == pytest.approx(float(X.sum(1).abs().mean()))
    assert float(ZeroMean(True)(7 * X)) == pytest.approx(float(ZeroMean(True)(X)))
    assert float(ZeroMean()(X - X.mean(1, keepdim=True))) == pytest.approx(0, abs=1e-12)
    assert math.isnan(ZeroMean().measure(X).positive)


def test_embedding_norm_is_least_at_its_target():
    loss, unit = nearkin.EmbeddingNorm(1.0), torch.nn.functional.normalize(X).requires_grad_()
    assert float(loss(unit).detach()) == pytest.approx(0, abs=1e-24)
    assert float(loss(2 * unit.detach())) == pytest.approx(1)
    assert float(nearkin.EmbeddingNorm(order=1, power=1)(X)) == pytest.approx(float(X.abs().sum(1).mean()))
    for setting in ({"order": 0.5}, {"power": 0}):
        with pytest.raises(InputError, match="must be a number of at least 1"):
            nearkin.EmbeddingNorm(**setting)


def test_equal_norms_reads_no_directions_and_no_mean():
    turned = X @ torch.linalg.qr(normal(DIMENSIONS, DIMENSIONS, seed=3))[0]
    longer = X * (1 + 3 / X.norm(dim=1, keepdim=True))
    for rows in (turned, longer):
        assert float(nearkin.EqualNorms()(rows)) == pytest.approx(float(nearkin.EqualNorms()(X)))
    assert float(nearkin.EqualNorms(squared=True)(X)) == pytest.approx(float(X.square().sum(1).var(correction=0) / 4))


def test_decorrelation_is_the_mean_squared_correlation():
    wanted = np.corrcoef(X.numpy().T)[~np.eye(DIMENSIONS, dtype=bool)]
    assert float(nearkin.Decorrelation()(X)) == pytest.approx((wanted**2).mean())
    assert float(nearkin.Decorrelation()(X * torch.tensor([1.0, -50.0, 0.01]) + 9)) == pytest.approx((wanted**2).mean())
    wanted = np.cov(X.numpy().T)[~np.eye(DIMENSIONS, dtype=bool)]
    assert float(nearkin.Decorrelation(relative=False)(X)) == pytest.approx((wanted**2).sum() / DIMENSIONS)
    constant = torch.cat([X[:, :2], torch.full((9, 1), 0.1, dtype=torch.float64)], 1).requires_grad_()
    value = nearkin.Decorrelation()(constant)
    assert float(value.detach()) == pytest.approx(float(nearkin.Decorrelation()(X[:, :2])) / 3)
    assert torch.autograd.grad(value, constant)[0].isfinite().all()


def test_energy_confusion_is_about_directions():
    assert float(EnergyConfusion()(3 * X, Y)) == pytest.approx(float(EnergyConfusion()(X, Y)))
    opposite = torch.tensor([[1.0, 0.0], [5.0, 0.0], [-2.0, 0.0]])
    assert float(EnergyConfusion()(opposite, torch.tensor([0, 0, 1]))) == pytest.approx(4.0)


def test_the_face_says_what_is_missing():
    for what in ("forward", "measure"):
        with pytest.raises(NotImplementedError, match="OutsideLoss needs a value"):
            getattr(OutsideLoss(), what)(X, Y)
    with pytest.raises(NotImplementedError, match="BatchLoss needs terms"):
        BatchLoss()(X, Y)


def test_contrastive_center_keeps_its_digits_far_from_all_centres():
    """Rows close together and far from every centre: the slopes towards the centres nearly cancel."""
    x, y = 10 + 1e-3 * torch.randn(40, 16, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 8
    found = []
    for rows in (x, x.double()):
        loss, leaf = ContrastiveCenter(8, 16).to(rows.dtype), rows.requires_grad_()
        found.append(torch.autograd.grad(loss(leaf, y), [leaf, loss.centers]))
    for narrow, wide in zip(*found, strict=True):
        assert float((narrow - wide).abs().max()) < 2e-7 * float(wide.abs().max())
