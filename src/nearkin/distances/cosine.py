"""Cosine distance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nearkin.distances.base import Distance
from nearkin.distances.forms import Form, OfDirections

SHORTEST = 1e-12
"""Rows no longer than this have no direction."""


class Cosine(Distance):
    """Cosine distance [COS-1], d = 1 - u(x)'u(z) with u(x) = x / max(|x|, 1e-12).

    Range:     [0, 2]; computed as |u(x) - u(z)|^2 / 2, which keeps the digits of near-duplicates that 1 - cos loses
    Edge:      a zero row has no angle; it lies at distance 1 from every other row, and its gradient is 0 (the slope of
               x / 1e-12 would be 1e12)
    """

    def project(self, x: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            return directions(x)
        found: Tensor = _Directions.apply(x)  # type: ignore[no-untyped-call]
        return found

    def link(self, squared: Tensor, anchor_norm: Tensor, reference_norm: Tensor) -> Tensor:
        return (squared + _missing(anchor_norm) + _missing(reference_norm)) / 2

    def closed_form(self) -> Form:
        return OfDirections()


def directions(x: Tensor) -> Tensor:
    """x / |x|, (N, D); rows no longer than SHORTEST become x / SHORTEST, without gradient."""
    length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    turned = length > SHORTEST
    return torch.where(turned, x / torch.where(turned, length, 1), x.detach() / SHORTEST)


class _Directions(torch.autograd.Function):
    """The same in fewer steps: it keeps its result and the lengths, and nothing else."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        units = x / length.clamp(min=SHORTEST)
        ctx.save_for_backward(x if x.requires_grad else None, units, length)
        return units

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x, units, length = ctx.saved_tensors
        (slopes,) = gradients
        if torch.is_grad_enabled():  # somebody will differentiate once more
            found: Tensor = torch.autograd.grad(directions(x), x, slopes, create_graph=True)[0]
            return found
        along = torch.linalg.vecdot(units, slopes).unsqueeze(-1)
        turned = torch.where(length > SHORTEST, 1 / length, 0)
        return torch.addcmul(slopes, units, along, value=-1).mul_(turned)


def _missing(norm: Tensor) -> Tensor:
    """What a row shorter than a unit vector (a zero row) lacks: 1 - |u|^2, and exactly 0 for every other row."""
    return torch.where(norm < 0.5, 1 - norm, 0)
