"""Small sets of embeddings for the tests: lopsided classes, ties by the dozen, every distance."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from oracles.arithmetic import real
from oracles.distances import matrix
from oracles.retrieval import Oracle

DISTANCES = (
    *("euclidean", "squared-euclidean", "cosine", "inner-product", "snr", "snr-symmetric"),
    *("mahalanobis", "relative-mahalanobis"),
)
CLASSES = (0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5)
"""Seven, four, three, two and two lone members."""


class Case(NamedTuple):
    x: np.ndarray
    y: np.ndarray


def random_case(seed: int, dtype: type = np.float64) -> Case:
    """Real-valued rows without ties, in mixed order."""
    rng = np.random.default_rng(seed)
    return Case(rng.normal(size=(len(CLASSES), 5)).astype(dtype), rng.permutation(CLASSES))


def tied_case(seed: int, dtype: type = np.float64) -> Case:
    """Rows on a grid of four dimensions: most distances come several times, some rows twice; no row is constant."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, size=(len(CLASSES), 4)).astype(dtype)
    x[:, 0] = x[:, 1] + rng.choice([-2, 2], size=len(x))
    return Case(x, rng.permutation(CLASSES))


CASES: dict[str, Callable[[int], Case]] = {"random": random_case, "tied": tied_case}


def distances(name: str, x: np.ndarray, z: np.ndarray | None = None) -> list[list[float]]:
    """The scalar matrix, rounded to 12 digits so that what ties on paper ties here."""
    rows = matrix(name, x.tolist(), (x if z is None else z).tolist())
    return [[round(real(d), 12) for d in row] for row in rows]


def oracle(name: str, case: Case, **options: object) -> Oracle:
    return Oracle(distances(name, case.x), case.y.tolist(), case.y.tolist(), **options)
