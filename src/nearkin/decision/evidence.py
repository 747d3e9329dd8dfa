"""What a search says about each class: numbers that a probability is made of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError
from nearkin.decision.votes import voted_for

NAMES = ("ratio", "difference", "votes", "unseen")

NEAR = 0.1
"""Distances far below this share of the scale count as equal: one wrong label on a duplicate must not decide the rest."""

STEEP = 8
"""Power at which farther neighbours of a class count beside its nearest: one at 1.5 times the distance counts 4 %."""


class Evidence(NamedTuple):
    """A table of what was found, one column a neighbour and a last one for the classes that no neighbour has.

    values:  (A, K + 1, 4), one number for each of `NAMES`, larger for the class
    classes: (A, K) class codes, -1 where a nearer neighbour has the class already, or where there is no neighbour
    unseen:  (A,) how many classes no neighbour has
    winner:  (A,) the class that is answered; column (A,) where it stands in the table, or K
    """

    values: NDArray[np.float64]
    classes: NDArray[np.int64]
    unseen: NDArray[np.int64]
    winner: NDArray[np.int64]
    column: NDArray[np.int64]

    @property
    def present(self) -> NDArray[np.bool_]:
        """(A, K + 1) whether a column stands for a class, the last one for at least one."""
        return np.concatenate([self.classes >= 0, self.unseen[:, None] > 0], 1)

    def logits(self, slopes: NDArray[np.float64]) -> NDArray[np.float64]:
        """(A, K + 1) log weights of classes; -inf in columns that stand for none; the last one is of a single class."""
        return np.where(self.present, self.values @ slopes, -np.inf)


def evidence_of(
    distances: ArrayLike, voters: ArrayLike, classes: int, *, scale: float, k: int, weights: str
) -> Evidence:
    """The evidence of searches.

    Equation: with x_c = d_c / scale, d_c the distance to the nearest neighbour of class c,
                ratio      = -log sqrt(x_c^2 + 0.1^2)       only ratios of distances count
                difference = -x_c                           only differences count
                votes      = log sum over the neighbours i of class c of (d_c / d_i)^8, 0 for one alone
                unseen     = -1 for a class that no neighbour has, else 0
              A class that no neighbour has is at least as far as the farthest neighbour, and gets its ratio and
              difference. In a search with a distance below 0, ratio and votes are 0.
    Shapes:   distances (A, K), nearest first, voters (A, K) class codes in [0, classes) or -1 -> see `Evidence`
    winner:   the class that the first k vote for [EVA-3]
    """
    far, codes = np.asarray(distances, dtype=np.float64), np.asarray(voters, dtype=np.int64)
    _check(far, codes, classes)
    there = codes >= 0
    first = _first(codes)
    shown = np.where(there, far, 0.0) / scale
    values = np.zeros((*far.shape, len(NAMES)))
    values[..., 1] = -shown
    unsigned = ~(shown < 0).any(1, keepdims=True)
    values[..., 0] = np.where(unsigned, -0.5 * np.log(np.square(shown) + NEAR**2), 0.0)
    values[..., 2] = np.where(unsigned, _votes(far, codes, first), 0.0)
    last = np.where(there, np.arange(far.shape[1]), -1).max(1, initial=-1)
    beyond = np.zeros((len(far), 1, len(NAMES)))
    beyond[:, 0, :2] = np.where(last[:, None] >= 0, values[np.arange(len(far)), last, :2], 0.0)
    beyond[:, 0, 3] = -1.0
    found = np.where(first, codes, -1)
    winner = voted_for(far[:, :k], codes[:, :k], np.full(len(far), -1), weights=weights)[2]
    stands = found == winner[:, None]
    column = np.where(stands.any(1), stands.argmax(1), far.shape[1])
    return Evidence(np.concatenate([values, beyond], 1), found, classes - first.sum(1), winner, column)


def _first(codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(A, K) whether no nearer neighbour has the same class."""
    order = np.argsort(codes, axis=1, kind="stable")
    ordered = np.take_along_axis(codes, order, 1)
    fresh = np.ones(codes.shape, dtype=bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.zeros(codes.shape, dtype=bool)
    np.put_along_axis(first, order, fresh & (ordered >= 0), 1)
    return first


def _votes(distances: NDArray[np.float64], codes: NDArray[np.int64], first: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(A, K) log sum of (d_c / d_i)^8 over the neighbours i of a class c, in the column of its nearest; 0 / 0 counts 1."""
    total = np.zeros(distances.shape)
    for place in range(distances.shape[1]):
        same = first & (codes == codes[:, [place]])
        other = distances[:, [place]]
        ratio = np.divide(distances, other, out=np.ones(distances.shape), where=same & (other > 0))
        total += np.where(same, ratio**STEEP, 0.0)
    return np.where(first, np.log(np.maximum(total, 1.0)), 0.0)


def _check(distances: NDArray[np.float64], codes: NDArray[np.int64], classes: int) -> None:
    if distances.ndim != 2 or distances.shape != codes.shape:
        raise InputError(
            f"distances and voters must be of one shape (searches, neighbours), got {distances.shape} and {codes.shape}"
        )
    if codes.size and not -1 <= codes.min() <= codes.max() < classes:
        raise InputError(
            f"voters must be codes from 0 to {classes - 1}, or -1 for none, got {codes.min()} to {codes.max()}"
        )
    if not np.isfinite(distances[codes >= 0]).all():
        raise InputError("distances to neighbours that are there must be finite")
