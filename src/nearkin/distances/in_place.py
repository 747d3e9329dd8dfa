"""Distances of blocks of anchors in buffers of the caller, with their pullback by hand: what closed forms stand on.

The dense slopes of a block cost two thin products, or one where the block is its own set of columns; slopes of a few
pairs a row cost only those pairs, made from the differences of the rows themselves.
"""

from __future__ import annotations

from functools import cached_property, partial

import torch
from torch import Tensor

from nearkin.distances.crowds import Crowd
from nearkin.distances.directions import UnitKernel, UnitRows
from nearkin.distances.forms import Form, OfDirections, Product
from nearkin.distances.groups import Group, Groups
from nearkin.distances.rows import Pairs, Rows, narrowed, parts
from nearkin.distances.squared import BAND, SquaredKernel, cut, selves

SMALL = 128
"""Rows of a square matrix up to which adding its transpose in one step is as fast as copying it first."""


class BlockDistances:
    """Distances of any block of projected anchors (n, D) to all projected references (R, D).

    `fill` a block's buffer, then `pull` slopes of it: they add up in gradients, which `finish` completes.

    form:   the closed form of the distance; dtype: of buffers, products and gradients
    first:  the column of the first anchor where the anchors are references themselves, else None. Such a self entry is
            0 in `fill` and has no slope
    shared: the anchors are the references: one gradient for both
    scale:  a factor of all gradients, which are kept without it
    held:   whether a row's own part in the slopes of its pairs counts; what points along a direction is dropped
    groups: numbers of the groups in which anchors (n,) and references (R,) may lie near one another, for speed alone
    """

    def __init__(
        self, form: Form, anchors: Rows, references: Rows, dtype: torch.dtype, first: int | None, *, shared: bool,
        groups: tuple[Tensor, Tensor] | None = None,
    ) -> None:  # fmt: skip
        self.form, self.anchors, self.references, self.dtype, self.first = form, anchors, references, dtype, first
        self.shared, self.by_product, self.held = shared, isinstance(form, Product), True
        self.scale = -1.0 if self.by_product else 2 * form.factor
        if self.by_product:
            self.columns = narrowed(references, dtype)
        else:
            self.kernel = _kernel(form, references, dtype)
            self.columns = self.kernel.centred
            self.held = not isinstance(self.kernel, UnitKernel)
        self.groups = None if groups is None else Groups(anchors, references, groups, dtype)
        self.near: Pairs | None
        self.apart: Group | Crowd | None

    @cached_property
    def norms(self) -> Tensor:
        """Squared norms of the anchors, (n, 1)."""
        lengths: Tensor = torch.linalg.vector_norm(self.anchors[:], dim=1, keepdim=True)
        return lengths.square_().to(self.dtype)

    @cached_property
    def to_anchors(self) -> Tensor:
        """The gradient of the anchors so far, (n, D)."""
        return self.columns.new_zeros(self.anchors.shape)

    @cached_property
    def to_references(self) -> Tensor:
        """The gradient of the references so far, (R, D), less what `weights` are for."""
        return self.to_anchors if self.shared else torch.zeros_like(self.columns)

    @cached_property
    def weights(self) -> Tensor:
        """What each column is pulled by in all, (R,)."""
        return self.columns.new_zeros(self.columns.shape[0])

    @property
    def spread(self) -> bool:
        """Whether these are directions that are turned back, and each is farther from their mean than the mean from 0."""
        return isinstance(self.form, OfDirections) and self.form.turn is not None and self.kernel.extremes[0] > 0.5

    def largest(self) -> list[float]:
        """The largest squared norms of anchors and of references: where four of one overflow, distances may."""
        if not (self.anchors.shape[0] and self.columns.shape[0]):
            return [0.0]
        if self.by_product:
            return [largest_norm(each) for each in ([self.columns] if self.shared else [self.columns, self.anchors])]
        if not self.held:
            return [1.0]
        if self.first is not None:
            return [self.kernel.extremes[1]]
        return [self.kernel.extremes[1], float(self.kernel.centre(self.anchors).square().sum(1).amax())]

    def fill(self, start: int, stop: int, out: Tensor) -> Tensor:
        """Distances of the anchors start..stop, (b, R), into `out`."""
        rows = cut(self.anchors, start, stop)
        if self.by_product:
            return torch.addmm(out, narrowed(rows, self.dtype), self.columns.T, beta=0, alpha=-1, out=out)
        first = self._column(start)
        groups = self.groups if self.groups is not None and self.groups.worth(stop - start) else None
        group = None if groups is None else partial(groups.block, start, stop, first)
        _, self.near, self.apart = self.kernel.fill(rows, out, first, group)
        if isinstance(self.apart, Crowd):
            self.groups = None  # they did not serve, nor will they in the next block
        if self.held:
            self.form.link(out, self._anchor_norms(start, stop))
        return out

    @property
    def doubtful(self) -> bool:
        """Whether `exact` knows more of a distance than `fill`."""
        return self.anchors.device.type != "mps"

    def exact(self, start: int, rows: Tensor, columns: Tensor) -> Tensor:
        """Distances of m pairs in float64 from the rows themselves: anchors `start` + rows, columns, (m,)."""
        found = self.columns.new_empty(len(rows), 1, dtype=torch.float64)
        for part in parts(len(rows), self.anchors.shape[1]):
            anchors, others = self.anchors[rows[part] + start].double(), self.references[columns[part]]
            if self.by_product:
                found[part] = -torch.linalg.vecdot(anchors, others.double())[:, None]
                continue
            found[part] = (anchors - others).square_().sum(1, keepdim=True)
            self.form.link(found[part], anchors.square_().sum(1, keepdim=True) if self.form.relative else found[:0])
        return found[:, 0]

    def pull(self, start: int, stop: int, distances: Tensor, slopes: Tensor) -> None:
        """Add the gradient of sum(slopes * distances) of the block that was filled last. Both are used up."""
        norms = self._anchor_norms(start, stop)
        norm_slope = self.form.norm_slope(slopes, distances, norms)
        if self.form.divides:
            self._part(start, distances)
        self.form.slope(slopes, distances, norms)
        self._pull(start, stop, slopes, distances)
        self._add_norms(start, stop, norm_slope)

    def _part(self, start: int, distances: Tensor) -> None:
        """Let no distance be 0, which nobody could divide by: rows that are alike pull each other nowhere, at any distance."""
        if self.near is None:
            distances.masked_fill_(distances == 0, 1)
            return
        if self.near[0].shape[0]:
            near = distances[self.near]
            distances.index_put_(self.near, near.add_(near == 0))
        if self.first is not None:
            selves(distances, self.first + start).fill_(1)
        if self.kernel.extremes[0] == 0:
            distances.add_(distances == 0)  # between rows that are 0 once they are centred

    def linked(self, slopes: Tensor, distances: Tensor) -> Tensor:
        """Slopes of some of the distances of the block that was filled last (m, k) -> those of squared distances, in place; the
        distances, +inf where there is no slope, are used up. For forms that are not relative."""
        if self.form.divides:
            if self.near is None or self.near[0].shape[0] or self.kernel.extremes[0] == 0:
                distances.add_(distances == 0)  # rows that are alike pull each other nowhere
            self.form.slope(slopes, distances, self.columns)
        return slopes

    def pull_linked(
        self, start: int, stop: int, columns: Tensor, slopes: Tensor, distances: Tensor, linked: Tensor
    ) -> None:
        """The same of slopes (b, R) that are `linked` already, and those (b, P), which are not, of distances of a few columns
        (b, P) of every row; 0 slopes are padding. The last three are used up; no other matrix is needed."""
        distances.add_(distances == 0)  # padding
        self._pull(start, stop, linked.scatter_add_(1, columns, self.linked(slopes, distances)), None)

    def _pull(self, start: int, stop: int, slopes: Tensor, spare: Tensor | None) -> None:
        """Add the gradient of the block, through linked slopes; `spare`: a buffer of their shape."""
        if self.by_product:
            self._product(start, stop, slopes, spare)
        elif isinstance(self.apart, Crowd):
            self._crowd(start, stop, slopes, spare, self.apart)
        elif self.near is not None:
            self._far_and_near(start, stop, slopes, spare, self.near, self.apart)

    def _far_and_near(
        self, start: int, stop: int, slopes: Tensor, spare: Tensor | None, near: Pairs, group: Group | None
    ) -> None:
        """Add the gradient through squared distances: a product for all but near pairs, and those by group and one by one."""
        some = near[0].shape[0] > 0
        if some:
            near_slopes = slopes[near]
            slopes.index_put_(near, slopes.new_zeros(()))
        taken = None if group is None else group.take(slopes)
        self._dense(start, stop, slopes, spare)
        if group is not None and taken is not None:
            group.pull(taken, cut(self.to_anchors, start, stop), self.to_references)
        if some:
            self._pairs(start, *near, near_slopes)

    def _crowd(self, start: int, stop: int, slopes: Tensor, spare: Tensor | None, crowd: Crowd) -> None:
        """The same where the whole block is a crowd of near pairs."""
        if self._whole(start, stop):
            self.to_anchors = crowd.pull(both_ways(slopes, spare), None).to(self.dtype)
        else:
            cut(self.to_anchors, start, stop).add_(crowd.pull(slopes, self.to_references))

    def _whole(self, start: int, stop: int) -> bool:
        return self.shared and stop - start == self.columns.shape[0]

    def _dense(self, start: int, stop: int, slopes: Tensor, spare: Tensor | None) -> None:
        """Add the gradient of slopes of squared distances: the thin products."""
        if self._whole(start, stop):  # nothing came before; a pair moves both its ends alike: one product for the two
            both = both_ways(slopes, spare)
            self.to_anchors = torch.addmm(self.columns, both, self.columns, beta=0, alpha=-1)
            if self.held:
                self._hold(self.to_anchors, both.sum(1), self.columns)
            return
        centred = self.kernel.centre(cut(self.anchors, start, stop), self._column(start))
        target = cut(self.to_anchors, start, stop)
        if self.held:
            self._hold(target, slopes.sum(1), centred)
            self.weights.add_(slopes.sum(0))
        target.addmm_(slopes, self.columns, alpha=-1)
        self.to_references.addmm_(slopes.T, centred, alpha=-1)

    def _hold(self, target: Tensor, weights: Tensor, centred: Tensor) -> None:
        """Add weights (b,) times centred rows (b, D); of directions that are spread, less the weights times the mean.

        The two differ by what points along the rows, which the way back of directions drops, and the mean of spread rows is
        short: large sums of slopes, rounded, would hide what is left of them
        """
        if self.kernel.shift is not None and self.spread:
            target.addr_(weights, self.kernel.shift.to(self.dtype), alpha=-1)
        else:
            target.addcmul_(centred, weights[:, None])

    def _product(self, start: int, stop: int, slopes: Tensor, spare: Tensor | None) -> None:
        anchors = narrowed(cut(self.anchors, start, stop), self.dtype)
        if self._whole(start, stop):
            self.to_anchors = torch.mm(both_ways(slopes, spare), self.columns)
        elif anchors.shape[0] == self.anchors.shape[0] and not self.shared:
            self.to_anchors, self.to_references = torch.mm(slopes, self.columns), torch.mm(slopes.T, anchors)
        else:
            cut(self.to_anchors, start, stop).addmm_(slopes, self.columns)
            self.to_references.addmm_(slopes.T, anchors)

    def pull_pairs(self, start: int, stop: int, columns: Tensor, slopes: Tensor, distances: Tensor) -> None:
        """Add the gradient of sum(slopes * distances) over a few columns (b, T) of every row; 0 slopes are padding."""
        place = torch.arange(stop - start, device=columns.device)[:, None].expand_as(columns).reshape(-1)
        chosen, slopes, distances = columns.reshape(-1), slopes.reshape(-1), distances.reshape(-1)
        if self.by_product:
            for part in parts(len(chosen), self.anchors.shape[1]):
                i, j, w = place[part] + start, chosen[part], slopes[part, None]
                self.to_anchors.index_add_(0, i, self.columns[j] * w)
                self.to_references.index_add_(0, j, self.anchors[i].to(self.dtype) * w)
            return
        norm_slope = self.form.norm_slope(slopes[:, None], distances[:, None], self._anchor_norms(start, stop, place))
        if norm_slope is not None:
            norm_slope = norm_slope.new_zeros(stop - start).index_add_(0, place, norm_slope)
        apart = distances > 0
        weights, lengths = torch.where(apart, slopes, 0)[:, None], torch.where(apart, distances, 1)[:, None]
        self.form.slope(weights, lengths, self._anchor_norms(start, stop, place))
        self._pairs(start, place, chosen, weights[:, 0])
        self._add_norms(start, stop, norm_slope)

    def finish(self) -> tuple[Tensor, ...]:
        """The gradients of anchors and references, or of both as one, to be multiplied with `scale`."""
        if "weights" in self.__dict__:
            self._hold(self.to_references, self.weights, self.columns)
        return (self.to_anchors,) if self.shared else (self.to_anchors, self.to_references)

    def _column(self, start: int) -> int | None:
        return None if self.first is None else self.first + start

    def _anchor_norms(self, start: int, stop: int, rows: Tensor | None = None) -> Tensor:
        if not self.form.relative:
            return self.columns
        norms = self.norms[start:stop]
        return norms if rows is None else norms[rows]

    def _add_norms(self, start: int, stop: int, slope: Tensor | None) -> None:
        if slope is not None:
            rows = self.anchors[start:stop].to(self.dtype)
            self.to_anchors[start:stop].addcmul_(rows, slope[:, None], value=2 / self.scale)

    def _pairs(self, start: int, rows: Tensor, columns: Tensor, slopes: Tensor) -> None:
        """Add the gradient through squared distances of single pairs, from the differences of their rows."""
        for part in parts(len(columns), self.anchors.shape[1]):
            i, j = rows[part] + start, columns[part]
            moved = (self.anchors[i] - self.references[j]).to(self.dtype).mul_(slopes[part, None])
            self.to_anchors.index_add_(0, i, moved)
            self.to_references.index_add_(0, j, moved, alpha=-1)


def largest_norm(rows: Rows) -> float:
    """The largest squared norm of rows (n, D), 0 without rows."""
    if isinstance(rows, UnitRows):
        return 1.0
    every = rows if isinstance(rows, Tensor) else rows[:]
    return float(torch.linalg.vector_norm(every, dim=1).amax()) ** 2 if rows.shape[0] else 0.0


def both_ways(slopes: Tensor, spare: Tensor | None) -> Tensor:
    """slopes + slopes' of a square matrix, in `spare`: small ones in one step, others by a copy, which torch turns fast.
    Without `spare` in their own place, a band of rows and of columns at a time."""
    if spare is not None:
        if slopes.shape[0] <= SMALL:
            return torch.add(slopes, slopes.T, out=spare)
        return spare.copy_(slopes.T).add_(slopes)
    for start in range(0, slopes.shape[0], BAND):
        rows, columns = slopes[start : start + BAND, start:], slopes[start:, start : start + BAND]
        rows.add_(columns.clone().T.contiguous())
        columns.copy_(rows.clone().T.contiguous())
    return slopes


def _kernel(form: Form, references: Rows, dtype: torch.dtype) -> SquaredKernel | UnitKernel:
    if isinstance(form, OfDirections) and form.turn is not None:
        kernel = UnitKernel(references, dtype)
        if kernel.spread:
            return kernel
    return SquaredKernel(references, dtype)
