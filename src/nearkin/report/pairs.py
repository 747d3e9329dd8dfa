"""Distances between embeddings in numpy, for maps and histograms: the library's `project` and `link`, without torch.

A distance is `project(rows)`, once a set, and `link(squared, row_norm, column_norm)` on the squared Euclidean distances
and squared norms of the projected rows. Row = query; smaller = nearer; not always symmetric. The embeddings of a run with
a learned distance are written after its projection, so that what is left here is its `link`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TINY = 1e-12


@dataclass(frozen=True)
class PairDistance:
    """How one named distance is computed."""

    name: str
    project: Callable[[Floats], Floats]
    link: Callable[[Floats, Floats, Floats], Floats]

    def between(self, rows: Floats, columns: Floats) -> Floats:
        """(A, D), (B, D) projected -> (A, B) distances, in float64."""
        row_norm, column_norm = (rows**2).sum(1)[:, None], (columns**2).sum(1)[None]
        squared = np.maximum(row_norm + column_norm - 2 * rows @ columns.T, 0)
        return self.link(squared, row_norm, column_norm)


def _unit(rows: Floats) -> Floats:
    norm: Floats = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(norm, TINY)


def _centred(rows: Floats) -> Floats:
    centred: Floats = rows - rows.mean(1, keepdims=True)
    return centred


def _as_given(rows: Floats) -> Floats:
    return rows


PAIR_DISTANCES: Mapping[str, PairDistance] = {
    "euclidean": PairDistance("euclidean", _as_given, lambda squared, row, column: np.sqrt(squared)),
    "squared-euclidean": PairDistance("squared-euclidean", _as_given, lambda squared, row, column: squared),
    "cosine": PairDistance("cosine", _unit, lambda squared, row, column: squared / 2),
    "inner-product": PairDistance(
        "inner-product", _as_given, lambda squared, row, column: (squared - row - column) / 2
    ),
    "snr": PairDistance("snr", _centred, lambda squared, row, column: squared / np.maximum(row, TINY)),
    "snr-symmetric": PairDistance(
        "snr-symmetric",
        _centred,
        lambda squared, row, column: squared * (1 / np.maximum(row, TINY) + 1 / np.maximum(column, TINY)) / 2,
    ),
    "mahalanobis": PairDistance("mahalanobis", _as_given, lambda squared, row, column: np.sqrt(squared)),
    "relative-mahalanobis": PairDistance(
        "relative-mahalanobis", _as_given, lambda squared, row, column: squared / np.maximum(row, TINY)
    ),
}


def pair_distance(name: str) -> tuple[PairDistance, str]:
    """The named distance, and a note: Euclidean stands in for one that is not in the table (learned, or a user's own)."""
    if name in PAIR_DISTANCES:
        return PAIR_DISTANCES[name], ""
    return PAIR_DISTANCES["euclidean"], f"drawn with Euclidean distances: the page cannot compute {name!r}"
