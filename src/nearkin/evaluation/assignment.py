"""The nearest centre of every point: float32 where its rounding cannot matter, float64 where it could [EVA-2]."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nearkin.evaluation.bounds import product
from nearkin.evaluation.centred import Centred, reaching

TILE = 1 << 21
"""Scores (points x centres) held at a time."""

PAIRS = 1 << 12
"""Pairs of points and centres whose differences are held at a time."""


GROUP = 16
"""Centres of a group that answers by its largest score first, where there are some groups."""


def nearest_centres(points: Centred, centres: Tensor) -> Tensor:
    """The nearest of each run's centres (runs, k, D) to each point, (runs, N); of equally near ones the lowest.

    The largest score x'c - |c|^2 / 2 counts. Made in float32 for all; where others lie within the rounding of the largest,
    differences in float64 decide, or, where that is most of a tile (centres within a blob that lies far out), scores in
    float64.
    """
    runs, count = centres.shape[:2]
    scaled = centres * points.scale
    halves = scaled.square().sum(2) / 2
    group = GROUP if count >= 4 * GROUP else 1
    groups = -(-count // group)
    right = _right(scaled, halves, group * groups)
    lengths = (2 * points.halves).sqrt()[:, None] + (2 * halves).sqrt().amax(1)
    margin = (2.02 * points.error * lengths.square()).to(torch.float32)
    size = max(1, TILE // right.shape[1])
    found = torch.empty(len(points), runs, dtype=torch.int64, device=centres.device)
    buffer = torch.empty(min(size, len(points)) * right.shape[1], device=centres.device)
    for start in range(0, len(points), size):
        place = slice(start, min(start + size, len(points)))
        scores = buffer[: (place.stop - start) * right.shape[1]]
        product(points.factor[place, :-1], right, scores.view(-1, right.shape[1]))
        line, centre = _best(scores.view(-1, group, groups), margin[place].reshape(-1, 1))
        if points.exact and len(line) < 2 * margin[place].numel():
            found[place] = _decided(points, centres, start, line, centre).view(-1, runs)
        else:
            exact = torch.addmm(-halves.flatten(), points.rows[place] * points.scale, scaled.flatten(0, 1).T)
            found[place] = exact.view(-1, runs, count).argmax(2)
    return found.T.contiguous()


def _right(scaled: Tensor, halves: Tensor, padded: int) -> Tensor:
    """Right factor (D + 1, runs x padded): c, -|c|^2 / 2; behind a run's last centre some that nobody is near to."""
    runs, count, width = scaled.shape
    right = torch.zeros(width + 1, runs, padded, device=scaled.device)
    right[:-1, :, :count] = scaled.permute(2, 0, 1)
    right[-1, :, :count] = -halves
    right[-1, :, count:] = -1e30
    return right.view(width + 1, -1)


def _best(scores: Tensor, margin: Tensor) -> tuple[Tensor, Tensor]:
    """(line, place) of all of `scores` (lines, group, groups) within the `margin` (lines, 1) of their line's largest."""
    group, groups = scores.shape[1:]
    tops = scores.amax(1) if group > 1 else scores[:, 0]
    cut = tops.amax(1, keepdim=True) - margin
    line, place = reaching(tops, cut)
    if group == 1:
        return line, place
    member = place[:, None] + groups * torch.arange(group, device=scores.device)
    flat = (line[:, None] * (group * groups) + member).flatten()
    within = scores.flatten().index_select(0, flat).view_as(member) >= cut.index_select(0, line)
    kept = within.flatten().nonzero()[:, 0]
    return line.index_select(0, kept // group), member.flatten().index_select(0, kept)


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
