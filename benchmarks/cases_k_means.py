"""k-means against scikit-learn: the start by greedy k-means++, and with ten of Lloyd's rounds."""

from __future__ import annotations

import warnings
from functools import partial

import torch
from harness import OURS, Answer, Case, Contender, Setup, Target
from torch import Tensor

from nearkin.evaluation.k_means import kmeans

SKLEARN = "scikit-learn"


def _points(count: int, centres: int) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    middle = torch.randn(centres, 128, generator=generator)
    which = torch.randint(centres, (count,), generator=generator)
    return middle[which] + torch.randn(count, 128, generator=generator)


def _ours(points: Tensor, clusters: int, rounds: int) -> Answer:
    return {"inertia": kmeans(points, clusters, restarts=1, rounds=rounds)[0].inertia}


def _theirs(points: Tensor, clusters: int, rounds: int) -> Answer:
    from sklearn.cluster import KMeans

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = KMeans(clusters, init="k-means++", n_init=1, max_iter=rounds, tol=0, random_state=0).fit(points.numpy())
    return {"inertia": float(found.inertia_)}


def _k_means(small: bool, *, rounds: int) -> Setup:
    count, clusters = (500, 10) if small else (20_000, 500)
    points = _points(count, clusters)
    contenders = [
        Contender(OURS, partial(_ours, points, clusters, rounds), "ours", peak=True),
        Contender(SKLEARN, partial(_theirs, points, clusters, rounds)),
    ]
    reached = {one.name: float(one.run()["inertia"]) for one in contenders}
    return Setup(contenders, notes=["inertia " + ", ".join(f"{name} {one:.6g}" for name, one in reached.items())])


CASES = [
    Case("k-means/start and 1 round, 20000 x 128, k=500", partial(_k_means, rounds=1), [Target("faster", 3, SKLEARN)]),
    Case(
        "k-means/start and 10 rounds, 20000 x 128, k=500", partial(_k_means, rounds=10), [Target("faster", 1, SKLEARN)]
    ),
]
