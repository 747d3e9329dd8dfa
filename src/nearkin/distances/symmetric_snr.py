"""Signal-to-noise distance made symmetric."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import choice, positive
from nearkin.distances.base import Distance
from nearkin.distances.snr import standard


class SymmetricSNR(Distance):
    """Symmetric signal-to-noise distance [SNR-5], out of the two directions of SNR-1, d_xz and d_zx.

    Equation:  "mean"    (d_xz + d_zx) / 2
               "max"     max(d_xz, d_zx), by the smaller of the two variances; a tie takes d_xz
               "pooled"  2 Var(z - x) / max(Var(x) + Var(z), 2 eps), the numerically best
    Range:     [0, inf); "pooled" [0, 4]. No triangle inequality
    Units:     none, as SNR
    Default:   "mean"; eps 1e-12, floors without gradient
    Search:    the order for a fixed query is Euclidean nowhere, so search links every pair
    Source:    ours; document 004 calls its asymmetric distance a metric
    """

    order_is_euclidean = False

    def __init__(self, form: str = "mean", eps: float = 1e-12) -> None:
        super().__init__()
        self.form = choice("form", form, ("mean", "max", "pooled"))
        self.eps = positive("eps", eps)

    def project(self, x: Tensor) -> Tensor:
        return standard(x)

    def link(self, squared: Tensor, anchor_norm: Tensor, reference_norm: Tensor) -> Tensor:
        if self.form == "pooled":
            both = anchor_norm + reference_norm
            return 2 * squared / torch.where(both > 2 * self.eps, both, 2 * self.eps)
        signal, other = (torch.where(norm > self.eps, norm, self.eps) for norm in (anchor_norm, reference_norm))
        if self.form == "max":
            return squared / torch.where(signal <= other, signal, other)
        return (squared / signal + squared / other) / 2

    def extra_repr(self) -> str:
        return f"form={self.form!r}, eps={self.eps:g}"
