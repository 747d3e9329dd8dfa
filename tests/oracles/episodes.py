"""One episode, image by image: means of classes or nearest neighbours, and who names a query rightly."""

from __future__ import annotations

import math
from collections.abc import Sequence

from oracles import knn
from oracles.arithmetic import real
from oracles.distances import matrix, unit


def named_rightly(
    rows: Sequence[Sequence[float]],
    support: Sequence[Sequence[int]],
    queries: Sequence[Sequence[int]],
    distance: str,
    method: str,
    k: int = 1,
    weights: str = "uniform",
) -> list[list[bool]]:
    """For each class and query, whether the class comes first; ties go to the class that stands first."""
    if method == "prototypes":
        kept = [mean([rows[row] for row in members], distance) for members in support]
        owners = list(range(len(support)))
    else:
        kept = [rows[row] for members in support for row in members]
        owners = [place for place, members in enumerate(support) for _ in members]
    return [
        [
            winner(rows[row], kept, owners, distance, 1 if method == "prototypes" else k, weights) == place
            for row in asked
        ]
        for place, asked in enumerate(queries)
    ]


def winner(
    query: Sequence[float], kept: Sequence[Sequence[float]], owners: list[int], distance: str, k: int, weights: str
) -> int:
    found = [round(real(d), 11) for d in matrix(distance, [query], kept)[0]]
    near = [(found[place], owners[place]) for place in knn.nearest(found, range(len(kept)), k)]
    if k == 1:
        return near[0][1]
    classes = sorted(set(owners))
    return knn.ranking([round(share, 11) for share in knn.shares(near, classes, weights)], classes)[0]


def mean(rows: Sequence[Sequence[float]], distance: str) -> list[float]:
    """Number by number; of directions, where angles are compared."""
    if distance == "cosine":
        rows = [[real(value) for value in unit(row)] for row in rows]
    return [math.fsum(column) / len(rows) for column in zip(*rows)]
