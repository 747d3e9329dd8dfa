"""k-means: Lloyd's rounds from greedy k-means++ starts, the best of several, the same bits for the same seed [EVA-2]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nearkin.core import InputError, derived_seed, integer
from nearkin.evaluation.assignment import nearest_centres
from nearkin.evaluation.centred import Centred
from nearkin.evaluation.inputs import Array, Rows, finite_rows
from nearkin.evaluation.starts import greedy_starts


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

    A restart draws its first centre uniformly and every further one by greedy k-means++ (`starts`): 2 + log k candidates
    with chance proportional to the squared distance to the nearest centre, of which the one that leaves the smallest sum
    of squared distances stays (Arthur and Vassilvitskii 2007). Lloyd's rounds follow until no point changes its cluster,
    at most `rounds` of them. A cluster that runs empty takes the point that lies farthest from its own centre. A point
    equally near to two centres takes the lower cluster, unless rounding in float64 prefers the other.

    Shapes:      points (N, D) -> assignments (N,), centres (k, D)
    Dtype:       means in float64. Centres are compared by float32 products with a proved error bound, and in float64
                 where two lie within it (`assignment`), so that the rounding of float32 decides nothing in the rounds.
                 Draws use float32, and float64 for near points
    Determinism: by seed, to the bit on one machine; no global random state. A generator is drawn from once
    Complexity:  O(rounds N k D) a restart, all restarts side by side; O(restarts (N + k D) + tile) memory beside the
                 points, which are held in float64 and float32; no sub-sampling
    Errors:      InputError where k is above N
    """
    x = finite_rows("points", points).to(torch.float64)
    count = integer("clusters", clusters, minimum=1)
    if count > len(x):
        raise InputError(f"cannot make {count} clusters of {len(x)} points; give at most one cluster for each point")
    base = int(seed.integers(2**62)) if isinstance(seed, np.random.Generator) else integer("seed", seed)
    centred = Centred(x)
    generators = [
        np.random.default_rng(derived_seed(base, "k-means", number))
        for number in range(integer("restarts", restarts, minimum=1))
    ]
    starts = [greedy_starts(centred, count, rng) for rng in generators]
    found = _lloyd(centred, starts, integer("rounds", rounds, minimum=1))
    return tuple(sorted((run.result(centred) for run in found), key=lambda each: each.inertia))


@dataclass
class _Run:
    """A restart on its way."""

    centres: Tensor
    assignment: Tensor
    rounds: int = 0
    converged: bool = False

    def result(self, points: Centred) -> Clusters:
        inertia = float((points.rows - self.centres[self.assignment]).square_().sum())
        centres = (self.centres + points.shift).cpu().numpy()
        return Clusters(self.assignment.cpu().numpy(), centres, inertia, self.rounds, self.converged)


def _lloyd(points: Centred, starts: list[Array], rounds: int) -> list[_Run]:
    """Lloyd's rounds of all restarts side by side: one product a round for all of them."""
    x = points.rows
    runs = [
        _Run(x[torch.from_numpy(start).to(x.device)], x.new_full((len(x),), -1, dtype=torch.int64)) for start in starts
    ]
    for _ in range(rounds):
        moving = [run for run in runs if not run.converged]
        if not moving:
            break
        for run, assignment in zip(moving, nearest_centres(points, torch.stack([run.centres for run in moving]))):
            _fill_empty(x, run.centres, assignment)
            run.converged = torch.equal(run.assignment, assignment)
            run.assignment, run.rounds = assignment, run.rounds + 1
            if not run.converged:
                run.centres = _means(x, assignment, run.centres)
    return runs


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
