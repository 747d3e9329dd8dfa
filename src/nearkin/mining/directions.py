"""Normalised embeddings of a block, for rules of mining that look at directions alone."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nearkin.core.tensors import Block
from nearkin.distances import Cosine, root, squared_distances, wide


class UnitRows(NamedTuple):
    """Rows of a block, normalised and without a past: anchors (b, D), references (R, D), own columns (b, K, D) or None."""

    anchors: Tensor
    references: Tensor
    own: Tensor | None

    def columns(self, index: Tensor) -> Tensor:
        """Vectors of columns (b, c) -> (b, c, D), shared or own."""
        shared = len(self.references)
        if self.own is None:
            return self.references[index]
        if not shared:
            return _rows_of(self.own, index)
        found = self.references[index.clamp(max=shared - 1)]
        return torch.where((index < shared)[..., None], found, _rows_of(self.own, (index - shared).clamp(min=0)))

    def squared_distances(self, points: Tensor) -> Tensor:
        """Squared distances of c points of each row to all its columns: (b, c, D) -> (b, c, R + K)."""
        shape = points.shape[:2]
        shared: Tensor = squared_distances(points.flatten(0, 1), self.references).unflatten(0, shape)
        if self.own is None:
            return shared
        own = (points[:, :, None] - self.own[:, None]).square().sum(3)
        return torch.cat([shared, own], 2)


def unit_rows(block: Block) -> UnitRows:
    """The rows of a block as directions, in float64 where the device has it; a zero row stays zero."""
    turned = [None if rows is None else _turned(rows) for rows in (block.anchors, block.references, block.own)]
    return UnitRows(*turned)  # type: ignore[arg-type]


def unit_distances(block: Block) -> Tensor:
    """Euclidean distances |u(x) - u(z)| of a block, (b, R + K), in the dtype of its distances; a zero row is at sqrt 2."""
    rows, cosine, dtype = unit_rows(block), Cosine(), block.distances.dtype
    found = cosine.between(rows.anchors, rows.references, dtype)
    if rows.own is not None:
        found = torch.cat([found, cosine.between(rows.anchors, rows.own, dtype)], 1)
    return root(2 * found)


def _turned(rows: Tensor) -> Tensor:
    return Cosine().project(wide(rows.detach()))


def _rows_of(own: Tensor, index: Tensor) -> Tensor:
    return own.gather(1, index[..., None].expand(-1, -1, own.shape[2]))
