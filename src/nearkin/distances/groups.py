"""Near pairs within groups of rows, as of tight classes: products again, in float32, of rows less their group's mean."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nearkin.distances import crowds
from nearkin.distances.crowds import Crowd
from nearkin.distances.rows import Pairs, Rows, parts

WIDEST = 1 << 20
"""Numbers of rows that are gathered by group."""

SMALLEST = 8
"""Rows of the largest group from which its pairs are made faster by products than one by one."""

WORTH = 1 << 21
"""Multiplications of a block's product above which groups are looked for: less is made in float64 in no more time."""

PADDED = 4
"""Places that rows in groups of unlike sizes may take, as a multiple of the rows."""


class Members(NamedTuple):
    """Rows by group: rows (G, S), a group's first one again where it has fewer; listed (G, S); numbers (G,) of the groups."""

    rows: Tensor
    listed: Tensor
    numbers: Tensor


def members(groups: Tensor, most: float = math.inf) -> Members | None:
    """The rows of each group, rising, out of a group number for each row (n,); None where that takes more than PADDED places
    a row, or `most` of all. Small lists in many small steps are numpy's, whatever the device."""
    values = groups.cpu().numpy()
    order = values.argsort(kind="stable")
    numbers, starts, sizes = np.unique(values[order], return_index=True, return_counts=True)
    widest = int(sizes.max(initial=0))
    if widest * len(sizes) > min(PADDED * len(groups), most):
        return None
    steps = np.arange(widest)
    listed = steps < sizes[:, None]
    rows = order.take(starts[:, None] + steps * listed)
    return Members(*[torch.from_numpy(each).to(groups.device) for each in (rows, listed, numbers)])


class Centred(NamedTuple):
    """Rows by group: `members`, the groups' means (G, 1, D), and the rows less these (G, S, D)."""

    members: Members
    means: Tensor
    rows: Tensor


class Groups:
    """Anchors (n, D) and references (R, D) that are told to lie in groups of these `numbers`, (n,) and (R,).

    shared: the anchors are the references
    """

    def __init__(self, anchors: Rows, references: Rows, numbers: tuple[Tensor, Tensor], dtype: torch.dtype) -> None:
        self.anchors, self.references, self.numbers, self.dtype = anchors, references, numbers, dtype
        self.shared = references is anchors

    @cached_property
    def columns(self) -> Centred | None:
        """The references; None where they are too many, or their groups too small or too unlike."""
        found = members(self.numbers[1], WIDEST / max(self.references.shape[1], 1))
        if found is None or found.rows.shape[1] < SMALLEST:
            return None
        rows = _gathered(self.references, found.rows)
        means = rows.mean(1, keepdim=True)
        return Centred(found, means, (rows - means).to(self.dtype))

    def worth(self, count: int) -> bool:
        """Whether a block of so many anchors may gain by groups."""
        return count * self.references.shape[0] * self.references.shape[1] > WORTH

    def block(self, start: int, stop: int, first: int | None) -> Group | None:
        """The pairs of the anchors start..stop within groups; None where they are too few, or too many of all.

        first: the column of the anchor `start` where anchors are references themselves
        """
        count, width = stop - start, self.references.shape[0]
        columns, whole = self.columns, self.shared and count == width
        rows = columns if whole or columns is None else self._anchors(start, stop, columns)
        if rows is None or columns is None:
            return None
        if not whole:
            at = torch.searchsorted(columns.members.numbers, rows.members.numbers)
            columns = Centred(Members(*[each[at] for each in columns.members]), columns.means[at], columns.rows[at])
        places = rows.members.rows.numel() * columns.members.rows.shape[1]
        return Group(rows, columns, width, first) if 0 < places <= count * width // 2 else None

    def _anchors(self, start: int, stop: int, columns: Centred) -> Centred | None:
        """Those anchors start..stop that are of a group of the columns."""
        found = members(self.numbers[0][start:stop])
        if found is None:
            return None
        known = torch.isin(found.numbers, columns.members.numbers)
        found = Members(*[each[known] for each in found])
        means = columns.means[torch.searchsorted(columns.members.numbers, found.numbers)]
        return Centred(found, means, (_gathered(self.anchors, found.rows + start) - means).to(self.dtype))


class Group:
    """The pairs of a block of anchors (b, D) and columns (R, D) that are of one group.

    places: (G, Sa, Sc) places row * R + column of the pairs
    """

    def __init__(self, anchors: Centred, references: Centred, width: int, first: int | None) -> None:
        self.rows, self.columns, self.left, self.right = anchors.members, references.members, anchors.rows, references.rows
        self.width, self.first = width, first
        self.places = ((self.rows.rows * width)[:, :, None] + self.columns.rows[:, None]).flatten()

    def squared(self, share: float, count: int) -> tuple[Tensor, Pairs] | None:
        """Squared distances of the pairs at `places`, +inf of an anchor to itself, and the pairs that are too near still; None
        where these are many.

        share: of the squared norms, below which a pair is near; count: of all pairs of the block
        """
        norms = self.left.square().sum(2)
        others = norms if self.left is self.right else self.right.square().sum(2)
        found = torch.baddbmm(others[:, None], self.left, self.right.mT, alpha=-2).add_(norms[:, :, None])
        if self.first is not None:
            found.masked_fill_(self.columns.rows[:, None] == (self.rows.rows + self.first)[:, :, None], torch.inf)
        if bool(found.amin() > share * (norms.amax() + others.amax())):
            nobody = self.places[:0]
            return found.flatten(), (nobody, nobody)
        close = found <= (norms * share)[:, :, None] + (others * share)[:, None]  # copies of a row are 0 from their mean
        places = self.places[close.flatten()].unique()
        if len(places) > crowds.SHARE * count:
            return None
        return found.flatten(), (places // self.width, places % self.width)

    def take(self, slopes: Tensor) -> Tensor:
        """The slopes of the pairs, (G, Sa, Sc), which become 0 in `slopes` (b, R)."""
        every = slopes.view(-1)
        taken = every.index_select(0, self.places).view(*self.rows.rows.shape, self.columns.rows.shape[1])
        every.index_fill_(0, self.places, 0)
        return taken.mul_(self.rows.listed[:, :, None]).mul_(self.columns.listed[:, None])

    def pull(self, taken: Tensor, to_anchors: Tensor, to_references: Tensor) -> None:
        """Add half the gradient of sum(slopes * squared) over the pairs to (b, D) and (R, D), which are one where the block is its
        own set of columns."""
        if self.left is self.right:  # every pair is here both ways round, and moves both its ends alike
            both = taken + taken.mT
            moved = torch.baddbmm(self.left * both.sum(2, keepdim=True), both, self.left, alpha=-1)
            to_anchors.index_add_(0, self.rows.rows.flatten(), moved.flatten(0, 1))
            return
        towards = torch.baddbmm(self.left * taken.sum(2, keepdim=True), taken, self.right, alpha=-1)
        to_anchors.index_add_(0, self.rows.rows.flatten(), towards.flatten(0, 1))
        away = torch.baddbmm(self.right * taken.sum(1)[:, :, None], taken.mT, self.left, alpha=-1)
        to_references.index_add_(0, self.columns.rows.flatten(), away.flatten(0, 1))


MakeGroup = Callable[[], Group | None]
"""Makes the group that a block may have."""


class Mended(NamedTuple):
    """What a product had spoiled: the indices of the near pairs, made one by one; and who made others apart, a group or, where
    there are no near pairs but a crowd, all of them."""

    near: Pairs | None
    apart: Group | Crowd | None


Look = Callable[[bool], Pairs | None]
"""Finds the near pairs of a block; None for a crowd, which is fewer pairs where a group may make them."""


def mend(
    out: Tensor, anchors: Rows, references: Rows, look: Look, *, share: float, first: int | None,
    shift: Tensor | None = None, group: MakeGroup | None = None, factor: float = 1.0,
) -> Mended:  # fmt: skip
    """Make squared distances (A, R) times `factor` in `out`, of which products spoil the smallest, once more.

    share: of the squared norms, below which a pair is near; first: the column of the first anchor where anchors are
    references themselves: what stands there is +inf; shift: what rows are centred by
    """
    near, apart = look(group is not None), None
    if near is None and group is not None:
        near, apart = _by_group(out, group(), share, look, factor)
    if near is None:
        crowd = Crowd(anchors, references, shift)
        crowd.fill(out, first, factor)
        return Mended(None, crowd)
    for part in parts(near[0].shape[0], anchors.shape[1]):
        i, j = near[0][part], near[1][part]
        found = (anchors[i] - references[j]).square_().sum(1)
        out[i, j] = (found if factor == 1 else found.mul_(factor)).to(out.dtype)
    return Mended(near, apart)


def _by_group(
    distances: Tensor, group: Group | None, share: float, look: Look, factor: float
) -> tuple[Pairs | None, Group | None]:
    """Fill the pairs of a group into a block (b, R); the near pairs left, None where they are a crowd still, and the group."""
    if group is None:
        return look(False), None
    made = group.squared(share, distances.numel())
    if made is None:
        return None, None
    every, (squared, inner) = distances.view(-1), made
    every.index_fill_(0, group.places, torch.inf)
    outer = look(False)
    if outer is None:
        return None, None
    every.scatter_(0, group.places, squared if factor == 1 else squared.mul_(factor))
    return (torch.cat([outer[0], inner[0]]), torch.cat([outer[1], inner[1]])), group


def _gathered(rows: Rows, index: Tensor) -> Tensor:
    return rows.index_select(0, index.flatten()).view(*index.shape, rows.shape[1])
