"""kNN: the classes that a query's nearest neighbours vote for [EVA-3].

A neighbour at distance d votes for its class with weight 1 (`uniform`) or 1/d (`distance`); where neighbours lie at
d = 0, they have weight 1 and all others 0. Scores are the classes' shares of all weight. The prediction is the class of
the largest score, the smallest class among equals; scores that differ only by the rounding of their sums are equal. A
query counts as right in the top 5 if its class is among the first five of that order *and* has a positive score: a class
nobody voted for never counts.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, choice

Array: TypeAlias = NDArray[Any]

WEIGHTS = ("uniform", "distance")

DIGITS = 40
"""Binary digits of a score that are compared."""


def class_scores(distances: Array, voters: Array, classes: int, *, weights: str = "uniform") -> Array:
    """Shares of the vote, (b, classes) float64; rows sum to 1, or to 0 where nobody votes.

    Shapes:  distances (b, k), nearest first; voters (b, k) class codes in [0, classes), or -1 where there is none
    Errors:  InputError for distance weights where a distance is below 0
    """
    weight = _uniform(distances) if choice("weights", weights, WEIGHTS) == "uniform" else _inverse(distances, voters)
    weight = np.where(voters >= 0, weight, 0.0)
    rows = np.arange(len(voters))[:, None]
    place = (rows * classes + np.maximum(voters, 0)).ravel()
    scores = np.bincount(place, weights=weight.ravel(), minlength=len(voters) * classes).reshape(len(voters), classes)
    total = weight.sum(1, keepdims=True)
    shares: Array = np.divide(scores, total, out=np.zeros_like(scores), where=total > 0)
    return shares


def ranking(scores: Array) -> Array:
    """All classes (b, classes) by falling score, the smallest class first among equals."""
    return np.argsort(-_rounded(scores), axis=1, kind="stable")


def predicted(scores: Array) -> Array:
    """The class (b,) of the largest score, the smallest among equals."""
    first: Array = _rounded(scores).argmax(1)
    return first


def right_within(scores: Array, truth: Array, top: int) -> Array:
    """(b,) True where the class `truth` (b,) has a positive score and fewer than `top` classes stand before it.

    A truth of -1 (a class that no reference has) is never right.
    """
    scores = _rounded(scores)
    own = np.take_along_axis(scores, np.maximum(truth, 0)[:, None], axis=1)
    before = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < truth[:, None]))
    right: Array = (truth >= 0) & (own[:, 0] > 0) & (before.sum(1) < top)
    return right


def voted_for(
    distances: Array, voters: Array, truth: Array, *, weights: str = "uniform", top: int = 5
) -> tuple[Array, Array, Array]:
    """Whether `truth` (b,) comes first, whether it is among the first `top`, and the predicted class, (b,) each.

    The same answers as `right_within` and `predicted` give of `class_scores`, in O(b k^2) whatever the number of classes.
    """
    weight = _uniform(distances) if weights == "uniform" else _inverse(distances, voters)
    weight = np.where(voters >= 0, weight, 0.0)
    scores, total = np.zeros(voters.shape), weight.sum(1, keepdims=True)
    for place in range(voters.shape[1]):  # one by one: the order in which a class's votes are added is theirs
        scores += np.where(voters == voters[:, [place]], weight[:, [place]], 0.0)
    scores = _rounded(np.divide(scores, total, out=np.zeros_like(scores), where=total > 0))
    scores = np.where(voters >= 0, scores, -1.0)
    best = scores.max(1, keepdims=True)
    winner = np.where(scores == best, voters, np.iinfo(np.int64).max).min(1)
    own = np.where(voters == truth[:, None], scores, 0.0).max(1)
    first = np.ones(voters.shape, dtype=bool)
    for place in range(1, voters.shape[1]):
        first[:, place] = (voters[:, :place] != voters[:, [place]]).all(1)
    before = first & ((scores > own[:, None]) | ((scores == own[:, None]) & (voters < truth[:, None])))
    rank = before.sum(1)
    there = (truth >= 0) & (own > 0)
    return there & (rank < 1), there & (rank < top), np.where(best[:, 0] > 0, winner, 0)


def _rounded(scores: Array) -> Array:
    fraction, exponent = np.frexp(scores)
    rounded: Array = np.ldexp(np.round(fraction * 2.0**DIGITS), exponent - DIGITS)
    return rounded


def _uniform(distances: Array) -> Array:
    return np.ones(distances.shape, dtype=np.float64)


def _inverse(distances: Array, voters: Array) -> Array:
    """1/d up to a factor a row: the nearest weighs 1, so that no distance is too small to be inverted."""
    present = voters >= 0
    if (present & ~(distances >= 0)).any():
        raise InputError(
            "distance-weighted votes need distances of at least 0; this distance goes below, so use weights='uniform'"
        )
    nearest = np.where(present, distances, np.inf).min(1, keepdims=True)
    zero = np.where(distances == 0, 1.0, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(nearest > 0, nearest / distances, zero)
