"""Distances of blocks of anchors in buffers of the caller, with their pullback by hand: what closed forms stand on.

The dense slopes of a block cost two thin products; slopes of a few pairs a row cost only those pairs, made from the
differences of the rows themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from nearkin.distances.base import Distance
from nearkin.distances.forms import Form, Product
from nearkin.distances.squared import CHUNK, Pairs, SquaredKernel, selves


class BlockDistances:
    """Distances of any block of projected anchors (n, D) to all projected references (R, D).

    `fill` a block's buffer, then `pull` slopes of it: they add up in `gradients`, which `finish` completes.

    form:  the closed form of the distance; dtype: of buffers, products and gradients
    first: the column of the first anchor where the anchors are references themselves, else None. Such a self entry is
           0 in `fill` and has no slope
    """

    def __init__(
        self, distance: Distance, form: Form, anchors: Tensor, references: Tensor, dtype: torch.dtype, first: int | None
    ) -> None:
        self.form, self.anchors, self.references, self.dtype, self.first = form, anchors, references, dtype, first
        self.by_product = isinstance(form, Product)
        if self.by_product:
            self.columns = references.to(dtype)
        else:
            self.kernel = SquaredKernel(references, dtype)
            self.columns = self.kernel.centred
            extremes: list[float] = self.kernel.extremes.tolist()
            self.largest_column = extremes[1]
            self.at_the_mean = extremes[0] == 0
        self.near: Pairs
        self.near_distances: Tensor

    @cached_property
    def norms(self) -> Tensor:
        """Squared norms of the anchors, (n, 1)."""
        return self.anchors.square().sum(1, keepdim=True).to(self.dtype)

    def largest(self) -> float:
        """The largest squared norm that distances are made of: where four of it overflow, distances may."""
        if not (len(self.anchors) and len(self.references)):
            return 0.0
        if self.by_product:
            return max(float(self.norms.amax()), float(self.columns.square().sum(1).amax()))
        if self.first is not None:
            return self.largest_column
        return max(self.largest_column, float(self.kernel.centre(self.anchors).square().sum(1).amax()))

    def start_gradients(self, shared: bool) -> None:
        """Gradients of anchors (n, D) and references (R, D), one tensor where both are the same rows."""
        self.to_anchors = self.anchors.new_zeros(self.anchors.shape, dtype=self.dtype)
        self.to_references = (
            self.to_anchors if shared else self.references.new_zeros(self.references.shape, dtype=self.dtype)
        )
        self.weights = self.columns.new_zeros(len(self.columns))

    def fill(self, start: int, stop: int, out: Tensor) -> Tensor:
        """Distances of the anchors start..stop, (b, R), into `out`."""
        rows = self.anchors[start:stop]
        if self.by_product:
            return torch.mm(rows.to(self.dtype).neg(), self.columns.T, out=out)
        _, self.near = self.kernel.forward(rows, out, self._column(start))
        self.form.link(out, self._anchor_norms(start, stop))
        if len(self.near[0]):
            self.near_distances = out[self.near]
        return out

    @property
    def doubtful(self) -> bool:
        """Whether `exact` knows more of a distance than `fill`: float32 made of differences, not of products."""
        return not self.by_product and self.dtype == torch.float32 and self.anchors.device.type != "mps"

    def exact(self, start: int, rows: Tensor, columns: Tensor) -> Tensor:
        """Distances of m pairs in float64 from the differences of their rows: anchors `start` + rows, columns, (m,)."""
        found = self.anchors.new_empty(len(rows), 1, dtype=torch.float64)
        for part in _parts(rows, self.anchors.shape[1]):
            anchors, others = self.anchors[rows[part] + start].double(), self.references[columns[part]]
            found[part] = (anchors - others).square_().sum(1, keepdim=True)
            self.form.link(found[part], anchors.square_().sum(1, keepdim=True) if self.form.relative else found[:0])
        return found[:, 0]

    def pull(self, start: int, stop: int, distances: Tensor, slopes: Tensor) -> None:
        """Add the gradient of sum(slopes * distances) of the block that was filled last. Slopes are used up."""
        if self.by_product:
            self._product(start, stop, slopes)
            return
        near = self.near
        self._norms(start, stop, slopes, distances)
        if len(near[0]):
            self._pairs(start, *near, slopes[near], self.near_distances)
            slopes.index_put_(near, slopes.new_zeros(()))
        if self.form.divides:  # slopes are 0 there
            if len(near[0]):
                distances.index_put_(near, distances.new_ones(()))
            if self.first is not None:
                selves(distances, self.first + start).fill_(1)
            if self.at_the_mean:
                distances.add_(distances == 0)  # between rows that are 0 once they are centred
        self.form.slope(slopes, distances, self._anchor_norms(start, stop))
        self._dense(start, stop, slopes)

    def _dense(self, start: int, stop: int, slopes: Tensor) -> None:
        """Add the gradient of slopes of squared distances, less `factor`: the thin products."""
        centred, twice = self.kernel.centre(self.anchors[start:stop], self._column(start)), 2 * self.form.factor
        if self._is_whole(slopes):
            slopes = slopes.T.contiguous().add_(slopes)
            self.weights += slopes.sum(0)
            self.to_anchors.addmm_(slopes, centred, alpha=-twice)
            return
        target = self.to_anchors[start:stop]
        target.addcmul_(centred, slopes.sum(1, keepdim=True), value=twice)
        target.addmm_(slopes, self.columns, alpha=-twice)
        self.weights += slopes.sum(0)
        self.to_references.addmm_(slopes.T, centred, alpha=-twice)

    def pull_pairs(self, start: int, stop: int, columns: Tensor, slopes: Tensor, distances: Tensor) -> None:
        """Add the gradient of sum(slopes * distances) over a few columns (b, T) of every row; 0 slopes are padding."""
        place = torch.arange(stop - start, device=columns.device)[:, None].expand_as(columns).reshape(-1)
        chosen, slopes, distances = columns.reshape(-1), slopes.reshape(-1), distances.reshape(-1)
        if self.by_product:
            for part in _parts(chosen, self.anchors.shape[1]):
                i, j, w = place[part] + start, chosen[part], -slopes[part, None]
                self.to_anchors.index_add_(0, i, self.columns[j] * w)
                self.to_references.index_add_(0, j, self.anchors[i].to(self.dtype) * w)
            return
        norm_slope = self.form.norm_slope(slopes[:, None], distances[:, None], self._anchor_norms(start, stop, place))
        if norm_slope is not None:
            total = norm_slope.new_zeros(stop - start).index_add_(0, place, norm_slope)
            self._add_norms(start, stop, total)
        self._pairs(start, place, chosen, slopes, distances)

    def finish(self) -> tuple[Tensor, Tensor]:
        """The gradients of anchors and references."""
        if not self.by_product:
            self.to_references.addcmul_(self.columns, self.weights[:, None], value=2 * self.form.factor)
        return self.to_anchors, self.to_references

    def forget(self) -> None:
        """Let go of what only more blocks would need."""
        self.columns = self.columns[:0]
        self.__dict__.pop("kernel", None)

    def _product(self, start: int, stop: int, slopes: Tensor) -> None:
        if self._is_whole(slopes):
            self.to_anchors.addmm_(slopes.T.contiguous().add_(slopes), self.columns, alpha=-1)
            return
        self.to_anchors[start:stop].addmm_(slopes, self.columns, alpha=-1)
        self.to_references.addmm_(slopes.T, self.anchors[start:stop].to(self.dtype), alpha=-1)

    def _is_whole(self, slopes: Tensor) -> bool:
        """All slopes of rows among themselves: added to their transpose they need one thin product, not two."""
        return self.to_references is self.to_anchors and slopes.shape[0] == slopes.shape[1]

    def _column(self, start: int) -> int | None:
        return None if self.first is None else self.first + start

    def _anchor_norms(self, start: int, stop: int, rows: Tensor | None = None) -> Tensor:
        if not self.form.relative:
            return self.columns[:0]
        norms = self.norms[start:stop]
        return norms if rows is None else norms[rows]

    def _norms(self, start: int, stop: int, slopes: Tensor, distances: Tensor) -> None:
        found = self.form.norm_slope(slopes, distances, self._anchor_norms(start, stop))
        if found is not None:
            self._add_norms(start, stop, found)

    def _add_norms(self, start: int, stop: int, slope: Tensor) -> None:
        rows = self.anchors[start:stop].to(self.dtype)
        self.to_anchors[start:stop].addcmul_(rows, slope[:, None], value=2)

    def _pairs(self, start: int, rows: Tensor, columns: Tensor, slopes: Tensor, distances: Tensor) -> None:
        """Add the slopes of single pairs, from the differences of their rows; at distance 0 there is none."""
        apart = distances > 0
        weights = torch.where(apart, slopes, 0)[:, None]
        norms = self.norms[start + rows] if self.form.relative else weights
        self.form.slope(weights, torch.where(apart, distances, 1)[:, None], norms)
        for part in _parts(columns, self.anchors.shape[1]):
            i, j = rows[part] + start, columns[part]
            moved = (self.anchors[i] - self.references[j]).to(self.dtype).mul_(weights[part] * (2 * self.form.factor))
            self.to_anchors.index_add_(0, i, moved)
            self.to_references.index_add_(0, j, moved, alpha=-1)


def _parts(pairs: Tensor, width: int) -> Iterator[slice]:
    size = max(1, CHUNK // max(width, 1))
    return (slice(start, start + size) for start in range(0, len(pairs), size))
