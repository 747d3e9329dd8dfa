"""Episodes: how often the right one of N classes is named that were met in K images each, and how sure that number is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nearkin.core import InputError, choice, integer
from nearkin.decision.votes import WEIGHTS, voted_for
from nearkin.distances import Cosine, Distance, make_distance
from nearkin.evaluation.episode_draw import Draw, draw_episodes
from nearkin.evaluation.inputs import Array, Rows, as_array, finite_rows
from nearkin.evaluation.points import Points
from nearkin.statistics import episode_interval
from nearkin.statistics.records import Interval

METHODS = ("prototypes", "neighbours")

BLOCK = 1 << 21
"""Distances held at a time."""

DIGITS = 40
"""Binary digits of a distance that are compared."""


@dataclass(frozen=True, eq=False)
class Episodes:
    """What a method answered in E episodes.

    method      "20-way 1-shot, prototypes"
    interval    the mean accuracy with its 95 % interval over the episodes [EVA-7]
    accuracies  (E,): the share of queries that were named rightly
    right       (E, N, Q): which ones
    draw        the images; two results on the same ones are compared by their differences
    """

    method: str
    interval: Interval
    accuracies: Array
    right: Array
    draw: Draw

    @property
    def accuracy(self) -> float:
        """The mean over the episodes."""
        return self.interval.estimate

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out."""
        return self.draw.notes

    def minus(self, other: Episodes) -> Interval:
        """The mean difference of accuracies, episode by episode, with its interval. Errors: other episodes."""
        if not self.draw.same_as(other.draw):
            raise InputError("these results are of other episodes; judge both with the same labels, sizes and seed")
        return episode_interval(self.accuracies - other.accuracies)

    def __str__(self) -> str:
        low, high = self.interval.low, self.interval.high
        spread = "" if low is None or high is None else f" [{low:.4f}, {high:.4f}]"
        return f"{self.method}: {self.accuracy:.4f}{spread} over {len(self.accuracies)} episodes"


def episodes(
    embeddings: Rows,
    labels: object,
    *,
    ways: int = 20,
    shots: int = 1,
    queries: int = 5,
    episodes: int = 1000,
    within: object = None,
    method: str = "prototypes",
    k: int = 1,
    weights: str = "uniform",
    distance: Distance | str = "euclidean",
    seed: int = 0,
) -> Episodes:
    """Judge embeddings by N-way K-shot episodes.

    In each episode N classes are drawn, K images of each to learn from and Q others to name; see `draw_episodes`. The
    draw depends on labels, sizes and seed alone, so that methods and networks meet in the same episodes.

    Equation:  prototypes: the class with the nearest mean of its K support rows, taken where distances are (after the
               distance's `project`; for cosine the mean direction). neighbours: the vote of the `k` nearest of all N x K
               support rows, `weights` "uniform" or "distance" [EVA-3]. With one shot and k = 1 both are the same
    Ties:      the class drawn first; distances are compared to 40 binary digits. A network that is one point scores 1/N
    Interval:  mean +- 1.96 s / sqrt(E), divisor E - 1 in s [EVA-7]. It speaks of other episodes for this network and
               these images, not of other seeds of the training
    Defaults:  20-way 1-shot with 5 queries a class, 1,000 episodes: at least 600 are usual
    Shapes:    embeddings (N, D), labels (N,), within (N,) groups whose classes do not meet others
    Errors:    InputError for NaN, too few classes or images, k above the number of support rows

    >>> rng = np.random.default_rng(0)
    >>> rows = np.repeat(np.arange(6.0), 4)[:, None] + rng.normal(0, 0.1, (24, 1))
    >>> episodes(rows, np.repeat(np.arange(6), 4), ways=5, queries=2, episodes=100).accuracy > 0.99
    True
    """
    rows = finite_rows("embeddings", embeddings)
    if len(rows) != len(as_array(labels)):
        raise InputError(f"there are {len(rows)} embeddings and {len(as_array(labels))} labels; each needs one")
    draw = draw_episodes(labels, ways=ways, shots=shots, queries=queries, episodes=episodes, within=within, seed=seed)
    return judge_episodes(rows, draw, method=method, k=k, weights=weights, distance=distance)


def judge_episodes(
    embeddings: Rows,
    draw: Draw,
    *,
    method: str = "prototypes",
    k: int = 1,
    weights: str = "uniform",
    distance: Distance | str = "euclidean",
) -> Episodes:
    """The same for episodes that are given: `Draw` holds rows of `embeddings`."""
    method, k = choice("method", method, METHODS), integer("k", k, minimum=1)
    weights = choice("weights", weights, WEIGHTS)
    (_, ways, shots), asked = draw.support.shape, draw.queries.shape[2]
    if k > ways * shots:
        raise InputError(f"k is {k}, but an episode has {ways * shots} images to learn from")
    points = Points(make_distance(distance), finite_rows("embeddings", embeddings))
    if max(int(draw.support.max()), int(draw.queries.max())) >= len(points):
        raise InputError(f"the episodes name rows that {len(points)} embeddings do not have; they are of other images")
    size = max(1, BLOCK // (ways * asked * ways * (shots if method == "neighbours" else 1)))
    found = []
    with torch.no_grad():
        for start in range(0, len(draw), size):
            part = slice(start, start + size)
            support, queries = (_taken(points, index[part]) for index in (draw.support, draw.queries))
            kept = _prototypes(points.distance, support) if method == "prototypes" else support.flatten(1, 2)
            distances = _rounded(_distances(points.distance, queries.flatten(1, 2), kept))
            found.append(_right(distances, ways, asked, 1 if method == "prototypes" else k, weights))
    right = np.concatenate(found)
    accuracies = right.mean((1, 2))
    words = method if method == "prototypes" else f"{k} nearest"
    return Episodes(f"{ways}-way {shots}-shot, {words}", episode_interval(accuracies), accuracies, right, draw)


def _taken(points: Points, index: Array) -> Tensor:
    """Projected rows at `index` (E, N, K), as (E, N, K, P) in float64."""
    rows: Tensor = points.take(torch.from_numpy(index.ravel()).to(points.device)).unflatten(0, index.shape)
    return rows


def _prototypes(distance: Distance, support: Tensor) -> Tensor:
    """The mean of each class (E, N, P), where distances are taken; a mean of directions is made one again."""
    means: Tensor = support.mean(2)
    if isinstance(distance, Cosine):
        means = distance.project(means.flatten(0, 1)).reshape(means.shape)
    return means


def _distances(distance: Distance, queries: Tensor, kept: Tensor) -> Array:
    """(E, A, R) from (E, A, P) and (E, R, P), by differences: equal rows are exactly 0 apart."""
    squared = torch.cdist(queries, kept, compute_mode="donot_use_mm_for_euclid_dist").square_()
    norms = queries.square().sum(2)[:, :, None], kept.square().sum(2)[:, None]
    found: Array = distance.link(squared, *norms).to(torch.float64).cpu().numpy()
    if not np.isfinite(found).all():
        raise InputError("the distance gives NaN or infinity between some of these embeddings; scale them or change it")
    return found


def _rounded(distances: Array) -> Array:
    fraction, exponent = np.frexp(distances)
    rounded: Array = np.ldexp(np.round(fraction * 2.0**DIGITS), exponent - DIGITS)
    return rounded


def _right(distances: Array, ways: int, asked: int, k: int, weights: str) -> Array:
    """Which queries (E, N, Q) were named rightly; distances (E, N Q, N or N K), class after class on both sides."""
    count, _, kept = distances.shape
    truth = np.repeat(np.arange(ways), asked)
    if k == 1:
        right: Array = distances.argmin(2) // (kept // ways) == truth
        return right.reshape(count, ways, asked)
    flat = distances.reshape(-1, kept)
    places = np.argsort(flat, axis=1, kind="stable")[:, :k]
    votes = np.take_along_axis(flat, places, 1), places // (kept // ways)
    return voted_for(*votes, np.tile(truth, count), weights=weights)[0].reshape(count, ways, asked)
