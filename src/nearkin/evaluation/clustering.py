"""Do clusters of the embeddings find the classes? k-means with as many clusters as classes, and three scores [EVA-2]."""

from __future__ import annotations

import numpy as np

from nearkin.evaluation.inputs import Array, Rows
from nearkin.evaluation.k_means import kmeans
from nearkin.evaluation.partitions import adjusted_mutual_information, normalized_mutual_information, pairwise_f1
from nearkin.evaluation.result import Clustering


def cluster(
    points: Rows,
    labels: Array,
    *,
    restarts: int = 10,
    seed: int | np.random.Generator = 0,
    what: str = "the embeddings",
) -> Clustering:
    """Cluster `points` (N, D) into as many clusters as `labels` (N,) has classes, and compare the two.

    All points are clustered, lone classes too. The scores are those of the restart of lowest inertia; the others show
    how much chance there is in them.
    """
    classes = len(np.unique(labels))
    solutions = kmeans(points, classes, restarts=restarts, seed=seed)
    scores = [
        {
            "nmi": normalized_mutual_information(labels, each.assignments),
            "ami": adjusted_mutual_information(labels, each.assignments),
            "pairwise-f1": pairwise_f1(labels, each.assignments),
        }
        for each in solutions
    ]
    return Clustering(
        what=f"k-means with {classes} clusters on {what}, {restarts} restarts, the one of lowest inertia",
        best=solutions[0],
        scores=scores[0],
        restarts=tuple({**each, "inertia": one.inertia} for each, one in zip(scores, solutions)),
    )
