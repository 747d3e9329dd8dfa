"""The nearest centre of every point: float32 where its rounding cannot matter, float64 where it could [EVA-2]."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nearkin.evaluation.bounds import product
from nearkin.evaluation.centred import Centred

TILE = 1 << 20
"""Scores (points x centres) held at a time."""

PAIRS = 1 << 12
"""Pairs of points and centres whose differences are held at a time."""


def nearest_centres(points: Centred, centres: Tensor) -> Tensor:
    """The nearest of each run's centres (runs, k, D) to each point, (runs, N); of equally near ones the lowest.

    The largest score x'c - |c|^2 / 2 counts. Made in float32 for all; where others lie within the rounding of the largest,
    differences in float64 decide, or, where that is most of a tile (centres within a blob that lies far out), scores in
    float64.
    """
    runs, count, width = centres.shape
    flat = centres.reshape(-1, width) * points.scale
    halves = flat.square().sum(1) / 2
    right = torch.cat([flat.T, -halves[None]]).to(torch.float32)
    farthest = (2 * halves).sqrt().view(runs, count).amax(1)
    margin = 2.02 * points.error * ((2 * points.halves).sqrt()[:, None] + farthest).square()
    size = max(1, TILE // len(flat))
    found = torch.empty(len(points), runs, dtype=torch.int64, device=centres.device)
    buffer = torch.empty(min(size, len(points)) * len(flat), device=centres.device)
    for start in range(0, len(points), size):
        place = slice(start, min(start + size, len(points)))
        scores = buffer[: (place.stop - start) * len(flat)].view(-1, len(flat))
        product(points.factor[place, :-1], right, scores)
        cut = scores.view(-1, runs, count).amax(2) - margin[place].float()
        line, centre = _reach(scores.view(-1, count), cut.view(-1, 1))
        if points.exact and len(line) < 2 * cut.numel():
            found[place] = _decided(points, centres, start, line, centre).view(-1, runs)
        else:
            exact = torch.addmm(-halves, points.rows[place] * points.scale, flat.T)
            found[place] = exact.view(-1, runs, count).argmax(2)
    return found.T.contiguous()


def _reach(scores: Tensor, cut: Tensor) -> tuple[Tensor, Tensor]:
    """(line, place) of all scores that reach the cut of their line, in order."""
    if scores.is_cuda:
        line, place = (scores >= cut).nonzero(as_tuple=True)
        return line, place
    flat = torch.from_numpy(np.flatnonzero(scores.numpy() >= cut.numpy()))
    line = flat // scores.shape[1]
    return line, flat - line * scores.shape[1]


def _decided(points: Centred, centres: Tensor, start: int, line: Tensor, centre: Tensor) -> Tensor:
    """One centre for each line (point, run): the only one, or the nearest by differences in float64."""
    number = torch.bincount(line)
    nearest = torch.empty_like(number)
    nearest[line] = centre
    several = number[line] > 1
    if several.any():
        line, centre = line[several], centre[several]
        away = torch.cat(
            [_squared(points, centres, start, *pair) for pair in zip(line.split(PAIRS), centre.split(PAIRS))]
        )
        order = np.lexsort([each.cpu().numpy() for each in (centre, away, line)])
        line, centre = (each[torch.from_numpy(order).to(each.device)] for each in (line, centre))
        first = torch.ones_like(line, dtype=torch.bool)
        first[1:] = line[1:] != line[:-1]
        nearest[line[first]] = centre[first]
    return nearest


def _squared(points: Centred, centres: Tensor, start: int, line: Tensor, centre: Tensor) -> Tensor:
    run = line % len(centres)
    chosen = centres.flatten(0, 1).index_select(0, run * centres.shape[1] + centre)
    return points.rows.index_select(0, start + line // len(centres)).sub_(chosen).square_().sum(1)
