"""One side of an evaluation where distances are taken: projected rows in float64, made when they are asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from functools import cached_property

import torch
from torch import Tensor

from nearkin.core import InputError
from nearkin.distances import Distance, wide
from nearkin.evaluation.crew import Result, share, slices, workers

CHUNK = 1 << 18
"""Numbers projected at a time where a pass over all rows needs no more."""

PULLED = 4
"""Times the median squared norm: no mean has a larger one but of rows some of which are far longer than half of them."""

STRIPS = 16
"""Pieces of a pass over all rows, for threads."""


class Points:
    """Rows (N, D) of one side, as `distance` projects them, (N, P) in float64.

    A distance without parameters projects a few rows as cheaply as it would look them up, so nothing is kept but the
    rows themselves; a learned one projects all rows once.
    """

    def __init__(self, distance: Distance, rows: Tensor) -> None:
        self.distance, self.rows, self.device = distance, rows, rows.device
        learned = any(True for _ in distance.parameters()) or any(True for _ in distance.buffers())
        self._kept = self._project(rows) if learned else None
        self.norms = self.each(lambda part: part.square().sum(1))
        if not self.norms.max() < torch.finfo(torch.float64).max / 8:
            largest = float(rows.abs().max())
            raise InputError(f"{distance!r} overflows on these embeddings (largest number {largest:g}); scale them")

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def all(self) -> Tensor:
        """All projected rows (N, P)."""
        return self._project(self.rows) if self._kept is None else self._kept

    def take(self, index: Tensor | slice) -> Tensor:
        """The projected rows at `index`."""
        rows = self.rows if self._kept is None else self._kept
        chosen = rows[index] if isinstance(index, slice) else rows.index_select(0, index)
        return self._project(chosen) if self._kept is None else chosen

    def parts(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[slice, Tensor]]:
        """All projected rows, or those from start to stop, a few at a time, with their places."""
        size = max(1, CHUNK // self.rows.shape[1])
        return ((place, self.take(place)) for place in slices(start, len(self) if stop is None else stop, size))

    def each(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        """One float64 number (N,) for each projected row. Written in place: small results among large ones break up memory."""
        found = torch.empty(len(self), dtype=torch.float64, device=self.device)

        def fill(strip: slice) -> None:
            for place, part in self.parts(strip.start, strip.stop):
                found[place] = of(part)

        self._share(fill)
        return found

    @cached_property
    def centre(self) -> Tensor:
        """The row (P,) that all rows lie around."""
        return middle(self._mean, self.norms)

    def _mean(self, chosen: Tensor | None) -> Tensor:
        """The mean of all rows, or of the `chosen` (N,) bool."""

        def total(strip: slice) -> Tensor:
            parts = self.parts(strip.start, strip.stop)
            rows = (part if chosen is None else part[chosen[place]] for place, part in parts)
            return functools.reduce(Tensor.add_, (each.sum(0) for each in rows))

        return functools.reduce(Tensor.add_, self._share(total)) / (len(self) if chosen is None else int(chosen.sum()))

    def _share(self, work: Callable[[slice], Result]) -> list[Result]:
        """What threads make of strips of the rows; the same strips for any number of threads."""
        return share(work, slices(0, len(self), -(-len(self) // STRIPS)), workers(self.device))

    def _project(self, rows: Tensor) -> Tensor:
        with torch.no_grad():
            return self.distance.project(wide(rows)).to(torch.float64)


def middle(mean: Callable[[Tensor | None], Tensor], norms: Tensor) -> Tensor:
    """The mean of rows of squared norms (N,), or of the shorter half where few long rows pull the mean away from all others.

    mean: which rows, (N,) bool, or all -> their mean
    """
    every, median = mean(None), norms.median()
    return mean(norms <= median) if every.square().sum() > PULLED * median else every
