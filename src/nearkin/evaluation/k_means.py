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
    Complexity:  O(rounds N k D) a restart, all restarts side by side; O(restarts (N + k D) + tile) memory beside the
                 points; no sub-sampling
    Errors:      InputError where k is above N
    """
    x = finite_rows("points", points).to(torch.float64)
    count = integer("clusters", clusters, minimum=1)
    if count > len(x):
        raise InputError(f"cannot make {count} clusters of {len(x)} points; give at most one cluster for each point")
    base = int(seed.integers(2**62)) if isinstance(seed, np.random.Generator) else integer("seed", seed)
    shift = x.mean(0)
    generators = [
        np.random.default_rng(derived_seed(base, "k-means", number))
        for number in range(integer("restarts", restarts, minimum=1))
    ]
    starts = [_plus_plus(x - shift, count, rng) for rng in generators]
    found = _lloyd(x - shift, starts, integer("rounds", rounds, minimum=1))
    return tuple(sorted((run.result(x - shift, shift) for run in found), key=lambda each: each.inertia))


@dataclass
class _Run:
    """A restart on its way."""

    centres: Tensor
    assignment: Tensor
    rounds: int = 0
    converged: bool = False

    def result(self, x: Tensor, shift: Tensor) -> Clusters:
        inertia = float((x - self.centres[self.assignment]).square().sum())
        centres = (self.centres + shift).cpu().numpy()
        return Clusters(self.assignment.cpu().numpy(), centres, inertia, self.rounds, self.converged)


def _lloyd(x: Tensor, starts: list[Array], rounds: int) -> list[_Run]:
    """Lloyd's rounds of all restarts side by side: one product a round for all of them."""
    runs = [
        _Run(x[torch.from_numpy(start).to(x.device)], x.new_full((len(x),), -1, dtype=torch.int64)) for start in starts
    ]
    for _ in range(rounds):
        moving = [run for run in runs if not run.converged]
        if not moving:
            break
        for run, assignment in zip(moving, _nearest_centres(x, torch.stack([run.centres for run in moving]))):
            _fill_empty(x, run.centres, assignment)
            run.converged = torch.equal(run.assignment, assignment)
            run.assignment, run.rounds = assignment, run.rounds + 1
            if not run.converged:
                run.centres = _means(x, assignment, run.centres)
    return runs


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


def _nearest_centres(x: Tensor, centres: Tensor) -> Tensor:
    """The nearest of each run's centres (runs, k, D) to each point, (runs, N): argmax of x'c - |c|^2 / 2, in tiles."""
    runs, count, width = centres.shape
    flat = centres.reshape(-1, width)
    half = flat.square().sum(1) / 2
    parts = [
        torch.addmm(-half, part, flat.T).view(len(part), runs, count).argmax(2)
        for part in x.split(max(1, TILE // len(flat)))
    ]
    return torch.cat(parts).T.contiguous()


def _means(x: Tensor, assignment: Tensor, before: Tensor) -> Tensor:
    """Means of the clusters; one that is empty (fewer distinct points than clusters) stays where it was."""
    sizes = torch.bincount(assignment, minlength=len(before))
    sums = torch.zeros_like(before).index_add_(0, assignment, x)
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
