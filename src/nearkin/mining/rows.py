"""The rows of a block, a chunk at a time, for whoever counts triplets in the buffers of a loss."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import torch
from torch import Tensor

from nearkin.mining.workspace import Workspace, on_cpu

CHUNK = 1 << 18
"""Numbers that are worked on at a time: few enough for a core's cache, and the more, the fewer steps."""


def strangers(distances: Tensor, kin: Tensor, out: Tensor) -> Tensor:
    """The distances in the buffer `out`, with +inf at kin."""
    out.copy_(distances).view(-1).index_fill_(0, kin, torch.inf)
    return out


class Rows:
    """The rows of a block a chunk at a time; where classes are unlike, in order of their number of positives."""

    def __init__(self, far: Tensor, slope: Tensor, listed: Tensor) -> None:
        self.far, self.slope, self.order = far, slope, None
        slots = torch.arange(1, listed.shape[1] + 1, device=listed.device)
        reach = (listed * slots).amax(1) if listed.numel() else listed.sum(1)
        self.widths = reach.tolist()
        self.size = max(1, CHUNK // max(far.shape[1], 1)) if on_cpu(far) else max(len(far), 1)
        self.space = Workspace(min(self.size, len(far)) * far.shape[1], far)
        if self.size < len(far) and max(self.widths) > 8 + 2 * sum(self.widths) / len(far):
            self.order = reach.argsort()
            self.widths.sort()

    def alike(self, few: int) -> list[tuple[int, int]]:
        """Spans of rows with up to `few` positives and with more."""
        if not self.widths or self.order is None:
            return [(0, len(self.widths))] * bool(self.widths)
        cut = bisect_right(self.widths, few)
        return [(start, stop) for start, stop in ((0, cut), (cut, len(self.widths))) if start < stop]

    def chunks(self, start: int, stop: int) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Rows counted from `start`, their distances, and where their slopes go; what `space` lends is theirs until the last."""
        with self.space:
            for first in range(start, stop, self.size):
                last = min(first + self.size, stop)
                rows = slice(first - start, last - start)
                if self.order is None:
                    yield rows, self.far[first:last], self.slope[first:last]
                    continue
                shape, chosen = (last - first, self.far.shape[1]), self.order[first:last]
                slope = self.space.take("slope", shape, self.far.dtype)
                far = torch.index_select(self.far, 0, chosen, out=self.space.take("far", shape, self.far.dtype))
                yield rows, far, slope
                self.slope.index_copy_(0, chosen, slope)
