"""Losses on learned proxies of classes: every option against slow loops, blocks, processes, and what each one promises."""

from __future__ import annotations

import copy
import inspect
import math
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from nearkin.core import InputError, InputTypeError
from nearkin.losses import (
    LOSSES,
    ArcFace,
    Contrastive,
    CosFace,
    Joint,
    MemoryBank,
    NormalizedSoftmax,
    NPair,
    OutsideLoss,
    Proxies,
    ProxyAnchor,
    ProxyNCA,
    ProxyNCAPlusPlus,
    SoftTriple,
    SubCenterArcFace,
    Sum,
    Triplet,
    ZeroMean,
    cosine_matrix,
)
from nearkin.losses.arcface import ArcFaceRows
from nearkin.losses.class_rows import ClassLoss
from nearkin.testing import run_processes
from oracles import distances as far
from oracles import proxies as slow
from oracles.gradient import value_and_gradient
from oracles.kin import by_position, kin, nobody, same_label
from sweeps import inputs
from sweeps.variants import VARIANTS, Variant

LABELS = [0, 2, 0, 3, 2, 0, 3, 0, 2]  # unequal classes; class 1 and 4 are not in the batch
Y = torch.tensor(LABELS)
CLASSES, DIMENSIONS = 5, 3


def normal(*shape: int, seed: int = 5) -> Tensor:
    """Numbers that bfloat16 holds exactly, so that one oracle serves every dtype."""
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn.bfloat16().double()


X, ROWS = normal(9, DIMENSIONS), normal(CLASSES * 10, DIMENSIONS, seed=6)


class Case(NamedTuple):
    """A loss with options, and its oracle: (x, labels, proxies) -> value."""

    name: str
    options: dict[str, Any]
    oracle: Callable[..., Any]

    @property
    def title(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value}' for key, value in self.options.items())})"

    def make(self, **more: Any) -> Any:
        loss = LOSSES[self.name].make(CLASSES, DIMENSIONS, **self.options, **more).double()
        loss.proxies.data.copy_(self.rows())
        return loss

    def rows(self) -> Tensor:
        per_class = inspect.signature(LOSSES[self.name].make).parameters.get("per_class")
        return ROWS[: CLASSES * self.options.get("per_class", 1 if per_class is None else per_class.default)]


def _softmax(scale: float, margin: Any = slow.no_margin, K: int = 1, **more: Any) -> Callable[..., Any]:
    return lambda x, y, w: slow.class_softmax(x, y, w, K, scale, margin, **more)


def _soft_triple(
    K: int = 10, gamma: float = 0.1, la: float = 20.0, de: float = 0.01, reg: float = 0.2, reduction: str = "mean"
) -> Any:
    def oracle(x: Any, y: Any, w: Any) -> Any:
        margin = slow.cosine_margin(de)
        return slow.class_softmax(x, y, w, K, la, margin, gamma, reduction) + reg * slow.spread(w, K)

    return oracle


CASES = [
    Case("proxy-nca", {}, lambda x, y, w: slow.proxy_nca(x, y, w)),
    Case("proxy-nca", {"temperature": 0.3, "reduction": "sum"}, lambda x, y, w: slow.proxy_nca(x, y, w, 0.3, reduction="sum")),
    Case("proxy-nca++", {}, lambda x, y, w: slow.proxy_nca(x, y, w, 1 / 9, True)),
    Case("proxy-nca++", {"temperature": 0.5, "reduction": "sum"}, lambda x, y, w: slow.proxy_nca(x, y, w, 0.5, True, "sum")),
    Case("proxy-anchor", {}, lambda x, y, w: slow.proxy_anchor(x, y, w)),
    Case("proxy-anchor", {"margin": 0.3, "scale": 5.0, "reduction": "sum"}, lambda x, y, w: slow.proxy_anchor(x, y, w, 5.0, 0.3, "sum")),
    Case("normalized-softmax", {}, _softmax(20.0)),
    Case("normalized-softmax", {"temperature": 0.5, "reduction": "sum"}, _softmax(2.0, reduction="sum")),
    Case("cosface", {}, _softmax(64.0, slow.cosine_margin(0.35))),
    Case("cosface", {"margin": 0.1, "scale": 5.0, "reduction": "sum"}, _softmax(5.0, slow.cosine_margin(0.1), reduction="sum")),
    Case("arcface", {}, _softmax(64.0, slow.angle_margin(0.5))),
    Case("arcface", {"margin": 1.2, "scale": 5.0, "reduction": "sum"}, _softmax(5.0, slow.angle_margin(1.2), reduction="sum")),
    Case("arcface", {"margin": 2.5, "scale": 3.0}, _softmax(3.0, slow.angle_margin(2.5))),
    Case("sub-center-arcface", {}, _softmax(64.0, slow.angle_margin(0.5), 3)),
    Case("sub-center-arcface", {"per_class": 2, "margin": 0.2, "scale": 7.0, "reduction": "sum"}, _softmax(7.0, slow.angle_margin(0.2), 2, reduction="sum")),
    Case("sub-center-arcface", {"per_class": 1}, _softmax(64.0, slow.angle_margin(0.5))),
    Case("soft-triple", {}, _soft_triple()),
    Case("soft-triple", {"per_class": 2, "temperature": 0.5, "scale": 5.0, "margin": 0.2, "regularizer": 1.5, "reduction": "sum"}, _soft_triple(2, 0.5, 5.0, 0.2, 1.5, "sum")),
    Case("soft-triple", {"per_class": 1, "regularizer": 3.0}, _soft_triple(1)),
    Case("soft-triple", {"per_class": 3, "regularizer": 0.0}, _soft_triple(3, reg=0.0)),
]  # fmt: skip
EACH = list({case.name: case for case in reversed(CASES)}.values())
"""One case of each loss, with its defaults."""


def slopes(loss: Any, x: Tensor, y: Any, **more: Any) -> list[Tensor]:
    """The value, its gradient to the embeddings and to every parameter."""
    leaf = x.clone().requires_grad_()
    value = loss(leaf, y, **more)
    assert value.requires_grad and value.dim() == 0
    return [value.detach(), *torch.autograd.grad(value, [leaf, *loss.parameters()])]


def wanted(case: Case, x: Tensor = X, labels: list[int] = LABELS) -> tuple[float, dict[str, np.ndarray]]:
    return value_and_gradient(lambda x, w: case.oracle(x, labels, w), {"x": x.numpy(), "w": case.rows().numpy()})


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_value_and_gradients_equal_the_slow_form(case, monkeypatch):
    value, gradient = wanted(case)
    assert np.abs(gradient["w"]).max() > 1e-6
    for dtype, close, near in (
        (torch.float64, 1e-11, 1e-10),
        (torch.float32, 1e-5, 1e-4),
        (torch.bfloat16, 1e-5, 1e-2),
    ):
        for size, by_hand, pairs in (
            *((None, True, n) for n in (cosine_matrix.PAIRS, 0)),
            (1, True, 0),
            (4, True, 0),
            (None, False, 0),
            (4, False, 0),
        ):
            monkeypatch.setattr(cosine_matrix, "PAIRS", pairs)  # 0: in the engine
            loss = case.make(block_size=size).to(torch.float64 if dtype == torch.float64 else torch.float32)
            assert loss.loss.closed is not None
            if not by_hand:
                loss.loss.closed = None  # the slopes of `rows`, by autograd
            got, to_x, to_w = slopes(loss, X.to(dtype), Y)
            assert got.dtype == loss.proxies.dtype
            assert float(got) == pytest.approx(value, rel=close)
            for slope, name in ((to_x, "x"), (to_w, "w")):
                size_of = np.abs(gradient[name]).max()
                np.testing.assert_allclose(slope.double().numpy(), gradient[name], near, near * size_of, err_msg=name)


def test_every_option_of_every_loss_on_proxies_is_turned():
    names = {name for name, entry in LOSSES.items() if entry.kind == "proxies"}
    assert {case.name for case in CASES} == names
    assert len(names) == 8
    for name in names:
        turned = {option for case in CASES if case.name == name for option in case.options}
        options = set(inspect.signature(LOSSES[name].make).parameters) - {"classes", "dimensions", "seed", "block_size"}
        assert turned == options, name


DEGENERATE = {
    "one class": (X, [2] * 9),
    "no two of a class": (X[:5], [0, 1, 2, 3, 4]),
    "a batch of one": (X[:1], [1]),
    "an empty batch": (X[:0], []),
    "a zero row and duplicates": (torch.stack([0 * X[0], X[1], X[1], X[1]]), [0, 1, 1, 2]),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("case", EACH, ids=[case.name for case in EACH])
def test_degenerate_batches_give_what_is_left_and_say_once_that_nothing_is(case, name):
    x, labels = DEGENERATE[name]
    value, gradient = wanted(case, x, labels)
    if not labels and case.name == "proxy-anchor":
        value, gradient = 0.0, {"x": np.zeros(x.shape), "w": 0 * case.rows().numpy()}
    for size in (None, 2):
        loss = case.make(block_size=size)
        for call in (1, 2):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                got, to_x, to_w = slopes(loss, x, torch.tensor(labels, dtype=torch.int64))
            assert float(got) == pytest.approx(value, rel=1e-11, abs=1e-15)
            np.testing.assert_allclose(to_x.numpy(), gradient["x"], 1e-9, 1e-12)
            np.testing.assert_allclose(to_w.numpy(), gradient["w"], 1e-9, 1e-12)
            assert ["no valid term" in str(one.message) for one in said] == [True] * (not labels and call == 1)


@pytest.mark.parametrize("size", [None, 3])
@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("case", EACH, ids=[case.name for case in EACH])
def test_several_processes_equal_one(case, world, size):
    """Three processes, five classes of which each brings its own, and one of the processes without any embedding."""
    alone = slopes(case.make(block_size=size), X, Y)
    cuts = [slice(0, 4), slice(4, 4), slice(4, None)] if world == 3 else [slice(0, 4), slice(4, None)]
    shares: list[Any] = [None] * world

    def work(rank: int, group: Any) -> None:
        shares[rank] = slopes(case.make(block_size=size), X[cuts[rank]], Y[cuts[rank]], group=group)

    run_processes(work, world)
    for share in shares:
        torch.testing.assert_close(share[0], alone[0], rtol=1e-12, atol=0)
    torch.testing.assert_close(torch.cat([share[1] for share in shares]) / world, alone[1], rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(sum(share[2] for share in shares) / world, alone[2], rtol=1e-10, atol=1e-13)


def test_a_process_may_have_no_class_to_bring():
    alone = slopes(ProxyAnchor(2, 3).double(), X, Y % 2), slopes(Proxies(Triplet(), 2, 3).double(), X, Y % 2)
    shares: list[Any] = [None] * 3

    def work(rank: int, group: Any) -> None:
        rows = slice(3 * rank, 3 * rank + 3)
        made = ProxyAnchor(2, 3).double(), Proxies(Triplet(), 2, 3).double()
        shares[rank] = [slopes(loss, X[rows], Y[rows] % 2, group=group) for loss in made]

    run_processes(work, 3)
    for number, wanted_slopes in enumerate(alone):
        torch.testing.assert_close(shares[2][number][0], wanted_slopes[0])
        torch.testing.assert_close(sum(share[number][2] for share in shares) / 3, wanted_slopes[2])


@pytest.mark.parametrize("case", EACH, ids=[case.name for case in EACH])
def test_measure_is_the_call_with_mean_distances_to_proxies(case):
    loss = case.make()
    measure = loss.measure(X, Y)
    assert float(measure.value.detach()) == float(loss(X, Y).detach())
    assert measure.active is None
    d = loss.distance(X, loss.proxies.detach())
    own = Y[:, None] == torch.arange(len(loss.proxies)) // loss.per_class
    assert measure.positive == pytest.approx(float(d[own].mean()))
    assert measure.negative == pytest.approx(float(d[~own].mean()))


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_a_loss_can_be_copied_and_read_back_and_shows_its_settings(case):
    loss = case.make()
    assert list(loss.state_dict()) == ["proxies"]
    other = LOSSES[case.name].make(CLASSES, DIMENSIONS, seed=9, **case.options).double()
    assert not torch.equal(other.proxies, loss.proxies)
    other.load_state_dict(copy.deepcopy(loss.state_dict()))
    assert torch.equal(other(X, Y), copy.deepcopy(loss)(X, Y))
    shown = repr(loss)
    assert shown.startswith(f"{type(loss).__name__}(")
    for option, value in case.options.items():
        if option != "temperature" or case.name == "soft-triple":  # elsewhere it is a scale
            assert f"{option}={value:g}" in shown if isinstance(value, float) else f"{option}={value!r}" in shown


@pytest.mark.parametrize("case", EACH, ids=[case.name for case in EACH])
def test_autocast_changes_nothing(case):
    loss = case.make().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, answers = loss(X.float(), Y), loss.classify(X.float())
    assert value.dtype == answers.dtype == torch.float32
    assert torch.equal(value, loss(X.float(), Y))
    assert torch.equal(answers, loss.classify(X.float()))


@pytest.mark.parametrize("slopes", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", EACH, ids=[case.name for case in EACH])
def test_a_backward_pass_under_autocast_is_that_without(monkeypatch, case, slopes):
    if slopes == torch.float32:
        monkeypatch.setattr(cosine_matrix, "FEW", 0)
        monkeypatch.setattr(cosine_matrix, "APART", -1.0)
    loss, found = case.make().float(), []
    for autocast in (False, True):
        x = X.float().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            found.append(torch.autograd.grad(loss(x, Y), [x, loss.proxies]))
    assert all(map(torch.equal, *found))


def test_first_proxies_come_from_the_seed():
    one, same, other = (ProxyNCA(4, 6, seed=seed).proxies for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert 0.5 < float(ProxyNCA(200, 30).proxies.detach().norm(dim=1).mean()) < 1.5
    state = torch.random.get_rng_state()
    SoftTriple(4, 6)
    assert torch.equal(torch.random.get_rng_state(), state)


# What does not fit


MAKERS = [LOSSES[case.name].make for case in EACH]


@pytest.mark.parametrize("make", [*MAKERS, lambda *sizes: Proxies(Triplet(), *sizes)])
def test_what_does_not_fit_the_proxies_is_said_in_words(make):
    with pytest.raises(InputError, match="give classes= and dimensions="):
        make()(X, Y)
    with pytest.raises(InputError, match="give classes= and dimensions="):
        make(5).classify(X)
    with pytest.raises(InputError, match="other classes: it needs at least 2 classes, got 1"):
        make(1, 3)
    with pytest.raises(InputError, match="classes must be a whole number of at least 1, got 0"):
        make(0, 3)
    loss = make(5, 3)
    for rows, name in ((loss, "call"), (loss.measure, "measure")):
        with pytest.raises(InputError, match="made for 3 dimensions, the embeddings have 4"):
            rows(torch.zeros(9, 4), Y)
        for labels in (Y + 2, Y - 1):
            with pytest.raises(InputError, match=rf"{type(loss).__name__} must be class indices 0\.\.4, got"):
                rows(X, labels)
        with pytest.raises(InputTypeError, match="must be integers"):
            rows(X, Y.double())
        with pytest.raises(InputError, match="labels are missing"):
            rows(X)
        with pytest.raises(InputError, match="embeddings hold NaN"):
            rows(X * math.nan, Y)
        with pytest.raises(InputError, match="class indices of shape"):
            rows(X, torch.ones(9, 5, dtype=torch.int64))
        assert name
    with pytest.raises(InputError, match="made for 3 dimensions, the embeddings have 4"):
        loss.classify(torch.zeros(9, 4))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Proxies(ZeroMean(), 3, 4), "proxies are columns of a loss made of rows, got ZeroMean"),
        (lambda: Proxies(ArcFace(), 3, 4), "proxies are columns of a loss made of rows, got ArcFace"),
        (lambda: MemoryBank(ArcFace(3, 4)), "serves a loss made of rows, got ArcFace"),
        (lambda: Proxies(Triplet(), 3, 4, per_class=0), "per_class must be a whole number of at least 1"),
        (lambda: SoftTriple(3, 4, per_class=2.5), "per_class must be a whole number"),
        (lambda: ProxyNCA(temperature=0), "temperature must be a finite number above 0"),
        (lambda: NormalizedSoftmax(temperature=-1.0), "temperature must be a finite number above 0"),
        (lambda: ArcFace(margin=28.6), "margin must be a number from 0 to 3.14159, got 28.6"),
        (lambda: CosFace(margin=-0.1), "margin must be a number from 0 to 2"),
        (lambda: ProxyAnchor(scale=0.0), "scale must be a finite number above 0"),
        (lambda: SoftTriple(regularizer=-1.0), "regularizer must be a finite number of at least 0"),
        (lambda: ArcFace(reduction="mean_nonzero"), "reduction must be one of 'mean', 'sum'"),
        (lambda: ArcFace(block_size=0), "block_size must be a whole number of at least 1"),
    ],
)
def test_a_wrong_setting_is_refused_when_the_loss_is_made(make, words):
    with pytest.raises(InputError, match=words):
        make()


# What each one promises


def test_a_gradient_is_finite_where_an_embedding_lies_on_its_proxy_or_opposite_to_it():
    """arccos has an infinite slope at 1 and -1, so that a formula through the angle gives NaN there."""
    for make in MAKERS:
        for sign in (1, -1):
            for dtype in (torch.float64, torch.float32):
                for size, by_hand in ((None, True), (2, True), (None, False), (2, False)):
                    loss = make(CLASSES, DIMENSIONS, block_size=size).to(dtype)
                    if not by_hand:
                        loss.loss.closed = None
                    x = sign * loss.proxies.detach()[:: loss.per_class]
                    x = torch.cat([x, 3 * x[:2]])  # the same directions at another length
                    x = x if by_hand else torch.cat([x, 0 * x[:1]])  # and none at all
                    value, *gradients = slopes(loss, x, torch.arange(len(x)) % 5)
                    assert value.isfinite()
                    assert all(gradient.isfinite().all() for gradient in gradients)


def test_arcface_on_its_proxy_has_the_gradient_of_the_other_classes_alone():
    """There d(own)/dx is 0: a direction is nowhere nearer than on itself."""
    loss = ArcFace(3, 3, scale=4.0).double()
    loss.proxies.data.copy_(torch.eye(3))
    value, to_x, _ = slopes(loss, torch.eye(3, dtype=torch.float64)[:1], torch.tensor([0]))
    others = 2.0
    assert float(value) == pytest.approx(math.log(1 + others * math.exp(-4 * math.cos(0.5))))
    share = math.exp(-4 * math.cos(0.5)) / (1 + others * math.exp(-4 * math.cos(0.5)))
    np.testing.assert_allclose(to_x.numpy(), [[0.0, 4 * share, 4 * share]], 1e-12, 1e-14)


def test_a_larger_angle_never_costs_less():
    """Beyond pi - m cos(t + m) rises again; the loss goes on rising with the angle."""
    loss = ArcFace(2, 2, margin=1.0, scale=2.0, reduction="sum").double()
    loss.proxies.data.copy_(torch.tensor([[1.0, 0.0], [0.0, -1.0]]))
    angles = torch.linspace(0.0, math.pi, 200, dtype=torch.float64)
    rows = torch.stack([angles.cos(), angles.sin()], 1)
    logits = loss.loss.scale * (1 - loss.loss.widened(loss.distance(rows, loss.proxies.detach())[:, 0])[0])
    assert bool((logits.diff() < 0).all())
    edge = math.pi - 1
    near = angles[(angles < edge)]
    np.testing.assert_allclose(logits[: len(near)].numpy(), 2 * (near + 1).cos().numpy(), 1e-9, 1e-9)


def test_costs_near_zero_keep_their_digits_in_float32():
    """log(1 + e^-40) is 4e-18: as a difference of two logarithms it would be 0."""
    loss = NormalizedSoftmax(2, 2)
    loss.proxies.data.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    value, to_x, to_w = slopes(loss, torch.tensor([[1.0, 0.1]]), torch.tensor([0]))
    cosine = 1 / math.sqrt(1.01)
    assert float(value) == pytest.approx(math.exp(-40 * cosine), rel=1e-4)
    assert to_x.any() and to_w.any()


def test_proxy_nca_is_unbounded_below_and_its_plus_is_normalised_softmax():
    proxies = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    losses = ProxyNCA(2, 2), ProxyNCAPlusPlus(2, 2, temperature=0.1), NormalizedSoftmax(2, 2, temperature=0.05)
    for loss in losses:
        loss.proxies.data.copy_(proxies)
    x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([0])
    assert float(losses[0](x, y).detach()) == pytest.approx(-4.0)
    wide = normal(9, 2).float()
    torch.testing.assert_close(losses[1](wide, Y % 2), losses[2](wide, Y % 2))


def test_proxy_anchor_pulls_only_to_classes_in_the_batch_and_pushes_from_all():
    loss = ProxyAnchor(5, 3).double()
    loss.proxies.data.copy_(ROWS[:5])
    _, _, to_proxies = slopes(loss, X, Y)
    assert to_proxies.any(1).all()
    quiet = ProxyAnchor(5, 3, scale=200.0, margin=0.0).double()
    quiet.proxies.data.copy_(torch.cat([torch.eye(3), -torch.eye(3)[:2]]))
    rows = torch.eye(3, dtype=torch.float64)[:1]
    _, _, alone = slopes(quiet, rows, torch.tensor([0]))
    assert not alone[3].abs().max() > 1e-9  # its cosine to the row is -1: nothing is left to push


def test_small_logits_keep_their_digits_under_a_large_scale():
    """Embeddings almost across a proxy: 1 minus a distance in float32 would leave a few digits of the cosine."""
    loss = ArcFace(3, 2, scale=64.0)
    angle = torch.atan2(loss.proxies.detach()[0, 1], loss.proxies.detach()[0, 0])
    turned = angle + math.pi / 2 - torch.logspace(-5, -1, 40)
    x = torch.stack([turned.cos(), turned.sin()], 1)
    units, proxies = (torch.nn.functional.normalize(rows.double()) for rows in (x, loss.proxies.detach()))
    wanted = (64 * units @ proxies.T).float()
    torch.testing.assert_close(loss.classify(x).detach(), wanted, rtol=3e-7, atol=0)


def test_classify_answers_logits_and_the_nearest_class():
    for case in EACH:
        loss = case.make()
        answers = loss.classify(X)
        assert answers.shape == (9, CLASSES) and answers.dtype == torch.float64
        s = torch.nn.functional.normalize(X) @ torch.nn.functional.normalize(loss.proxies.detach()).T
        s = s.unflatten(1, (CLASSES, -1))
        if case.name == "proxy-anchor":
            torch.testing.assert_close(answers.detach(), s[:, :, 0] - 1)
            continue
        by_class = (torch.softmax(s / 0.1, 2) * s).sum(2) if case.name == "soft-triple" else s.amax(2)
        torch.testing.assert_close(answers.detach(), loss.loss.scale * by_class)
        assert loss.classify(X.bfloat16()).dtype == torch.float32
    nearest = Proxies(Contrastive(), CLASSES, DIMENSIONS, per_class=2).double()
    d = torch.cdist(X, nearest.proxies.detach()).unflatten(1, (CLASSES, 2)).amin(2)
    torch.testing.assert_close(nearest.classify(X).detach(), -d)


def test_a_loss_without_a_margin_is_the_cross_entropy_of_what_it_classifies():
    for loss in (
        NormalizedSoftmax(5, 3),
        CosFace(5, 3, margin=0.0),
        ArcFace(5, 3, margin=0.0),
        SubCenterArcFace(5, 3, margin=0.0),
    ):
        wanted_value = torch.nn.functional.cross_entropy(loss.double().classify(X), Y)
        torch.testing.assert_close(loss(X, Y), wanted_value)


def test_centres_that_agree_have_no_spread_and_the_regulariser_draws_near_ones_together():
    loss = SoftTriple(2, 3, per_class=2, regularizer=1.0).double()
    loss.proxies.data.copy_(torch.tensor([[1.0, 0, 0], [2.0, 0, 0], [0, 1.0, 0], [0, 1.0, 1e-3]]))
    spread = loss.spread()
    assert float(spread.detach()) == pytest.approx(1e-3 / 4, rel=1e-6)
    (pull,) = torch.autograd.grad(spread, loss.proxies)
    assert not pull[:2].any()
    assert pull[3, 2] > 0 > pull[2, 2]
    zero = SoftTriple(2, 3, per_class=2).double()
    zero.proxies.data.zero_()
    zero.proxies.data[0, 0] = 1.0  # one of the two centres of a class has no direction
    assert float(zero.spread().detach()) == pytest.approx(1 / 4)
    assert torch.autograd.grad(zero.spread(), zero.proxies)[0].isfinite().all()


def test_equal_centres_of_a_class_give_the_gradient_to_the_first():
    loss = SubCenterArcFace(2, 3, per_class=2).double()
    loss.proxies.data.copy_(torch.tensor([[1.0, 0, 1], [1.0, 0, 1], [0, 1.0, 0], [0, 1.0, 0]]))
    _, _, to_w = slopes(loss, X[:1], torch.tensor([0]))
    assert to_w[0].any() and to_w[2].any()
    assert not to_w[1].any() and not to_w[3].any()


# Small batches: one matrix in float64


def in_the_engine(loss: Any) -> Any:
    """The same loss where no batch is small."""
    copied = copy.deepcopy(loss)
    copied._matrix = lambda *given, **more: None
    return copied


def near_their_proxies(loss: Any, seed: int = 3) -> Tensor:
    """Embeddings of 64 samples in 16 classes, within 1e-5 of their proxy, or of another, or anywhere."""
    noise = torch.randn(64, 128, generator=torch.Generator().manual_seed(seed))
    proxies = loss.proxies.detach()[:: loss.per_class].repeat(4, 1).float()
    return torch.cat([proxies[:16] + 1e-5 * noise[:16], proxies[1:17] + 1e-5 * noise[16:32], noise[32:]])


@pytest.mark.parametrize("few", [cosine_matrix.FEW, 0], ids=["few pairs", "many"])
@pytest.mark.parametrize("near", [False, True], ids=["anywhere", "near proxies"])
@pytest.mark.parametrize("case", EACH, ids=[case.name for case in EACH])
def test_float32_has_six_digits_in_value_and_every_gradient(monkeypatch, case, near, few):
    """A scale of 64 multiplies the rounding of float32 distances: those of a small batch are made in float64. Their slopes are
    float32 where they are many, and no embedding is near a proxy."""
    monkeypatch.setattr(cosine_matrix, "FEW", few)
    loss = LOSSES[case.name].make(16, 128)
    x = near_their_proxies(loss) if near else torch.nn.functional.normalize(near_their_proxies(loss)[32:].repeat(2, 1))
    y = torch.arange(64) % 16
    exact = in_the_engine(loss).double()
    exact.loss.closed = None
    for found, right in zip(slopes(loss, x, y), slopes(exact, x.double(), y), strict=True):
        assert found.dtype == torch.float32
        assert float((found - right).abs().max() / right.abs().max()) < (2e-7 if few or near else 6e-7)


@pytest.mark.parametrize("few", [cosine_matrix.FEW, 0], ids=["few pairs", "many"])
@pytest.mark.parametrize("case", EACH, ids=[case.name for case in EACH])
def test_a_small_batch_says_what_the_engine_says(monkeypatch, case, few):
    """In float64, however many pairs there are."""
    monkeypatch.setattr(cosine_matrix, "FEW", few)
    loss, engine = case.make(), in_the_engine(case.make())
    assert loss._matrix(X, Y, loss.proxies, None) is not None
    for found, wanted in zip(slopes(loss, X, Y), slopes(engine, X, Y), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)
    found, wanted = loss.measure(X, Y), engine.measure(X, Y)
    assert (found.positive, found.negative) == pytest.approx((wanted.positive, wanted.negative), rel=1e-12)
    way = torch.randn(X.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    seconds = []
    for each in (loss, engine):
        leaf = X.clone().requires_grad_()
        first = torch.autograd.grad(each(leaf, Y), [leaf, each.proxies], create_graph=True)
        seconds.append(torch.autograd.grad((first[0] * way).sum() + first[1].square().sum(), [leaf, each.proxies]))
    for found, wanted in zip(*seconds, strict=True):
        assert wanted.any()
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11)
    frozen = X.clone().requires_grad_()
    loss.proxies.requires_grad_(False)
    (to_x,) = torch.autograd.grad(3 * loss(frozen, Y), frozen)
    torch.testing.assert_close(to_x, 3 * slopes(engine, X, Y)[1], rtol=1e-10, atol=1e-12)


def test_what_is_no_small_batch_goes_to_the_engine(monkeypatch):
    loss = ArcFace(5, 3).double()
    assert loss._matrix(X, Y, loss.proxies, None) is not None
    assert ArcFace(5, 3, block_size=4)._matrix(X, Y, loss.proxies, None) is None
    assert ProxyAnchor(5, 3, scale=400.0)._matrix(X, Y, loss.proxies, None) is None  # e^400 fits no float64
    assert Proxies(Triplet(distance="cosine"), 5, 3)._matrix(X, Y, loss.proxies, None) is None
    assert loss._matrix(0 * X, Y, loss.proxies, None) is None  # rows without a direction
    assert loss._matrix(X[:0], Y[:0], loss.proxies, None) is None
    monkeypatch.setattr(cosine_matrix, "PAIRS", 44)
    assert loss._matrix(X, Y, loss.proxies, None) is None


class Harder(ArcFaceRows):
    """A loss of one's own, which has no slopes by hand."""

    def widened(self, distance: Tensor) -> tuple[Tensor, Tensor]:
        widened, slope = super().widened(distance)
        return widened + 0.1, slope


def test_a_subclass_of_the_rows_without_slopes_by_hand_is_computed_from_its_rows():
    loss = ClassLoss(Harder(0.5, 8.0, reduction="mean", block_size=None), 5, 3, seed=0).double()
    plain = ArcFace(5, 3, scale=8.0).double()
    assert loss.slopes is None and plain.slopes is not None
    assert float(loss(X, Y).detach()) > float(plain(X, Y).detach()) + 0.1


def test_proxies_that_hold_nan_are_refused_in_words():
    for make in MAKERS:
        loss = make(5, 3).double()
        loss.proxies.data[7 % len(loss.proxies), 1] = math.nan
        with pytest.raises(InputError, match="hold NaN or infinity in 1 of"):
            loss(X, Y)


MEMORY = """
import torch
from nearkin.losses import make_loss

def peak():
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024  # of this process alone, where getrusage begins with its parent's

torch.set_num_threads(1)
loss = make_loss({name!r}, classes=20000, dimensions=16)
x = torch.randn(2048, 16, generator=torch.Generator().manual_seed(0), requires_grad=True)
make_loss({name!r}, classes=5, dimensions=16)(x[:8], torch.arange(8) % 5).backward()
before = peak()
loss(x, torch.arange(2048)).backward()
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc, where Linux says what a process used")
@pytest.mark.parametrize("name", ["arcface", "proxy-anchor"])
def test_many_classes_go_in_blocks(name):
    """41 million pairs, 156 MB as one matrix, of which the dense form needs three: one block holds a tenth."""
    done = subprocess.run([sys.executable, "-c", MEMORY.format(name=name)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 120


# Any row loss on proxies


def in_proxy_form(loss: Any, per_class: int = 1) -> Any:
    """`loss(embeddings, labels)` on proxies whose values are given in the call, as a tensor with a gradient."""
    proxies = Proxies(loss, 4, DIMENSIONS, per_class=per_class).double()

    def call(embeddings: Tensor, references: Tensor, **more: Any) -> Tensor:
        labels = torch.tensor(inputs.LABELS)
        given = {"proxies": references}
        return torch.func.functional_call(proxies, given, (embeddings, labels), more)  # type: ignore[return-value]

    return call


@pytest.mark.parametrize("variant", VARIANTS, ids=[variant.title for variant in VARIANTS])
def test_every_row_loss_in_its_proxy_form_equals_its_oracle_on_references(variant: Variant):
    able = variant.able[0] if variant.able else "euclidean"
    of_proxies = [0, 0, 1, 1, 2, 2, 3, 3]
    x, w = inputs.normal(9, 11), inputs.normal(8, 12)
    relation = kin(same_label(inputs.LABELS, of_proxies), nobody, 9, 8)
    batch = inputs.Batch(
        "proxies", {"embeddings": x, "references": w},
        lambda loss, **more: in_proxy_form(loss, per_class=2)(**more),
        lambda variant: relation,
        lambda embeddings, references: (embeddings, [references] * 9),
        9, among=kin(same_label(of_proxies), by_position, 8, 8), shared=8,
    )  # fmt: skip
    value, gradients = value_and_gradient(batch.oracle(variant, far.PAIR[able]), batch.arrays)
    for size in (None, 4):
        tensors = {name: torch.tensor(array, requires_grad=True) for name, array in batch.arrays.items()}
        got = batch.loss(variant.make(able, block_size=size), variant, **tensors)
        assert float(got.detach()) == pytest.approx(value, rel=1e-9)
        for name, slope in zip(tensors, torch.autograd.grad(got, list(tensors.values())), strict=True):
            np.testing.assert_allclose(
                slope.numpy(), gradients[name], 1e-9, 1e-9 * np.abs(gradients[name]).max(initial=1e-3)
            )


def test_a_learned_distance_and_a_random_miner_serve_proxies_too():
    loss = Proxies(Triplet(distance="mahalanobis", mining="random"), 5, 3).double()
    value, _, *to_parameters = slopes(loss, X, Y, generator=torch.Generator().manual_seed(0))
    assert value > 0 and all(slope.any() for slope in to_parameters) and len(to_parameters) == 2
    noise = torch.rand(9, loss.uniforms, generator=torch.Generator().manual_seed(1))
    assert loss(X, Y, noise=noise) == loss.measure(X, Y, noise=noise).value
    with pytest.raises(InputError, match="random mining draws numbers"):
        loss(X, Y)


def test_losses_on_proxies_are_parts_of_compositions():
    arc = ArcFace(5, 3, seed=1).double()
    together = Sum([(arc, 0.5), Proxies(NPair(), 5, 3).double(), Triplet()])
    parts = 0.5 * arc(X, Y) + together.losses[1](X, Y) + Triplet()(X, Y)
    torch.testing.assert_close(together(X, Y), parts)
    joint = Joint(arc, 5, 3, weight=2.0).double()
    torch.testing.assert_close(joint(X, Y), Joint(None, 5, 3).double()(X, Y) + 2 * arc(X, Y))
    assert isinstance(arc, OutsideLoss)
