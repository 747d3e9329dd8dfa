"""Normalised embeddings of a block, for rules of mining that look at directions alone."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from nearkin.core.tensors import Block
from nearkin.distances import BlockDistances, Cosine, cut, root, squared_distances, wide
from nearkin.distances.cosine import SHORTEST, turned
from nearkin.distances.forms import OfDirections, Root, Scaled

SMALL = 1 << 18
"""Distances up to which the number of steps decides: then the law of cosines is faster than a product of all pairs."""


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


class Directions:
    """Cosine distances of blocks of a call in buffers, whatever distances the loss sees, for rules of mining."""

    def __init__(self, seen: BlockDistances) -> None:
        self.seen = seen
        self.alike = isinstance(seen.form, OfDirections) and seen.form.turn is not None

    def fill(self, start: int, stop: int, seen: Tensor, out: Tensor) -> Tensor:
        """|u(x) - u(z)|^2 / 2 of the anchors start..stop, (b, R), in `out`; or the distances `seen`, where they are that."""
        if self.alike:
            return seen
        if out.numel() <= SMALL and self._by_law(start, stop, seen, out):
            return out
        if self._turned is None:  # a zero row is at distance 1 from every other
            anchors, references = self._projected
            found = Cosine().between(cut(anchors, start, stop), references, out.dtype)
            return out.copy_(root(2 * found)).square_().div_(2)  # as rounded as `unit_distances`: so are its ties
        return self._turned.fill(start, stop, out)

    def _by_law(self, start: int, stop: int, seen: Tensor, out: Tensor) -> bool:
        """Whether `out` could be filled by the law of cosines, (|x - z|^2 - (|x| - |z|)^2) / (2 |x| |z|).

        It spares the product of all pairs; where lengths are half of what is apart, digits are lost.
        """
        rooted = type(self.seen.form) is Root
        if self._lengths is None or not (rooted or type(self.seen.form) is Scaled):
            return False
        anchors, references = cut(self._lengths[0], start, stop), self._lengths[1].T
        squared = seen.square() if rooted else seen / self.seen.form.factor
        torch.sub(squared, (anchors - references).square_(), out=out)
        if out.numel() and float((2 * out - squared).amin()) < 0:
            return False
        out.div_(anchors * (2 * references))
        return True

    @cached_property
    def _lengths(self) -> tuple[Tensor, Tensor] | None:
        """|x| (n, 1) and |z| (R, 1); None where a row is zero."""
        anchors = _length(self.seen.anchors[:])
        references = anchors if self.seen.references is self.seen.anchors else _length(self.seen.references[:])
        shortest = min([float(each.amin()) for each in (anchors, references) if each.shape[0]], default=0)
        return (anchors, references) if shortest > SHORTEST else None

    @cached_property
    def _turned(self) -> BlockDistances | None:
        seen = self.seen
        found = turned(seen.anchors[:])
        others = found if seen.references is seen.anchors else turned(seen.references[:])
        if found is None or others is None:
            return None
        form, groups = Cosine().closed_form(), None if seen.groups is None else seen.groups.numbers
        return BlockDistances(form, found[0], others[0], seen.dtype, seen.first, shared=seen.shared, groups=groups)

    @cached_property
    def _projected(self) -> tuple[Tensor, Tensor]:
        return _turned(self.seen.anchors[:]), _turned(self.seen.references[:])


def _length(rows: Tensor) -> Tensor:
    found: Tensor = torch.linalg.vector_norm(wide(rows), dim=1, keepdim=True)
    return found


def _turned(rows: Tensor) -> Tensor:
    return Cosine().project(wide(rows.detach()))


def _rows_of(own: Tensor, index: Tensor) -> Tensor:
    return own.gather(1, index[..., None].expand(-1, -1, own.shape[2]))
