"""Cosines of a small batch to all proxies as one matrix, its slopes by hand: no engine, one step of autograd.

With few pairs a call costs what its steps cost, not what its numbers do. On proxies most of what the engine finds out is
known: no embedding is its own column, and its class says which columns are kin. Cosines are float64, so that a scale of 64
multiplies no rounding; their slopes need that where there are few pairs, or an embedding lies on a proxy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nearkin.core.tensors import cast, full_precision
from nearkin.distances import Cosine, compute_dtype
from nearkin.distances.cosine import SHORTEST
from nearkin.distances.directions import across
from nearkin.distances.squared import NEAR

PAIRS = 1 << 17
"""Pairs of an embedding and a class up to which a batch is small: more are cheaper in the engine's float32."""

SEVERAL = 4
"""Proxies of a class that count as no more than one there."""

FEW = 1 << 14
"""Pairs up to which slopes are float64 too: they take fewer steps, and no more time."""

APART = 0.02
"""Distance of all embeddings and proxies from which float32 slopes will do: what turns an embedding is a small part of the pull
of a proxy that is nearer, and the rounding would be that of the whole."""

Slopes = Callable[[Tensor, Tensor, torch.dtype], tuple[Tensor, Tensor]]
"""(distances (B, R) in float64, used up; labels (B,); a dtype) -> (the loss, a scalar in float64; its slopes (B, R) in that dtype)."""


class CosineMatrix:
    """One call of a loss `slopes` of the cosine distances of rows (B, D) to proxies (R, D).

    again:     the same loss by the engine, (rows, proxies) -> value, for who differentiates twice
    per_class: proxies a class, where mean distances to them are asked for; else 0
    value:     the loss, in the graph
    finite:    whether it is a finite number; where it is not, the engine knows why, or better: a row without a direction
               gives NaN here
    means:     mean distances to the proxies of one's own class and to all others, where they are asked for
    """

    def __init__(
        self, rows: Tensor, proxies: Tensor, labels: Tensor, slopes: Slopes, again: Callable[[Tensor, Tensor], Tensor], *,
        per_class: int = 0,
    ) -> None:  # fmt: skip
        self.labels, self.slopes, self.again, self.per_class = labels, slopes, again, per_class
        self.means: tuple[float, float] = math.nan, math.nan
        with full_precision(rows.device):
            self.value: Tensor = _Value.apply(self, rows, proxies)  # type: ignore[no-untyped-call]
        self.finite = math.isfinite(self.value.detach())

    def of(self, anchors: Tensor, columns: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The loss of directions, a scalar, and its slopes (B, R), in float64 or, where that will do, in the dtype of the loss."""
        distances = torch.addmm(anchors.new_ones(()), anchors, columns.T, alpha=-1)
        least = float(distances.amin())
        if least < NEAR[torch.float64]:  # near-duplicates need the differences of the rows
            distances = Cosine().between(anchors, columns)
        if self.per_class:
            self.means = _means(distances, self.labels, self.per_class)
        narrow = distances.numel() > FEW and least >= APART
        return self.slopes(distances, self.labels, dtype if narrow else torch.float64)

    @staticmethod
    def fits(rows: Tensor, proxies: Tensor, per_class: int) -> bool:
        """Whether a batch is small, and its device has float64."""
        return 0 < len(rows) * len(proxies) <= PAIRS * min(per_class, SEVERAL) and rows.device.type != "mps"


def _means(distances: Tensor, labels: Tensor, per_class: int) -> tuple[float, float]:
    own = labels[:, None] * per_class + torch.arange(per_class, device=labels.device)
    near, everything = torch.stack([distances.gather(1, own).sum(), distances.sum()]).tolist()
    return near / own.numel(), (everything - near) / (distances.numel() - own.numel())


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: CosineMatrix, rows: Tensor, proxies: Tensor) -> Tensor:
        (anchors, lengths), (columns, sizes) = _directions(rows), _directions(proxies)
        value, slopes = call.of(anchors, columns, compute_dtype(rows))
        ctx.again = call.again
        ctx.save_for_backward(rows, proxies, anchors, lengths, columns, sizes, slopes)
        return value.to(compute_dtype(rows))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, proxies, anchors, lengths, columns, sizes, slopes = ctx.saved_tensors
        if torch.is_grad_enabled():
            inputs = [each for each in (rows, proxies) if each.requires_grad]
            twice = iter(torch.autograd.grad(ctx.again(rows, proxies), inputs, gradients[0], create_graph=True))
            return None, *(next(twice) if each.requires_grad else None for each in (rows, proxies))
        _, to_rows, to_proxies = ctx.needs_input_grad
        by = gradients[0].to(anchors.dtype)
        with full_precision(rows.device):  # backward may be called under autocast as well
            moved = slopes @ cast(columns, slopes.dtype) if to_rows else None
            pulled = slopes.T @ cast(anchors, slopes.dtype) if to_proxies else None
        return (
            None,
            None if moved is None else _pulled(anchors, moved, lengths, by).to(rows.dtype),
            None if pulled is None else _pulled(columns, pulled, sizes, by).to(proxies.dtype),
        )


def _directions(rows: Tensor) -> tuple[Tensor, Tensor]:
    """x / |x| in float64 (N, D), and |x| (N, 1); NaN for a row without a direction."""
    wide = rows.double()
    lengths = torch.threshold(torch.linalg.vector_norm(wide, dim=1, keepdim=True), SHORTEST, math.nan)
    return wide / lengths, lengths


def _pulled(units: Tensor, slopes: Tensor, lengths: Tensor, by: Tensor) -> Tensor:
    """(u u'g - g) / |x| times `by`: slopes of products of directions, which are minus those of distances, as slopes of rows."""
    return across(units, cast(slopes, units.dtype)).mul_(-by / lengths)
