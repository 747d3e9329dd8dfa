"""The one distance kernel: squared Euclidean distances of all pairs, or row by row, accurate for near-duplicates.

The matrix product form |a|^2 + |r|^2 - 2 a'r is fast but cancels where two rows nearly coincide. So rows are centred
first (differences do not change), and every entry below `NEAR` times the sum of its two squared norms is computed again
from the difference of the rows themselves. The gradient is split in the same way. The rows come in float64 ("wide",
see `wide`), so that what projects them adds no rounding of its own; products run in the dtype of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from nearkin.core.tensors import full_precision, numbers, traced
from nearkin.distances import crowds
from nearkin.distances.crowds import Crowd
from nearkin.distances.groups import Group, MakeGroup, mend
from nearkin.distances.rows import Pairs, Rows, mean, narrowed, parts

NEAR = {torch.float32: 0.05, torch.float64: 1e-6}
"""Share of the squared norms below which a product is not trusted: the error relative to the entry is about eps / NEAR."""

PLAIN = 128
"""References in float64 up to which nobody centres: their products spoil little, and the steps cost more."""

BAND = 128
"""Rows of a symmetric matrix made at a time."""

MIRRORED = 512, 256
"""Rows and dimensions from which a mirrored half of a product takes less time than the half itself."""

Some = TypeVar("Some", bound=Rows)


def compute_dtype(x: Tensor) -> torch.dtype:
    """The dtype of distances and losses: float64 stays, everything narrower is raised to float32."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def wide(x: Tensor) -> Tensor:
    """`x` in float64, where the device has it; float32 elsewhere."""
    return x.to(torch.float32 if x.device.type == "mps" else torch.float64)


class SquaredKernel:
    """Squared distances of any rows to one set of references, and their pullback; not under autocast.

    Shapes:  references (R, D), wide -> `forward` of anchors (A, D) gives (A, R) in `dtype`
    Memory:  centred references in `dtype`, and CHUNK numbers beside the result
    """

    def __init__(self, references: Rows, dtype: torch.dtype) -> None:
        self.references, self.dtype = references, dtype
        plain = dtype == torch.float64 and references.shape[0] <= PLAIN
        self.shift = None if plain else mean(references)
        self.centred = narrowed(references, dtype, self.shift)
        self.norms = self.centred.square().sum(1)
        self.share = NEAR[dtype]

    @cached_property
    def extremes(self) -> tuple[float, float]:
        """The smallest and the largest squared norm of the centred references; 0 without references."""
        if not self.norms.shape[0]:
            return 0.0, 0.0
        low, high = numbers(*torch.aminmax(self.norms))
        return low, high

    def centre(self, anchors: Rows, first: int | None = None) -> Tensor:
        """Anchors less the references' mean, in `dtype`; those from column `first` on are references themselves."""
        if first is not None:
            return cut(self.centred, first, first + anchors.shape[0])
        return narrowed(anchors, self.dtype, self.shift)

    def forward(self, anchors: Rows, out: Tensor | None = None) -> tuple[Tensor, Pairs | None]:
        """Squared distances (A, R), into `out` if given, and the (row, column) indices of the near pairs; None for a crowd."""
        return self.fill(anchors, out)[:2]

    def fill(
        self, anchors: Rows, out: Tensor | None = None, first: int | None = None, group: MakeGroup | None = None
    ) -> tuple[Tensor, Pairs | None, Group | Crowd | None]:
        """The same, and who made pairs apart, which are no near pairs then: a group, or a crowd all of them.

        first: where the anchors are references themselves, the column of the first of them: those entries are 0 and no
               near pairs
        """
        centred = self.centre(anchors, first)
        if first is None:
            norms = centred.square().sum(1, keepdim=True)
        else:
            norms = cut(self.norms, first, first + anchors.shape[0])[:, None]
        if centred is self.centred and worth_mirroring(centred):
            squared = mirrored(centred, self.norms, out)
        else:
            squared = torch.addmm(self.norms, centred, self.centred.T, alpha=-2, out=out).add_(norms)
        if first is not None:
            own = selves(squared, first).fill_(torch.inf)
        look = partial(self._near, squared, norms, first is not None)
        near, apart = mend(
            squared, anchors, self.references, look, share=self.share, first=first, shift=self.shift, group=group
        )
        if first is not None:
            own.fill_(0)
        return squared, near, apart

    def _near(self, squared: Tensor, norms: Tensor, shared: bool, grouped: bool) -> Pairs | None:
        """Entries that a product has not made well enough; most rows, or all at once, are cleared by their smallest entry.

        None where they are a crowd. shared: the anchors are references, whose largest norm is known; grouped: a group may
        make them
        """
        largest = self.extremes[1]
        if not squared.numel() or (shared and float(squared.amin()) >= 2 * self.share * largest):
            nobody = torch.empty(0, dtype=torch.int64, device=squared.device)
            return nobody, nobody
        if shared and squared.numel() <= crowds.FEW and crowds.is_doubled(squared):
            return None
        limits, others = norms * self.share, self.norms * self.share
        suspects = (squared.amin(1, keepdim=True) < limits + self.share * largest).nonzero()[:, 0]
        if not len(suspects):
            return suspects, suspects
        return crowds.near_pairs(squared, suspects, lambda some: limits[some] + others, grouped=grouped)

    def backward(self, anchors: Tensor, near: Pairs | None, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of sum(gradient * squared) with respect to anchors (A, D) and references (R, D)."""
        if near is None:
            to_references = torch.zeros_like(self.centred)
            to_anchors = Crowd(anchors, self.references, self.shift).pull(gradient, to_references)
            return 2 * to_anchors.to(self.dtype), 2 * to_references
        far = gradient.index_put(near, gradient.new_zeros(())) if len(near[0]) else gradient
        centred = self.centre(anchors)
        to_anchors = 2 * (centred * far.sum(1, keepdim=True) - far @ self.centred)
        to_references = 2 * (self.centred * far.sum(0)[:, None] - far.T @ centred)
        for i, j in _chunks(*near, anchors.shape[1]):
            pull = (2 * (anchors[i] - self.references[j]) * gradient[i, j][:, None]).to(self.dtype)
            to_anchors = to_anchors.index_add(0, i, pull)
            to_references = to_references.index_add(0, j, -pull)
        return to_anchors, to_references


def worth_mirroring(rows: Tensor) -> bool:
    """Whether half of the product of rows (N, D) with themselves, mirrored, takes less time than all of it."""
    count, dimensions = MIRRORED
    return rows.shape[0] >= count and rows.shape[1] >= dimensions and rows.device.type == "cpu"


def mirrored(rows: Tensor, norms: Tensor, out: Tensor | None = None, factor: float = -2) -> Tensor:
    """|a|^2 + |b|^2 - 2 a'b of all pairs of rows (N, D) with squared norms (N,): one half is made, the other mirrored.

    factor: another one than -2
    """
    count = rows.shape[0]
    squared = rows.new_empty(count, count) if out is None else out
    for start in range(0, count, BAND):
        stop = min(start + BAND, count)
        band = squared[start:stop, start:]
        torch.addmm(norms[start:], rows[start:stop], rows[start:].T, alpha=factor, out=band).add_(norms[start:stop, None])
        squared[stop:, start:stop] = band[:, stop - start :].contiguous().T.contiguous()  # torch turns no other fast
    return squared


def selves(matrix: Tensor, first: int) -> Tensor:
    """A view of the entries (i, first + i) of a matrix (A, R), R >= first + A: each anchor's own column."""
    return torch.diagonal(matrix, first)


def cut(rows: Some, start: int, stop: int) -> Some | Tensor:
    """rows[start:stop], or the very rows where that is all of them."""
    return rows if stop - start == rows.shape[0] else rows[start:stop]


def _chunks(rows: Tensor, columns: Tensor, width: int) -> Sequence[Pairs]:
    return [(rows[part], columns[part]) for part in parts(rows.shape[0], width)]


class _Squared(torch.autograd.Function):
    """All pairs under autograd. The backward is made of differentiable steps, so a double backward is right too."""

    @staticmethod
    def forward(ctx: Any, anchors: Tensor, references: Tensor, dtype: torch.dtype) -> Tensor:
        with full_precision(anchors.device):
            squared, near = SquaredKernel(references, dtype).forward(anchors)
        ctx.save_for_backward(anchors, references, *(near or ()))
        ctx.dtype = dtype
        return squared

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        anchors, references, *near = ctx.saved_tensors
        kernel = SquaredKernel(references, ctx.dtype)
        with full_precision(anchors.device):
            pairs = (near[0], near[1]) if near else None
            to_anchors, to_references = kernel.backward(anchors, pairs, gradients[0])
        return to_anchors.to(anchors.dtype), to_references.to(references.dtype), None


def squared_distances(anchors: Tensor, references: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Squared Euclidean distances, |a_i - r_j|^2.

    Shapes:   (A, D), (R, D) -> (A, R), or row by row (A, D), (A, K, D) -> (A, K)
    Dtype:    of the result; that of the rows by default. Rows in float64 keep near-duplicates exact in float32
    Error:    below 1e-6 relative in float32, near-duplicates included; exactly 0 for identical rows
    Gradient: 2 (a - r), finite everywhere
    """
    dtype = dtype or anchors.dtype
    if references.dim() == 3:
        return (anchors[:, None] - references).square().sum(2).to(dtype)
    if traced():
        return _traceable(anchors, references).to(dtype)
    result: Tensor = _Squared.apply(anchors, references, dtype)  # type: ignore[no-untyped-call]
    return result


def _traceable(anchors: Tensor, references: Tensor) -> Tensor:
    """The product form in the rows' own (wide) dtype: no shape depends on values, so a compiler can trace it whole."""
    shift = references.detach().mean(0)
    a, r = anchors - shift, references - shift
    return torch.relu(a.square().sum(1, keepdim=True) + r.square().sum(1) - 2 * a @ r.T)
