"""Who is kin to whom by class indices, as lists of columns: a matrix of pairs is made of few of them alone."""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from nearkin.losses.kin_counts import Array, Counts, EqualCounts

FEW = 1 << 13
"""Pairs up to which a matrix of them is less work than lists."""

KEPT = 1 << 12
"""Kin of equal classes up to which their places in order are kept from batch to batch."""

Ids = tuple[Tensor | None, Tensor | None]
"""Of anchors and of columns."""


class KinBlock:
    """Kin of a block of b anchors among R columns.

    index:     (b, P) columns of the positives, rising, P the most of a row in this block; padded with any column
    places:    (m,) places row * R + column of all that is no negative: positives and the anchor itself
    counts:    numbers of pairs and anchors
    full:      all of `index` is listed
    """

    def __init__(self, index: Tensor, places: Tensor, counts: Counts, listed: Array | None = None) -> None:
        self.index, self.places, self.counts, self._listed = index, places, counts, listed
        self.full = listed is None

    @cached_property
    def listed(self) -> Tensor:
        """(b, P) bool, which of `index` count."""
        if self._listed is None:
            return torch.ones_like(self.index, dtype=torch.bool)
        return as_tensor(self._listed, self.index.device)

    @cached_property
    def padding(self) -> Tensor:
        """(b, P) bool, which of `index` do not count."""
        if self._listed is None:
            return torch.zeros_like(self.index, dtype=torch.bool)
        return as_tensor(~self._listed, self.index.device)

    @cached_property
    def pulled(self) -> Tensor:
        """(b, 1) bool, which anchors have a positive."""
        return as_tensor(self.counts.near()[:, None] > 0, self.index.device)

    @cached_property
    def share(self) -> Tensor | float:
        """One over the number of positives of its row for each listed one, 0 elsewhere, (b, P); a number where alike."""
        if self._listed is None:
            return 1 / max(self.index.shape[1], 1)
        device = self.index.device
        digits = np.float32 if device.type == "mps" else np.float64
        return as_tensor(np.divide(self._listed, np.maximum(self.counts.near(), 1)[:, None], dtype=digits), device)

    @cached_property
    def negatives(self) -> Tensor:
        """(b,) number of negatives of each row."""
        return as_tensor(self.counts.far(), self.index.device)


def make_kin(labels: Tensor, columns: Tensor, first: int | None, ids: Ids | None = None) -> Kin | EqualKin | FewKin:
    """Anchors of class `labels` (n,) against columns of class `columns` (R,).

    first: the column of the first anchor where the anchors are columns themselves, else None
    ids:   of anchors and columns, where somebody gave them: a column of an anchor's own id is no kin and no stranger

    Lists of indices are small and made in many small steps, so numpy makes them, whatever the device.
    """
    classes = columns.cpu().numpy()
    if first is not None:
        size = _equal_size(sorted(classes.tolist()))
        if size:
            return EqualKin(classes.argsort(kind="stable"), size, first, labels.device)
    asked = classes if labels is columns else labels.cpu().numpy()
    if ids is None and len(asked) * len(classes) <= FEW:
        return FewKin(asked, classes, first, labels.device)
    return Kin(asked, classes, first, None if ids is None else _Same(*ids), labels.device)


class EqualKin:
    """Kin where the anchors are columns and every class has `size` members: no padding, and fewer steps.

    order: the columns class by class, rising within a class
    """

    def __init__(self, order: Array, size: int, first: int, device: torch.device) -> None:
        self.order, self.size, self.first, self.device = order, size, first, device

    def block(self, start: int, stop: int) -> KinBlock:
        """Kin of the anchors start..stop."""
        order, size, total = self.order, self.size, len(self.order)
        if stop - start == total:
            members, starts = (_kept_members if total * size <= KEPT else _members)(total, size)
            kin = order.take(members.take(order.argsort(), 0))
            index, places = kin[:, :-1], kin.ravel() + starts
        else:
            mine = slice(self.first + start, self.first + stop)
            kin = order.reshape(-1, size)[self._place[mine] // size]
            rows = np.arange(len(kin))[:, None]
            index = kin[kin != rows + mine.start].reshape(len(kin), size - 1)
            places = (kin + rows * total).ravel()
        counts = EqualCounts(len(index), size - 1, total - size)
        return KinBlock(as_tensor(index, self.device), as_tensor(places, self.device), counts)

    @cached_property
    def _place(self) -> Array:
        """Where each column stands in `order`."""
        place = np.empty_like(self.order)
        place[self.order] = np.arange(len(self.order))
        return place


class FewKin:
    """Kin of anchors of class `asked` (n,) among columns of class `classes` (R,), few enough to hold everybody against all."""

    def __init__(self, asked: Array, classes: Array, first: int | None, device: torch.device) -> None:
        self.asked, self.classes, self.first, self.device = asked, classes, first, device

    def block(self, start: int, stop: int) -> KinBlock:
        """Kin of the anchors start..stop."""
        kin, width = self.asked[start:stop, None] == self.classes, max(len(self.classes), 1)
        places = kin.ravel().nonzero()[0]
        rows, columns = np.divmod(places, width)
        number = np.bincount(rows, minlength=len(kin))
        strangers = len(self.classes) - number
        if self.first is not None:
            columns = columns[columns != rows + (start + self.first)]
            number = number - 1
        listed = np.arange(np.maximum.reduce(number, initial=0)) < number[:, None]
        index = np.zeros(listed.shape, np.int64)
        index[listed] = columns
        return _block(index, places, number, strangers, listed, self.device)


class Kin:
    """Kin of anchors of class `asked` (n,) among columns of class `classes` (R,)."""

    def __init__(
        self, asked: Array, classes: Array, first: int | None, same: _Same | None, device: torch.device
    ) -> None:
        order = classes.argsort(kind="stable")
        ordered = classes.take(order)
        self.asked, self.classes, self.order, self.total = asked, classes, order, len(order)
        self.same, self.device = same, device
        self.low = ordered.searchsorted(asked)
        self.size = ordered.searchsorted(asked, side="right") - self.low
        self.place: Array | None = None  # of each anchor in that order, where it is a column itself
        if first is not None:
            self.place = order.argsort()[first : first + len(asked)]

    def block(self, start: int, stop: int) -> KinBlock:
        """Kin of the anchors start..stop."""
        low, size = self.low[start:stop], self.size[start:stop]
        steps = np.arange(size.max(initial=0))
        listed = steps < size[:, None]
        kin = self.order.take(low[:, None] + steps, mode="clip")
        places = (kin + (np.arange(len(low)) * self.total)[:, None])[listed]
        if self.place is None:
            return self._apart(start, stop, kin, listed, places)
        behind = steps[:-1] >= (self.place[start:stop] - low)[:, None]
        index = np.where(behind, kin[:, 1:], kin[:, :-1])
        return _block(index, places, size - 1, self.total - size, listed[:, 1:], self.device)

    def _apart(self, start: int, stop: int, kin: Array, listed: Array, places: Array) -> KinBlock:
        """The same where anchors are no columns, unless their ids say so."""
        strangers = self.total - self.size[start:stop]
        if self.same is None:
            return _block(kin, places, self.size[start:stop], strangers, listed, self.device)
        rows, columns = self.same.places(start, stop)
        strange = self.classes[columns] != self.asked[start:stop][rows]  # the others are among kin
        places = np.concatenate([places, (rows * self.total + columns)[strange]])
        strangers = strangers - np.bincount(rows[strange], minlength=len(strangers))
        listed = listed & self.same.differ(start, stop, kin)
        return _block(kin, places, listed.sum(1), strangers, listed, self.device)


def _block(
    index: Array, places: Array, positives: Array, strangers: Array, listed: Array, device: torch.device
) -> KinBlock:
    some = None if listed.all() else listed
    return KinBlock(as_tensor(index, device), as_tensor(places, device), Counts(positives, strangers), some)


def as_tensor(values: Array, device: torch.device) -> Tensor:
    """An array on the device; on a CPU it shares its memory."""
    found = torch.from_numpy(values)
    if device.type == "cpu":
        return found
    return found.to(device, non_blocking=device.type == "cuda")  # CUDA has read pageable memory when the call returns


def _equal_size(ordered: list[int]) -> int:
    """How many members every class has, out of rising class indices; 0 where they have unlike numbers."""
    if not ordered:
        return 0
    size = ordered.count(ordered[0])
    lowest, highest = ordered[::size], ordered[size - 1 :: size]
    return size if lowest == highest and len(set(lowest)) * size == len(ordered) else 0


def _members(total: int, size: int) -> tuple[Array, Array]:
    """Of `total` columns in classes of `size`, one class after the other: for each those of its class, itself as the last,
    (total, size); and the place of each one's first column, (total * size,)."""
    steps = np.arange(size - 1)
    turned = np.column_stack([steps + (steps >= np.arange(size)[:, None]), np.arange(size)])
    members = np.arange(0, total, size)[:, None, None] + turned
    return members.reshape(total, size), (np.arange(total) * total).repeat(size)


_kept_members = lru_cache(maxsize=16)(_members)


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

    def places(self, start: int, stop: int) -> tuple[Array, Array]:
        """Rows (m,) of the anchors start..stop, and the columns (m,) that are the same sample."""
        size = self.size[start:stop]
        rows, steps = (np.arange(int(size.max(initial=0))) < size[:, None]).nonzero()
        return rows, self.order[self.low[start:stop][rows] + steps]
