"""Who is kin to whom by class indices, as lists of columns: no matrix of pairs is ever made."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray[Any, Any]


class Counts:
    """Numbers of pairs and anchors of a block, out of each anchor's number of positives and of negatives, (b,)."""

    def __init__(self, positives: Array, negatives: Array) -> None:
        self._positives, self._negatives = positives, negatives

    def positives(self) -> int:
        """Positive pairs."""
        return int(self._positives.sum())

    def negatives(self) -> int:
        """Negative pairs."""
        return int(self._negatives.sum())

    def pairs(self) -> int:
        """Positive pairs whose anchor has a negative."""
        return int(self._positives @ (self._negatives > 0))

    def triplets(self) -> int:
        """Pairs of a positive and a negative of one anchor."""
        return int(self._positives @ self._negatives)

    def pulled(self) -> int:
        """Anchors with a positive."""
        return int(np.count_nonzero(self._positives))

    def torn(self) -> int:
        """Anchors with a positive and a negative."""
        return int(np.count_nonzero(self._positives * self._negatives))

    def moved(self) -> int:
        """Anchors with a positive or a negative."""
        return int(np.count_nonzero(self._positives + self._negatives))


class KinBlock(NamedTuple):
    """Kin of a block of anchors, as `Tile` has them; full: every entry of `index` is listed."""

    index: Tensor  # type: ignore[assignment]
    listed: Tensor
    places: Tensor
    negatives: Tensor
    full: bool
    counts: Counts


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
        self.device, self.total, self.first = labels.device, columns.shape[0], first
        classes = columns.cpu().numpy()
        self.order = classes.argsort(kind="stable")
        ordered = classes[self.order]
        self.place: Array | None = None  # of each anchor in that order, where it is a column itself
        if first is not None:
            place = np.empty_like(self.order)
            place[self.order] = np.arange(self.total)
            self.place = place[first : first + labels.shape[0]]
            self.equal = _equal_size(ordered)
            if self.equal:
                return
        asked = classes if labels is columns else labels.cpu().numpy()
        self.low = ordered.searchsorted(asked)
        self.size = ordered.searchsorted(asked, side="right") - self.low
        self.same = None if ids is None else _Same(*ids)

    def block(self, start: int, stop: int) -> KinBlock:
        """Kin of the anchors start..stop."""
        if self.place is not None and self.equal:
            return self._equal_block(self.place[start:stop], self.equal, (self.first or 0) + start)
        low, size = self.low[start:stop, None], self.size[start:stop, None]
        strangers = self.total - size[:, 0]
        widest = int(size.max(initial=0))
        steps = np.arange(widest)
        listed = steps < size
        kin = self.order[np.where(listed, low + steps, 0)] if widest else np.empty((len(low), 0), np.int64)
        flat = kin + (np.arange(len(low)) * self.total)[:, None]
        flat = flat[listed]
        if self.place is None:
            if self.same is not None:
                flat, strangers = self.same.without(start, stop, flat, strangers, self.total)
                listed = listed & self.same.differ(start, stop, kin)
            return self._block(kin, listed, flat, strangers)
        others, rank = steps[: max(widest - 1, 0)], self.place[start:stop, None] - low
        index = kin[np.arange(len(low))[:, None], others + (others >= rank)]
        return self._block(index, others < size - 1, flat, strangers)

    def _equal_block(self, place: Array, size: int, first: int) -> KinBlock:
        """The same where every column's class has `size` members and the anchors are columns: no padding."""
        kin = self.order.reshape(-1, size)[place // size]
        count = len(kin)
        rows = np.arange(count)[:, None]
        index = kin[kin != rows + first].reshape(count, size - 1)
        others, strangers = np.full(count, size - 1), np.full(count, self.total - size)
        return KinBlock(
            self._tensor(index), torch.ones(index.shape, dtype=torch.bool, device=self.device),
            self._tensor((kin + rows * self.total).reshape(-1)), self._tensor(strangers), True,
            Counts(others, strangers),
        )  # fmt: skip

    def _block(self, index: Array, listed: Array, places: Array, strangers: Array) -> KinBlock:
        number = listed.sum(1)
        return KinBlock(
            self._tensor(index), self._tensor(listed), self._tensor(places), self._tensor(strangers),
            bool(listed.all()), Counts(number, strangers),
        )  # fmt: skip

    def _tensor(self, values: Array) -> Tensor:
        found = torch.from_numpy(values)
        return found if self.device.type == "cpu" else found.to(self.device)


def _equal_size(ordered: Array) -> int:
    """How many members every class has, out of rising class indices; 0 where they have unlike numbers."""
    if not len(ordered):
        return 0
    size = int(ordered.searchsorted(ordered[0], side="right"))
    if len(ordered) % size:
        return 0
    low, high = ordered[::size], ordered[size - 1 :: size]
    return size if (low == high).all() and (low[1:] != high[:-1]).all() else 0


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


class Tuples:
    """N-pair tuples of a batch: the first member of each class of two or more is an anchor, its second a column.

    chosen: anchors (a,) among mine, columns (T,) among everybody's; each anchor's own column is its positive, all others
            are negatives
    """

    def __init__(self, labels: Tensor, first: int, count: int) -> None:
        self.device = labels.device
        classes = labels.cpu().numpy()
        order = classes.argsort(kind="stable")
        ordered = classes[order]
        starts = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(ordered) else np.empty(0, np.bool_)
        pairs = np.flatnonzero(starts[:-1] & ~starts[1:])
        anchors, columns = order[pairs], order[pairs + 1]
        self.mine = np.flatnonzero((anchors >= first) & (anchors < first + count))
        self.total = len(pairs)
        mine = anchors if len(self.mine) == len(anchors) else anchors[self.mine] - first
        self.chosen = torch.from_numpy(mine).to(self.device), torch.from_numpy(columns).to(self.device)

    def block(self, start: int, stop: int) -> KinBlock:
        """Kin of the anchors start..stop, counted among themselves."""
        own = self.mine[start:stop]
        index, places = own[:, None], np.arange(len(own)) * self.total + own
        strangers, ones = np.full(len(own), self.total - 1), np.ones(len(own), np.int64)
        made = [torch.from_numpy(each).to(self.device) for each in (index, ones[:, None] > 0, places, strangers)]
        return KinBlock(made[0], made[1], made[2], made[3], True, Counts(ones, strangers))
