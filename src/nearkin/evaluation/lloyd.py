"""Lloyd's rounds of k-means; points for which bounds prove that their centre is still the nearest are not asked [EVA-2].

A centre that moves by m is at most m farther from a point, or m nearer, than it was (Hamerly 2010, SDM). Few centres move
far, and they would spoil the bound for all: points are compared with the few, and bounds speak of the others.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nearkin.evaluation.assignment import Assigned, Scores, nearest_centres
from nearkin.evaluation.centred import Centred
from nearkin.evaluation.crew import alone, share, slices

STEP = 16
"""The number of centres that are compared with all points is a multiple of it."""

FEWEST = 64
"""Centres from which on bounds pay."""

WORTH = 0.8
"""Share of all comparisons that bounds may leave: above it all points are asked, and none need to be gathered."""

ROUNDING = 2.0**-53
"""Times the number of points: share of its length by which the mean of equal points may be off."""

STRIPS = 4
"""Most pieces in which means are made, for threads."""


@dataclass(frozen=True)
class Run:
    """What Lloyd's rounds from one start came to: assignment (N,), centres (k, D) of the centred points, float64."""

    assignment: Tensor
    centres: Tensor
    rounds: int
    converged: bool


def lloyd(points: Centred, centres: Tensor, rounds: int) -> Run:
    """Rounds from the given centres (k, D) until no point changes its cluster, at most `rounds` of them."""
    with alone(points.threads):
        return _lloyd(points, centres, rounds)


def _lloyd(points: Centred, centres: Tensor, rounds: int) -> Run:
    x, found, last = points.rows, nearest_centres(points, centres), None
    for number in range(1, rounds + 1):
        _fill_empty(x, centres, found)
        if last is not None and torch.equal(found.centre, last):
            return Run(last, centres, number, True)
        before, centres = centres, _means(points, found.centre, centres, last)
        last = found.centre
        if number < rounds:
            found = ask_again(points, found, centres, (centres - before).norm(dim=1) * points.scale)
    return Run(found.centre, centres, rounds, False)


def ask_again(points: Centred, before: Assigned, centres: Tensor, moves: Tensor) -> Assigned:
    """The nearest of the centres (k, D) after they moved by `moves` (k,), scaled, from where `before` found them."""
    order = moves.argsort(descending=True, stable=True)
    upper = before.upper + moves[before.centre]
    number = _compared_with_all(before.lower - upper, moves[order]) if len(moves) >= FEWEST else None
    if number is None:
        return nearest_centres(points, centres)
    lower = before.lower - moves[order[number]]
    if number:
        torch.minimum(lower, _away_from(points, centres, order[:number], before.centre), out=lower)
    found = Assigned(before.centre.clone(), upper, lower)
    left = (~(upper < lower)).nonzero()[:, 0]
    asked = nearest_centres(points, centres, left)
    found.centre[left], found.upper[left], found.lower[left] = asked.centre, asked.upper, asked.lower
    return found


def _compared_with_all(gap: Tensor, falling: Tensor) -> int | None:
    """How many of the centres that moved most to compare with all points, so that fewest comparisons are left.

    A point is asked in full where its `gap` (N,) is not above the largest move of the other centres. None: ask all.
    """
    points, centres = len(gap), len(falling)
    numbers = np.arange(0, centres, STEP)
    asked = np.searchsorted(np.sort(gap.cpu().numpy()), falling.cpu().numpy()[numbers], side="right")
    work = points * numbers + asked * centres
    best = int(work.argmin())
    return int(numbers[best]) if work[best] <= WORTH * points * centres else None


def _away_from(points: Centred, centres: Tensor, few: Tensor, own: Tensor) -> Tensor:
    """For each point (N,), how far away those of the `few` centres that are not its `own` are at least, scaled."""
    scores, place = Scores(points, centres[few]), few.new_full((len(centres),), -1)
    place[few] = torch.arange(len(few), device=few.device)
    away = []
    for part in scores.tiles(None):
        made, error = scores.of(part)
        hidden = place[own[part]]
        line = (hidden >= 0).nonzero()[:, 0]
        made[line, hidden[line]] = -torch.inf
        away.append(2 * (points.halves[part] - made.amax(1) - error))
    return torch.cat(away).clamp_(min=0).sqrt_()


def _means(points: Centred, assignment: Tensor, before: Tensor, last: Tensor | None) -> Tensor:
    """Means of the clusters, made of those alone that are not as at `last`; an empty one stays where it was.

    Fewer distinct points than clusters leave some empty. A mean within rounding of where it was stays there, too: a
    centre on equal points would leave them otherwise, and points change clusters for such distances without end.
    """
    sizes = torch.bincount(assignment, minlength=len(before))
    touched = sizes > 0
    if last is not None:
        changed = assignment != last
        new = torch.zeros_like(touched)
        new[assignment[changed]] = new[last[changed]] = True
        touched &= new
    members = touched[assignment].nonzero()[:, 0]
    everybody = 2 * len(members) >= len(points)
    number = len(points) if everybody else len(members)

    def total(strip: slice) -> Tensor:
        some = strip if everybody else members[strip]
        return torch.zeros_like(before).index_add_(0, assignment[some], points.rows[some])

    strips = max(1, min(STRIPS, number // (4 * len(before))))  # so that their sums are small beside the points
    sums = functools.reduce(Tensor.add_, share(total, slices(0, number, max(1, -(-number // strips))), points.threads))
    means = sums / sizes.clamp(min=1)[:, None]
    off = len(points) * ROUNDING * before.norm(dim=1)
    moved = touched & ((means - before).norm(dim=1) > off)
    return torch.where(moved[:, None], means, before)


def _fill_empty(x: Tensor, centres: Tensor, found: Assigned) -> None:
    """Give every empty cluster, lowest first, the point that lies farthest from its own centre (if any is off it)."""
    sizes = torch.bincount(found.centre, minlength=len(centres))
    empty = (sizes == 0).nonzero()[:, 0].tolist()
    if not empty:
        return
    away = (x - centres[found.centre]).square().sum(1)
    for cluster in empty:
        away[sizes[found.centre] < 2] = 0  # a cluster is not emptied to fill another
        farthest = int(away.argmax())
        if not away[farthest] > 0:
            return
        sizes[found.centre[farthest]] -= 1
        sizes[cluster] += 1
        found.centre[farthest] = cluster
        found.upper[farthest] = torch.inf
        away[farthest] = 0
