"""Which references can be among the nearest of a query: all pairs once in float32, and few survivors.

A reference can be one of a query's T nearest only if its bound from above reaches the T-th largest bound from below. That
`cut` rises while tiles of references come by; what lies above it is kept. Where queries are references too, a tile is made
once and asked from both sides. Groups of a tile answer by their maximum first, so that most of it is looked at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from nearkin.evaluation.bounds import Bounds, product, product_workers
from nearkin.evaluation.crew import share, slices
from nearkin.evaluation.exclusions import Exclusions
from nearkin.evaluation.inputs import Array

TILE = 1024
"""References of a tile; twice as many where these are not queries too."""

ROWS = 2048
"""Queries of a product, or of the products that several threads make at a time."""

FEWEST = 256
"""Fewest queries of a product."""

CHUNK = 4096
"""Queries for which a tile of references is prepared."""

LOWEST = -3e38
"""Below every bound, above the -inf of who may not answer."""

GROUP = 16
"""Most members of a group; fewer where many are wanted."""


@dataclass(frozen=True)
class Candidates:
    """For queries (b,): references (b, W), the nearest `depth` of each and all that tie with them among them.

    `upper` (b, W) are their bounds of minus half the squared distance, falling, -inf behind the last. `crowded` (b,) marks queries with more candidates than places, whose lists are worth nothing.
    """

    queries: Array
    columns: Tensor
    upper: Tensor
    crowded: Tensor

    def split(self, number: int) -> list[Candidates]:
        """The same in `number` parts of about one size, fewer where there are fewer queries."""
        size = -(-len(self.queries) // number)
        starts = range(0, len(self.queries), size)
        tensors = zip(self.columns.split(size), self.upper.split(size), self.crowded.split(size))
        return [Candidates(self.queries[start : start + size], *each) for start, each in zip(starts, tensors)]


def candidates(bounds: Bounds, exclusions: Exclusions, depth: Array) -> Iterator[Candidates]:
    """Candidates of all queries, chunk by chunk; a query of `depth` 0 is not asked.

    Memory:  O(chunk x (D + tile)), and O(queries x depth) where queries are references
    """
    queries, symmetric = len(bounds.queries), bounds.space.symmetric
    wanted = torch.from_numpy(depth).to(bounds.space.device)
    best = _Best(bounds, 0, wanted) if symmetric else None
    walk = _Walk(bounds, exclusions, depth > 0)
    for start in range(0, queries, CHUNK):
        stop = min(start + CHUNK, queries)
        chosen = best or _Best(bounds, start, wanted[start:stop])
        walk.chunk(start, stop, chosen)
        yield chosen.found(start, stop)


class _Walk:
    """Tiles of references for a chunk of queries."""

    def __init__(self, bounds: Bounds, exclusions: Exclusions, asked: Array) -> None:
        self._bounds, self._exclusions, self._asked = bounds, exclusions, asked
        self._symmetric, self._workers = bounds.space.symmetric, product_workers(bounds.space.device)
        self._tile = TILE if self._symmetric else 2 * TILE
        if self._workers > 1:  # none shall be without a tile
            self._tile = min(self._tile, max(64, len(bounds.references) // (128 * self._workers) * 64))
        self._rows = max(min(FEWEST, ROWS), min(ROWS, 2 * ROWS // self._workers))
        size = self._rows * self._tile
        self._buffers = [torch.empty(size, device=bounds.space.device) for _ in range(self._workers)]

    def chunk(self, start: int, stop: int, best: _Best) -> None:
        """Offer all references to the queries start ... stop, and these to the references that come after them."""
        left = self._bounds.queries.rows(start, stop)
        excluded = _Excluded(self._exclusions, start, stop, left.device)

        def look_through(tile: slice) -> None:
            end = min(stop, tile.stop) if self._symmetric else stop
            if self._asked[start:end].any() or (self._symmetric and self._asked[tile].any()):
                buffer = self._buffers.pop()
                try:
                    self._offer(best, excluded, start, left[: end - start], tile, buffer)
                finally:
                    self._buffers.append(buffer)

        tiles = slices(start if self._symmetric else 0, len(self._bounds.references), self._tile)
        share(look_through, tiles, self._workers)

    def _offer(self, best: _Best, excluded: _Excluded, start: int, left: Tensor, tile: slice, buffer: Tensor) -> None:
        """Offer a tile of references to the queries `left`, from `start` on, and where they are queries too, these to it."""
        right = self._bounds.references.columns(tile.start, tile.stop)
        for low, part in zip(range(start, start + len(left), self._rows), left.split(self._rows)):
            made = buffer[: len(part) * right.shape[1]].view(len(part), right.shape[1])
            product(part, right, made)
            excluded.hide(made, low, tile.start)
            best.offer(made, low, tile.start, 0)
            if self._symmetric and low < tile.start:
                best.offer(made[: tile.start - low], tile.start, low, 1)


class _Excluded:
    """Pairs of a chunk of queries that do not count, by reference."""

    def __init__(self, exclusions: Exclusions, start: int, stop: int, device: torch.device) -> None:
        row, column = exclusions.pairs(np.arange(start, stop))
        order = np.argsort(column, kind="stable")
        self._row, self._column, self._device = row[order] + start, column[order], device

    def hide(self, tile: Tensor, low: int, first: int) -> None:
        """Write -inf at the excluded pairs of a tile of queries from `low` on, references from `first` on."""
        start, stop = np.searchsorted(self._column, (first, first + tile.shape[1]))
        if start == stop:
            return
        row, column = self._row[start:stop] - low, self._column[start:stop] - first
        inside = (row >= 0) & (row < len(tile))
        if inside.any():
            tile[tuple(torch.from_numpy(each[inside]).to(self._device) for each in (row, column))] = -torch.inf


class _Best:
    """The references with the largest upper bounds, of the queries from `first` on.

    Threads offer tiles at a time, in whatever order: a cut that lags behind keeps more, never less.
    """

    def __init__(self, bounds: Bounds, first: int, depth: Tensor) -> None:
        self._first, self._depth = first, depth.clamp(min=1)
        self._query_slack = bounds.queries.slack[first : first + len(depth)]
        self._reference_slack = bounds.references.slack
        self._deepest = int(self._depth.max())
        self._width = self._deepest + max(8, self._deepest // 2)
        device = depth.device
        self._upper = torch.full((len(depth), self._width), -torch.inf, device=device)
        self._columns = torch.zeros(len(depth), self._width, dtype=torch.int32, device=device)
        self._cut = torch.full((len(depth),), LOWEST, device=device).masked_fill_(depth == 0, torch.inf)
        self._crowded = depth == 0
        self._lock = Lock()

    def found(self, start: int, stop: int) -> Candidates:
        """What is left of the queries start ... stop."""
        part = slice(start - self._first, stop - self._first)
        return Candidates(np.arange(start, stop), self._columns[part].long(), self._upper[part], self._crowded[part])

    def offer(self, tile: Tensor, query: int, reference: int, axis: int) -> None:
        """Look through a tile of upper bounds; its queries, from `query` on, lie along `axis`, references along the other."""
        queries = slice(query - self._first, query - self._first + tile.shape[axis])
        group, tops = self._groups(tile, axis)
        cut = self._cut[queries, None]
        hit = tops >= cut
        if int(hit.count_nonzero()) > 8 * len(tops) and tops.shape[1] >= self._deepest:
            slack = self._reference_slack[reference : reference + tile.shape[1 - axis]]
            slack = slack.view(group, -1).amax(0) if axis == 0 else slack.view(-1, group).amax(1)
            self._raise_cut(tops, queries, slack)
            hit = tops >= cut
        row, place = hit.nonzero(as_tuple=True)
        if not len(row):
            return
        inner = torch.arange(group, device=tile.device)
        if axis == 0:
            member = place[:, None] + inner * tops.shape[1]
            flat = row[:, None] * tile.shape[1] + member
        else:
            member = place[:, None] * group + inner
            flat = member * tile.shape[1] + row[:, None]
        upper = tile.flatten().index_select(0, flat.flatten())
        kept = (upper.view_as(flat) >= cut.index_select(0, row)).flatten().nonzero()[:, 0]
        if not len(kept):  # another thread has raised the cuts since
            return
        row, member = row.index_select(0, kept // group), member.flatten().index_select(0, kept)
        with self._lock:
            self._keep(row + queries.start, member + reference, upper.index_select(0, kept))

    def _groups(self, tile: Tensor, axis: int) -> tuple[int, Tensor]:
        """Size of a group, and the maxima (queries, groups) of groups of references."""
        rows, columns = tile.shape
        group = GROUP >> axis
        while group > 1 and (tile.shape[1 - axis] % group or tile.shape[1 - axis] // group < 4 * self._deepest):
            group //= 2
        if axis == 0:
            return group, tile.view(rows, group, columns // group).amax(1) if group > 1 else tile
        return group, (tile.view(rows // group, group, columns).amax(1) if group > 1 else tile).T.contiguous()

    def _raise_cut(self, tops: Tensor, queries: slice, slack: Tensor) -> None:
        """`depth` groups whose best bound is no worse: as many references are no worse either. `slack` (groups,)."""
        worst = _largest(tops - slack, self._deepest)[0].gather(1, self._depth[queries, None] - 1)[:, 0]
        worst -= self._query_slack[queries]
        with self._lock:
            torch.maximum(self._cut[queries], worst, out=self._cut[queries])

    def _keep(self, row: Tensor, column: Tensor, upper: Tensor) -> None:
        """Merge offers, ordered by query, into the lists; raise the cuts; drop what falls below."""
        query, number = torch.unique_consecutive(row, return_counts=True)
        place = torch.arange(len(row), device=row.device) - (number.cumsum(0) - number).repeat_interleave(number)
        line = torch.arange(len(query), device=row.device).repeat_interleave(number)
        bound = upper.new_full((len(query), self._width + int(number.max())), -torch.inf)
        names = self._columns.new_zeros(bound.shape)
        bound[:, : self._width] = self._upper.index_select(0, query)
        names[:, : self._width] = self._columns.index_select(0, query)
        bound[line, self._width + place] = upper
        names[line, self._width + place] = column.int()
        bound, best = _largest(bound, self._width + 1)
        names = names.gather(1, best)
        slack = self._reference_slack.index_select(0, names[:, : self._deepest].flatten()).view(-1, self._deepest)
        worst = (bound[:, : self._deepest] - slack).cummin(1).values.gather(1, self._depth[query, None] - 1)[:, 0]
        cut = torch.maximum(worst - self._query_slack[query], self._cut[query])
        crowded = bound[:, -1] >= cut
        self._upper[query] = bound[:, :-1].masked_fill(bound[:, :-1] < cut[:, None], -torch.inf)
        self._columns[query] = names[:, :-1]
        self._cut[query] = cut.masked_fill_(crowded, torch.inf)
        self._crowded[query] |= crowded


def _largest(values: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """The largest of each row, in order, and their places. For short rows numpy's vectorised sort is the faster one."""
    if values.device.type != "cpu":
        best = values.topk(number, dim=1)
        return best.values, best.indices
    place = torch.from_numpy(np.argsort(-values.numpy(), axis=1)[:, :number])
    return values.gather(1, place), place
