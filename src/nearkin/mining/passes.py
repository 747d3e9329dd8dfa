"""Triplets counted by a pass over each row for each of its positives: the way for few positives."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nearkin.core.tensors import added
from nearkin.mining.doubts import Numbers, Spans
from nearkin.mining.rows import CHUNK, Rows


class Counted(NamedTuple):
    """Sums over the triplets of a block.

    total:     scalar float64, the sum of the terms
    active:    scalar float64, the number of terms above 0
    positives: (b, P) d total / d distance of the positives; those to negatives stand in the slope buffer
    """

    total: Tensor
    active: Tensor
    positives: Tensor


class Passes:
    """Sums over the triplets of rows with positives at distances `near` (b, P), a chunk at a time.

    slack: where it is above 0, only what surely counts is counted; `doubts` says which distances may count besides
    """

    sure = True

    def __init__(self, near: Tensor, margin: float, squared: bool, spans: Spans, slack: Tensor) -> None:
        self.near, self.margin, self.squared, self.spans = near, margin, squared, spans
        self.doubting = bool(slack.any())
        self.band = spans.plain.low is not None
        self.top, self.below = heights(near, margin)
        self.counts, self.moved, self.most = (near.new_zeros(near.shape[::-1]) for _ in range(3))
        self.values = near.new_zeros(len(near))
        self.doubts: list[Numbers] = []

    def run(self, rows: Rows, start: int) -> Counted:
        """All chunks of the rows from `start` on."""
        for part, far, slope in rows.chunks(start, start + len(self.near)):
            flags, other = (rows.space.take(name, far.shape, far.dtype) for name in ("work", "other"))
            width = rows.widths[start + part.stop - 1] if rows.order is not None else self.near.shape[1]
            self._pass_over(part, far, slope.zero_(), width, flags, other)
        exact = self.squared or self.band
        total = added(self.values) if exact else -added(self.values) - added(self.counts.T * self.below)
        return Counted(total, added(self.counts), (2 * self.moved if self.squared else self.counts).T)

    def _pass_over(self, part: slice, far: Tensor, slope: Tensor, width: int, flags: Tensor, other: Tensor) -> None:
        for k in range(width):
            self.spans.sure.flags(far, part, k, flags, other)
            torch.sum(flags, 1, out=self.counts[k, part])
            if not self.squared:
                slope.sub_(flags)
            if self.squared or self.band:
                near = self.near[part, k : k + 1]
                torch.sub(near, far, out=other).add_(self.margin).relu_()  # d_ap + m rounded would have fewer digits
                if self.band:
                    other.mul_(flags)
                if self.squared:
                    slope.sub_(other, alpha=2)
                    torch.sum(other, 1, out=self.moved[k, part])
                    other.square_()
                self.values[part] += other.sum(1)
            if self.doubting:
                torch.sum(self.spans.maybe.flags(far, part, k, flags, other), 1, out=self.most[k, part])
        if self.doubting:
            self._doubt(part, far)
        if not self.squared and not self.band:
            torch.sum(torch.sub(self.top[part], far, out=far).relu_().mul_(slope), 1, out=self.values[part])

    def _doubt(self, part: slice, far: Tensor) -> None:
        """Note the distances of rows in which more may count than has been counted."""
        doubted = (self.most[:, part] != self.counts[:, part]).nonzero()
        for k, row in (pairs.unbind(1) for pairs in doubted.split(max(1, CHUNK // far.shape[1])) if len(pairs)):
            lines, which = far[row], (part.start + row, k, None)
            number, column = (
                (self.spans.maybe.holds(lines, *which) & ~self.spans.sure.holds(lines, *which)).nonzero().unbind(1)
            )
            self.doubts.append((which[0][number], column))


def heights(near: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """The highest threshold of each row (0 without one) (r, 1), and how far below it the others lie, 0 where none.

    The second in float64 and from d_ap + m before it is rounded: the rounding of a threshold is that of all its terms.
    """
    exact = near.to(torch.float32 if near.device.type == "mps" else torch.float64) + margin
    if not near.shape[1]:
        return near.new_zeros(len(near), 1), exact
    top = (near + margin).amax(1, keepdim=True)
    top = torch.where(top > -torch.inf, top, 0)
    return top, torch.where(exact > -torch.inf, top - exact, 0)
