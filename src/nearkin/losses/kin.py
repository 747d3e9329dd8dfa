"""Who is kin to whom by class indices, as lists of columns: no matrix of pairs is ever made."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
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

    Lists of indices are small and made in many small steps, so numpy makes them, whatever the device.
    """

    def __init__(self, labels: Tensor, columns: Tensor, first: int | None) -> None:
        self.device, self.total = labels.device, len(columns)
        classes = columns.cpu().numpy()
        self.order = classes.argsort(kind="stable")
        ordered = classes[self.order]
        asked = classes if labels is columns else labels.cpu().numpy()
        self.low = ordered.searchsorted(asked)
        self.size = ordered.searchsorted(asked, side="right") - self.low
        self.rank = None  # of each anchor within its class, where it is a column itself
        if first is not None:
            place = np.empty_like(self.order)
            place[self.order] = np.arange(self.total)
            self.rank = place[first : first + len(asked)] - self.low

    def block(self, start: int, stop: int) -> KinBlock:
        """Kin of the anchors start..stop."""
        low, size = self.low[start:stop, None], self.size[start:stop, None]
        negatives = self._tensor(self.total - size[:, 0])
        widest = int(size.max(initial=0))
        steps = np.arange(widest)
        listed = steps < size
        kin = self.order[np.where(listed, low + steps, 0)] if widest else np.empty((len(low), 0), np.int64)
        flat = kin + (np.arange(len(low)) * self.total)[:, None]
        places = self._tensor(flat[listed])
        if self.rank is None:
            return KinBlock(self._tensor(kin), self._tensor(listed), places, negatives)
        others = steps[: max(widest - 1, 0)]
        index = kin[np.arange(len(low))[:, None], others + (others >= self.rank[start:stop, None])]
        return KinBlock(self._tensor(index), self._tensor(others < size - 1), places, negatives)

    def _tensor(self, values: np.ndarray[Any, Any]) -> Tensor:
        return torch.from_numpy(values).to(self.device)
