"""Triplets whose side of a hinge's corner the rounding of distances does not tell, decided by distances in float64.

The slope of a hinge jumps at its corner. Of many millions of triplets some lie nearer to it than float32 can tell, and
each on the wrong side would move the gradient by a whole triplet. Those few are looked at once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from nearkin.core.tensors import added

SLACK = 2.0**-21
"""Share of a threshold within which distances in float32 do not tell whether they have reached it."""

Exact = Callable[[Tensor, Tensor], Tensor]
"""rows (m,) of a block, columns (m,) -> their distances (m,) in float64, from the differences of the embeddings."""

Numbers = tuple[Tensor, Tensor]
"""Rows (m,) and columns (m,) of single distances of a block."""


class Span(NamedTuple):
    """Ends (b, P), both strict, between which a distance makes a triplet count; no low end in a hinge without band."""

    low: Tensor | None
    high: Tensor

    def flags(self, far: Tensor, rows: slice, k: int, out: Tensor, other: Tensor) -> Tensor:
        """1 where the distances of the rows lie within the span of the k-th positive, else 0, in the buffer `out`."""
        torch.lt(far, self.high[rows, k : k + 1], out=out)
        if self.low is not None:
            out.mul_(torch.gt(far, self.low[rows, k : k + 1], out=other))
        return out

    def holds(self, far: Tensor, *which: Tensor | None) -> Tensor:
        """The same for distances against the ends at `which` places: bool."""
        inside = far < self.high[which]
        return inside if self.low is None else inside & (far > self.low[which])


class Spans(NamedTuple):
    """Of a block: what surely counts, what counts by the distances as they are, and what may count."""

    sure: Span
    plain: Span
    maybe: Span

    @classmethod
    def around(cls, near: Tensor, margin: float, slack: Tensor | float, band: bool) -> Spans:
        """Spans of the positives at distances `near` (b, P); slack (b, 1)."""
        high = near + margin
        shifted = ((near + shift if band else None, high - shift) for shift in (slack, 0.0, -slack))
        return cls(*(Span(*ends) for ends in shifted))


class Doubtful(Protocol):
    """Who has counted. sure: of what is in doubt nothing, else by the plain distances; doubts: rows counted from its first"""

    sure: bool
    doubts: list[Numbers]


class Correction(NamedTuple):
    """Triplets (m,) to be counted `weight` times more: rows, slots of their positives, columns, excesses d_ap + m - d_an."""

    rows: Tensor
    slots: Tensor
    columns: Tensor
    weight: Tensor
    excess: Tensor

    def total(self, squared: bool) -> Tensor:
        """What is missing in the sum of terms."""
        return added(self.weight * (self.excess.square() if squared else self.excess))

    def active(self) -> Tensor:
        """What is missing in the number of terms above 0."""
        return added(self.weight)

    def move(self, slope: Tensor, block: Tensor, positives: Tensor, squared: bool) -> None:
        """Add what is missing in the slopes: of the negatives of the rows `block` of a buffer, of positives (b, P)."""
        moved = self.weight * (2 * self.excess if squared else 1)
        slope.index_put_((block[self.rows], self.columns), -moved, accumulate=True)
        positives.index_put_((self.rows, self.slots), moved, accumulate=True)


def corrected(
    exact: Exact, distances: Tensor, block: Tensor, index: Tensor, near: Tensor, margin: float, spans: Spans,
    counting: Doubtful,
) -> Correction:  # fmt: skip
    """What was counted wrongly of the triplets in doubt.

    block:       (b,) the rows of `distances` (., R) that were counted
    index, near: (b, P) columns and distances of their positives
    """
    width = distances.shape[1]
    places = torch.cat([rows * width + columns for rows, columns in counting.doubts]).unique()
    rows, columns = places // width, places % width
    far = distances[block[rows], columns]
    number, slots = (spans.maybe.holds(far[:, None], rows) & ~spans.sure.holds(far[:, None], rows)).nonzero().unbind(1)
    rows, columns, far = rows[number], columns[number], far[number]
    apart = exact(block[rows], columns) - exact(block[rows], index[rows, slots])
    active = (apart < margin) & (apart > 0) if spans.plain.low is not None else apart < margin
    before = torch.zeros_like(active) if counting.sure else spans.plain.holds(far, rows, slots)
    weight = active.to(near.dtype) - before.to(near.dtype)
    return Correction(rows, slots, columns, weight, (near[rows, slots] - far + margin).relu_())
