"""Triplets whose side of a hinge's corner the rounding of distances does not tell, decided by differences in float64.

The slope of a hinge jumps at its corner. Of many millions of triplets some lie nearer to it than float32 can tell, and
each on the wrong side would move the gradient by a whole triplet. Those few are looked at once more. In float64 they are
ties: copies of a row, and points of a grid, are equally far by their differences, and not always by products.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from nearkin.core.tensors import added

SLACK = {torch.float32: 2.0**-21, torch.float64: 2.0**-40}
"""Share of a threshold within which distances that products have made do not tell whether they have reached it."""

Exact = Callable[[Tensor, Tensor], Tensor]
"""rows (m,) of a block, columns (m,) -> their distances (m,) in float64, from the differences of the embeddings."""

Numbers = tuple[Tensor, Tensor]
"""Rows (m,) and columns (m,) of single distances of a block."""


class Span(NamedTuple):
    """Ends (b, P), both strict, between which a distance makes a triplet count; no low end in a hinge without band."""

    low: Tensor | None
    high: Tensor

    def flags(self, far: Tensor, which: Any, out: Tensor, other: Tensor | None = None) -> Tensor:
        """1 where distances lie within the ends at `which` places, else 0, in the buffer `out`; another one for a band."""
        torch.lt(far, self.high[which], out=out)
        if self.low is not None:
            out.mul_(torch.gt(far, self.low[which], out=other))
        return out

    def holds(self, far: Tensor, *which: Tensor | None) -> Tensor:
        """The same as bool."""
        inside = far < self.high[which]
        return inside if self.low is None else inside & (far > self.low[which])

    def narrowed(self, by: Tensor) -> Span:
        """The span less `by` (b, 1) at each end."""
        return Span(None if self.low is None else self.low + by, self.high - by)


class Spans(NamedTuple):
    """Of a block: what surely counts, what counts by the distances as they are, and what may count."""

    sure: Span
    plain: Span
    maybe: Span

    @classmethod
    def around(cls, plain: Span, slack: Tensor | None) -> Spans:
        """With (b, 1) of each row in doubt around both ends, or nothing."""
        return cls(plain, plain, plain) if slack is None else cls(plain.narrowed(slack), plain, plain.narrowed(-slack))


class Hinge:
    """A hinge of rows with positives at distances `near` (b, P), -inf where there is none.

    slack: within which distance (b, 1) of a corner rounding does not tell its side; None where nobody asks
    """

    def __init__(self, near: Tensor, margin: float, squared: bool, band: bool, *, doubting: bool) -> None:
        self.near, self.margin, self.squared, self.band = near, margin, squared, band
        self.plain = Span(near if band else None, near + margin)
        self.slack = self.top.abs() * SLACK[near.dtype] if doubting else None
        self.spans = Spans.around(self.plain, self.slack)

    @cached_property
    def top(self) -> Tensor:
        """The highest threshold of each row, 0 without one: (b, 1)."""
        if not self.near.shape[1]:
            return self.near.new_zeros(len(self.near), 1)
        top = self.plain.high.amax(1, keepdim=True)
        return torch.where(top > -torch.inf, top, 0)

    @cached_property
    def below(self) -> Tensor:
        """How far below it the others lie, 0 where none: (b, P).

        In float64 and from d_ap + m before it is rounded: the rounding of a threshold is that of all its terms.
        """
        exact = self.near.to(torch.float32 if self.near.device.type == "mps" else torch.float64) + self.margin
        return torch.where(exact > -torch.inf, self.top - exact, 0)


class Doubtful(Protocol):
    """Who has counted. sure: of what is in doubt nothing, else by the plain distances; doubts: no number twice, rows counted
    from its first"""

    sure: bool
    doubts: list[Numbers]


def once(doubts: list[Numbers], width: int) -> list[Numbers]:
    """The same numbers of rows of `width`, each once."""
    if not doubts:
        return doubts
    places = torch.cat([rows * width + columns for rows, columns in doubts]).unique()
    return [(places // width, places % width)]


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
    exact: Exact, distances: Tensor, block: Tensor, index: Tensor, hinge: Hinge, counting: Doubtful
) -> Correction:
    """What was counted wrongly of the triplets in doubt.

    block: (b,) the rows of `distances` (., R) that were counted
    index: (b, P) columns of their positives
    """
    near, margin, spans = hinge.near, hinge.margin, hinge.spans
    rows, columns = (torch.cat(parts) for parts in zip(*counting.doubts))
    far = distances[block[rows], columns]
    number, slots = (spans.maybe.holds(far[:, None], rows) & ~spans.sure.holds(far[:, None], rows)).nonzero().unbind(1)
    rows, columns, far = rows[number], columns[number], far[number]
    apart = exact(block[rows], columns) - exact(block[rows], index[rows, slots])
    active = (apart < margin) & (apart > 0) if hinge.band else apart < margin
    before = torch.zeros_like(active) if counting.sure else spans.plain.holds(far, rows, slots)
    weight = active.to(near.dtype) - before.to(near.dtype)
    return Correction(rows, slots, columns, weight, (near[rows, slots] - far + margin).relu_())
