"""Who is nearest: references in the order (distance, lowest index), for a block of queries at a time.

A distance and a reference's index are packed into one whole number of 64 bits, the distance above and the index below.
Whole numbers sort fast and never tie, so one partial sort gives the order that the definitions ask for. The distance
keeps 62 - log2(R) of its bits (36 binary digits of its fraction for 60,000 references): distances that differ only by
the rounding of their computation are equal, as they are on paper.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nearkin.core import InputError
from nearkin.distances import Distance, SquaredKernel, wide
from nearkin.evaluation.exclusions import Exclusions
from nearkin.evaluation.inputs import Array

EXCLUDED = 2**63 - 1
"""The key of a reference that may not answer: behind every other."""

BLOCK = 1 << 21
"""Distances held at a time, unless the caller says how many queries a block has."""

FRACTION = 52
"""Binary digits of a float64's fraction."""


class Space:
    """Queries and references in a distance's space, and the packed order of a block of queries.

    Where the distance keeps the Euclidean order of projected rows, squared distances are ranked and `link` runs only on
    what is reported; elsewhere `link` runs on the whole block. All in float64.
    """

    def __init__(self, distance: Distance, queries: Tensor, references: Tensor | None = None) -> None:
        with torch.no_grad():
            self.distance = distance
            self.queries = _projected(distance, queries)
            self.references = self.queries if references is None else _projected(distance, references)
            self.query_norms = self.queries.square().sum(1)
            self.reference_norms = self.references.square().sum(1)
            self.kernel = SquaredKernel(self.references, self.queries.dtype)
        self.bits = max(len(self.references) - 1, 1).bit_length()
        self.columns = torch.arange(len(self.references), device=self.queries.device)

    def keys(self, rows: Tensor) -> Tensor:
        """Packed order (b, R) of all references for the queries `rows`, in a fresh buffer."""
        squared, _ = self.kernel.forward(self.queries[rows])
        if self.distance.order_is_euclidean:
            return self._pack(squared)
        linked = self.distance.link(squared, self.query_norms[rows, None], self.reference_norms[None])
        return self._pack(_steady(_checked(linked.to(torch.float64))))

    def _pack(self, values: Tensor) -> Tensor:
        half, low = 1 << (self.bits - 1), (1 << self.bits) - 1
        keys = values.contiguous().view(torch.int64)
        keys.add_(half).bitwise_and_(~low)
        if not self.distance.order_is_euclidean:  # the bits of a negative float run backwards
            keys.bitwise_xor_((keys >> 63) & EXCLUDED).bitwise_and_(~low)
        return keys.bitwise_or_(self.columns)

    def distances(self, rows: Array, columns: Array) -> Array:
        """Distances (b, k) of the queries `rows` to their references `columns` (b, k), computed one by one."""
        device, size = self.queries.device, max(1, BLOCK // (columns.shape[1] * self.queries.shape[1]))
        parts = []
        for row, column in zip(torch.from_numpy(rows).split(size), torch.from_numpy(columns).split(size)):
            row, column = row.to(device), column.to(device)
            with torch.no_grad():
                squared = (self.queries[row, None] - self.references[column]).square().sum(2)
                linked = self.distance.link(squared, self.query_norms[row, None], self.reference_norms[column])
            parts.append(_checked(linked.to(torch.float64)).cpu().numpy())
        return np.concatenate(parts)


def _projected(distance: Distance, rows: Tensor) -> Tensor:
    projected = distance.project(wide(rows))
    limit = torch.finfo(projected.dtype).max / 8
    if not projected.square().sum(1).max() < limit:
        raise InputError(f"{distance!r} overflows on these embeddings (largest number {float(rows.abs().max()):g}); scale them")
    return projected


def _checked(distances: Tensor) -> Tensor:
    low, high = torch.aminmax(distances)
    if not (low.isfinite() and high.isfinite()):
        raise InputError("the distance gives NaN or infinity between some of these embeddings; scale them or change it")
    return distances


def _steady(distances: Tensor) -> Tensor:
    """Round each row to 2^-44 of its largest magnitude: where a link subtracts, values near 0 hold only rounding."""
    largest = distances.abs().amax(1, keepdim=True)
    unit = torch.exp2(torch.floor(torch.log2(largest.clamp(min=1e-300))) - 44)
    return distances.div_(unit).round_().mul_(unit).add_(0.0)  # + 0.0 makes -0.0 into 0.0


@dataclass(frozen=True)
class Window:
    """The nearest `count` references of a block of queries, and all their keys for whoever must look further.

    queries (b,) who asks; order (b, count) their nearest keys, sorted; keys (b, R) all keys of each, in any order;
    the lower `bits` of a key are the reference's index.
    """

    queries: Array
    order: Array
    keys: Tensor
    bits: int

    @property
    def columns(self) -> Array:
        """Indices (b, count) of the references in order; meaningless where `present` is False."""
        return self.order & ((1 << self.bits) - 1)

    @property
    def present(self) -> Array:
        """(b, count): False behind the last reference that may answer."""
        return self.order != EXCLUDED

    @property
    def levels(self) -> Array:
        """(b, count): whole numbers in the order of the distances, equal where distances tie."""
        return self.order >> self.bits


def windows(
    space: Space, exclusions: Exclusions, rows: Array, counts: Array, block: int | None = None
) -> Iterator[Window]:
    """Walk over the queries `rows` in blocks; each block gets the largest of its `counts` of neighbours.

    Memory:  O(block x R), whatever the number of queries
    """
    references = len(space.references)
    size = block or min(1024, max(8, BLOCK // references))
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        with torch.no_grad():
            keys = space.keys(torch.from_numpy(part).to(space.queries.device))
            row, column = exclusions.pairs(part)
            keys[torch.from_numpy(row), torch.from_numpy(column)] = EXCLUDED
            count = min(references, max(1, int(counts[start : start + size].max())))
            yield Window(part, smallest(keys, count), keys, space.bits)


def smallest(keys: Tensor, count: int) -> Array:
    """The `count` smallest of each row, sorted. On a CPU rows of `keys` may be reordered on the way."""
    if keys.device.type != "cpu" or count * 64 <= keys.shape[1]:
        return torch.topk(keys, count, dim=1, largest=False).values.cpu().numpy()
    array = keys.numpy()
    if count < keys.shape[1]:
        array.partition(count - 1, axis=1)
    found = np.ascontiguousarray(array[:, :count])
    found.sort(axis=1)
    return found
