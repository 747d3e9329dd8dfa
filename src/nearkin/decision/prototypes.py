"""Class prototypes: one row a class, the mean of its rows in the projected space."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, integer
from nearkin.decision.links import Space


def class_means(space: Space, rows: ArrayLike, codes: ArrayLike, classes: int) -> NDArray[np.float64]:
    """The prototype of each class, (classes, D) float64.

    Equation: p_c = mean of the projected rows of class c; for the cosine p_c / |p_c|, because its rows have length 1
              and a shorter one would count as farther from everything. A mean of 0 stays 0
    Shapes:   projected rows (N, D), codes (N,) in [0, classes), each of which occurs
    Exact:    sums in float64 in the order of the rows
    Errors:   InputError for a class without rows
    Source:   Snell et al. 2017, "Prototypical networks", with the squared Euclidean distance
    Differs:  the mean is taken where squared distances are, whatever the distance: for "euclidean" it is not the point
              of least summed distance, for "snr" it is the mean of centred rows
    """
    given, labels = np.asarray(rows, dtype=np.float64), np.asarray(codes)
    count = integer("classes", classes, minimum=1)
    sizes = np.bincount(labels, minlength=count)
    if len(sizes) > count or not sizes.all():
        raise InputError(f"codes must be all of 0 to {count - 1}, each at least once")
    sums = np.zeros((count, given.shape[1]))
    np.add.at(sums, labels, given)
    means: NDArray[np.float64] = sums / sizes[:, None]
    if space.name != "cosine":
        return means
    lengths = np.sqrt(np.square(means).sum(1, keepdims=True))
    unit: NDArray[np.float64] = np.divide(means, lengths, out=np.zeros_like(means), where=lengths > 0)
    return unit
