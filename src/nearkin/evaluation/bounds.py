"""Bounds of distances from products in float32, proved for any order of summation.

For rows x_i, x_j with a centre removed let h = |x|^2 / 2, so that x_i'x_j - h_i - h_j = -d_ij^2 / 2. Made as one product
of K = D + 2 terms in float32, of rows rounded to float32, it is off by at most

    c (|x_i| |x_j| + h_i + h_j) <= 2 c (h_i + h_j),     c = 1.01 (K + 16) 2^-24

whatever sums first, with or without fused steps (Higham 2002, section 3.1; the 16 is for the rounding of the rows, of the
h and of what is added to a bound afterwards). So the same product with (1 - 2 c) h in place of h bounds -d^2 / 2 from
above, and what lies 4 c (h_i + h_j) below bounds it from below.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.evaluation.crew import is_worker, share, slices, workers
from nearkin.evaluation.points import Points
from nearkin.evaluation.space import Space

UNIT = 2.0**-24
"""Half the distance of 1 to the next float32."""

FLOOR = 1e-30
"""More than a product loses to underflow, where the longest row has a length of about 1."""

WIDEST = 1 << 15
"""Dimensions above which the bounds say too little."""

BLOCK = 1 << 9
"""Rows that a thread makes at a time."""


class Bounds:
    """Upper bounds of minus half the squared distances of a space's queries to its references.

    Rows are shifted, and scaled by a power of two, on the way to float32. Float32 rows that are not projected are shifted
    by a vector of float32, so that one subtraction rounds them once.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        short = all(side.rows.dtype == torch.float32 for side in (space.queries, space.references))
        self.is_short = short and space.distance.keeps_space
        self.shift = space.references.centre
        if self.is_short:
            self.shift = self.shift.to(torch.float32).to(torch.float64)
        self.error = 1.01 * (len(self.shift) + 18) * UNIT
        sides = [space.references] if space.symmetric else [space.references, space.queries]
        halves = [side.each(lambda part: (part - self.shift).square_().sum(1) / 2) for side in sides]
        largest = max(float(each.max()) for each in halves)
        self.scale = 2.0 ** -round(torch.tensor(max(largest, 1e-50), dtype=torch.float64).log2().item() / 2)
        self.references = Side(self, space.references, halves[0])
        self.queries = self.references if space.symmetric else Side(self, space.queries, halves[1])


class Side:
    """Queries or references in float32, ready for the product."""

    def __init__(self, bounds: Bounds, points: Points, halves: Tensor) -> None:
        self._points, self._shift, self._scale, self._is_short = points, bounds.shift, bounds.scale, bounds.is_short
        self.halves = halves
        scaled = halves * bounds.scale**2
        self._offset = (FLOOR - (1 - 2 * bounds.error) * scaled).to(torch.float32)
        self.slack = (4 * bounds.error * scaled + 4 * FLOOR).to(torch.float32)

    def __len__(self) -> int:
        return len(self.halves)

    def rows(self, start: int, stop: int) -> Tensor:
        """Left factor (stop - start, D + 2): x, -h, 1."""
        left = torch.empty(stop - start, len(self._shift) + 2, device=self._points.device)

        def fill(place: slice) -> None:
            part = left[place.start - start : place.stop - start]
            part[:, :-2] = self._centred(place.start, place.stop)
            part[:, -2] = self._offset[place]
            part[:, -1] = 1

        share(fill, slices(start, stop, BLOCK), workers(left.device))
        return left

    def columns(self, start: int, stop: int) -> Tensor:
        """Right factor (D + 2, stop - start): x, 1, -h."""
        right = torch.ones(len(self._shift) + 2, stop - start, device=self._points.device)
        right[:-2] = self._centred(start, stop).T
        right[-1] = self._offset[start:stop]
        return right

    def _centred(self, start: int, stop: int) -> Tensor:
        rows = self._points.rows
        if self._is_short and self._scale > 2.0**-60:
            return (rows[start:stop] - self._shift.to(torch.float32)).mul_(self._scale)
        return (self._points.take(slice(start, stop)) - self._shift).mul_(self._scale).to(torch.float32)


def product(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """`left` @ `right` in float32.

    On a CPU by numpy, whose BLAS is the faster one here and never rounds to bfloat16. But it has threads of its own, and
    one product at a time has all of them: workers multiply by torch, each alone.
    """
    if left.device.type == "cpu" and not is_worker():
        import numpy as np

        np.matmul(left.numpy(), right.numpy(), out=out.numpy())
        return out
    return torch.mm(left, right, out=out)


def product_workers(device: torch.device) -> int:
    """How many threads may share work that makes products."""
    number = workers(device)
    return number if number > 1 and _torch_is_plain(device) else 1


def are_plain(device: torch.device) -> bool:
    """Whether float32 products on the device are of float32 numbers, and not of shorter ones by the user's setting."""
    return device.type == "cpu" or (device.type == "cuda" and _torch_is_plain(device))


def _torch_is_plain(device: torch.device) -> bool:
    x = torch.full((256, 256), 1 + 2.0**-13, device=device)
    return bool((x @ torch.eye(256, device=device) == x).all())
