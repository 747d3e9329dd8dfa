"""k-means: Lloyd's rounds from greedy k-means++ starts, the best of several, the same bits for the same seed [EVA-2]."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nearkin.core import InputError, derived_seed, integer
from nearkin.evaluation.inputs import Array, Rows, finite_rows

TILE = 1 << 20
"""Scores (points x centres) held at a time."""


@dataclass(frozen=True)
class Clusters:
    """One k-means solution: the cluster of each point, the centres, and sum |x - centre|^2."""

    assignments: Array  # (N,) int64
    centres: Array  # (k, D) float64
    inertia: float
    rounds: int
    converged: bool


def kmeans(
    points: Rows, clusters: int, *, restarts: int = 10, rounds: int = 300, seed: int | np.random.Generator = 0
) -> tuple[Clusters, ...]:
    """All restarts of k-means on all points, the lowest inertia first (ties: the earlier restart).

    A restart draws its first centre uniformly and every further one by greedy k-means++: 2 + log k candidates with
    chance proportional to the squared distance to the nearest centre, of which the one that leaves the smallest sum of
    squared distances stays (Arthur and Vassilvitskii 2007). Lloyd's rounds follow until no point changes its cluster,
    at most `rounds` of them. A cluster that runs empty takes the point that lies farthest from its own centre. A point
    equally near to two centres takes the lower cluster, unless the rounding of its scores prefers the other.

    Shapes:      points (N, D) -> assignments (N,), centres (k, D)
    Dtype:       float64 inside, so that rounding does not decide
    Determinism: by seed; no global random state. A generator is drawn from once
    Complexity:  O(rounds N k D) a restart, O(N + tile) memory beside the points; no sub-sampling
    Errors:      InputError where k is above N
    """
    x = finite_rows("points", points).to(torch.float64)
    count = integer("clusters", clusters, minimum=1)
    if count > len(x):
        raise InputError(f"cannot make {count} clusters of {len(x)} points; give at most one cluster for each point")
    base = int(seed.integers(2**62)) if isinstance(seed, np.random.Generator) else integer("seed", seed)
    centred = x - x.mean(0)
    found = [
        _restart(centred, count, integer("rounds", rounds, minimum=1), _generator(base, number))
        for number in range(integer("restarts", restarts, minimum=1))
    ]
    best_first = sorted(found, key=lambda each: each.inertia)
    shift = x.mean(0).cpu().numpy()
    return tuple(
        Clusters(each.assignments, each.centres + shift, each.inertia, each.rounds, each.converged)
        for each in best_first
    )


def _generator(base: int, number: int) -> np.random.Generator:
    return np.random.default_rng(derived_seed(base, "k-means", number))


def _restart(x: Tensor, count: int, rounds: int, rng: np.random.Generator) -> Clusters:
    centres = x[torch.from_numpy(_plus_plus(x, count, rng)).to(x.device)]
    assignment = torch.full((len(x),), -1, dtype=torch.int64, device=x.device)
    converged = False
    for done in range(1, rounds + 1):  # noqa: B007
        before, assignment = assignment, _nearest_centre(x, centres)
        _fill_empty(x, centres, assignment)
        if converged := torch.equal(before, assignment):
            break
        centres = _means(x, assignment, count, centres)
    inertia = float((x - centres[assignment]).square().sum())
    return Clusters(assignment.cpu().numpy(), centres.cpu().numpy(), inertia, done, converged)


def _plus_plus(x: Tensor, count: int, rng: np.random.Generator) -> Array:
    """Indices of the starting centres. Points on top of a centre are drawn only when nothing else is left."""
    norms = x.square().sum(1)
    chosen = np.empty(count, dtype=np.int64)
    chosen[0] = rng.integers(len(x))
    nearest = _squared_to(x, norms, chosen[:1])[0]
    trials = 2 + int(math.log(count))
    for step in range(1, count):
        candidates = _draw(nearest, trials, rng)
        left = torch.minimum(_squared_to(x, norms, candidates), nearest)
        best = int(left.sum(1).argmin())
        chosen[step], nearest = candidates[best], left[best]
    return chosen


def _draw(weights: Tensor, number: int, rng: np.random.Generator) -> Array:
    """Indices drawn with chance proportional to `weights`, or uniformly where all of them are 0."""
    running = np.cumsum(weights.cpu().numpy())
    uniform = rng.random(number)
    if not running[-1] > 0:
        return np.minimum((uniform * len(running)).astype(np.int64), len(running) - 1)
    last = int(np.flatnonzero(weights.cpu().numpy())[-1])
    drawn: Array = np.minimum(np.searchsorted(running, uniform * running[-1], side="right"), last)
    return drawn


def _squared_to(x: Tensor, norms: Tensor, indices: Array) -> Tensor:
    """Squared distances (len(indices), N) of all points to some of them; exactly 0 to itself."""
    chosen = torch.from_numpy(indices).to(x.device)
    squared = torch.relu(norms[chosen, None] + norms - 2 * (x[chosen] @ x.T))
    squared[torch.arange(len(chosen), device=x.device), chosen] = 0
    return squared


def _nearest_centre(x: Tensor, centres: Tensor) -> Tensor:
    """The nearest centre of each point, the lowest among equal scores: argmax of x'c - |c|^2 / 2, tile by tile."""
    half = centres.square().sum(1) / 2
    size = max(1, TILE // len(centres))
    return torch.cat([(torch.addmm(-half, part, centres.T)).argmax(1) for part in x.split(size)])


def _means(x: Tensor, assignment: Tensor, count: int, before: Tensor) -> Tensor:
    """Means of the clusters; one that is empty (fewer distinct points than clusters) stays where it was."""
    sizes = torch.bincount(assignment, minlength=count)
    sums = x.new_zeros(count, x.shape[1]).index_add_(0, assignment, x)
    return torch.where(sizes[:, None] > 0, sums / sizes.clamp(min=1)[:, None], before)


def _fill_empty(x: Tensor, centres: Tensor, assignment: Tensor) -> None:
    """Give every empty cluster, lowest first, the point that lies farthest from its own centre (if any is off it)."""
    sizes = torch.bincount(assignment, minlength=len(centres))
    empty = (sizes == 0).nonzero()[:, 0].tolist()
    if not empty:
        return
    away = (x - centres[assignment]).square().sum(1)
    for cluster in empty:
        away[sizes[assignment] < 2] = 0  # a cluster is not emptied to fill another
        farthest = int(away.argmax())
        if not away[farthest] > 0:
            return
        sizes[assignment[farthest]] -= 1
        sizes[cluster] += 1
        assignment[farthest] = cluster
        away[farthest] = 0
