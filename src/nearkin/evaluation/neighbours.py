"""Who is nearest: the first references of each query in the order (distance, lowest index), block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nearkin.evaluation.bounds import WIDEST, Bounds, are_plain
from nearkin.evaluation.candidates import Candidates, candidates
from nearkin.evaluation.crew import share, workers
from nearkin.evaluation.exclusions import Exclusions
from nearkin.evaluation.inputs import Array
from nearkin.evaluation.settled import Settled, settle
from nearkin.evaluation.space import Space

BLOCK = 1 << 23
"""Distances held at a time, unless the caller says how many queries a block has."""

ROWS = (16, 1024)
"""Fewest and most queries of a block."""

DEEPEST = 128
"""Most neighbours of a query that are found by candidates."""

SMALLEST = 1 << 17
"""Fewest pairs for which that pays."""


@dataclass(frozen=True)
class Window:
    """The nearest `count` references of a block of queries, and all keys that whoever must look further may need.

    `queries` (b,) says who asks; `order` (b, count) are their smallest keys, sorted; `keys` (b, R) are all keys of each,
    in any order, in a buffer that the next block uses again, or those of the nearest and of all that tie with one of them.
    The lower `bits` of a key are the reference's index.
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


Progress = Callable[[float], None]


def windows(
    space: Space, exclusions: Exclusions, counts: Array, block: int | None = None, on_progress: Progress | None = None
) -> Iterator[Window]:
    """Every query once, in blocks, with the nearest `counts` (Q,) of its references, or more of them.

    Where few of many are wanted by a Euclidean order, float32 finds candidates for exact keys; whoever that leaves open,
    and everybody elsewhere, is asked in full. Both give the same.

    Memory:  O(block x R) in full; O(block x (D + T)) and O(Q T) by candidates, T the largest count
    """
    left = np.ones(len(counts), dtype=bool)
    for window in _answers(space, exclusions, counts, left, block):
        left[window.queries] = False
        yield window
        if on_progress:
            on_progress(1 - float(left.sum()) / len(counts))


def _answers(space: Space, exclusions: Exclusions, counts: Array, left: Array, block: int | None) -> Iterator[Window]:
    """Windows by candidates, then in full of the queries that are `left`."""
    if can_be_screened(space, counts):
        yield from _screened(space, exclusions, np.where(counts <= DEEPEST, counts, 0))
    queries = np.flatnonzero(left)
    queries = queries[np.argsort(counts[queries], kind="stable")]  # so that few blocks need a deep order
    yield from _in_full(space, exclusions, queries, counts[queries], block)


def can_be_screened(space: Space, counts: Array) -> bool:
    """Whether bounds in float32 hold and pay."""
    return (
        space.distance.order_is_euclidean
        and len(counts) * len(space.references) >= SMALLEST
        and int(counts.min()) <= DEEPEST
        and space.queries.rows.shape[1] <= WIDEST
        and are_plain(space.device)
    )


def _screened(space: Space, exclusions: Exclusions, counts: Array) -> Iterator[Window]:
    """Windows of the queries whose `counts` are above 0, without those that stay open; an end where these are most."""
    bounds, asked, still_open = Bounds(space), 0, 0
    number = workers(space.device)

    def certain(part: Candidates) -> Settled:
        return settle(bounds, part, torch.from_numpy(counts[part.queries]).to(space.device))

    for found in candidates(bounds, exclusions, counts):
        parts = found.split(number)
        for part, settled in zip(parts, share(certain, parts, number)):
            wanted, done = counts[part.queries] > 0, (~settled.open).cpu().numpy()
            asked, still_open = asked + int(wanted.sum()), still_open + int(wanted[~done].sum())
            if done.any():
                order = settled.order[~settled.open]
                yield Window(part.queries[done], order.cpu().numpy(), order, space.bits, space.excluded_level)
        if 2 * still_open > asked:
            return


def _in_full(
    space: Space, exclusions: Exclusions, queries: Array, counts: Array, block: int | None = None
) -> Iterator[Window]:
    """Walk over `queries` in blocks with all keys of each; a block gets the largest of its `counts` of neighbours."""
    if not len(queries):
        return
    references, device = len(space.references), space.device
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
