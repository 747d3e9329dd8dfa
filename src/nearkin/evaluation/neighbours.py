"""Who is nearest: the first references of each query in the order (distance, lowest index), block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nearkin.evaluation.exclusions import Exclusions
from nearkin.evaluation.inputs import Array
from nearkin.evaluation.space import Space

BLOCK = 1 << 23
"""Distances held at a time, unless the caller says how many queries a block has."""

ROWS = (16, 1024)
"""Fewest and most queries of a block."""


@dataclass(frozen=True)
class Window:
    """The nearest `count` references of a block of queries, and all their keys for whoever must look further.

    `queries` (b,) says who asks; `order` (b, count) are their smallest keys, sorted; `keys` (b, R) are all keys of each,
    in any order, in a buffer that the next block uses again. The lower `bits` of a key are the reference's index.
    """

    queries: Array
    order: Array
    keys: Tensor
    bits: int
    excluded_level: int

    @property
    def columns(self) -> Array:
        """Indices (b, count) of the references, nearest first."""
        return self.order & ((1 << self.bits) - 1)

    @property
    def levels(self) -> Array:
        """(b, count): whole numbers in the order of the distances, equal where distances tie."""
        return self.order >> self.bits

    @property
    def present(self) -> Array:
        """(b, count): False for references that may not answer; they stand last."""
        there: Array = self.levels != self.excluded_level
        return there


def windows(
    space: Space, exclusions: Exclusions, queries: Array, counts: Array, block: int | None = None
) -> Iterator[Window]:
    """Walk over `queries` in blocks; each block gets the largest of its `counts` of neighbours.

    Memory:  O(block x R), whatever the number of queries
    """
    references, device = len(space.references), space.queries.device
    size = block or rows_of_a_block(references)
    buffer = torch.empty(min(size, len(queries)), references, dtype=torch.float64, device=device)
    for start in range(0, len(queries), size):
        part = queries[start : start + size]
        row, column = (torch.from_numpy(each).to(device) for each in exclusions.pairs(part))
        with torch.no_grad():
            keys = space.keys(torch.from_numpy(part).to(device), row, column, buffer[: len(part)])
            count = min(references, int(counts[start : start + size].max()))
            yield Window(part, smallest(keys, count), keys, space.bits, space.excluded_level)


def rows_of_a_block(references: int) -> int:
    """How many queries a block has where nobody says."""
    return min(max(BLOCK // references, ROWS[0]), ROWS[1])


def smallest(keys: Tensor, count: int) -> Array:
    """The `count` smallest of each row, sorted. On a CPU rows of `keys` may be reordered on the way."""
    if keys.device.type != "cpu" or count * 64 <= keys.shape[1]:
        return torch.topk(keys, count, dim=1, largest=False).values.cpu().numpy()
    array = keys.numpy()
    if count < keys.shape[1]:
        array.partition(count - 1, axis=1)
    return np.sort(array[:, :count], axis=1)


def sorted_rows(keys: Tensor, count: int) -> Array:
    """The `count` smallest of each row, sorted: the way for rows of few distinct numbers, which partition badly."""
    if keys.device.type != "cpu":
        return keys.sort(dim=1).values[:, :count].cpu().numpy()
    array = keys.numpy()
    array.sort(axis=1)
    return array[:, :count]
