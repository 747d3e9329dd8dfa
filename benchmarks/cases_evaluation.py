"""Evaluation and k-means against the bare matrix product and other libraries: functions for the harness, no timing here.

Every case is a function of sizes that returns {contender: callable}. "floor" is the bare product in tiles; the others
answer the same question. A contender whose package is missing is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from nearkin.evaluation import evaluate
from nearkin.evaluation.centred import Centred
from nearkin.evaluation.k_means import kmeans
from nearkin.evaluation.lloyd import lloyd
from nearkin.evaluation.starts import greedy_starts

Contenders = dict[str, Callable[[], Any]]
SCORES = {"precision_at_1": "precision@1", "r_precision": "r-precision", "mean_average_precision_at_r": "map@r"}
"""Names of the scores that both sides give, theirs -> ours: what a harness compares before it times."""


def rows(
    count: int, width: int, per_class: int = 5, spread: float = 2.0, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit rows (count, width) float32 around random class centres, in mixed order, and their labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) // per_class
    centres = torch.randn(int(labels.max()) + 1, width, generator=generator)
    x = torch.nn.functional.normalize(centres[labels] + spread * torch.randn(count, width, generator=generator))
    mixed = torch.randperm(count, generator=generator)
    return x[mixed].contiguous(), labels[mixed].contiguous()


def self_retrieval(count: int = 60_000, width: int = 512, per_class: int = 5) -> Contenders:
    """Every row asks the others: Recall@1, 2, 4, 8, R-precision and MAP@R."""
    x, y = rows(count, width, per_class)
    cases: Contenders = {
        "floor": lambda: bare_product(x, x),
        "nearkin": lambda: evaluate(x, y, clustering=False, knn=(), records=False).scores,
        "nearkin with records and kNN": lambda: evaluate(x, y, clustering=False).scores,
    }
    return cases | _metric_learning(x, y) | _open_metric_learning(x, y) | (_torchmetrics(x, y) if count <= 1000 else {})


def gallery(count: int = 60_000, width: int = 512, per_class: int = 5) -> Contenders:
    """As many queries ask a gallery of their own."""
    z, w = rows(count, width, per_class)
    x = torch.nn.functional.normalize(
        z + 0.5 / width**0.5 * torch.randn(z.shape, generator=torch.Generator().manual_seed(1))
    )
    cases: Contenders = {
        "floor": lambda: bare_product(x, z),
        "nearkin": lambda: (
            evaluate(x, w, references=z, reference_labels=w, clustering=False, knn=(), records=False).scores
        ),
    }
    return cases | _metric_learning(x, w, z, w) | _open_metric_learning(x, w, z, w)


def starts(count: int = 20_000, width: int = 128, clusters: int = 500) -> Contenders:
    """Greedy k-means++."""
    x = blobs(count, width, clusters)
    points = Centred(torch.from_numpy(x).double())
    cases: Contenders = {"nearkin": lambda: greedy_starts(points, clusters, np.random.default_rng(0))}
    if find_spec("sklearn"):
        from sklearn.cluster import kmeans_plusplus

        cases["scikit-learn"] = lambda: kmeans_plusplus(x, clusters, random_state=0)[1]
    return cases


def rounds(count: int = 20_000, width: int = 128, clusters: int = 500, number: int = 10) -> Contenders:
    """Lloyd's rounds from the same starts (ours includes making the float32 and float64 copies)."""
    x = blobs(count, width, clusters)
    first = x[np.random.default_rng(0).choice(count, clusters, replace=False)]
    cases: Contenders = {
        "floor": lambda: [bare_product(torch.from_numpy(x), torch.from_numpy(first)) for _ in range(number)],
        "nearkin": lambda: _rounds(x, first, number),
    }
    if find_spec("sklearn"):
        from sklearn.cluster import KMeans

        model = KMeans(clusters, init=first, n_init=1, max_iter=number, tol=0, algorithm="lloyd")
        cases["scikit-learn"] = lambda: model.fit(x).labels_
    if find_spec("faiss"):
        import faiss

        def run() -> Any:
            options = {"niter": number, "nredo": 1, "max_points_per_centroid": count, "min_points_per_centroid": 1}
            model = faiss.Kmeans(width, clusters, **options)
            model.train(x, init_centroids=first)
            return model.centroids

        cases["faiss"] = run
    return cases


def whole_clustering(count: int = 5000, width: int = 128, clusters: int = 100) -> Contenders:
    """Ten restarts to convergence."""
    x = blobs(count, width, clusters)
    cases: Contenders = {"nearkin": lambda: kmeans(x, clusters, restarts=10, seed=0)[0].inertia}
    if find_spec("sklearn"):
        from sklearn.cluster import KMeans

        cases["scikit-learn"] = lambda: KMeans(clusters, n_init=10, tol=0, random_state=0).fit(x).inertia_
    return cases


def blobs(count: int, width: int, clusters: int) -> np.ndarray:
    """Points (count, width) float32 around random centres that overlap."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(clusters, width))
    return (centres[generator.integers(0, clusters, size=count)] + generator.normal(size=(count, width))).astype(
        np.float32
    )


def bare_product(x: torch.Tensor, z: torch.Tensor, tile: int = 1024) -> None:
    """x @ z.T and nothing else, tile by tile into one buffer."""
    buffer = torch.empty(tile, len(z))
    for start in range(0, len(x), tile):
        part = x[start : start + tile]
        torch.mm(part, z.T, out=buffer[: len(part)])


def _rounds(x: np.ndarray, first: np.ndarray, number: int) -> np.ndarray:
    points = Centred(torch.from_numpy(x).double())
    return lloyd(points, torch.from_numpy(first).double() - points.shift, number).assignment.numpy()


def _metric_learning(x: torch.Tensor, y: torch.Tensor, *references: torch.Tensor) -> Contenders:
    if not (find_spec("pytorch_metric_learning") and find_spec("faiss")) or len(x) > 60_000:
        return {}
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    def calculator(k: str | None) -> Callable[[], Any]:
        judge = AccuracyCalculator(include=tuple(SCORES), k=k, device=torch.device("cpu"))
        return lambda: judge.get_accuracy(x, y, *references)

    cases = {"pytorch-metric-learning, max_bin_count": calculator("max_bin_count")}
    return cases | ({"pytorch-metric-learning, default": calculator(None)} if len(x) <= 6000 else {})


def _open_metric_learning(x: torch.Tensor, y: torch.Tensor, *references: torch.Tensor) -> Contenders:
    """Its nearest neighbours and what it counts among them; up to 10,000 rows (it compares the labels of all pairs)."""
    if not find_spec("oml") or len(x) > 10_000:
        return {}
    from oml.functional.knn import batched_knn_qg
    from oml.functional.metrics import calc_retrieval_metrics

    z, w = references or (x, y)
    names = None if references else torch.arange(len(x))
    relevant = int((w == y[0]).sum()) - (not references)  # all classes are of one size

    def run() -> dict[str, float]:
        _, retrieved, right = batched_knn_qg(x, z, 8, y, w, names, names)
        depths = {"cmc_top_k": (1, 2, 4, 8), "precision_top_k": (relevant,), "map_top_k": (relevant,)}
        found = calc_retrieval_metrics(retrieved, right, **depths, reduce=False, verbose=False)
        precision, mean = found["precision"][relevant], found["map"][relevant]  # its MAP is over what was retrieved
        scores = {"precision@1": found["cmc"][1], "r-precision": precision, "map@r": precision * mean}
        return {name: float(values.mean()) for name, values in scores.items()}

    return {"open-metric-learning": run}


def _torchmetrics(x: torch.Tensor, y: torch.Tensor) -> Contenders:
    if not find_spec("torchmetrics"):
        return {}
    try:
        from torchmetrics.retrieval import RetrievalMAP, RetrievalRPrecision
    except (ImportError, RuntimeError):  # it loads torchvision, which may not fit this torch
        return {}

    def run() -> dict[str, Any]:
        similarity, other = x @ x.T, ~torch.eye(len(x), dtype=torch.bool)
        query = torch.arange(len(x))[:, None].expand_as(similarity)
        asked = similarity[other], (y[:, None] == y)[other], query[other]
        return {
            "r-precision": RetrievalRPrecision()(*asked[:2], indexes=asked[2]),
            "map": RetrievalMAP()(*asked[:2], indexes=asked[2]),
        }

    return {"torchmetrics": run}
