"""Large margin nearest neighbours as scalar loops over pairs and triplets [LMN-1, LMN-2]."""

from __future__ import annotations

from collections.abc import Sequence

from oracles.arithmetic import Number, hinge, real
from oracles.distances import mahalanobis, squared_euclidean

Vector = Sequence[Number]


def target_neighbours(rows: Sequence[Vector], labels: Sequence[int], k: int) -> list[list[int]]:
    """The k nearest rows of each row's class, by Euclidean distance, ties by index; fewer where there are fewer."""
    found = []
    for i, row in enumerate(rows):
        others = [j for j in range(len(rows)) if j != i and labels[j] == labels[i]]
        found.append(sorted(others, key=lambda j: (real(squared_euclidean(row, rows[j])), j))[:k])
    return found


def lmnn(
    L: Sequence[Vector],
    rows: Sequence[Vector],
    labels: Sequence[int],
    targets: Sequence[Sequence[int]],
    mu: float = 0.5,
    reduction: str = "mean",
) -> Number:
    """(1 - mu) times the pull of targets plus mu times the push of every impostor within a margin of 1."""
    pull: Number = 0.0
    push: Number = 0.0
    for i, row in enumerate(rows):
        for j in targets[i]:
            near = mahalanobis(row, rows[j], L, squared=True)
            pull += near
            for k, other in enumerate(rows):
                if labels[k] != labels[i]:
                    push += hinge(1.0 + near - mahalanobis(row, other, L, squared=True))
    total = (1.0 - mu) * pull + mu * push
    return total / sum(map(len, targets)) if reduction == "mean" else total
