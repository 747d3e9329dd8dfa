"""Photos of classes that are not enrolled, where none were given: each enrolled class asks as if it were not there."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError
from nearkin.decision.links import Space
from nearkin.decision.nearest import nearest
from nearkin.decision.votes import voted_for

BLOCK = 1 << 21
"""Distances held at a time."""

PAIRS = 1 << 13
"""Pairs measured by differences at a time."""

ROUNDING = 1e-6
"""How near to a threshold a distance by products is not believed, as a share of the threshold, or of 1 below that."""


def answered(
    distances: ArrayLike, voters: ArrayLike, *, weights: str = "distance"
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The class that each search answers, (A,), and the distance that decides, (A,): to the nearest voter of that class.

    Shapes:  distances (A, k), nearest first; voters (A, k) class codes, -1 where there is none. A search that found
             nothing answers -1 at infinity
    """
    far, codes = np.asarray(distances, dtype=np.float64), np.asarray(voters, dtype=np.int64)
    winner = voted_for(far, codes, np.full(len(far), -1), weights=weights)[2]
    deciding = np.where((codes == winner[:, None]) & (codes >= 0), far, np.inf).min(1, initial=np.inf)
    return np.where(np.isfinite(deciding), winner, -1), deciding


def left_out_distances(
    space: Space, rows: ArrayLike, codes: ArrayLike, *, k: int = 7, weights: str = "distance"
) -> NDArray[np.float64]:
    """The decision distance (N,) of each enrolled image searched among the other classes, its own being left out.

    Every class stands once for an unknown one. What that changes: the gallery asked is one class smaller, so a little less
    is accepted than by the whole (`left_out_room` makes up for it); and two classes that look alike are each the other's
    false accept, so C classes say less than C unknown ones (`LEFT_OUT` in `growth`)

    Shapes:  projected rows (N, D), codes (N,) integers
    k:       voters of a search, 7, and their weights, "distance" or "uniform", as the gallery has them
    Errors:  InputError for fewer than two classes
    """
    labels = np.asarray(codes)
    if len(np.unique(labels)) < 2:
        raise InputError("one class alone cannot be left out; enrol a second class, or give photos of unknown classes")
    found = nearest(space, rows, rows, k, query_groups=labels, reference_groups=labels)
    voters = np.where(found.places >= 0, labels[found.places], -1)
    return answered(found.distances, voters, weights=weights)[1]


class PairRate(NamedTuple):
    """Share of impostor pairs at or below a threshold: `accepted` of `pairs`."""

    rate: float
    accepted: int
    pairs: int


def pair_rate(
    space: Space,
    queries: ArrayLike,
    references: ArrayLike,
    threshold: float,
    *,
    query_groups: ArrayLike | None = None,
    reference_groups: ArrayLike | None = None,
) -> PairRate:
    """The pair false-accept rate at a search's threshold, to be shown beside the promise: it is far smaller.

    A search asks every enrolled image at once, so with N of them even a pair rate of 1 / N gives most unknown photos a name.

    Shapes:  projected rows, queries (A, D) of unknown classes and references (R, D). With groups (class codes), pairs of one
             group are left out: give the enrolled rows on both sides
    Exact:   products in float64; what lies within their rounding of the threshold is decided by differences, as in a search,
             whose threshold is always just below a distance that occurs
    """
    asked, kept = np.asarray(queries, dtype=np.float64), np.asarray(references, dtype=np.float64)
    own, other = _groups(query_groups, len(asked)), _groups(reference_groups, len(kept))
    if (own is None) != (other is None):
        raise InputError("query_groups and reference_groups must be given together")
    norms, accepted, pairs = np.square(kept).sum(1), 0, 0
    doubt = ROUNDING * max(1.0, abs(threshold)) if np.isfinite(threshold) else 0.0
    step = max(1, BLOCK // max(1, len(kept)))
    for start in range(0, len(asked), step):
        part = asked[start : start + step]
        lengths = np.square(part).sum(1)[:, None]
        distances = space.link(np.maximum(lengths + norms - 2 * part @ kept.T, 0), lengths, norms)
        impostors = np.ones(distances.shape, dtype=bool)
        if own is not None and other is not None:
            impostors = own[start : start + step, None] != other
        pairs += int(impostors.sum())
        doubtful = impostors & (np.abs(distances - threshold) <= doubt)
        accepted += int((impostors & ~doubtful & (distances <= threshold)).sum())
        rows, columns = np.nonzero(doubtful)
        for first in range(0, len(rows), PAIRS):
            some = slice(first, first + PAIRS)
            accepted += int((space.paired(part[rows[some]], kept[columns[some]]) <= threshold).sum())
    if not pairs:
        raise InputError("there are no impostor pairs: every query is of its reference's class, or one side is empty")
    return PairRate(accepted / pairs, accepted, pairs)


def _groups(groups: ArrayLike | None, count: int) -> NDArray[Any] | None:
    if groups is None:
        return None
    found = np.asarray(groups)
    if found.shape != (count,):
        raise InputError(f"groups must be one for each of {count} rows, got the shape {found.shape}")
    return found
