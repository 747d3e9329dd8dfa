"""Who is kin to whom by class indices, as lists of columns: no matrix of pairs is ever made."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray[Any, Any]


class KinBlock(NamedTuple):
    """Kin of a block of anchors, as `Tile` has them."""

    index: Tensor  # type: ignore[assignment]
    listed: Tensor
    places: Tensor
    negatives: Tensor


class Kin:
    """Anchors of class `labels` (n,) against columns of class `columns` (R,).

    first: the column of the first anchor where the anchors are columns themselves, else None
    ids:   of anchors and columns, where somebody gave them: a column of an anchor's own id is no kin and no stranger

    Lists of indices are small and made in many small steps, so numpy makes them, whatever the device.
    """

    def __init__(
        self,
        labels: Tensor,
        columns: Tensor,
        first: int | None,
        ids: tuple[Tensor | None, Tensor | None] | None = None,
    ) -> None:
        self.device, self.total = labels.device, len(columns)
        classes = columns.cpu().numpy()
        self.order = classes.argsort(kind="stable")
        ordered = classes[self.order]
        asked = classes if labels is columns else labels.cpu().numpy()
        self.low = ordered.searchsorted(asked)
        self.size = ordered.searchsorted(asked, side="right") - self.low
        self.equal = int(self.size[0]) if len(self.size) and (self.size == self.size[0]).all() else 0
        self.rank = None  # of each anchor within its class, where it is a column itself
        if first is not None:
            place = np.empty_like(self.order)
            place[self.order] = np.arange(self.total)
            self.rank = place[first : first + len(asked)] - self.low

        self.same = None if ids is None else _Same(*ids)

    def block(self, start: int, stop: int) -> KinBlock:
        """Kin of the anchors start..stop."""
        low, size = self.low[start:stop, None], self.size[start:stop, None]
        strangers = self.total - size[:, 0]
        if self.rank is not None and self.equal:
            return self._equal_block(low, self.rank[start:stop, None], strangers)
        widest = int(size.max(initial=0))
        steps = np.arange(widest)
        listed = steps < size
        kin = self.order[np.where(listed, low + steps, 0)] if widest else np.empty((len(low), 0), np.int64)
        flat = kin + (np.arange(len(low)) * self.total)[:, None]
        flat = flat[listed]
        if self.rank is None:
            if self.same is not None:
                flat, strangers = self.same.without(start, stop, flat, strangers, self.total)
                listed = listed & self.same.differ(start, stop, kin)
            return self._block(kin, listed, flat, strangers)
        others = steps[: max(widest - 1, 0)]
        index = kin[np.arange(len(low))[:, None], others + (others >= self.rank[start:stop, None])]
        return self._block(index, others < size - 1, flat, strangers)

    def _equal_block(self, low: Array, rank: Array, strangers: Array) -> KinBlock:
        """The same where every anchor has as many kin: no padding."""
        rows, steps = np.arange(len(low))[:, None], np.arange(self.equal)
        kin = self.order[low + steps]
        others = steps[:-1] + (steps[:-1] >= rank)
        listed = np.ones(others.shape, np.bool_)
        return self._block(kin[rows, others], listed, (kin + rows * self.total).ravel(), strangers)

    def _block(self, index: Array, listed: Array, places: Array, strangers: Array) -> KinBlock:
        return KinBlock(self._tensor(index), self._tensor(listed), self._tensor(places), self._tensor(strangers))

    def _tensor(self, values: Array) -> Tensor:
        found = torch.from_numpy(values)
        return found if self.device.type == "cpu" else found.to(self.device)


class _Same:
    """Columns of the anchors' own samples."""

    def __init__(self, ids: Tensor | None, columns: Tensor | None) -> None:
        if ids is None or columns is None:
            raise ValueError("ids are compared with those of the columns")
        self.ids, self.columns = ids.cpu().numpy(), columns.cpu().numpy()
        self.order = self.columns.argsort(kind="stable")
        ordered = self.columns[self.order]
        self.low = ordered.searchsorted(self.ids)
        self.size = ordered.searchsorted(self.ids, side="right") - self.low

    def differ(self, start: int, stop: int, columns: Array) -> Array:
        """Which of the columns (b, P) are another sample than their anchor."""
        other: Array = self.columns[columns] != self.ids[start:stop, None]
        return other

    def without(self, start: int, stop: int, places: Array, strangers: Array, total: int) -> tuple[Array, Array]:
        """Places with those of the same sample, and the number of strangers without them."""
        size = self.size[start:stop]
        steps = np.arange(int(size.max(initial=0)))
        row, step = (steps < size[:, None]).nonzero()
        own = row * total + self.order[self.low[start:stop][row] + step]
        more = np.setdiff1d(own, places)
        return np.concatenate([places, more]), strangers - np.bincount(more // max(total, 1), minlength=len(strangers))
