"""The learned border of the margin loss has the slopes of `rows`, whichever form made them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from nearkin.core import InputError
from nearkin.distances import Cosine
from nearkin.losses import Margin

ALIKE, UNLIKE = [0, 1, 2, 3] * 3, [5, 5, 5, 5, 5, 5, 2, 2, 6, 7, 7, 7]
SETTINGS = [
    {},
    {"reduction": "mean", "nu": 0.4},
    {"reduction": "sum", "beta": 0.9, "margin": 0.5},
    {"per_class": True, "classes": 8},
    {"per_class": True, "classes": 8, "nu": 0.7, "reduction": "mean"},
    {"per_class": True, "classes": 8, "nu": 0.7, "reduction": "sum"},
    {"per_class": True, "classes": 8, "nu": 0.7},
]


def normal(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def made(settings: dict, size: int | None = None) -> tuple[Margin, Margin]:
    """The loss and the same by autograd, with borders that differ by class."""
    loss = Margin(**settings, block_size=size).double()
    with torch.no_grad():
        loss.beta += torch.linspace(0, 0.3, loss.beta.numel(), dtype=torch.float64).view(loss.beta.shape)
    plain = copy.deepcopy(loss)
    plain.closed = None
    return loss, plain


def slopes(value: Tensor, *wanted: Tensor, **options: bool) -> tuple[Tensor, ...]:
    return torch.autograd.grad(value, wanted, **options)


@pytest.mark.parametrize("size", [None, 5], ids=["dense", "blocks"])
@pytest.mark.parametrize("labels", [ALIKE, UNLIKE, [1] * 12, [5] * 11 + [6]])
@pytest.mark.parametrize("settings", SETTINGS, ids=repr)
def test_value_and_slopes_are_those_of_rows(settings, labels, size):
    y, z, zy = torch.tensor(labels), normal(7, seed=1), torch.tensor([0, 1, 5, 5, 2, 1, 30])
    for others in ((), (z, zy)):
        found = []
        for loss in made(settings, size):
            leaves = [each.clone().requires_grad_() for each in (normal(12), *others[:1])]
            value = loss(leaves[0], y, *leaves[1:], *others[1:])
            found.append((value, *slopes(3 * value, *leaves, loss.beta)))
        for one, other in zip(*found, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
        assert found[0][-1].any() or others


@pytest.mark.parametrize("settings", SETTINGS, ids=repr)
def test_duplicates_keep_their_border_and_have_no_slope(settings):
    x, y = normal(12), torch.tensor(UNLIKE)
    x[3], x[6], x[8], x[10] = x[0], x[1], x[0] * (1 + 1e-9), -x[9]
    x[5] = x[0] + 1e-9 * x[2]
    found = []
    for loss in made(settings):
        leaf = x.clone().requires_grad_()
        value = loss(leaf, y)
        found.append((value, *slopes(value, leaf, loss.beta)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-12 + 1e-7 * float(other.detach().abs().max()))
    assert found[0][1].isfinite().all()


@pytest.mark.parametrize("size", [None, 5], ids=["dense", "blocks"])
@pytest.mark.parametrize("settings", SETTINGS, ids=repr)
def test_who_asks_for_what(settings, size):
    """Embeddings alone, the border alone, nobody: each gets its own, and the value is the same."""
    loss, plain = made(settings, size)
    y, leaf = torch.tensor(UNLIKE), normal(12).requires_grad_()
    value = plain(leaf, y)
    to_rows, to_beta = slopes(value, leaf, plain.beta)
    alone = loss(normal(12), y)
    torch.testing.assert_close(slopes(alone, loss.beta)[0], to_beta)
    with torch.no_grad():
        silent = loss(leaf, y)
    loss.beta.requires_grad_(False)
    frozen = loss(leaf, y)
    torch.testing.assert_close(slopes(frozen, leaf)[0], to_rows)
    assert not silent.requires_grad
    assert not loss(normal(12), y).requires_grad
    for each in (alone, silent, frozen):
        torch.testing.assert_close(each.detach(), value.detach())


@pytest.mark.parametrize("settings", SETTINGS, ids=repr)
def test_a_border_learns_under_measure(settings):
    y, found = torch.tensor(UNLIKE), []
    for loss in made(settings, 5):
        seen = loss.measure(normal(12), y)
        found.append((*slopes(seen.value, loss.beta), seen.value.detach(), torch.tensor(seen[1:])))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("settings", SETTINGS, ids=repr)
def test_a_slope_has_slopes_of_its_own(settings):
    y, found = torch.tensor(UNLIKE), []
    for loss in made(settings):
        leaf = normal(12).requires_grad_()
        first = slopes(loss(leaf, y) ** 2, leaf, loss.beta, create_graph=True)
        found.append((*first, *slopes(sum(each.square().sum() for each in first), leaf, loss.beta)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_blocks_have_no_slopes_of_slopes():
    loss, leaf = Margin(block_size=5), normal(12).requires_grad_()
    with pytest.raises(RuntimeError, match="no double backward"):
        slopes(loss(leaf, torch.tensor(UNLIKE)), leaf, create_graph=True)


def test_half_a_border_among_floats():
    """The slope of a border comes in its own precision."""
    loss = Margin().half()
    value = loss(normal(12).float(), torch.tensor(UNLIKE))
    assert value.dtype == torch.float32
    assert slopes(value, loss.beta)[0].dtype == torch.float16


@pytest.mark.parametrize("size", [None, 5], ids=["dense", "blocks"])
def test_labels_that_are_no_classes_are_refused_without_rows(size, monkeypatch):
    monkeypatch.setattr(Margin, "rows", None)
    with pytest.raises(InputError, match=r"labels of Margin must be class indices 0\.\.6, got"):
        Margin(per_class=True, classes=7, block_size=size)(normal(12), torch.tensor(UNLIKE))
    with pytest.raises(InputError, match="give classes="):
        Margin(per_class=True, block_size=size)(normal(12), torch.tensor(UNLIKE))


def test_another_parameter_takes_the_equation():
    class Scaled(Margin):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(2.0))

        def rows(self, block):
            terms = super().rows(block)
            return terms._replace(total=self.scale * terms.total)

        closed = Margin.closed

    loss = Scaled()
    value = loss(normal(12), torch.tensor(UNLIKE))
    torch.testing.assert_close(slopes(value, loss.scale)[0].double(), value.detach() / 2)


@pytest.mark.parametrize("form", ["dense", "blocks", "references"])
def test_many_slopes_along_a_row_do_not_hide_what_turns_it(form):
    """Half of 1020 negatives push alike: their sum points along the row, and only the small rest across it counts."""
    rows = torch.randn(1024, 128, generator=torch.Generator().manual_seed(0))
    y, found = torch.arange(1024) // 4, []
    for loss in made({}, 200 if form == "blocks" else None):
        exact = loss.closed is None
        x = (rows.double() if exact else rows).requires_grad_()
        others = (x.detach().flip(0).requires_grad_(), y.flip(0)) if form == "references" else ()
        found.append(slopes(loss(x, y, *others), x, *others[:1]))
    for one, other in zip(*found, strict=True):
        assert (one.double() - other).abs().max() <= 6e-7 * other.abs().max()


def test_rows_that_nobody_turns_back_keep_their_slope_along_themselves():
    class Straight(Cosine):
        def project(self, x: Tensor) -> Tensor:
            return x.double()

    x, found = nn.functional.normalize(normal(12)), []
    for loss in made({"distance": Straight()}):
        leaf = x.clone().requires_grad_()
        found.append(slopes(loss(leaf, torch.tensor(ALIKE)), leaf)[0])
    torch.testing.assert_close(*found)
    assert ((found[0] * x).sum(1).abs() > 1e-3).all()
