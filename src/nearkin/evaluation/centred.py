"""Points of k-means: centred rows in float64, and the same rows in float32, ready for products with error bounds."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nearkin.evaluation.bounds import UNIT, are_plain, product
from nearkin.evaluation.crew import share, slices, workers
from nearkin.evaluation.points import middle

ALIKE = 0.01
"""Share of a point's squared norm below which a squared distance to it is made from the difference."""

BLOCK = 1 << 10
"""Rows whose squares, or scaled copies, are held at a time."""


class Centred:
    """`rows` (N, D) float64 with a centre (`shift`, the mean as a rule) removed; `factor` (N, D + 2) float32 has rows x, 1, -|x|^2 / 2, scaled.

    A product of float32 of rows x, 1 and c, -|c|^2 / 2 is off by at most `error` (|x| + |c|)^2 (see `bounds`), where `exact` says that the device multiplies float32.
    """

    def __init__(self, points: Tensor) -> None:
        self.threads = workers(points.device)
        places = slices(0, len(points), BLOCK)
        self.shift = self._centre(points, places)
        self.rows = torch.empty_like(points)
        self.halves = points.new_empty(len(points))
        self.factor = torch.ones(len(points), points.shape[1] + 2, device=points.device)

        def centre(place: slice) -> None:
            torch.sub(points[place], self.shift, out=self.rows[place])
            self.halves[place] = self.rows[place].square().sum(1) / 2

        def scale(place: slice) -> None:
            self.factor[place, :-2] = self.rows[place] * self.scale
            self.factor[place, -1] = -self.halves[place]

        share(centre, places, self.threads)
        self.scale = 2.0 ** -round(float(self.halves.max().clamp(min=1e-50).log2()) / 2)
        self.error = 1.01 * (points.shape[1] + 18) * UNIT
        self.halves *= self.scale**2
        self.exact = are_plain(points.device)
        share(scale, places, self.threads)

    def _centre(self, points: Tensor, places: list[slice]) -> Tensor:
        """The point that all lie around."""

        def mean(chosen: Tensor | None) -> Tensor:
            some = points.__getitem__ if chosen is None else lambda place: points[place][chosen[place]]
            sums = share(lambda place: some(place).sum(0), places, self.threads)
            return torch.stack(sums).sum(0) / (len(points) if chosen is None else int(chosen.sum()))

        norms = torch.cat(share(lambda place: points[place].square().sum(1), places, self.threads))
        return middle(mean, norms)

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, chosen: Tensor, out: Tensor) -> Tensor:
        """Minus half the squared distances (P, N) of all points to those at `chosen`, scaled; exactly 0 for equal points."""
        left = self.factor[chosen]
        left[:, -2:] = left[:, -2:].flip(1)
        product(left, self.factor.T, out)
        row, column = reaching(out, -ALIKE * self.halves[chosen, None].float() - 1e-30)
        for line, point in zip(row.split(1 << 12), column.split(1 << 12)):
            away = (
                self.rows.index_select(0, point)
                .sub_(self.rows.index_select(0, chosen[line]))
                .mul_(self.scale)
                .square_()
                .sum(1)
            )
            out[line, point] = away.div_(-2).to(torch.float32)
        return out


def reaching(scores: Tensor, cut: Tensor) -> tuple[Tensor, Tensor]:
    """(row, column) of the scores (n, m) that reach the cut (n, 1) of their row, in order; few of many, or all."""
    if scores.device.type != "cpu":
        row, column = (scores >= cut).nonzero(as_tuple=True)
        return row, column
    flat = torch.from_numpy(np.flatnonzero(scores.numpy() >= cut.numpy()))
    row = flat // scores.shape[1]
    return row, flat - row * scores.shape[1]
