"""One side of an evaluation where distances are taken: projected rows in float64, made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

import torch
from torch import Tensor

from nearkin.core import InputError
from nearkin.distances import Distance, wide

CHUNK = 1 << 18
"""Numbers projected at a time where a pass over all rows needs no more."""


class Points:
    """Rows (N, D) of one side, as `distance` projects them, (N, P) in float64.

    A distance without parameters projects a few rows as cheaply as it would look them up, so nothing is kept but the
    rows themselves; a learned one projects all rows once.
    """

    def __init__(self, distance: Distance, rows: Tensor) -> None:
        self.distance, self.rows, self.device = distance, rows, rows.device
        self._kept = any(True for _ in distance.parameters()) or any(True for _ in distance.buffers())
        self.norms = self.each(lambda part: part.square().sum(1))
        if not self.norms.max() < torch.finfo(torch.float64).max / 8:
            largest = float(rows.abs().max())
            raise InputError(f"{distance!r} overflows on these embeddings (largest number {largest:g}); scale them")

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def all(self) -> Tensor:
        """All projected rows (N, P)."""
        return self._project(self.rows)

    def take(self, index: Tensor | slice) -> Tensor:
        """The projected rows at `index`."""
        rows = self.all if self._kept else self.rows
        chosen = rows[index] if isinstance(index, slice) else rows.index_select(0, index)
        return chosen if self._kept else self._project(chosen)

    def parts(self) -> Iterator[tuple[slice, Tensor]]:
        """All projected rows, a few at a time, with their places."""
        size = max(1, CHUNK // self.rows.shape[1])
        for start in range(0, len(self), size):
            place = slice(start, min(start + size, len(self)))
            yield place, self.take(place)

    def each(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        """One float64 number (N,) for each projected row. Written in place: small results among large ones break up memory."""
        found = torch.empty(len(self), dtype=torch.float64, device=self.device)
        for place, part in self.parts():
            found[place] = of(part)
        return found

    @cached_property
    def mean(self) -> Tensor:
        """The mean row (P,)."""
        total: Tensor | None = None
        for _, part in self.parts():
            total = part.sum(0) if total is None else total.add_(part.sum(0))
        return torch.empty(0) if total is None else total / len(self)

    def _project(self, rows: Tensor) -> Tensor:
        with torch.no_grad():
            return self.distance.project(wide(rows)).to(torch.float64)
