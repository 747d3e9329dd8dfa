"""The rows of a block, a chunk at a time, for whoever counts triplets in the buffers of a loss."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from nearkin.mining.workspace import Workspace, on_cpu

CHUNK = 1 << 18
"""Numbers that are worked on at a time: few enough for a core's cache, and the more, the fewer steps."""

TABLE = 1 << 13
"""Positives whose thresholds are made ready at a time: tables of more would take much memory beside a chunk."""

Link = Callable[[Tensor, Tensor], Tensor]
"""Slopes (m, k) of distances (m, k), +inf where there is no slope -> what takes the distances' place, in the slopes' buffer; the
distances are used up."""


def strangers(distances: Tensor, kin: Tensor, out: Tensor) -> Tensor:
    """The distances in the buffer `out`, with +inf at kin."""
    out.copy_(distances).view(-1).index_fill_(0, kin, torch.inf)
    return out


class Rows:
    """The rows of a block a chunk at a time; where classes are unlike, in order of their number of positives.

    link: the slopes of a chunk, linked, take the place of its distances once it is done; `slope` and `far` are one then
    """

    def __init__(self, far: Tensor, slope: Tensor, listed: Tensor, link: Link | None = None) -> None:
        self.far, self.slope, self.link, self.order = far, slope, link, None
        slots = torch.arange(1, listed.shape[1] + 1, device=listed.device)
        reach = (listed * slots).amax(1) if listed.numel() else listed.sum(1)
        self.widths = reach.tolist()
        large = far.numel() >= 8 * CHUNK  # beside a smaller block, chunks that hold their own slopes would take much memory
        numbers = CHUNK if link is None or large else CHUNK // 2
        self.size = max(1, numbers // max(far.shape[1], 1)) if on_cpu(far) else max(len(far), 1)
        self.space = Workspace(min(self.size, len(far)) * far.shape[1], far)
        if self.size < len(far) and max(self.widths) > 8 + 2 * sum(self.widths) / len(far):
            self.order = reach.argsort()
            self.widths.sort()

    def alike(self, few: int) -> list[tuple[int, int]]:
        """Spans of rows with up to `few` positives, and shorter ones of rows with more."""
        count = len(self.widths)
        if self.order is None:
            return self._spans(0, count, max(self.widths, default=0) > few)
        cut = bisect_right(self.widths, few)
        return [*self._spans(0, cut, False), *self._spans(cut, count, True)]

    def _spans(self, start: int, stop: int, tables: bool) -> list[tuple[int, int]]:
        """The rows start..stop as one span, or so many a span that tables of their positives stay small beside a chunk."""
        size = max(stop - start, 1)
        if tables:
            widest = max(self.widths[start:stop], default=0)
            size = self.size * max(TABLE // (self.size * max(widest, 1)), 2)
        return [(first, min(first + size, stop)) for first in range(start, stop, size)]

    def chunks(self, start: int, stop: int) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Rows counted from `start`, their distances, and where their slopes go; what `space` lends is theirs until the last."""
        with self.space:
            for first in range(start, stop, self.size):
                last = min(first + self.size, stop)
                rows, some = slice(first - start, last - start), slice(first, last)
                far, slope = self.far[some], self.slope[some]
                if self.order is None and self.link is None:
                    yield rows, far, slope
                    continue
                slope = self.space.take("slope", slope.shape, slope.dtype)
                if self.order is not None:
                    far = self.space.take("far", far.shape, far.dtype)
                    torch.index_select(self.far, 0, self.order[some], out=far)
                yield rows, far, slope
                if self.link is not None:
                    slope = self.link(slope, far)
                if self.order is None:
                    self.slope[some] = slope
                else:
                    self.slope.index_copy_(0, self.order[some], slope)
