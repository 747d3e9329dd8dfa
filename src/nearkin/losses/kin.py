"""Who is kin to whom by class indices, as lists of columns: no matrix of pairs is ever made."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class KinBlock(NamedTuple):
    """Kin of a block of anchors, as `Tile` has them."""

    index: Tensor  # type: ignore[assignment]
    listed: Tensor
    places: Tensor
    negatives: Tensor


class Kin:
    """Anchors of class `labels` (n,) against columns of class `columns` (R,).

    first: the column of the first anchor where the anchors are columns themselves, else None
    """

    def __init__(self, labels: Tensor, columns: Tensor, first: int | None) -> None:
        self.alone = first is not None
        ordered, self.order = columns.sort(stable=True)
        self.low = torch.searchsorted(ordered, labels)
        self.size = torch.searchsorted(ordered, labels, right=True) - self.low
        self.total = len(columns)
        if first is not None:
            place = torch.empty_like(self.order)
            place[self.order] = torch.arange(self.total, device=columns.device)
            self.rank = place[first : first + len(labels)] - self.low

    def block(self, start: int, stop: int) -> KinBlock:
        """Kin of the anchors start..stop."""
        low, size = self.low[start:stop, None], self.size[start:stop, None]
        width = int(size.max()) if stop > start else 0
        steps = torch.arange(width, device=low.device)
        everybody = (
            self.order[(low + steps).clamp_(max=max(self.total - 1, 0))] if self.total else steps.expand(len(low), 0)
        )
        own = steps < size
        flat = everybody + (torch.arange(len(low), device=low.device) * self.total)[:, None]
        if self.alone:  # the anchor itself pads: it is in the list of each row
            rank = self.rank[start:stop, None]
            places = torch.where(own, flat, flat.gather(1, rank)).flatten()
            others = steps[: max(width - 1, 0)].expand(len(low), -1)
            index = everybody.gather(1, others + (others >= rank))
            return KinBlock(index, others < size - 1, places, self.total - size[:, 0])
        return KinBlock(everybody, own, flat[own], self.total - size[:, 0])
