"""Distances between embeddings in numpy, for maps, histograms and tables: a distance's `project` here, its link in `decision`.

The embeddings of a run with a learned distance are written after its projection, so that what is left here is its link.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nearkin.decision import LINKS, Space

Floats = NDArray[np.float64]

TINY = 1e-12


def _unit(rows: Floats) -> Floats:
    norm: Floats = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(norm, TINY)


def _standard(rows: Floats) -> Floats:
    """Centred, and so long that the squared norm is the variance."""
    centred: Floats = rows - rows.mean(1, keepdims=True)
    standard: Floats = centred / np.sqrt(rows.shape[1])
    return standard


def _as_given(rows: Floats) -> Floats:
    return rows


_PROJECTIONS = {"cosine": _unit, "snr": _standard, "snr-symmetric": _standard}


@dataclass(frozen=True)
class PairDistance:
    """How one named distance is computed: `project(rows)` once a set, then `between`. Row = query; smaller = nearer."""

    name: str
    project: Callable[[Floats], Floats]

    def between(self, rows: Floats, columns: Floats) -> Floats:
        """(A, D), (B, D) projected -> (A, B) distances, in float64."""
        row_norm, column_norm = (rows**2).sum(1)[:, None], (columns**2).sum(1)[None]
        squared = np.maximum(row_norm + column_norm - 2 * rows @ columns.T, 0)
        return Space(self.name).link(squared, row_norm, column_norm)


PAIR_DISTANCES: Mapping[str, PairDistance] = MappingProxyType(
    {name: PairDistance(name, _PROJECTIONS.get(name, _as_given)) for name in LINKS}
)


def pair_distance(name: str) -> tuple[PairDistance, str]:
    """The named distance, and a note: Euclidean stands in for one that is not in the table (learned, or a user's own)."""
    if name in PAIR_DISTANCES:
        return PAIR_DISTANCES[name], ""
    return PAIR_DISTANCES["euclidean"], f"drawn with Euclidean distances: the page cannot compute {name!r}"
