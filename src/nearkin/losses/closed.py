"""What a loss sees and says when it makes the gradient of its rows by hand: `closed(tile) -> Closed`, beside `rows`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from nearkin.core.tensors import Terms


class Tile(NamedTuple):
    """A block of b anchors against R columns, in buffers of the engine; kin is decided by class indices.

    distances: (b, R), read only; an anchor's own column holds 0
    index:     (b, P) columns of the positives, P the most of a row in this block; padded with any column
    listed:    (b, P) bool, which of them count
    kin:       (m,) places row * R + column of all that is no negative: positives and the anchor itself
    negatives: (b,) number of negatives of each row
    slope:     (b, R) buffer for the slopes of the negatives
    scratch:   (b, R) buffer for what is needed on the way
    reach:     no distance of the call is above it in size
    exact:     rows (m,), columns (m,) -> distances (m,) of single pairs in float64; None where those of the tile are
               as good, or where it would not say more than they
    """

    distances: Tensor
    index: Tensor  # type: ignore[assignment]
    listed: Tensor
    kin: Tensor
    negatives: Tensor
    slope: Tensor
    scratch: Tensor
    reach: float = math.inf
    exact: Callable[[Tensor, Tensor], Tensor] | None = None

    def positive_distances(self) -> Tensor:
        """(b, P) distances of the positives; where not listed, of any column."""
        return self.distances.gather(1, self.index)

    def pairs(self) -> Tensor:
        """The number of positive pairs that have a negative, in float64."""
        return (self.listed.sum(1) * (self.negatives > 0)).sum().double()


class Pairs(NamedTuple):
    """Slopes of a few columns of each row: columns (b, T) int64, slopes (b, T); a slope of 0 is padding."""

    columns: Tensor
    slopes: Tensor


class Closed(NamedTuple):
    """The terms of a block and the slopes of their total: d total / d distance.

    terms:     one Terms; or two, of which the first moves only with positives and the second only with negatives
    positives: (b, P) slopes of the positives of the tile, 0 where not listed
    negatives: the tile's `slope`, filled, 0 at kin; or Pairs, which spares the products; or None: no slopes
    """

    terms: Terms | tuple[Terms, Terms]
    positives: Tensor
    negatives: Tensor | Pairs | None
