"""How far apart the images of one class lie, and those of different classes: histograms of pair distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearkin.report.pairs import Floats, PairDistance

BINS = 60
ROWS = 1000


@dataclass(frozen=True)
class Separation:
    """Pairs of up to 1,000 test images of one run.

    edges               (BINS + 1,) of the distance; the last bin also holds what lies beyond its edge
    same, different     (BINS,) share of the same-class and of the different-class pairs in each bin
    nearer              probability that a same-class pair is nearer than a different-class pair, a tie counting half
    """

    method: str
    distance: str
    pairs: int
    edges: Floats
    same: Floats
    different: Floats
    nearer: float | None
    note: str


def separation(method: str, embeddings: Floats, labels: NDArray[np.int64], distance: PairDistance, note: str) -> Separation:
    """Compare all ordered pairs of the first 1,000 rows (every row with every other, for a distance may be asymmetric)."""
    rows, kin = distance.project(embeddings[:ROWS]), labels[:ROWS]
    values = distance.between(rows, rows)
    others = ~np.eye(len(rows), dtype=bool)
    related = kin[:, None] == kin[None]
    same, different = values[others & related], values[others & ~related]
    everything = np.concatenate([same, different])
    low = min(0.0, float(everything.min(initial=0.0)))
    high = float(np.quantile(everything, 0.998)) if len(everything) else 1.0
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    return Separation(
        method=method,
        distance=distance.name,
        pairs=len(everything),
        edges=edges,
        same=_shares(same, edges),
        different=_shares(different, edges),
        nearer=probability_nearer(same, different),
        note=note,
    )


def _shares(values: Floats, edges: Floats) -> Floats:
    counts = np.histogram(np.minimum(values, edges[-1]), bins=edges)[0].astype(np.float64)
    return counts / max(1.0, counts.sum())


def probability_nearer(same: Floats, different: Floats) -> float | None:
    """P(same < different) + P(same = different)/2, the area under the verification curve; None without pairs of both kinds."""
    if not len(same) or not len(different):
        return None
    ordered = np.sort(different)
    farther = len(different) - np.searchsorted(ordered, same, side="right")
    equal = len(different) - np.searchsorted(ordered, same, side="left") - farther
    return float((farther.sum() + equal.sum() / 2) / (len(same) * len(different)))
