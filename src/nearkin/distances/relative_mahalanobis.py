"""Relative Mahalanobis distance (document 004, summary): the length of a difference in units of the anchor's own."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nearkin.core import InputError, flag, integer, positive
from nearkin.distances.base import root
from nearkin.distances.forms import Form, Relative
from nearkin.distances.learned import LearnedDistance


class RelativeMahalanobis(LearnedDistance):
    """Relative Mahalanobis distance [MAH-2], d = |L (z - x)|^2 / max(|L x|^2, eps) with a learned L (rank, D).

    Range:     [0, inf). Asymmetric (the anchor x is the unit), no triangle inequality
    Units:     none: d(c x, c z) = d(x, z) for every c != 0
    rank:      rows of L, all D by default
    center:    subtract each row's own mean first; with L the identity that is the SNR distance [SNR-1], whose floor is
               D eps here
    power:     2 as above; 1 the ratio of the lengths themselves, its square root
    eps:       1e-12, a floor without gradient, so that an anchor that L maps to 0 has finite distances
    Scale:     c L gives the same d for every c, so nothing in the data holds the scale of L. `project` therefore uses
               L sqrt(rank) / |L|_F: value and gradient are mathematically unchanged, the gradient has no part along
               L, and the floor and the range of numbers do not depend on how long L has become. Plain gradient steps
               go across L and can only make it longer. Weight decay would shrink it, against nothing, and so raise its
               learning rate for ever: `nearkin.train` puts none on it, and neither should a loop of your own
    Differs:   document 004 prints no formula and speaks of a ratio of distances; by analogy with its eq 10 ours is the
               ratio of squared ones, and `power=1` the other
    Source:    document 004, executive summary and eq 10

    See `LearnedDistance` for `dimensions` and for when L gets its shape.
    """

    symmetric = False

    def __init__(
        self,
        dimensions: int | None = None,
        rank: int | None = None,
        center: bool = False,
        power: int = 2,
        eps: float = 1e-12,
    ) -> None:
        super().__init__(dimensions, rank)
        self.center = flag("center", center)
        self.power = integer("power", power, minimum=1)
        if self.power > 2:
            raise InputError(f"power must be 2 (squared lengths) or 1 (lengths), got {power}")
        self.eps = positive("eps", eps)

    def project(self, x: Tensor) -> Tensor:
        rows = self.mapped(x - x.mean(-1, keepdim=True) if self.center else x)
        length: Tensor = torch.linalg.vector_norm(self.weight.to(x))
        return rows * (math.sqrt(len(self.weight)) / torch.where(length > 0, length, 1))

    def link(self, squared: Tensor, anchor_norm: Tensor, reference_norm: Tensor) -> Tensor:
        ratio = squared / torch.where(anchor_norm > self.eps, anchor_norm, self.eps)
        return ratio if self.power == 2 else root(ratio)

    def closed_form(self) -> Form | None:
        return Relative(self.eps) if self.power == 2 else None

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, center={self.center}, power={self.power}, eps={self.eps:g}"
