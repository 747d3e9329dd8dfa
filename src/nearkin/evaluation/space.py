"""Queries and references where distances are taken, and the whole numbers that put references in order.

A distance and a reference's index are packed into one whole number of 64 bits, the distance above and the index below.
Whole numbers sort fast and never tie, so one partial sort gives the order (distance, lowest index). Distances that
differ only by the rounding of their computation are equal, as they are on paper: a squared distance keeps 36 binary
digits (52 - log2(R) of them for more than 65,536 references) where it gives the order; where it does not, a distance is
rounded to 44 binary digits of the query's largest one.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from nearkin.core import InputError
from nearkin.distances import Distance
from nearkin.evaluation.points import Points

EXCLUDED = 2**63 - 1
"""Behind every distance: the upper part of this number marks a reference that may not answer."""

NEAR = 2.5e-6
"""Share of a query's squared norm (centre removed) below which a product of float64 loses more than it may."""

NOTHING = 1e-30
"""Share of a query's squared norm below which a squared difference is what rounding leaves of equal rows: 0."""

CROWDED = 32
"""Where more than one of so many pairs are that near, whole rows are made from differences at once."""

INDEX_BITS = 16
"""Fewest bits for the index; rounding away so many of a float64 makes sums in another order equal."""

DIGITS = 44
"""Binary digits of a row's largest distance that are kept where `link` may subtract."""

CHUNK = 1 << 18
"""Numbers held at a time while single distances are made from differences."""


class Space:
    """Distances of queries (Q, D) to references (R, D), or to the queries themselves, as packed whole numbers.

    All in float64. Where the distance keeps the Euclidean order of projected rows, squared distances are ranked and
    `link` runs only on what is reported; elsewhere `link` runs on the whole block.
    """

    def __init__(self, distance: Distance, queries: Tensor, references: Tensor | None = None) -> None:
        self.distance, self.symmetric = distance, references is None
        self.queries = Points(distance, queries)
        self.references = self.queries if references is None else Points(distance, references)
        self.bits = max(INDEX_BITS, (len(self.references) - 1).bit_length())
        self.device = queries.device

    @cached_property
    def _index(self) -> Tensor:
        return torch.arange(len(self.references), device=self.device)

    @cached_property
    def _right(self) -> Tensor:
        """The references' side of a product that gives |q|^2 + |r|^2 - 2 q'r: rows r, |r|^2, 1, the centre removed."""
        shape = len(self.references), len(self.references.centre) + 2
        right = torch.ones(shape, dtype=torch.float64, device=self.device)
        for place, part in self.references.parts():
            right[place, :-2] = part - self.references.centre
            right[place, -2] = right[place, :-2].square().sum(1)
        return right

    def _left(self, queries: Tensor) -> Tensor:
        """The queries' side of that product: rows -2 q, 1, |q|^2."""
        rows = self.queries.take(queries) - self.references.centre
        norms = rows.square().sum(1, keepdim=True)
        return torch.cat([-2 * rows, torch.ones_like(norms), norms], 1)

    def keys(self, queries: Tensor, row: Tensor, column: Tensor, out: Tensor | None = None) -> Tensor:
        """Packed order (b, R) of all references for `queries` (b,); the pairs (row, column) are excluded."""
        left = self._left(queries)
        squared = torch.mm(left, self._right.T, out=out).relu_()
        squared[row, column] = torch.inf
        self._mend(squared, queries, NEAR * left[:, -1])
        if self.distance.order_is_euclidean:
            keys = self._relative(squared)
        else:
            squared[row, column] = 0  # any finite number: it may not answer
            linked = self.distance.link(squared, self.queries.norms[queries, None], self.references.norms[None])
            keys = self._absolute(_finite(linked.to(torch.float64)))
        keys[row, column] = self.excluded_level << self.bits | column
        return keys

    @property
    def excluded_level(self) -> int:
        """What stands above the index in the key of a reference that may not answer."""
        return EXCLUDED >> self.bits

    def _mend(self, squared: Tensor, queries: Tensor, near: Tensor) -> None:
        """Put differences in place of products below `near` (b,), where these cancel."""
        close = squared.amin(1) < near
        if not close.any():
            return
        row, column = (squared < near[:, None]).nonzero(as_tuple=True)
        if len(row) * CROWDED > int(close.sum()) * squared.shape[1]:
            squared[close] = self._from_differences(queries[close])
        else:
            squared[row, column] = self.squared(queries[row], column[:, None])[:, 0]

    def _from_differences(self, queries: Tensor) -> Tensor:
        """Squared distances (b, R) by subtraction: ten times the work of a product, and no cancellation."""
        direct = torch.cdist(
            self.queries.take(queries), self.references.all, compute_mode="donot_use_mm_for_euclid_dist"
        )
        return self._without_noise(direct.square_(), queries)

    def _without_noise(self, squared: Tensor, queries: Tensor) -> Tensor:
        return squared.masked_fill_(squared < NOTHING * self.queries.norms[queries, None], 0)

    def _relative(self, squared: Tensor) -> Tensor:
        """The bits of a float64 of at least 0 count up with it: round away its last ones, and put the index there."""
        keys = squared.view(torch.int64)
        return keys.add_(1 << (self.bits - 1)).bitwise_and_(-1 << self.bits).bitwise_or_(self._index)

    def levels(self, squared: Tensor) -> Tensor:
        """What stands above the index in the keys of squared distances, where these give the order; below 0 counts as 0."""
        bits = squared.clamp(min=0).view(torch.int64)
        return (bits + (1 << (self.bits - 1))) >> self.bits

    def _absolute(self, distances: Tensor) -> Tensor:
        """Whole multiples of a unit that is a power of two a row, so that rounding errors around 0 vanish too."""
        largest = torch.stack(torch.aminmax(distances, dim=1)).abs().amax(0).clamp(min=1e-290)
        unit = torch.exp2(torch.floor(torch.log2(largest)) - min(DIGITS, 61 - self.bits))
        keys = (distances / unit[:, None]).round_().to(torch.int64)
        return keys.bitwise_left_shift_(self.bits).bitwise_or_(self._index)

    def squared(self, queries: Tensor, columns: Tensor) -> Tensor:
        """Squared distances (b, k) of `queries` (b,) to their references `columns` (b, k), from differences."""
        size = max(1, CHUNK // (columns.shape[1] * self.queries.rows.shape[1]))
        parts = []
        with torch.no_grad():
            for query, column in zip(queries.split(size), columns.split(size)):
                references = self.references.take(column.flatten()).unflatten(0, column.shape)
                squared = references.sub_(self.queries.take(query)[:, None]).square_().sum(2)
                parts.append(self._without_noise(squared, query))
        return torch.cat(parts)

    def linked(self, queries: Tensor, columns: Tensor, squared: Tensor) -> Tensor:
        """Distances (b, k) in float64, of squared ones. Errors: InputError for NaN or infinity."""
        with torch.no_grad():
            norms = self.queries.norms[queries, None], self.references.norms[columns]
            return _finite(self.distance.link(squared, *norms).to(torch.float64))


def _finite(distances: Tensor) -> Tensor:
    low, high = torch.aminmax(distances)
    if not (low.isfinite() and high.isfinite()):
        raise InputError("the distance gives NaN or infinity between some of these embeddings; scale them or change it")
    return distances
