"""Signal-to-noise distance (document 004 eq 6-8; Yuan et al. 2019)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nearkin.core import positive
from nearkin.distances.base import Distance
from nearkin.distances.forms import Back, Form, Relative
from nearkin.distances.squared import wide


class SNR(Distance):
    """Signal-to-noise distance [SNR-1], d(x, z) = Var(z - x) / max(Var(x), eps).

    Var is taken over the D components of one vector. Projected rows are (x - mean(x)) / sqrt(D), so that their squared
    norms are variances and d = |p(x) - p(z)|^2 / max(|p(x)|^2, eps).

    Range:     [0, inf). Asymmetric (the anchor is the signal), no triangle inequality: not a metric, though named one
    Units:     none: d(c x, c z) = d(x, z) for every c != 0, and adding a constant to all components changes nothing
    Default:   eps 1e-12, a floor without gradient; an anchor of zero variance has d = Var(z - x) / eps, not NaN
    Correlation: with the rows' Pearson correlation r over components and rho = sd(z) / sd(x), d = 1 + rho^2 - 2 rho r
               exactly, so a larger d is a smaller r at the same rho [SNR-4]. r = 1/sqrt(1 + d), as document 004 eq 14
               has it, holds only where the noise z - x and the signal x are uncorrelated
    Differs:   document 004 eq 8 has a misplaced bracket; its eq 10 holds for rows of mean zero only
    """

    symmetric = False

    def __init__(self, eps: float = 1e-12) -> None:
        super().__init__()
        self.eps = positive("eps", eps)

    def project(self, x: Tensor) -> Tensor:
        return standard(x)

    def link(self, squared: Tensor, anchor_norm: Tensor, reference_norm: Tensor) -> Tensor:
        return squared / torch.where(anchor_norm > self.eps, anchor_norm, self.eps)

    def closed_form(self) -> Form:
        return Relative(self.eps, standardised if type(self).project is SNR.project else None)

    def extra_repr(self) -> str:
        return f"eps={self.eps:g}"


def standard(x: Tensor) -> Tensor:
    """(x - mean(x)) / sqrt(D): rows whose squared norms are the variances of their components."""
    return (x - x.mean(-1, keepdim=True)) / math.sqrt(x.shape[-1])


def standardised(x: Tensor) -> tuple[Tensor, Back]:
    """The same in float64 and in fewer steps, and the way back of its gradient."""
    scale = 1 / math.sqrt(x.shape[1])
    rows = wide(x)
    rows = rows.clone() if rows is x else rows
    rows.sub_(rows.mean(1, keepdim=True)).mul_(scale)
    return rows, lambda slopes: slopes.sub_(slopes.mean(1, keepdim=True)).mul_(scale)
