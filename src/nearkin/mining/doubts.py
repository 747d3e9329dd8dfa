"""Triplets whose side of a hinge's corner the rounding of distances does not tell, decided by differences in float64.

The slope of a hinge jumps at its corner. Of many millions of triplets some lie nearer to it than float32 can tell, and
each on the wrong side would move the gradient by a whole triplet. Those few are looked at once more. In float64 they are
ties: copies of a row, and points of a grid, are equally far by their differences, and not always by products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nearkin.distances.rows import parts as slices
from nearkin.mining.rows import Link

SLACK = {torch.float32: 2.0**-21, torch.float64: 2.0**-40}
"""Share of a threshold within which distances that products have made do not tell whether they have reached it."""

Array = np.ndarray[Any, Any]

Exact = Callable[[Tensor, Tensor], Tensor]
"""rows (m,) of a block, columns (m,) -> their distances (m,) in float64, from the differences of the embeddings."""


class Numbers(NamedTuple):
    """Single distances (m,) of a block, their rows and columns."""

    rows: Tensor
    columns: Tensor
    distances: Tensor

    def after(self, start: int) -> Numbers:
        """The same where the first row is the row `start` of a larger block."""
        return self._replace(rows=self.rows + start) if start else self


class Span(NamedTuple):
    """Ends (b, P), both strict, between which a distance makes a triplet count; no low end in a hinge without band.

    Tensors, or arrays of which only `holds` and `narrowed` are asked.
    """

    low: Any
    high: Any

    def flags(self, far: Tensor, which: Any, out: Tensor, other: Tensor | None = None) -> Tensor:
        """1 where distances lie within the ends at `which` places, else 0, in the buffer `out`; another one for a band."""
        torch.lt(far, self.high[which], out=out)
        if self.low is not None:
            out.mul_(torch.gt(far, self.low[which], out=other))
        return out

    def holds(self, far: Any, *which: Any) -> Any:
        """The same as bool."""
        inside = far < self.high[which]
        return inside if self.low is None else inside & (far > self.low[which])

    def narrowed(self, by: Any) -> Span:
        """The span less `by` (b, 1) at each end."""
        return Span(None if self.low is None else self.low + by, self.high - by)


class Spans(NamedTuple):
    """Of a block: what surely counts, what counts by the distances as they are, and what may count."""

    sure: Span
    plain: Span
    maybe: Span

    @classmethod
    def around(cls, plain: Span, slack: Any) -> Spans:
        """With (b, 1) of each row in doubt around both ends, or nothing."""
        return cls(plain, plain, plain) if slack is None else cls(plain.narrowed(slack), plain, plain.narrowed(-slack))


class Hinge:
    """A hinge of rows with positives at distances `near` (b, P), -inf where there is none.

    top:   the highest threshold of each row, 0 without one: (b, 1)
    slack: within which distance (b, 1) of a corner rounding does not tell its side; None where nobody asks
    """

    def __init__(
        self, near: Tensor, margin: float, squared: bool, band: bool, top: Tensor, slack: Tensor | None
    ) -> None:
        self.near, self.margin, self.squared, self.band, self.top, self.slack = near, margin, squared, band, top, slack

    @classmethod
    def of(cls, near: Tensor, margin: float, squared: bool, band: bool, *, doubting: bool) -> Hinge:
        """The hinge of these rows."""
        top = near.amax(1, keepdim=True) + margin if near.shape[1] else near.new_zeros(len(near), 1)
        top.masked_fill_(top == -torch.inf, 0)
        return cls(near, margin, squared, band, top, top.abs() * SLACK[near.dtype] if doubting else None)

    def part(self, start: int, stop: int, width: int) -> Hinge:
        """The hinge of some of the rows, which have no more than `width` positives."""
        slack = None if self.slack is None else self.slack[start:stop]
        return Hinge(self.near[start:stop, :width], self.margin, self.squared, self.band, self.top[start:stop], slack)

    @cached_property
    def spans(self) -> Spans:
        """What surely counts, what counts by the distances as they are, and what may count."""
        return Spans.around(Span(self.near if self.band else None, self.near + self.margin), self.slack)

    def below(self, near: Tensor) -> Tensor:
        """How far below the highest the thresholds of positives at distances `near` (b, P) lie, 0 where none: (b, P).

        In float64 and from d_ap + m before it is rounded: the rounding of a threshold is that of all its terms.
        """
        exact = near.to(torch.float32 if near.device.type == "mps" else torch.float64) + self.margin
        torch.sub(self.top, exact, out=exact)
        return exact.masked_fill_(exact == torch.inf, 0)


def once(doubts: list[Numbers], width: int) -> list[Numbers]:
    """The same numbers of rows of `width`, each once."""
    if not doubts:
        return doubts
    rows, columns, distances = (torch.cat(parts) for parts in zip(*doubts))
    places, which = (rows * width + columns).unique(return_inverse=True)
    return [Numbers(places // width, places % width, distances.new_empty(len(places)).index_copy_(0, which, distances))]


class Correction(NamedTuple):
    """Triplets (m,) to be counted `weight` times more: numbers of their rows in a hinge, slots of their positives, rows and
    columns of their negatives in the block, the distances of these, excesses d_ap + m - d_an."""

    numbers: Array
    slots: Array
    rows: Array
    columns: Array
    far: Array
    weight: Array
    excess: Array

    def total(self, squared: bool) -> float:
        """What is missing in the sum of terms."""
        return float((self.weight * (np.square(self.excess) if squared else self.excess)).sum())

    def active(self) -> float:
        """What is missing in the number of terms above 0."""
        return float(self.weight.sum())

    def move(self, slope: Tensor, positives: Tensor, squared: bool, link: Link | None) -> None:
        """Add what is missing in the slopes: of negatives in a buffer (b, R), of positives (b, P)."""
        moved, far = (torch.from_numpy(each).to(slope) for each in (self.pushed(squared), self.far))
        pushed = -moved if link is None else link(-moved[:, None], far[:, None])[:, 0]
        _add(positives, self.numbers, self.slots, moved)
        _add(slope, self.rows, self.columns, pushed)

    def pushed(self, squared: bool) -> Array:
        """What is missing in the slopes of the terms."""
        return 2 * self.weight * self.excess if squared else self.weight


def _add(values: Tensor, rows: Array, columns: Array, more: Tensor) -> None:
    """Add to a matrix in one piece what is `more` at some places."""
    places = torch.from_numpy(rows * values.shape[1] + columns).to(values.device)
    values.view(-1).scatter_add_(0, places, more)


def corrections(
    hinge: Hinge, doubts: list[Numbers], sure: bool, index: Tensor, order: Tensor | None, exact: Exact
) -> Iterator[Correction]:
    """What was counted wrongly of the triplets in doubt, some at a time. They are few, and steps many: numpy's.

    doubts: no number twice; sure: of what is in doubt nothing was counted, else all by the plain distances
    index:  (b, P) columns of the positives
    order:  the rows of the block that the hinge and `index` are of, one after the other; None where as they stand there
    """
    near, positives = hinge.near.cpu().numpy(), index.cpu().numpy()
    slack = None if hinge.slack is None else hinge.slack.cpu().numpy()
    several = [np.concatenate([part.cpu().numpy() for part in parts]) for parts in zip(*doubts)]
    for part in slices(len(several[0]), near.shape[1]):
        number, columns, far = (each[part] for each in several)
        mine = near[number]
        spans = Spans.around(Span(mine if hinge.band else None, mine + hinge.margin), None if slack is None else slack[number])
        which, slots = (spans.maybe.holds(far[:, None]) & ~spans.sure.holds(far[:, None])).nonzero()
        counted = np.zeros(len(which)) if sure else spans.plain.holds(far[:, None])[which, slots].astype(float)
        number, columns, far = number[which], columns[which], far[which]
        rows = number if order is None else order.cpu().numpy()[number]
        pairs = np.concatenate([rows, rows]), np.concatenate([columns, positives[number, slots]])
        found = exact(*[torch.from_numpy(each).to(index.device) for each in pairs]).cpu().numpy()
        apart = found[: len(rows)] - found[len(rows) :]
        active = (apart < hinge.margin) & (apart > 0) if hinge.band else apart < hinge.margin
        excess = np.maximum(near[number, slots] - far + hinge.margin, 0)
        yield Correction(number, slots, rows, columns, far, active - counted, excess)
