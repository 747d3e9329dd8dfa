"""Which test images a page shows: a fair share of every class, the same in every map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def stratified_order(labels: Integers, rng: np.random.Generator) -> Integers:
    """An order of all items of which every beginning holds each class about in proportion to its size.

    Equation:  item number j (from 0, shuffled) of a class of n comes at (j + u)/n, u uniform in [0, 1)
    Shapes:    labels (N,) -> a permutation of 0 .. N-1
    """
    shuffled = rng.permutation(len(labels))
    grouped = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sizes = np.bincount(labels)
    starts = np.cumsum(sizes) - sizes
    within = np.arange(len(labels)) - starts[labels[grouped]]
    moment = (within + rng.random(len(labels))) / sizes[labels[grouped]]
    return grouped[np.argsort(moment, kind="stable")]
