"""kNN correctness of every query for every k and both kinds of weights [EVA-3]."""

from __future__ import annotations

import numpy as np

from nearkin.decision.votes import class_scores, predicted, right_within, voted_for
from nearkin.evaluation.inputs import Array
from nearkin.evaluation.retrieval import Columns
from nearkin.evaluation.sweep import Nearest

BLOCK = 1 << 21
"""Scores (queries x classes, or queries x voters) held at a time."""


def vote_columns(nearest: Nearest, voter_labels: Array, truth: Array, ks: tuple[int, ...]) -> Columns:
    """`knn@k` and `knn@k-top5`, the same `-weighted` by distance, and `predicted@k`, for every k.

    Weighted columns are absent where a distance is below 0: such a distance has no inverse to weigh with.

    Shapes:  nearest of Q queries among V voters, at least max(ks) of them; voter_labels (V,), truth (Q,) -> (Q,) each
    """
    classes, voter_codes = np.unique(voter_labels, return_inverse=True)
    truth_codes = np.minimum(np.searchsorted(classes, truth), len(classes) - 1)
    truth_codes = np.where(classes[truth_codes] == truth, truth_codes, -1)
    votes = np.where(nearest.rows >= 0, voter_codes[nearest.rows], -1)
    kinds = ("uniform",) if (nearest.distances < 0).any() else ("uniform", "distance")
    columns: Columns = {}
    for k in ks:
        size = max(1, BLOCK // (k if _few(k, len(classes)) else len(classes)))
        for kind in kinds:
            name = f"knn@{k}" + ("-weighted" if kind == "distance" else "")
            parts = [
                _right(nearest.distances[part, :k], votes[part, :k], truth_codes[part], len(classes), kind)
                for part in _parts(len(truth), size)
            ]
            columns[name], columns[f"{name}-top5"], winner = (np.concatenate(each) for each in zip(*parts))
            if kind == "uniform":
                columns[f"predicted@{k}"] = classes[winner]
    return columns


def _right(distances: Array, votes: Array, truth: Array, classes: int, kind: str) -> tuple[Array, Array, Array]:
    if _few(votes.shape[1], classes):
        first, five, winner = voted_for(distances, votes, truth, weights=kind)
        return first.astype(np.float64), five.astype(np.float64), winner
    scores = class_scores(distances, votes, classes, weights=kind)
    first, five = (right_within(scores, truth, top).astype(np.float64) for top in (1, 5))
    return first, five, predicted(scores)


def _few(k: int, classes: int) -> bool:
    """Whether the voters of a query are so few that they are looked at one by one, not the classes."""
    return k * k <= classes


def _parts(total: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, total, size)]
