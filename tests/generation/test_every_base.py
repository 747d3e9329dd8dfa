"""Every loss of rows in the library can be the base of every method of generation, and learns from generated rows."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

from nearkin.core import InputError
from nearkin.generation import GENERATION, Adversarial, make_generation
from nearkin.losses import LOSSES, RowLoss, make_loss
from nearkin.losses.angular import Angular

LABELS = torch.arange(5).repeat(3)
X = torch.randn(15, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def bases() -> list[Any]:
    """Every loss of the table that is a loss of rows; those that need another loss are not."""
    made = []
    for name, entry in LOSSES.items():
        if isinstance(entry.make, type) and issubclass(entry.make, RowLoss):
            sizes = {"classes": 5, "dimensions": 4}
            known = inspect.signature(entry.make).parameters
            made.append(pytest.param(make_loss(name, **{k: v for k, v in sizes.items() if k in known}), id=name))
    return made


def test_there_are_bases() -> None:
    assert len(bases()) >= 8


@pytest.mark.parametrize("name", GENERATION)
@pytest.mark.parametrize("base", bases())
def test_every_loss_of_rows_is_a_base(base: RowLoss, name: str) -> None:
    if isinstance(base, Angular) and name in ("symmetrical-synthesis", "embedding-expansion"):
        with pytest.raises(InputError, match="cannot see sets of points"):
            make_generation(name, base)
        return
    x = X.clone().requires_grad_()
    measure = make_generation(name, base).measure(x, LABELS, generator=torch.Generator())
    slope = torch.autograd.grad(measure.value, x)[0]
    assert bool(measure.value.isfinite()) and bool(slope.isfinite().all()) and bool(slope.any())


@pytest.mark.parametrize("base", bases())
def test_generated_negatives_reach_every_base(base: RowLoss) -> None:
    """J_m of generated rows has a gradient with respect to what was generated."""
    loss = Adversarial(base, w_generated=1.0)
    rows = loss.rows(X, LABELS, generator=torch.Generator())
    a, _, n = rows.flat(X)
    made = (a + 0.4 * (n - a)).requires_grad_()
    value = loss.metric_term(rows, X, made).value
    assert bool(torch.autograd.grad(value, made)[0].any())
