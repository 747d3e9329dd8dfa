"""The nearest centre of every point: float32 where its rounding cannot matter, float64 where it could [EVA-2]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nearkin.evaluation.bounds import FLOOR, product
from nearkin.evaluation.centred import Centred, reaching

TILE = 1 << 21
"""Scores (points x centres) held at a time."""

PAIRS = 1 << 12
"""Pairs of points and centres whose differences are held at a time."""

CROWDED = 8
"""Centres within rounding of the nearest, a point, from which on products in float64 are cheaper than differences."""


@dataclass
class Assigned:
    """For points (n,) the nearest centre, at most `upper` away; all others are at least `lower` away (scaled, float64)."""

    centre: Tensor
    upper: Tensor
    lower: Tensor


class Scores:
    """Upper bounds of scores x'c - |c|^2 / 2 of points and centres (k, D), by products in float32: the larger, the nearer.

    A product is off by what its point and what its centre adds, so that a centre far away makes no other one unsure. The
    part of the centre is in the bound: scores lie at most `slack` (k,), and the part of the point, below it.
    """

    def __init__(self, points: Centred, centres: Tensor) -> None:
        self.points, self.centres, self.scaled = points, centres, centres * points.scale
        self.halves = self.scaled.square().sum(1) / 2
        self.slack = 8.08 * points.error * self.halves
        self._right = torch.cat([self.scaled.T, (4 * points.error - 1) * self.halves[None]]).float()
        self._size = max(1, TILE // len(centres))

    def tiles(self, chosen: Tensor | None) -> list[slice]:
        """Parts of all points, or of the `chosen` ones."""
        total = len(self.points) if chosen is None else len(chosen)
        self._buffer = torch.empty(min(self._size, total), len(self.centres), device=self.centres.device)
        return [slice(start, min(start + self._size, total)) for start in range(0, total, self._size)]

    def of(self, rows: slice | Tensor) -> tuple[Tensor, Tensor]:
        """Bounds (n, k) for some points, in a buffer that the next ones use again; the part of the points (n,)."""
        left = self.points.factor[rows, :-1]
        error = 4 * self.points.error * self.points.halves[rows] + FLOOR
        return product(left, self._right, self._buffer[: len(left)]), error


def nearest_centres(points: Centred, centres: Tensor, chosen: Tensor | None = None) -> Assigned:
    """The nearest of the centres (k, D) to each point, or to the `chosen` (n,); of equally near ones the lowest.

    Where others lie within the rounding of the largest score, differences in float64 decide, or, where many do (centres
    within a blob that lies far out), scores in float64.
    """
    scores = Scores(points, centres)
    parts = [_nearest(scores, chosen, place) for place in scores.tiles(chosen)]
    if not parts:
        return Assigned(torch.empty(0, dtype=torch.int64, device=centres.device), *centres.new_empty(2, 0))
    return Assigned(*(torch.cat(each) for each in zip(*parts)))


def _nearest(scores: Scores, chosen: Tensor | None, place: slice) -> tuple[Tensor, Tensor, Tensor]:
    """The fields of `Assigned` for a part of the points."""
    rows = place if chosen is None else chosen[place]
    made, error = scores.of(rows)
    lines, centre = torch.arange(len(made), device=made.device), _argmax(made)
    largest = made[lines, centre]
    least = largest - scores.slack[centre]
    made[lines, centre] = -torch.inf
    second, halves = made.amax(1), scores.points.halves[rows]
    upper, lower = (2 * (halves - least + error)).sqrt_(), (2 * (halves - second - error)).clamp_(min=0).sqrt_()
    cut = least - 2.02 * error
    unsure = (second >= cut).nonzero()[:, 0] if scores.points.exact else lines
    if len(unsure):
        made[lines, centre] = largest
        names = unsure + place.start if chosen is None else chosen[place][unsure]
        centre[unsure] = _decided(scores, names, *reaching(made[unsure], cut[unsure, None].float()))
        lower[unsure] = 0
    return centre, upper, lower


def _argmax(scores: Tensor) -> Tensor:
    """Where the largest of each row is. On a CPU by numpy, which is eight times as fast at it."""
    return torch.from_numpy(scores.numpy().argmax(1)) if scores.device.type == "cpu" else scores.argmax(1)


def _decided(scores: Scores, names: Tensor, line: Tensor, column: Tensor) -> Tensor:
    """The nearest centre of the points `names` by float64; (line, column) are all that come into question, in order."""
    points = scores.points
    if not points.exact or len(line) > CROWDED * len(names):
        best = torch.addmm(-scores.halves, points.rows[names] * points.scale, scores.scaled.T).argmax(1)
        return _lowest_of_equal(scores.centres)[best]
    away = torch.cat(
        [
            points.rows.index_select(0, names[some]).sub_(scores.centres.index_select(0, few)).square_().sum(1)
            for some, few in zip(line.split(PAIRS), column.split(PAIRS))
        ]
    )
    order = np.lexsort([each.cpu().numpy() for each in (column, away, line)])
    line, column = (each[torch.from_numpy(order).to(each.device)] for each in (line, column))
    first = torch.ones_like(line, dtype=torch.bool)
    first[1:] = line[1:] != line[:-1]
    return column[first]


def _lowest_of_equal(centres: Tensor) -> Tensor:
    """For each centre (k,) the lowest that equals it: a product need not make the same number of equal columns."""
    _, lowest, group = np.unique(centres.cpu().numpy(), axis=0, return_index=True, return_inverse=True)
    return torch.from_numpy(lowest[group.reshape(-1)]).to(centres.device)
