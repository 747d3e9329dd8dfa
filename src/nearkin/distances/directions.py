"""Directions x / |x|: rows that are made as they are asked for, and their distances |u - v|^2 / 2 = 1 - u'v."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from nearkin.distances.crowds import Crowd, near_pairs
from nearkin.distances.groups import Group, MakeGroup, mend
from nearkin.distances.rows import Pairs, Rows, at_once, narrowed, pieces
from nearkin.distances.squared import NEAR, cut, mirrored, selves, wide, worth_mirroring

SHORT = 0.125**0.5
"""Length of the mean of unit rows below which they are spread."""


class UnitRows:
    """x / |x| of rows (n, D) of any dtype, made in float64 where the device has it; of many it keeps x and its lengths alone."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.shape, self.device = x, x.shape, x.device
        held = at_once(x)
        rows = [wide(x)] if held else (wide(x[part]) for part in pieces(x))
        lengths = [torch.linalg.vector_norm(each, dim=1, keepdim=True) for each in rows]
        self.lengths = lengths[0] if held else torch.cat(lengths)
        self._held: Tensor | None = rows[0] / self.lengths if isinstance(rows, list) else None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Any) -> Tensor:
        if self._held is not None:
            return self._held[index]
        found: Tensor = self.x[index] / self.lengths[index]
        return found

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        if self._held is not None:
            return self._held.index_select(dim, index)
        return self.x.index_select(dim, index) / self.lengths.index_select(dim, index)

    def back(self, slopes: Tensor) -> Tensor:
        """Gradients of the unit rows -> of x, (g - u u'g) / |x|; those of several pieces in place."""
        parts = pieces(self)
        if len(parts) == 1:
            return across(self[:], slopes.to(self.lengths.dtype)).div_(self.lengths)
        for part in parts:
            slopes[part] = across(self[part], slopes[part].to(self.lengths.dtype)).div_(self.lengths[part])
        return slopes


def across(units: Tensor, slopes: Tensor) -> Tensor:
    """Slopes (..., D) without what points along their unit rows, g - u u'g: what is left of them moves directions."""
    along: Tensor = torch.linalg.vecdot(units, slopes)[..., None]
    return torch.addcmul(slopes, units, along, value=-1)


class UnitKernel:
    """Distances 1 - u'v of unit rows that are spread, for who will drop what points along a row from its gradient.

    Such a gradient is -v alone: without the sums of slopes that a squared distance needs. Rows are not centred: their mean
    is so short that it rounds nothing away. Pairs below NEAR are made from the difference of their rows.
    """

    extremes = 1.0, 1.0
    """The smallest and the largest squared norm."""

    shift = None
    """What the rows are centred by."""

    def __init__(self, references: Rows, dtype: torch.dtype) -> None:
        self.references, self.near = references, NEAR[dtype]
        self.centred = narrowed(references, dtype)
        self.one = self.centred.new_ones(())

    @property
    def spread(self) -> bool:
        """Whether the mean of the rows is short: large sums of slopes, times the mean, would round away what is left."""
        count = self.centred.shape[0]
        return count > 0 and float(torch.linalg.vector_norm(self.centred.sum(0))) < SHORT * count

    def centre(self, anchors: Rows, first: int | None = None) -> Tensor:
        """Anchors in the kernel's dtype; those from column `first` on are references themselves."""
        if first is not None:
            return cut(self.centred, first, first + anchors.shape[0])
        return narrowed(anchors, self.centred.dtype)

    def fill(
        self, anchors: Rows, out: Tensor, first: int | None = None, group: MakeGroup | None = None
    ) -> tuple[Tensor, Pairs | None, Group | Crowd | None]:
        """Distances (A, R) into `out`, the (row, column) indices of the near pairs, and who made pairs apart; as in
        SquaredKernel."""
        mine = self.centre(anchors, first)
        if mine is self.centred and worth_mirroring(mine):
            mirrored(mine, mine.new_full(mine.shape[:1], 0.5), out, factor=-1)
        else:
            torch.addmm(self.one, mine, self.centred.T, alpha=-1, out=out)
        if first is not None:
            own = selves(out, first).fill_(torch.inf)
        near, apart = mend(
            out, anchors, self.references, partial(self._near, out), share=self.near, first=first, group=group, factor=0.5
        )
        if first is not None:
            own.fill_(0)
        return out, near, apart

    def _near(self, distances: Tensor, grouped: bool) -> Pairs | None:
        """Entries that a product has not made well enough; most rows, or all at once, are cleared by their smallest entry.

        None where they are a crowd. grouped: a group may make them
        """
        if not distances.numel() or float(distances.amin()) >= self.near:
            nobody = torch.empty(0, dtype=torch.int64, device=distances.device)
            return nobody, nobody
        suspects = (distances.amin(1) < self.near).nonzero()[:, 0]
        if not len(suspects):
            return suspects, suspects
        return near_pairs(distances, suspects, lambda some: self.near, grouped=grouped)
