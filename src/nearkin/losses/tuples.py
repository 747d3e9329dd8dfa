"""N-pair tuples out of a labelled batch: which rows take part, and who is kin to whom among them."""

from __future__ import annotations

from array import array
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from nearkin.distances import Rows
from nearkin.losses.kin import KinBlock, as_tensor
from nearkin.losses.kin_counts import Array, EqualCounts


class Tuples:
    """N-pair tuples of a batch: the first member of each class of two or more is an anchor, its second a column.

    Each anchor's own column is its positive, all others are negatives. `labels` are everybody's; the anchors are those
    among `count` rows from `first` on.
    """

    def __init__(self, labels: Tensor, first: int, count: int) -> None:
        anchors, columns = _first_two(labels.tolist())
        self.total, self.device = len(columns), labels.device
        self.own: list[int] | None = None  # places of the anchors among all tuples, if these are more
        if count != labels.shape[0]:
            self.own = [place for place, anchor in enumerate(anchors) if first <= anchor < first + count]
            anchors = [anchors[place] - first for place in self.own]
        self.count = len(anchors)
        self.places = _indices(anchors + columns, self.device)

    def chosen(self, anchors: Rows, columns: Rows) -> tuple[Tensor, Tensor]:
        """The rows that take part."""
        if anchors is columns:
            mine, others = anchors.index_select(0, self.places).split_with_sizes((self.count, self.total))
            return mine, others
        return anchors.index_select(0, self.places[: self.count]), columns.index_select(0, self.places[self.count :])

    def returned(self, anchors: Tensor, columns: Tensor, counts: list[int]) -> tuple[Tensor, ...]:
        """Rows of `chosen` at their places among `counts` anchors and columns, or of both as one; 0 elsewhere."""
        if len(counts) == 1:
            return (_placed(torch.cat([anchors, columns]), self.places, counts[0]),)
        return (
            _placed(anchors, self.places[: self.count], counts[0]),
            _placed(columns, self.places[self.count :], counts[1]),
        )

    def block(self, start: int, stop: int) -> KinBlock:
        """Kin of the anchors start..stop, counted among themselves."""
        if self.own is None and stop - start == self.total:
            return _each_its_own(self.total, self.device)
        own = np.arange(start, stop) if self.own is None else np.array(self.own[start:stop], np.int64)
        return _tuple_block(own, self.total, self.device)


def _indices(values: list[int], device: torch.device) -> Tensor:
    """As int64; of a buffer in a third of the time that torch takes for a list."""
    if not values:
        return torch.empty(0, dtype=torch.int64, device=device)
    return torch.frombuffer(array("q", values), dtype=torch.int64).to(device)


def _placed(rows: Tensor, places: Tensor, count: int) -> Tensor:
    return rows.new_zeros(count, rows.shape[1]).index_copy_(0, places, rows)


def _tuple_block(own: Array, total: int, device: torch.device) -> KinBlock:
    """Kin of anchors whose one positive is column `own` (b,) of `total`."""
    places = np.arange(len(own)) * total + own
    return KinBlock(as_tensor(own[:, None], device), as_tensor(places, device), EqualCounts(len(own), 1, total - 1))


@lru_cache(maxsize=16)
def _each_its_own(total: int, device: torch.device) -> KinBlock:
    return _tuple_block(np.arange(total), total, device)


def _first_two(labels: list[int]) -> tuple[list[int], list[int]]:
    """Places of the first and of the second member of each class that has two."""
    first: list[int] = []
    second: list[int] = []
    seen: dict[int, int] = {}
    for place, label in enumerate(labels):
        earlier = seen.setdefault(label, place)
        if -1 < earlier < place:
            first.append(earlier)
            second.append(place)
            seen[label] = -1  # more of the class take no part
    return first, second
