"""Batches between few distances and many: of losses that multiply no rounding, float32 where kin lie apart."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nearkin.core import InputError
from nearkin.losses import closed_rows, make_loss
from nearkin.losses.closed_rows import BlockDistances

MILD = {
    "contrastive": {"margin": 1.2},
    "triplet": {"mining": "batch-hard"},
    "margin": {},
    "ranked-list": {},
}


def batch(noise: float, *, count: int = 128, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Unit rows in float32 around the centres of 16 classes of unlike sizes, and their classes."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 16, (count,), generator=generator)
    rows = torch.randn(16, 128, generator=generator)[labels] + noise * torch.randn(count, 128, generator=generator)
    return torch.nn.functional.normalize(rows), labels


def differentiated(loss, rows: Tensor, *arguments: Tensor | None) -> tuple[Tensor, Tensor]:
    rows = rows.clone().requires_grad_()
    value = loss(rows, *arguments)
    return value.detach().double(), torch.autograd.grad(value, rows)[0].double()


@pytest.fixture
def dtypes(monkeypatch) -> list[torch.dtype]:
    """Of the distances of every call."""
    seen: list[torch.dtype] = []

    class Watched(BlockDistances):
        def __init__(self, *arguments, **keywords) -> None:
            super().__init__(*arguments, **keywords)
            seen.append(self.dtype)

    monkeypatch.setattr(closed_rows, "BlockDistances", Watched)
    return seen


def test_which_losses_are_mild():
    names = ["contrastive", "fast-ap", "lifted", "margin", "multi-similarity", "nt-xent", "ranked-list", "supcon", "triplet"]
    assert [name for name in names if make_loss(name).mild] == sorted(MILD)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("noise", "wanted"), [(1, torch.float32), (0.05, torch.float64), (1e-5, torch.float64)])
@pytest.mark.parametrize("name", MILD)
def test_the_answer_is_as_right_either_way(name, noise, wanted, seed, dtypes):
    rows, labels = batch(noise, seed=seed)
    found = differentiated(make_loss(name, **MILD[name]), rows, labels)
    assert dtypes == [wanted]
    value, gradient = differentiated(make_loss(name, **MILD[name]).double(), rows.double(), labels)
    assert abs(found[0] - value) <= 1e-6 * abs(value)
    assert (found[1] - gradient).abs().max() <= 1e-6 * gradient.abs().max()


@pytest.mark.parametrize("name", MILD)
def test_kin_that_lie_near_without_being_looked_at_are_mended(name, dtypes):
    rows, labels = batch(1.0)
    near = torch.arange(40, 128, 2)
    rows[near + 1] = rows[near] * (1 + 1e-4)
    rows[near + 1, 3] += 1e-3
    labels[near + 1] = labels[near]
    found = differentiated(make_loss(name, **MILD[name]), rows, labels)
    assert dtypes == [torch.float32]
    value, gradient = differentiated(make_loss(name, **MILD[name]).double(), rows.double(), labels)
    assert abs(found[0] - value) <= 1e-6 * abs(value)
    assert (found[1] - gradient).abs().max() <= 1e-6 * gradient.abs().max()


def test_references_are_looked_at_too(dtypes):
    loss, labels = make_loss("contrastive", margin=1.2), batch(1.0)[1]
    rows, elsewhere = (batch(1.0, seed=seed)[0].repeat(1, 2) for seed in (0, 1))
    for others, wanted in ((elsewhere, torch.float32), (rows + 1e-4, torch.float64)):
        found = differentiated(loss, rows[:64], labels[:64], others, labels)
        assert dtypes.pop() == wanted
        value, gradient = differentiated(loss, rows[:64].double(), labels[:64], others.double(), labels)
        dtypes.clear()
        assert abs(found[0] - value) <= 1e-6 * abs(value)
        assert (found[1] - gradient).abs().max() <= 1e-6 * gradient.abs().max()


def test_float64_stays_where_it_is_asked_for_or_cheap(dtypes):
    rows, labels = batch(1.0)
    loss = make_loss("contrastive")
    differentiated(loss, rows[:64], labels[:64])  # few multiplications
    differentiated(loss, rows.double(), labels)
    differentiated(make_loss("supcon"), rows, labels)  # exponentials multiply the rounding
    differentiated(make_loss("multi-similarity"), rows, labels)
    loss.precise = True
    differentiated(loss, rows, labels)
    assert dtypes == [torch.float64] * 5


def test_one_anchor_that_lies_near_its_kin_is_enough(dtypes):
    rows, labels = batch(1.0)
    place = 3 + 1 + labels[4:].tolist().index(labels[3])
    rows[place] = rows[3] * 1.01
    differentiated(make_loss("contrastive"), rows, labels)
    assert dtypes == [torch.float64]


def test_rows_whose_squares_float32_cannot_hold(dtypes):
    rows, labels = batch(1.0)
    found = differentiated(make_loss("contrastive"), rows * 1e-22, labels)
    assert dtypes == [torch.float64]
    value, gradient = differentiated(make_loss("contrastive").double(), rows.double() * 1e-22, labels)
    assert abs(found[0] - value) <= 1e-6 * abs(value)
    assert (found[1] - gradient).abs().max() <= 1e-6 * gradient.abs().max()


@pytest.mark.filterwarnings("error")
def test_rows_whose_squares_float32_cannot_hold_warn_of_nothing():
    rows, labels = batch(1.0)
    with pytest.raises(InputError, match="too large for float32"):
        make_loss("triplet")(rows * 1e30, labels)


def test_anchors_without_kin_lie_apart(dtypes):
    rows, _ = batch(0.05)
    differentiated(make_loss("contrastive"), rows, torch.arange(128))
    assert dtypes == [torch.float32]


def test_each_anchor_is_compared_with_its_own_kin(dtypes):
    rows, labels = batch(1.0)
    labels[:2] = torch.tensor([16, 17])  # without kin
    labels[2:4], labels[4], labels[5] = torch.tensor([18, 19]), 18, 19
    rows[4], rows[5] = rows[0], rows[1]
    differentiated(make_loss("contrastive"), rows, labels)
    rows[5] = rows[3]
    differentiated(make_loss("contrastive"), rows, labels)
    assert dtypes == [torch.float32, torch.float64]
