"""k-means: Lloyd's rounds from greedy k-means++ starts, the best of several, the same bits for the same seed [EVA-2]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from nearkin.core import InputError, derived_seed, integer
from nearkin.evaluation.centred import Centred
from nearkin.evaluation.inputs import Array, Rows, finite_rows
from nearkin.evaluation.lloyd import Run, lloyd
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
    Determinism: by seed, to the bit on one machine, whatever the number of threads; no global random state. A generator
                 is drawn from once
    Complexity:  O(rounds N k D) a restart at most: what bounds of the moves of the centres prove is not compared again
                 (`lloyd`); O(N + k D + tile) memory beside the points, which are held in float64 and float32, and O(N)
                 for each restart's result; no sub-sampling
    Errors:      InputError where k is above N
    """
    x = finite_rows("points", points).to(torch.float64)
    count = integer("clusters", clusters, minimum=1)
    if count > len(x):
        raise InputError(f"cannot make {count} clusters of {len(x)} points; give at most one cluster for each point")
    base = int(seed.integers(2**62)) if isinstance(seed, np.random.Generator) else integer("seed", seed)
    most, centred = integer("rounds", rounds, minimum=1), Centred(x)
    found = []
    for number in range(integer("restarts", restarts, minimum=1)):
        start = greedy_starts(centred, count, np.random.default_rng(derived_seed(base, "k-means", number)))
        found.append(_clusters(centred, lloyd(centred, centred.rows[torch.from_numpy(start).to(x.device)], most)))
    return tuple(sorted(found, key=lambda each: each.inertia))


def _clusters(points: Centred, run: Run) -> Clusters:
    away = (points.rows - run.centres[run.assignment]).square_().sum(1)
    inertia = float(away.cpu().numpy().sum())  # numpy adds in one order, torch in one for each number of threads
    centres = (run.centres + points.shift).cpu().numpy()
    return Clusters(run.assignment.cpu().numpy(), centres, inertia, run.rounds, run.converged)
