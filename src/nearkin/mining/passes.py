"""Triplets counted in one cube, or by a pass over each row for each of its positives: the ways for few positives."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nearkin.core.tensors import added
from nearkin.mining.doubts import Hinge, Numbers, once
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


class AtOnce:
    """Sums over all triplets of a small batch in one cube (b, P, R): the fewest steps.

    Only what surely counts is counted; `doubts` says which distances may count besides
    """

    sure = True

    def __init__(self, hinge: Hinge) -> None:
        self.hinge = hinge
        self.doubts: list[Numbers] = []

    def run(self, far: Tensor, slope: Tensor) -> Counted:
        """All rows, at distances `far` (b, R) of their negatives."""
        hinge, near, far = self.hinge, self.hinge.near, far[:, None]
        flags, excess = far.new_empty(2, *near.shape, far.shape[2]).unbind()
        hinge.spans.sure.flags(far, (..., None), flags, excess)
        torch.sub(near[..., None], far, out=excess).add_(hinge.margin).relu_().mul_(flags)
        pushed = excess if hinge.squared else flags
        torch.sum(pushed, 1, out=slope).mul_(-2 if hinge.squared else -1)
        moved = pushed.sum(2)
        if hinge.squared:
            found = Counted(added(excess.square_()), added(flags), 2 * moved)
        else:
            found = Counted(added(excess), added(moved), moved)
        if hinge.slack is not None:
            maybe = hinge.spans.maybe.flags(far, (..., None), excess)
            if not torch.equal(maybe, flags):
                row, column = (maybe != flags).any(1).nonzero().unbind(1)
                self.doubts.append(Numbers(row, column, far[row, 0, column]))
        return found


class Passes:
    """Sums over the triplets of rows, a chunk at a time; of what is in doubt as `AtOnce`."""

    sure = True

    def __init__(self, hinge: Hinge) -> None:
        self.hinge, near = hinge, hinge.near
        self.counts, self.moved, self.most = (near.new_zeros(near.shape[::-1]) for _ in range(3))
        self.values = near.new_zeros(len(near))
        self.doubts: list[Numbers] = []

    def run(self, rows: Rows, start: int) -> Counted:
        """All chunks of the rows from `start` on."""
        for part, far, slope in rows.chunks(start, start + len(self.hinge.near)):
            flags, other = (rows.space.take(name, far.shape, far.dtype) for name in ("work", "other"))
            width = rows.widths[start + part.stop - 1] if rows.order is not None else self.hinge.near.shape[1]
            self._pass_over(part, far, slope.zero_(), width, flags, other)
        self.doubts = once(self.doubts, rows.far.shape[1])
        exact, hinge = self.hinge.squared or self.hinge.band, self.hinge
        total = added(self.values) if exact else -added(self.values) - added(self.counts.T * hinge.below(hinge.near))
        return Counted(total, added(self.counts), (2 * self.moved if hinge.squared else self.counts).T)

    def _pass_over(self, part: slice, far: Tensor, slope: Tensor, width: int, flags: Tensor, other: Tensor) -> None:
        hinge, spans = self.hinge, self.hinge.spans
        for k in range(width):
            which = part, slice(k, k + 1)
            spans.sure.flags(far, which, flags, other)
            torch.sum(flags, 1, out=self.counts[k, part])
            if not hinge.squared:
                slope.sub_(flags)
            if hinge.squared or hinge.band:
                near = hinge.near[which]
                torch.sub(near, far, out=other).add_(hinge.margin).relu_()  # d_ap + m rounded would have fewer digits
                if hinge.band:
                    other.mul_(flags)
                if hinge.squared:
                    slope.sub_(other, alpha=2)
                    torch.sum(other, 1, out=self.moved[k, part])
                    other.square_()
                self.values[part] += other.sum(1)
            if hinge.slack is not None:
                torch.sum(spans.maybe.flags(far, which, flags, other), 1, out=self.most[k, part])
        if hinge.slack is not None:
            self._doubt(part, far)
        if not hinge.squared and not hinge.band:
            torch.sum(torch.sub(hinge.top[part], far, out=other).relu_().mul_(slope), 1, out=self.values[part])

    def _doubt(self, part: slice, far: Tensor) -> None:
        """Note the distances of rows in which more may count than has been counted."""
        spans, doubted = self.hinge.spans, (self.most[:, part] != self.counts[:, part]).nonzero()
        for k, row in (pairs.unbind(1) for pairs in doubted.split(max(1, CHUNK // max(far.shape[1], 1))) if len(pairs)):
            lines, which = far[row], (part.start + row, k, None)
            number, column = (spans.maybe.holds(lines, *which) & ~spans.sure.holds(lines, *which)).nonzero().unbind(1)
            self.doubts.append(Numbers(which[0][number], column, lines[number, column]))
