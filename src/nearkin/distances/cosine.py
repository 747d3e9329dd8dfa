"""Cosine distance."""

from __future__ import annotations

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
        length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        turned = length > SHORTEST
        return torch.where(turned, x / torch.where(turned, length, 1), x.detach() / SHORTEST)

    def link(self, squared: Tensor, anchor_norm: Tensor, reference_norm: Tensor) -> Tensor:
        return (squared + _missing(anchor_norm) + _missing(reference_norm)) / 2

    def closed_form(self) -> Form:
        return OfDirections()


def _missing(norm: Tensor) -> Tensor:
    """What a row shorter than a unit vector (a zero row) lacks: 1 - |u|^2, and exactly 0 for every other row."""
    return torch.where(norm < 0.5, 1 - norm, 0)
