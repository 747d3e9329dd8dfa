"""What a loss sees and says when it makes the gradient of its rows by hand: `closed(tile) -> Closed`, beside `rows`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from nearkin.core.tensors import Terms
from nearkin.losses.kin import KinBlock
from nearkin.mining.rows import Link, strangers


class Tile:
    """A block of b anchors against R columns, in buffers of the engine; kin is decided by class indices.

    distances: (b, R), read only; an anchor's own column holds 0
    index:     (b, P) columns of the positives, rising, P the most of a row in this block; padded with any column
    full:      all of `index` is listed
    kin:       (m,) places row * R + column of all that is no negative: positives and the anchor itself
    counts:    numbers of pairs and anchors of the block, for the counts of terms
    lend:      which -> (b, R) buffer of that number, 1 for `slope` and 2 for `scratch`: one that nobody asks for is not made
    reach:     no distance of the call is above it in size
    exact:     rows (m,), columns (m,) -> distances (m,) of single pairs in float64; None where it would not say more
               than the tile
    symmetric: the distance of a pair is that of the pair the other way round
    ahead:     (R, 1) what the loss's `ahead` said of each column in a first sweep; None where all rows are here
    labels:    (b,) class indices of the anchors; None where a sample's class is not asked for
    spare:     nobody asks for the distances once the loss has read them
    active:    whether somebody asks how many terms are above 0
    link:      makes slopes of distances those of squared ones, which may take the distances' place; None where these are needed
    """

    def __init__(
        self, distances: Tensor, pairs: KinBlock, lend: Callable[[int], Tensor], reach: float, *,
        exact: Callable[[Tensor, Tensor], Tensor] | None = None, symmetric: bool = True, ahead: Tensor | None = None,
        labels: Tensor | None = None, spare: bool = False, active: bool = True, link: Link | None = None,
        directions: Callable[[Tensor], Tensor] | None = None,
    ) -> None:  # fmt: skip
        self.distances, self.reach, self._lend = distances, reach, lend
        self.exact, self.symmetric, self.ahead, self.labels = exact, symmetric, ahead, labels
        self.index, self.full, self.kin, self.counts = pairs.index, pairs.full, pairs.places, pairs.counts
        self._pairs, self._spare, self._active, self._link, self._directions = pairs, spare, active, link, directions

    @cached_property
    def slope(self) -> Tensor:
        """(b, R) buffer for the slopes of the negatives."""
        return self._lend(1)

    @cached_property
    def scratch(self) -> Tensor:
        """(b, R) buffer for what is needed on the way."""
        return self._lend(2)

    @property
    def listed(self) -> Tensor:
        """(b, P) bool, which of `index` count."""
        return self._pairs.listed

    @property
    def pulled(self) -> Tensor:
        """(b, 1) bool, which anchors have a positive."""
        return self._pairs.pulled

    @property
    def negatives(self) -> Tensor:
        """(b,) number of negatives of each row."""
        return self._pairs.negatives

    def directions(self, out: Tensor) -> Tensor:
        """Distances |u - v|^2 / 2 of directions, (b, R), read only: in the buffer `out` (b, R), or the tile's own."""
        if self._directions is None:
            raise ValueError("nobody knows the directions of these rows")
        return self._directions(out)

    def write_over(self) -> None:
        """Let `slope` take the place of the distances, if they can be spared: for a loss that reads each only to write its
        slope. A buffer less takes neither memory nor the cache's time."""
        if self._spare:
            self.slope = self.distances

    def strangers(self) -> Strangers:
        """Distances of the negatives, and where their slopes go; the tile's distances may be gone then."""
        if self._link is None:
            return Strangers(strangers(self.distances, self.kin, self.scratch), self.slope, None)
        far = self.distances
        far.view(-1).index_fill_(0, self.kin, torch.inf)
        return Strangers(far, far, self._link)

    def positive_distances(self) -> Tensor:
        """(b, P) distances of the positives, a fresh tensor; where not listed, of any column."""
        return self.distances.gather(1, self.index)

    def torn(self) -> bool:
        """Whether every anchor has a positive and a negative, so that none has to be left out."""
        return self.counts.torn() == self.index.shape[0]

    def share(self) -> Tensor | float:
        """One over the number of positives of its row for each listed one, 0 elsewhere, (b, P); a number where alike."""
        return self._pairs.share

    def nonzero(self, terms: Tensor) -> Tensor | None:
        """How many of these terms are not 0; None where nobody asks."""
        return terms.count_nonzero() if self._active else None

    def only_listed(self, values: Tensor, other: float = 0.0) -> Tensor:
        """The values (b, P), with `other` put into them where not listed."""
        return values if self.full else values.masked_fill_(self._pairs.padding, other)


class Pairs(NamedTuple):
    """Slopes of a few columns of each row: columns (b, T) int64, slopes (b, T); a slope of 0 is padding."""

    columns: Tensor
    slopes: Tensor


class Linked(NamedTuple):
    """Slopes of squared distances (b, R) where the tile's distances were, 0 at kin, and the distances (b, P) of the positives: of
    a single total."""

    slopes: Tensor
    near: Tensor


class Strangers(NamedTuple):
    """Distances of the negatives, and where their slopes go.

    far:   (b, R), +inf at kin
    slope: (b, R) buffer for their slopes, 0 at kin
    link:  makes of slopes what takes the distances' place, `slope` and `far` being one then; None where they are two
    """

    far: Tensor
    slope: Tensor
    link: Link | None

    def negatives(self, near: Tensor) -> Tensor | Linked:
        """`Closed.negatives` once `slope` is filled; near: (b, P) distances of the positives."""
        return self.slope if self.link is None else Linked(self.slope, near)


class Sums(NamedTuple):
    """Terms of a block whose counts are numbers already: total and active as in Terms."""

    total: Tensor
    count: Tensor | float  # type: ignore[assignment]
    active: Tensor | float | None = None


class Closed(NamedTuple):
    """The terms of a block and the slopes of their total: d total / d distance.

    terms:     one Terms; or two, of which the first moves only with positives and the second only with negatives
    positives: (b, P) slopes of the positives of the tile, 0 where not listed
    negatives: the tile's `slope` or `scratch`, filled, 0 at kin; or Linked, which spares those; or Pairs, which spares the
               products; or None: no slopes
    beside:    terms of one more mean, which no distance moves
    learned:   slopes of the totals, that of `beside` last, towards each parameter of the loss in `learns`: (parts, *shape)
    """

    terms: Terms | Sums | tuple[Terms | Sums, Terms | Sums]
    positives: Tensor
    negatives: Tensor | Linked | Pairs | None
    beside: Sums | None = None
    learned: tuple[Tensor, ...] = ()

    @property
    def single(self) -> bool:
        """Whether one total is all that distances move."""
        return isinstance(self.terms, (Terms, Sums))

    def sums(self) -> list[Terms | Sums]:
        """The terms of every mean."""
        several = [self.terms] if isinstance(self.terms, (Terms, Sums)) else list(self.terms)
        return several if self.beside is None else [*several, self.beside]
