"""Two-dimensional maps of an embedding: itself if it is two-dimensional, else PCA, or t-SNE where that was asked for.

No map of many dimensions is faithful, so each one is judged: `kept` is the share of the 15 nearest neighbours (in the
method's own distance) that are still among the 15 nearest in the map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from nearkin.core import need
from nearkin.report.pairs import PAIR_DISTANCES, Floats, PairDistance

NEIGHBOURS = 15
JUDGED = 1000  # points whose neighbours are counted; the rest are only candidates
EXACT = 1000  # more dimensions than this: axes from this many points


def principal_axes(rows: Floats, count: int = 2) -> Floats:
    """PCA: projections (N, count) of centred rows on the directions of largest variance, largest first.

    Axes come from the covariance of all rows up to 1,000 dimensions, beyond that from the first 1,000 rows. The sign of
    an axis is chosen so that its largest loading is positive. Missing directions (D or rank below `count`) are 0.
    """
    centred = rows - rows.mean(0)
    if rows.shape[1] <= EXACT:
        vectors = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :count]
    else:
        fitted = centred[:EXACT]
        coefficients = np.linalg.eigh(fitted @ fitted.T)[1][:, ::-1][:, :count]
        vectors = fitted.T @ coefficients
        vectors /= np.maximum(np.linalg.norm(vectors, axis=0), 1e-300)
    largest = vectors[np.abs(vectors).argmax(0), np.arange(vectors.shape[1])]
    placed = np.zeros((len(rows), count))
    placed[:, : vectors.shape[1]] = centred @ (vectors * np.where(largest < 0, -1, 1))
    return placed


def _tsne(rows: Floats) -> Floats:
    opened = need("openTSNE", extra="maps", purpose="a t-SNE map")
    if rows.shape[1] > 50:
        rows = principal_axes(rows, 50)
    perplexity = min(30.0, max(2.0, (len(rows) - 1) / 4))
    return np.asarray(opened.TSNE(perplexity=perplexity, random_state=0, n_jobs=1).fit(rows), dtype=np.float64)


PROJECTIONS: Mapping[str, tuple[str, Callable[[Floats], Floats]]] = {
    "pca": ("PCA", principal_axes),
    "tsne": ("t-SNE", _tsne),
}


def planar(embeddings: Floats, distance: PairDistance, projection: str) -> tuple[str, Floats, float | None]:
    """How the map was made, its points (N, 2), and the share of neighbours kept (None for the embedding itself)."""
    if embeddings.shape[1] == 2:
        return "the embedding itself, two outputs", embeddings, None
    if embeddings.shape[1] == 1:
        return "the embedding itself, one output", np.hstack([embeddings, np.zeros_like(embeddings)]), None
    projected = distance.project(embeddings)
    words, place = PROJECTIONS[projection]
    points = place(projected)
    return words, points, kept_neighbours(projected, points, distance)


def kept_neighbours(projected: Floats, points: Floats, distance: PairDistance) -> float | None:
    """Mean over up to 1,000 points of |nearest 15 here and nearest 15 in the map| / 15; None below 17 points."""
    if len(points) < NEIGHBOURS + 2:
        return None
    shares = []
    for start in range(0, min(JUDGED, len(points)), 250):
        queries = np.arange(start, min(start + 250, JUDGED, len(points)))
        true = _nearest(distance.between(projected[queries], projected), queries)
        drawn = _nearest(PAIR_DISTANCES["euclidean"].between(points[queries], points), queries)
        shares += [len(set(a) & set(b)) / NEIGHBOURS for a, b in zip(true.tolist(), drawn.tolist())]
    return float(np.mean(shares))


def _nearest(distances: Floats, queries: NDArray[np.int64]) -> NDArray[np.int64]:
    distances[np.arange(len(queries)), queries] = np.inf
    return np.argpartition(distances, NEIGHBOURS, axis=1)[:, :NEIGHBOURS].astype(np.int64)


def quantised(points: Floats) -> NDArray[np.uint16]:
    """Points as uint16 in a square around their middle, both axes in the same scale: 0.0015 % of the width is lost."""
    low, high = points.min(0), points.max(0)
    reach = float((high - low).max()) or 1.0
    scaled = (points - (low + high) / 2) / reach + 0.5
    steps: NDArray[np.uint16] = np.rint(np.clip(scaled, 0, 1) * 65535).astype(np.uint16)
    return steps
