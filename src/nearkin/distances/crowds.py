"""Blocks with many near pairs, made by products of float64 rows: where classes are tight, pairs one by one take too long."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from nearkin.distances.rows import CHUNK, Pairs, Rows, parts

SHARE = 1 / 64
"""Share of near pairs from which a block is a crowd: then the product takes less time than the pairs."""

NEAR = 1e-9
"""Share of the squared norms below which even such a product says too little of a squared distance for float32."""

FIRST, PART = 1 << 14, 1 << 21
"""Distances that are looked through first, where a crowd is often told already, and later at a time."""

MANY = 4
"""Near pairs a row from which a group makes them faster."""

FEW = 1 << 14
"""Distances of a batch to itself up to which nobody counts: a single near pair makes the crowd."""


def is_doubled(distances: Tensor) -> bool:
    """Whether float64 says more of these distances, and the device has it."""
    return distances.dtype == torch.float32 and distances.device.type != "mps"


def near_pairs(
    distances: Tensor, suspects: Tensor, limits: Callable[[Tensor], Tensor | float], *, grouped: bool = False
) -> Pairs | None:
    """Rows and columns of the entries below their limit, in rows `suspects` of the distances (A, R).

    None where they are a crowd, and float64 says more. limits: rows (b,) -> what stands against them, (b, R) or a number;
    grouped: a group may make them, so that fewer are a crowd
    """
    found, count = [], 0
    doubled, most = is_doubled(distances), SHARE * distances.numel()
    if grouped:
        most = min(most, MANY * len(distances))
    first, later = (max(size // max(distances.shape[1], 1), 1) for size in (FIRST, PART))
    rest = suspects[first:].split(later) if len(suspects) > first else ()
    for some in (suspects[:first], *rest):
        close = (distances if len(some) == len(distances) else distances[some]) < limits(some)
        if doubled:
            count += int(close.count_nonzero())
            if count > most:
                return None
        rows, columns = close.nonzero(as_tuple=True)
        found.append((some[rows], columns))
    rows, columns = (torch.cat(each) for each in zip(*found))
    return rows, columns


class Crowd:
    """Anchors (A, D) against references (R, D), all less `shift` (D,), in float64, a few columns at a time.

    Both methods are right to the rounding of float32, for pairs that nearly coincide too: their differences are made of
    numbers with twice the digits.
    """

    def __init__(self, anchors: Rows, references: Rows, shift: Tensor | None = None) -> None:
        self.references, self.shared = references, references is anchors
        self.shift = None if shift is None else shift.double()
        self.rows = self._wide(anchors[:])

    def _wide(self, rows: Tensor) -> Tensor:
        return rows.double() if self.shift is None else rows.double() - self.shift

    def columns(self) -> Iterator[tuple[slice, Tensor]]:
        """The references in parts, so that neither they nor a matrix of all anchors with them holds more than CHUNK numbers."""
        width = max(1, CHUNK // max(*self.rows.shape))
        for start in range(0, self.references.shape[0], width):
            part = slice(start, start + width)
            yield part, self.rows[part] if self.shared else self._wide(self.references[part])

    def fill(self, out: Tensor, first: int | None, factor: float = 1.0) -> None:
        """Squared distances (A, R) times `factor` into `out`; what stands at (i, first + i) is to be made by the caller."""
        norms = self.rows.square().sum(1, keepdim=True)
        for part, columns in self.columns():
            others = norms[part, 0] if self.shared else columns.square().sum(1)
            found = torch.addmm(others, self.rows, columns.T, alpha=-2).add_(norms)
            if first is not None:
                torch.diagonal(found, first - part.start).fill_(torch.inf)
            if bool(found.amin() < NEAR * (norms.amax() + others.amax())):
                self._settle(found, norms * NEAR + others * NEAR, columns)
            out[:, part] = found if factor == 1 else found.mul_(factor)

    def _settle(self, found: Tensor, limits: Tensor, columns: Tensor) -> None:
        """Make what is below its limit of the difference of its rows."""
        rows, places = (found < limits).nonzero(as_tuple=True)
        for some in parts(len(rows), columns.shape[1]):
            i, j = rows[some], places[some]
            found[i, j] = (self.rows[i] - columns[j]).square_().sum(1)

    def pull(self, slopes: Tensor, to_references: Tensor | None) -> Tensor:
        """Half the gradient of sum(slopes * squared): of the anchors, (A, D) float64, and added to that of the references."""
        to_anchors = self.rows * slopes.sum(1, keepdim=True, dtype=torch.float64)
        for part, columns in self.columns():
            wide = slopes[:, part].double()
            to_anchors = torch.addmm(to_anchors, wide, columns, alpha=-1)
            if to_references is not None:
                moved = torch.addmm(columns * wide.sum(0)[:, None], wide.T, self.rows, alpha=-1)
                to_references[part] += moved.to(to_references.dtype)
        return to_anchors
