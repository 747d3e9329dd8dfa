"""Cosines of a small batch to all proxies as one matrix in float64, its slopes by hand: no engine, one step of autograd.

With few pairs a call costs what its steps cost, not what its numbers do. On proxies most of what the engine finds out is
known: no embedding is its own column, and its class says which columns are kin. And numbers so few may be float64, so a
scale of 64 multiplies no rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nearkin.core.tensors import full_precision
from nearkin.distances import Cosine, compute_dtype
from nearkin.distances.cosine import SHORTEST
from nearkin.distances.squared import NEAR

PAIRS = 1 << 16
"""Pairs of an embedding and a proxy up to which a batch is small: more are cheaper in the engine's float32."""

Slopes = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(distances (B, R), labels (B,)) -> (the loss, a scalar; its slopes (B, R)), all float64, the distances left as they are."""


class CosineMatrix:
    """One call of a loss `slopes` of the cosine distances of rows (B, D) to proxies (R, D).

    again:     the same loss by the engine, (rows, proxies) -> value, for who differentiates twice
    value:     the loss, in the graph
    finite:    whether it is a finite number; where it is not, the engine knows why, or better: a row without a direction
               gives NaN here
    distances: (B, R) in float64, detached
    """

    def __init__(
        self, rows: Tensor, proxies: Tensor, labels: Tensor, slopes: Slopes, again: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        self.labels, self.slopes, self.again = labels, slopes, again
        with full_precision(rows.device):
            self.value: Tensor = _Value.apply(self, rows, proxies)  # type: ignore[no-untyped-call]
        self.finite = math.isfinite(self.value.detach())
        self.distances: Tensor

    def means(self, per_class: int) -> tuple[float, float]:
        """Mean distances to the proxies of one's own class and to all others."""
        own = self.labels[:, None] * per_class + torch.arange(per_class, device=self.labels.device)
        near, everything = torch.stack([self.distances.gather(1, own).sum(), self.distances.sum()]).tolist()
        return near / own.numel(), (everything - near) / (self.distances.numel() - own.numel())

    @staticmethod
    def fits(rows: Tensor, proxies: Tensor) -> bool:
        """Whether a batch is small, and its device has float64."""
        return 0 < len(rows) * len(proxies) <= PAIRS and rows.device.type != "mps"


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: CosineMatrix, rows: Tensor, proxies: Tensor) -> Tensor:
        (anchors, lengths), (columns, sizes) = _directions(rows), _directions(proxies)
        distances = 1 - anchors @ columns.T
        if distances.amin() < NEAR[torch.float64]:  # near-duplicates need the differences of the rows
            distances = Cosine().between(anchors, columns)
        value, slopes = call.slopes(distances, call.labels)
        ctx.call, call.distances = call, distances
        ctx.save_for_backward(rows, proxies, anchors, lengths, columns, sizes, slopes)
        return value.to(compute_dtype(rows))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, proxies, anchors, lengths, columns, sizes, slopes = ctx.saved_tensors
        if torch.is_grad_enabled():
            inputs = [each for each in (rows, proxies) if each.requires_grad]
            twice = iter(torch.autograd.grad(ctx.call.again(rows, proxies), inputs, gradients[0], create_graph=True))
            return None, *(next(twice) if each.requires_grad else None for each in (rows, proxies))
        slopes = slopes * -gradients[0]
        _, to_rows, to_proxies = ctx.needs_input_grad
        return (
            None,
            _turned(anchors, slopes @ columns, lengths).to(rows.dtype) if to_rows else None,
            _turned(columns, slopes.T @ anchors, sizes).to(proxies.dtype) if to_proxies else None,
        )


def _directions(rows: Tensor) -> tuple[Tensor, Tensor]:
    """x / |x| in float64 (N, D), and |x| (N, 1); NaN for a row without a direction."""
    wide = rows.double()
    lengths = torch.threshold(torch.linalg.vector_norm(wide, dim=1, keepdim=True), SHORTEST, math.nan)
    return wide / lengths, lengths


def _turned(units: Tensor, slopes: Tensor, lengths: Tensor) -> Tensor:
    """(g - u u'g) / |x|: slopes of directions as slopes of rows."""
    along = torch.linalg.vecdot(units, slopes)[:, None]
    return torch.addcmul(slopes, units, along, value=-1).div_(lengths)
