"""Searching a revision: exactly, or above a measured size by the approximate index with its candidates decided exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError
from nearkin.decision import Space, nearest
from nearkin.decision.nearest import References
from nearkin.gallery.enrolled import Enrolled
from nearkin.gallery.index import Index, wanted

NEW = 0.2
"""The share of images that an index may lack and still be used; they are scanned exactly."""

STALE = "searched exactly: so much was added or removed since the index was built that it no longer helps"


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A revision in memory: what was enrolled, and its vectors in the same order. Nothing in it ever changes.

    Shapes:  rows (N, D) float32, as a rule mapped from a file
    """

    enrolled: Enrolled
    rows: NDArray[np.float32]

    @cached_property
    def references(self) -> References:
        """The rows, checked and measured for `nearkin.decision.nearest`."""
        return References(self.rows)


@dataclass(frozen=True, eq=False)
class Found:
    """Neighbours of queries, nearest first.

    Shapes:  distances (A, k) float64, inf where there are fewer; places (A, k) int64 in `snapshot.enrolled`, -1
    exact:   every neighbour is a nearest one; otherwise `recall` is the index's measured mean recall@10
    note:    why a large gallery was searched exactly, or ""
    """

    snapshot: Snapshot
    distances: NDArray[np.float64]
    places: NDArray[np.int64]
    exact: bool = True
    recall: float | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class Indexed:
    """An index seen from a snapshot: what it lacks, and how much of it has gone."""

    snapshot: Snapshot
    index: Index

    @cached_property
    def lacking(self) -> NDArray[np.int64]:
        """Places of enrolled images that the index does not hold."""
        ids, held = self.snapshot.enrolled.ids, self.index.ids
        places = np.minimum(np.searchsorted(held, ids), max(0, len(held) - 1))
        return np.flatnonzero(held[places] != ids) if len(held) else np.arange(len(ids))

    @cached_property
    def rest(self) -> References:
        """The rows of those images."""
        return References(self.snapshot.rows[self.lacking])

    @property
    def gone(self) -> float:
        """The share of the index's images that are not enrolled."""
        return 1 - (len(self.snapshot.enrolled) - len(self.lacking)) / max(1, len(self.index.ids))

    @property
    def is_stale(self) -> bool:
        """Whether so much came or went that the index no longer helps."""
        return len(self.lacking) > NEW * len(self.snapshot.enrolled) or self.gone > 0.5

    def search(self, space: Space, queries: NDArray[np.float32], k: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Distances and places: the index's candidates and all that it lacks, decided in float64."""
        ids, rows = self.snapshot.enrolled.ids, self.snapshot.rows
        distances, places = np.full((len(queries), k), np.inf), np.full((len(queries), k), -1, dtype=np.int64)
        found = self.index.candidates(queries, int(np.ceil(wanted(k) / (1 - self.gone))))
        new = nearest(space, queries, self.rest, k).places if len(self.lacking) else None
        for row, named in enumerate(found):
            near = np.minimum(np.searchsorted(ids, named), len(ids) - 1)
            chosen = near[ids[near] == named]
            if new is not None:
                chosen = np.concatenate([chosen, self.lacking[new[row][new[row] >= 0]]])
            chosen = np.sort(chosen)
            exact = space.distances(queries[row : row + 1], rows[chosen])[0]
            order = np.argsort(exact, kind="stable")[:k]
            distances[row, : len(order)], places[row, : len(order)] = exact[order], chosen[order]
        return distances, places


def search(space: Space, snapshot: Snapshot, queries: NDArray[np.float32], k: int, indexed: Indexed | None) -> Found:
    """The k nearest images of each query, by the index where one is given and fit, else exactly."""
    if indexed is None or indexed.is_stale:
        found = nearest(space, queries, snapshot.references, k)
        return Found(snapshot, found.distances, found.places, note="" if indexed is None else STALE)
    asked = np.asarray(queries, dtype=np.float32)
    if asked.ndim != 2 or asked.shape[1] != snapshot.rows.shape[1] or not np.isfinite(asked).all():
        raise InputError(f"queries must be finite, of the shape (rows, {snapshot.rows.shape[1]}), got {asked.shape}")
    distances, places = indexed.search(space, asked, k)
    return Found(snapshot, distances, places, exact=False, recall=indexed.index.recall.mean)
