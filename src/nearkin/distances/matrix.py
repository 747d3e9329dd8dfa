"""The matrix of a distance with a closed form, as one step of autograd: `Distance.forward` of two sets, or of one with itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import torch
from torch import Tensor

from nearkin.core.tensors import full_precision
from nearkin.distances.forms import Form
from nearkin.distances.in_place import BlockDistances
from nearkin.distances.squared import selves

Again = Callable[[Tensor, Tensor], Tensor]
"""Distances of projected rows by autograd, for who differentiates twice."""


def distance_matrix(form: Form, anchors: Tensor, references: Tensor, dtype: torch.dtype, again: Again) -> Tensor:
    """Distances of projected rows, (A, P), (R, P) -> (A, R); of the very same rows: of a set with itself.

    Selves are 0 there, without a slope, unless the form is a product; the two ends of a pair share one product
    """
    found: Tensor = _Matrix.apply(  # type: ignore[no-untyped-call]
        form, dtype, again, anchors, None if references is anchors else references
    )
    return found


class _Matrix(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, form: Form, dtype: torch.dtype, again: Again, anchors: Tensor, references: Tensor | None
    ) -> Tensor:
        shared = references is None
        columns = anchors if references is None else references
        made = BlockDistances(form, anchors, columns, dtype, 0 if shared else None, shared=shared)
        matrix = anchors.new_empty(anchors.shape[0], columns.shape[0], dtype=dtype)
        with full_precision(anchors.device):
            made.fill(0, anchors.shape[0], matrix)
        ctx.made, ctx.again = made, again
        ctx.save_for_backward(anchors, references, matrix)
        return matrix

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        anchors, references, matrix = ctx.saved_tensors
        given = [anchors] if references is None else [anchors, references]
        if torch.is_grad_enabled():  # somebody will differentiate once more
            gradients: Sequence[Tensor | None] = _twice(ctx.again(given[0], given[-1]), given, outer[0])
        else:
            made = copy(ctx.made)  # gradients add up in it, and this backward may not be the last
            with full_precision(anchors.device):
                found = _pulled(made, matrix.clone(), outer[0].clone(memory_format=torch.contiguous_format))
            gradients = [each.mul_(made.scale).to(anchors.dtype) for each in found]
        return (None, None, None, *gradients, *([None] * (2 - len(given))))


def _twice(matrix: Tensor, given: list[Tensor], outer: Tensor) -> list[Tensor | None]:
    """The gradients with a graph of their own."""
    wanted = [each for each in given if each.requires_grad]
    found = iter(torch.autograd.grad(matrix, wanted, outer, create_graph=True))
    return [next(found) if each.requires_grad else None for each in given]


def _pulled(made: BlockDistances, distances: Tensor, slopes: Tensor) -> tuple[Tensor, ...]:
    """The gradients of sum(slopes * distances), less `made.scale`. Both are used up."""
    if made.first is not None and not made.by_product:
        selves(slopes, made.first).fill_(0)
    made.pull(0, distances.shape[0], distances, slopes)
    return made.finish()
