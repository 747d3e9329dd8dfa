"""How far apart the images of one class lie, and those of different classes: histograms of pair distances."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearkin.report.pairs import Floats, PairDistance

BINS = 60
PAIRS = 200_000  # of each kind, about


@dataclass(frozen=True)
class Separation:
    """Pairs of the test images that one run embedded.

    edges               (BINS + 1,) of the distance; the farthest 0.2 % of the pairs lie beyond the last one
    same, different     (BINS,) share of the same-class and of the different-class pairs in each bin
    nearer              probability that a same-class pair is nearer than a different-class pair, a tie counting half
    """

    method: str
    distance: str
    edges: Floats
    same: Floats
    different: Floats
    nearer: float | None
    note: str


def separation(
    method: str, embeddings: Floats, labels: NDArray[np.int64], distance: PairDistance, note: str
) -> Separation:
    """Compare ordered pairs, for a distance may be asymmetric; rows come in an order fair to the classes (`sampling`).

    Same class: all pairs of the first m images of each class, m so that they are about 200,000.
    Different classes: all pairs among the first 448 images.
    """
    rows = distance.project(embeddings)
    same, different = _same_pairs(rows, labels, distance), _different_pairs(rows, labels, distance)
    everything = np.concatenate([same, different])
    low = min(0.0, float(everything.min(initial=0.0)))
    high = float(np.quantile(everything, 0.998)) if len(everything) else 1.0
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    return Separation(
        method=method,
        distance=distance.name,
        edges=edges,
        same=_shares(same, edges),
        different=_shares(different, edges),
        nearer=probability_nearer(same, different),
        note=note,
    )


def _same_pairs(rows: Floats, labels: NDArray[np.int64], distance: PairDistance) -> Floats:
    classes = np.unique(labels)
    most = max(2, math.isqrt(PAIRS // len(classes)))
    found = []
    for label in classes:
        members = rows[labels == label][:most]
        found.append(distance.between(members, members)[~np.eye(len(members), dtype=bool)])
    return np.concatenate(found)


def _different_pairs(rows: Floats, labels: NDArray[np.int64], distance: PairDistance) -> Floats:
    some = math.isqrt(PAIRS) + 1
    apart: Floats = distance.between(rows[:some], rows[:some])[labels[:some, None] != labels[None, :some]]
    return apart


def _shares(values: Floats, edges: Floats) -> Floats:
    shares: Floats = np.histogram(values, bins=edges)[0] / max(1, len(values))
    return shares


def probability_nearer(same: Floats, different: Floats) -> float | None:
    """P(same < different) + P(same = different)/2, the area under the ROC curve; None without pairs of both kinds."""
    if not len(same) or not len(different):
        return None
    ordered = np.sort(different)
    farther = len(different) - np.searchsorted(ordered, same, side="right")
    equal = len(different) - np.searchsorted(ordered, same, side="left") - farther
    return float((farther.sum() + equal.sum() / 2) / (len(same) * len(different)))
