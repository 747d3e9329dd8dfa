"""Where each number lies among the thresholds of its row: one look-up a number, whatever the number of thresholds.

The span of a row's thresholds is cut into cells of equal width. Whoever falls into a cell without thresholds has its
place from a table; the few others are compared with the thresholds of their cell. Cells only say where to look: a
number is found in a lower cell than a threshold only if it is lower, so the places are exact, ties included.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nearkin.mining.doubts import Numbers
from nearkin.mining.workspace import Workspace, on_cpu

CELLS = 16
"""Cells a threshold, but no more than numbers in a row, and within the next two limits."""

FEWEST_CELLS = 256
MOST_CELLS = 4096


class Places:
    """Thresholds (b, P) of rows, each row rising, -inf where there is none, for rows of `columns` numbers.

    slack: the numbers that lie so near to a threshold, or nearer, are noted in `doubts`; on CPUs, and but for about one in
           a hundred of them, those that fall into another cell than the threshold
    """

    def __init__(self, thresholds: Tensor, columns: int, slack: float = 0.0) -> None:
        self.thresholds, self.slack = thresholds, slack
        self.doubts: list[Numbers] = []
        self.width = thresholds.shape[1]
        self.cells = max(FEWEST_CELLS, min(CELLS * self.width, columns, MOST_CELLS))
        self.searched = not (on_cpu(thresholds) and thresholds.numel() and bool(thresholds[:, -1].amax() < torch.inf))
        if not self.searched:
            self._cut()

    def among(self, numbers: Tensor, start: int, space: Workspace, work: Tensor) -> Tensor:
        """row * (P + 1) + the number of thresholds that are lower or equal, for each number: int32 or int64 (r * R,).

        numbers: (r, R) of the rows from `start` on, +inf allowed, in one piece; row 0 is the first of them
        space:   the answer lies in it
        work:    a buffer like the numbers
        """
        if not self.searched:
            return self._by_cells(numbers, start, space, work)
        row = torch.arange(len(numbers), device=numbers.device)[:, None]
        found = torch.searchsorted(self.thresholds[start : start + len(numbers)].contiguous(), numbers, right=True)
        return found.add_(row * (self.width + 1)).flatten()

    def _cut(self) -> None:
        rising = self.thresholds.numpy()
        self.full = bool(rising[:, 0].min() > -np.inf)
        low = rising[:, :1]
        if not self.full:
            low = np.where(rising > -np.inf, rising, np.inf).min(1, keepdims=True)
            low = np.where(low < np.inf, low, 0).astype(rising.dtype)
        low = low - self.slack
        finest = 1 / (64 * self.slack) if self.slack else 1e20  # else a slack would reach over many cells
        scale = np.minimum((self.cells - 0.5) / np.maximum(rising[:, -1:] - low, 1e-20), finest)
        self.low, self.scale = torch.from_numpy(low), torch.from_numpy(scale)
        self.rising = np.empty((len(rising), self.width + 1), rising.dtype)
        self.rising[:, 0], self.rising[:, 1:] = -np.inf, rising  # a row opens with an edge below all thresholds
        self.edges = np.clip((self.rising - low) * scale, -1, self.cells)  # in the steps of numbers: each keeps the order

    def _by_cells(self, numbers: Tensor, start: int, space: Workspace, work: Tensor) -> Tensor:
        rows, wide, size = slice(start, start + len(numbers)), self.cells + 2, numbers.numel()
        first = np.arange(1, len(numbers) * wide, wide, dtype=self.rising.dtype)[:, None]
        staged = space.take("places", numbers.shape, numbers.dtype)
        mine, found = (each.view(-1).view(torch.int32)[:size] for each in (work, staged))
        torch.sub(numbers, self.low[rows], out=staged).mul_(self.scale[rows]).clamp_(-1, self.cells)
        mine.copy_(staged.add_(torch.from_numpy(first)).view(-1))
        table = self._table(rows, first, len(numbers) * wide)
        torch.index_select(torch.from_numpy(table), 0, mine, out=found)
        again = np.flatnonzero(found.numpy() < 0)
        if len(again):
            rising, values = self.rising[rows].ravel(), numbers.view(-1).numpy()[again]
            place = _settled(values, found.numpy()[again], mine.numpy(), again, table, rising)
            if self.slack:
                self._doubt(values, place, again, rising, start, numbers.shape[1])
            found.numpy()[again] = place
        return found

    def _table(self, rows: slice, first: np.ndarray, size: int) -> np.ndarray:
        """The place of whoever falls into each of so many cells; its complement where that has to be looked at again."""
        bounds = np.empty(first.size * (self.width + 1) + 1, np.int32)
        bounds[:-1], bounds[-1] = (self.edges[rows] + first).ravel(), size
        table = np.arange(bounds.size - 1, dtype=np.int32).repeat(np.diff(bounds))
        edges = bounds[:-1].reshape(-1, self.width + 1)
        shared = edges[:, 1:].ravel() if self.full else edges[self.rising[rows] > -np.inf]
        table[shared] = ~table[shared]
        return table

    def _doubt(
        self, values: np.ndarray, place: np.ndarray, which: np.ndarray, rising: np.ndarray, start: int, columns: int
    ) -> None:
        """Note the values that lie within the slack of a threshold; what opens a row is no threshold."""
        gap = np.minimum(values - rising.take(place), np.abs(rising.take(place + 1, mode="clip") - values))
        near = np.flatnonzero(gap <= self.slack)
        if len(near):
            rows, found = np.divmod(which[near], columns)
            self.doubts.append(Numbers(*map(torch.from_numpy, (rows + start, found, values[near]))))


def _settled(
    values: np.ndarray, found: np.ndarray, cells: np.ndarray, which: np.ndarray, table: np.ndarray, rising: np.ndarray
) -> np.ndarray:
    """Places of the values that share a cell with thresholds: from its highest threshold down, then by halving."""
    place = ~found
    place -= rising[place] > values
    rest = np.flatnonzero(rising[place] > values)
    if len(rest):
        high, values, before = place[rest], values[rest], table[cells[which[rest]] - 1]
        low = np.where(before < 0, ~before, before)
        while (low < high).any():
            middle = (low + high + 1) >> 1
            reached = rising[middle] <= values
            low, high = np.where(reached, middle, low), np.where(reached, high, middle - 1)
        place[rest] = low
    return place


def tally(places: Tensor, size: int, weights: Tensor | None = None) -> Tensor:
    """(size,) float64: how many of the places are 0, 1, ..., or the sum of their weights."""
    return torch.bincount(places, None if weights is None else weights.flatten(), size).double()
