"""Cosine distance."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from nearkin.core.tensors import numbers, traced
from nearkin.distances.base import Distance
from nearkin.distances.directions import UnitRows, across
from nearkin.distances.forms import Back, Form, OfDirections
from nearkin.distances.rows import Rows
from nearkin.distances.squared import wide

SHORTEST = 1e-12
"""Rows no longer than this have no direction."""

ROWS = 4096
"""Rows whose gradient is made at a time."""


class Cosine(Distance):
    """Cosine distance [COS-1], d = 1 - u(x)'u(z) with u(x) = x / max(|x|, 1e-12).

    Range:     [0, 2]; computed as |u(x) - u(z)|^2 / 2, which keeps the digits of near-duplicates that 1 - cos loses
    Edge:      a zero row has no angle; it lies at distance 1 from every other row, and its gradient is 0 (the slope of
               x / 1e-12 would be 1e12)
    """

    widens = True

    def project(self, x: Tensor) -> Tensor:
        """x / |x| in float64, (N, D)."""
        if traced():
            return directions(wide(x))
        found: Tensor = _Directions.apply(x)  # type: ignore[no-untyped-call]
        return found

    def link(self, squared: Tensor, anchor_norm: Tensor, reference_norm: Tensor) -> Tensor:
        return (squared + _missing(anchor_norm) + _missing(reference_norm)) / 2

    def closed_form(self) -> Form:
        return OfDirections(turned if type(self).project is Cosine.project else None)


def directions(x: Tensor) -> Tensor:
    """x / |x|, (N, D); rows no longer than SHORTEST become x / SHORTEST, without gradient."""
    length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    turned = length > SHORTEST
    return torch.where(turned, x / torch.where(turned, length, 1), x.detach() / SHORTEST)


class _Directions(torch.autograd.Function):
    """The same in fewer steps and in float64, from rows of any dtype: it keeps its result and the lengths alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        rows = wide(x)
        length: Tensor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
        units = rows / length.clamp(min=SHORTEST)
        ctx.save_for_backward(x if x.requires_grad else None, units, length)
        return units

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x, units, length = ctx.saved_tensors
        (slopes,) = gradients
        if torch.is_grad_enabled():  # somebody will differentiate once more
            found: Tensor = torch.autograd.grad(directions(wide(x)), x, slopes, create_graph=True)[0]
            return found
        if len(units) <= ROWS:
            return _turned(units, slopes, length).to(x.dtype)
        result = torch.empty_like(x)
        for start in range(0, len(units), ROWS):
            part = slice(start, start + ROWS)
            result[part] = _turned(units[part], slopes[part], length[part])
        return result


def turned(x: Tensor) -> tuple[Rows, Back] | None:
    """x / |x| and the way back of its gradient; None where a row has no direction."""
    rows = UnitRows(x)
    if x.shape[0]:
        shortest, longest = numbers(*torch.aminmax(rows.lengths))
        if not SHORTEST < shortest <= longest < math.inf:
            return None
    return rows, rows.back


def _turned(units: Tensor, slopes: Tensor, length: Tensor) -> Tensor:
    """(g - u u'g) / |x|, and 0 for rows without a direction."""
    return across(units, slopes).mul_(torch.where(length > SHORTEST, 1 / length, 0))


def _missing(norm: Tensor) -> Tensor:
    """What a row shorter than a unit vector (a zero row) lacks: 1 - |u|^2, and exactly 0 for every other row."""
    return torch.where(norm < 0.5, 1 - norm, 0)
