"""The engine's general way: blocks of a call as a loss's `rows` sees them, differentiated by autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from nearkin.core.tensors import Block
from nearkin.distances import squared_distances
from nearkin.losses.blocks import Views, blocked
from nearkin.losses.call import Call


class BlockSweep:
    """Blocks of one call, made from views and squared distances and handed to a function of them.

    function:    what a block sums up to, or gives for each of its rows
    row, column: what `prepare` said of anchors (n,) and of columns (R,)
    """

    def __init__(self, function: Callable[[Block], Tensor], call: Call, row: Any = None, column: Any = None) -> None:
        self.function, self.call, self.row, self.column = function, call, row, column

    def views(self) -> Views:
        """What blocks are cut from."""
        call = self.call
        vectors, references = call.anchors.to(call.dtype), call.references.to(call.dtype)
        norms, reference_norms = (rows.square().sum(1).to(call.dtype) for rows in (call.anchors, call.references))
        own = None if call.own is None else call.own.vectors
        return Views(
            call.anchors, vectors, norms, own, self.row, call.references, references, reference_norms, self.column
        )

    def sweep(self, size: int | None, parameters: Sequence[Tensor], *, rows: bool, eager: bool = False) -> Tensor:
        """All blocks of `size` anchors, or the dense form: one block of all."""
        if size is None or size >= len(self.call.anchors):
            return self.dense(0, len(self.call.anchors))
        return blocked(self, self.views(), parameters, size, rows=rows, eager=eager)

    def dense(self, start: int, stop: int) -> Tensor:
        """The anchors start..stop as one block, all of it in the graph."""
        views = self.views()
        cut = views.cut(start, stop)
        return self(start, cut, squared_distances(cut.anchors, cut.references, self.call.dtype))

    def __call__(self, start: int, views: Views, squared: Tensor) -> Tensor:
        return self.function(self._block(start, start + len(squared), views, squared))

    def _block(self, start: int, stop: int, views: Views, squared: Tensor) -> Block:
        call, distance = self.call, self.call.distance
        distances = distance.link(squared, views.norms[:, None], views.reference_norms[None])
        positives, negatives, weights = call.relation(start, stop)
        own = None
        if call.own is not None and views.own is not None:
            own = views.own.to(call.dtype)
            distances = torch.cat([distances, distance.between(views.anchors, views.own, call.dtype)], 1)
            positives = torch.cat([positives, call.own.positives[start:stop]], 1)
            negatives = torch.cat([negatives, call.own.negatives[start:stop]], 1)
            if weights is not None:
                weights = torch.cat([weights, weights.new_ones(own.shape[:2])], 1)
        noise = None if call.noise is None else call.noise[start:stop]
        return Block(
            distances, positives, negatives, weights, call.labels(start, stop),
            views.vectors, views.reference_vectors, own, noise, views.row, views.column,
        )  # fmt: skip
