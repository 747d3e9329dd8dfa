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
        self.searched = not (on_cpu(thresholds) and thresholds.numel())
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
        rising = self.thresholds
        real = rising > -torch.inf
        low = torch.where(real, rising, torch.inf).amin(1, keepdim=True)
        self.low = torch.where(low < torch.inf, low, 0) - self.slack
        finest = 1 / (64 * self.slack) if self.slack else 1e20  # else a slack would reach over many cells
        self.scale = ((self.cells - 0.5) / (rising[:, -1:] - self.low).clamp_(min=1e-20)).clamp_(max=finest)
        edges = self._cell(rising, slice(None), torch.empty_like(rising))
        self.edges = torch.nn.functional.pad(edges, (1, 0), value=-1)  # a row opens with an edge below all thresholds
        self.rising = torch.nn.functional.pad(rising, (1, 0), value=-torch.inf)
        self.shared = torch.nn.functional.pad(real, (1, 0))

    def _cell(self, values: Tensor, rows: slice, out: Tensor) -> Tensor:
        """-1 below all thresholds, up to `cells` above; each step is rounded alone: it keeps the order."""
        return torch.sub(values, self.low[rows], out=out).mul_(self.scale[rows]).clamp_(-1, self.cells)

    def _by_cells(self, numbers: Tensor, start: int, space: Workspace, work: Tensor) -> Tensor:
        rows, wide, size = slice(start, start + len(numbers)), self.cells + 2, numbers.numel()
        first = torch.arange(1, len(numbers) * wide, wide, dtype=numbers.dtype)[:, None]
        staged = space.take("places", numbers.shape, numbers.dtype)
        mine, found = (each.view(-1).view(torch.int32)[:size] for each in (work, staged))
        mine.copy_(self._cell(numbers, rows, staged).add_(first).view(-1))
        bounds = torch.full((len(numbers) * (self.width + 1) + 1,), len(numbers) * wide, dtype=torch.int32)
        bounds[:-1].copy_((self.edges[rows] + first).view(-1))  # rounded exactly as the numbers are
        table = torch.repeat_interleave(bounds.diff(), output_size=len(numbers) * wide)
        shared = bounds[:-1].numpy()[self.shared[rows].view(-1).numpy()]
        table.numpy()[shared] = -1 - table.numpy()[shared]  # to be looked at again
        torch.index_select(table, 0, mine, out=found)
        again = np.flatnonzero(found.numpy() < 0)
        if len(again):
            rising, values = self.rising[rows].view(-1).numpy(), numbers.view(-1).numpy()[again]
            place = _settled(values, found.numpy()[again], mine.numpy(), again, table.numpy(), rising)
            if self.slack:
                self._doubt(values, place, again, rising, start, numbers.shape[1])
            found.numpy()[again] = place
        return found

    def _doubt(
        self, values: np.ndarray, place: np.ndarray, which: np.ndarray, rising: np.ndarray, start: int, columns: int
    ) -> None:
        """Note the values that lie within the slack of a threshold; what opens a row is no threshold."""
        gap = np.minimum(values - rising.take(place), np.abs(rising.take(place + 1, mode="clip") - values))
        found = torch.from_numpy(which[np.flatnonzero(gap <= self.slack)])
        if len(found):
            self.doubts.append((found // columns + start, found % columns))


def _settled(
    values: np.ndarray, found: np.ndarray, cells: np.ndarray, which: np.ndarray, table: np.ndarray, rising: np.ndarray
) -> np.ndarray:
    """Places of the values that share a cell with thresholds: from its highest threshold down, then by halving."""
    place = -1 - found
    place -= rising[place] > values
    rest = np.flatnonzero(rising[place] > values)
    if len(rest):
        high, values, before = place[rest], values[rest], table[cells[which[rest]] - 1]
        low = np.where(before < 0, -1 - before, before)
        while (low < high).any():
            middle = (low + high + 1) >> 1
            reached = rising[middle] <= values
            low, high = np.where(reached, middle, low), np.where(reached, high, middle - 1)
        place[rest] = low
    return place


def tally(places: Tensor, size: int, weights: Tensor | None = None) -> Tensor:
    """(size,) float64: how many of the places are 0, 1, ..., or the sum of their weights."""
    return torch.bincount(places, None if weights is None else weights.flatten(), size).double()
