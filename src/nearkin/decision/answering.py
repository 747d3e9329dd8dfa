"""How enrolled rows answer: the number of neighbours that vote and the probability of an answer, from one set of searches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import choice
from nearkin.decision.choosing import GRID, ChosenK, best_k, checked_grid
from nearkin.decision.leaving_out import left_out, left_out_prototypes, some_of
from nearkin.decision.links import Space
from nearkin.decision.nearest import nearest
from nearkin.decision.probability import DEPTH, Probability, fit_probability, typical_distance

METHODS = ("neighbours", "prototypes")


class Answering(NamedTuple):
    """The probability of an answer, which holds k and weights of the vote, and how k was chosen."""

    probability: Probability
    chosen: ChosenK


def calibrate_answers(
    space: Space,
    rows: ArrayLike,
    codes: ArrayLike,
    *,
    method: str = "neighbours",
    k: int | Sequence[int] = GRID,
    weights: str = "distance",
    depth: int = DEPTH,
    may_ask: ArrayLike | None = None,
) -> Answering:
    """Choose k and fit the probability on enrolled rows that ask as if they were new (`left_out`).

    Shapes:   projected rows (N, D), codes (N,) in [0, classes)
    method:   "neighbours" (default); "prototypes", the nearest class mean, for which k is 1
    k:        a number, or a grid to choose from: 1, 3, 5, 7, 9 by default, what is more than N left out
    depth:    neighbours of a search that probabilities are made of, 50
    may_ask:  (N,) bool, rows that may ask: not those that the embedding was trained on
    Nobody:   where no row can ask (classes of one row), k is the smallest and the probability is not calibrated
    """
    labels, given = np.asarray(codes), np.asarray(rows, dtype=np.float32)
    if choice("method", method, METHODS) == "prototypes":
        k, weights = 1, "uniform"
    ks = checked_grid([k] if isinstance(k, int) else k)
    ks = tuple(each for each in ks if each <= len(labels)) or (len(labels),)
    classes = int(labels.max()) + 1
    search = left_out if method == "neighbours" else left_out_prototypes
    most = len(labels) if method == "neighbours" else classes
    asked = search(space, given, labels, min(max(depth, *ks), most), may_ask=may_ask)
    truth = labels[asked.asked]
    chosen = best_k(asked.distances, asked.voters, truth, ks, weights)
    scale = None if len(truth) else typical_distance(_to_others(space, given))
    probability = fit_probability(
        asked.distances,
        asked.voters,
        truth,
        classes,
        k=chosen.k,
        weights=weights,
        kept=asked.kept,
        scale=scale,
    )
    return Answering(probability, chosen)


def _to_others(space: Space, rows: NDArray[Any], most: int = 1000) -> NDArray[np.float64]:
    """Distances of rows to their nearest other row."""
    groups = np.arange(len(rows))
    some = some_of(groups, most)
    found = nearest(space, rows[some], rows, 1, query_groups=some, reference_groups=groups).distances[:, 0]
    return found[np.isfinite(found)]
