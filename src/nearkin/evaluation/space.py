"""Queries and references where distances are taken, and the whole numbers that put references in order.

A distance and a reference's index are packed into one whole number of 64 bits, the distance above and the index below.
Whole numbers sort fast and never tie, so one partial sort gives the order (distance, lowest index). Distances that
differ only by the rounding of their computation are equal, as they are on paper: a squared distance keeps 36 binary
digits (52 - log2(R) of them for more than 65,536 references) where it gives the order; where it does not, a distance is
rounded to 44 binary digits of the query's largest one.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nearkin.core import InputError
from nearkin.distances import Distance, wide
from nearkin.evaluation.inputs import Array

EXCLUDED = 2**63 - 1
"""Behind every distance: the upper part of this number marks a reference that may not answer."""

NEAR = 2.5e-6
"""Share of a query's squared norm (mean removed) below which a product of float64 loses more than it may."""

NOTHING = 1e-30
"""Share of a query's squared norm below which a squared difference is what rounding leaves of equal rows: 0."""

INDEX_BITS = 16
"""Fewest bits for the index; rounding away so many of a float64 makes sums in another order equal."""

DIGITS = 44
"""Binary digits of a row's largest distance that are kept where `link` may subtract."""

CHUNK = 1 << 21
"""Numbers held at a time while single distances are made from differences."""


class Space:
    """Distances of queries (Q, D) to references (R, D), or to the queries themselves, as packed whole numbers.

    All in float64. Where the distance keeps the Euclidean order of projected rows, squared distances are ranked and
    `link` runs only on what is reported; elsewhere `link` runs on the whole block.
    """

    def __init__(self, distance: Distance, queries: Tensor, references: Tensor | None = None) -> None:
        with torch.no_grad():
            self.distance = distance
            self.queries = _projected(distance, queries)
            self.references = self.queries if references is None else _projected(distance, references)
            self.query_norms = self.queries.square().sum(1)
            self.reference_norms = self.references.square().sum(1)
            shift = self.references.mean(0)
            self._left, self._right = _factors(self.queries - shift, self.references - shift)
        self.bits = max(INDEX_BITS, (len(self.references) - 1).bit_length())
        self._index = torch.arange(len(self.references), device=self.queries.device)

    def keys(self, queries: Tensor, row: Tensor, column: Tensor, out: Tensor | None = None) -> Tensor:
        """Packed order (b, R) of all references for `queries` (b,); the pairs (row, column) are excluded."""
        left = self._left[queries]
        squared = torch.mm(left, self._right.T, out=out).relu_()
        squared[row, column] = torch.inf
        close = squared.amin(1) < NEAR * left[:, -1]
        if close.any():
            squared[close] = self._from_differences(queries[close])
        if self.distance.order_is_euclidean:
            keys = self._relative(squared)
        else:
            squared[row, column] = 0  # any finite number: it may not answer
            linked = self.distance.link(squared, self.query_norms[queries, None], self.reference_norms[None])
            keys = self._absolute(_finite(linked.to(torch.float64)))
        keys[row, column] = self.excluded_level << self.bits | column
        return keys

    @property
    def excluded_level(self) -> int:
        """What stands above the index in the key of a reference that may not answer."""
        return EXCLUDED >> self.bits

    def _from_differences(self, queries: Tensor) -> Tensor:
        """Squared distances (b, R) by subtraction: ten times the work of a product, and no cancellation."""
        direct = torch.cdist(self.queries[queries], self.references, compute_mode="donot_use_mm_for_euclid_dist")
        return self._without_noise(direct.square_(), queries)

    def _without_noise(self, squared: Tensor, queries: Tensor) -> Tensor:
        return squared.masked_fill_(squared < NOTHING * self.query_norms[queries, None], 0)

    def _relative(self, squared: Tensor) -> Tensor:
        """The bits of a float64 of at least 0 count up with it: round away its last ones, and put the index there."""
        keys = squared.view(torch.int64)
        return keys.add_(1 << (self.bits - 1)).bitwise_and_(-1 << self.bits).bitwise_or_(self._index)

    def _absolute(self, distances: Tensor) -> Tensor:
        """Whole multiples of a unit that is a power of two a row, so that rounding errors around 0 vanish too."""
        largest = torch.stack(torch.aminmax(distances, dim=1)).abs().amax(0).clamp(min=1e-290)
        unit = torch.exp2(torch.floor(torch.log2(largest)) - min(DIGITS, 61 - self.bits))
        keys = (distances / unit[:, None]).round_().to(torch.int64)
        return keys.bitwise_left_shift_(self.bits).bitwise_or_(self._index)

    def distances(self, queries: Array, columns: Array) -> Array:
        """Distances (b, k) of `queries` (b,) to their references `columns` (b, k), from differences, in float64."""
        device, size = self.queries.device, max(1, CHUNK // (columns.shape[1] * self.queries.shape[1]))
        parts = []
        with torch.no_grad():
            for query, column in zip(torch.from_numpy(queries).split(size), torch.from_numpy(columns).split(size)):
                query, column = query.to(device), column.to(device)
                squared = (self.queries[query, None] - self.references[column]).square_().sum(2)
                squared = self._without_noise(squared, query)
                linked = self.distance.link(squared, self.query_norms[query, None], self.reference_norms[column])
                parts.append(_finite(linked.to(torch.float64)).cpu().numpy())
        return np.concatenate(parts)


def _factors(queries: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
    """Rows whose plain product is |q|^2 + |r|^2 - 2 q'r. The last column of the queries' side is |q|^2."""
    query_norms, reference_norms = (rows.square().sum(1, keepdim=True) for rows in (queries, references))
    left = torch.cat([-2 * queries, torch.ones_like(query_norms), query_norms], 1)
    return left, torch.cat([references, reference_norms, torch.ones_like(reference_norms)], 1)


def _projected(distance: Distance, rows: Tensor) -> Tensor:
    projected = distance.project(wide(rows)).to(torch.float64)
    if not projected.square().sum(1).max() < torch.finfo(torch.float64).max / 8:
        largest = float(rows.abs().max())
        raise InputError(f"{distance!r} overflows on these embeddings (largest number {largest:g}); scale them")
    return projected


def _finite(distances: Tensor) -> Tensor:
    low, high = torch.aminmax(distances)
    if not (low.isfinite() and high.isfinite()):
        raise InputError("the distance gives NaN or infinity between some of these embeddings; scale them or change it")
    return distances
