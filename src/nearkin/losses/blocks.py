"""The blocked form: rows of anchors at a time, O(block x references) memory, in forward and in backward.

Autograd sees only a block's elementwise work, on a leaf of squared distances in a buffer that is used again; the
kernel's own pullback does the rest. A loss of one total makes its gradient while the block is in memory, and backward
only scales it. Several totals, or the values of `prepare`, are swept a second time in backward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nearkin.core.tensors import full_precision
from nearkin.distances import SquaredKernel


class Views(NamedTuple):
    """Tensors that the blocks of one sweep are cut from; the first four have a row for each anchor."""

    anchors: Tensor  # (n, D) wide
    vectors: Tensor  # (n, D) in the dtype of the loss
    norms: Tensor  # (n,) squared norms
    own: Tensor | None  # (n, K, D) wide
    row: Tensor | None  # (n,) of `prepare`
    references: Tensor  # (R, D) wide
    reference_vectors: Tensor  # (R, D)
    reference_norms: Tensor  # (R,)
    column: Tensor | None  # (R,) of `prepare`

    def cut(self, start: int, stop: int) -> Views:
        """The views of a block of anchors; what all blocks share stays whole."""
        parts = [view if view is None or i >= CUT else view[start:stop] for i, view in enumerate(self)]
        return Views(*parts)  # type: ignore[arg-type]

    def leaves(self) -> Views:
        """The same tensors without a past, asking for gradients."""
        parts = [None if view is None else view.detach().requires_grad_() for view in self]
        return Views(*parts)  # type: ignore[arg-type]


CUT = 5
"""The first views are cut to the block's rows; the others are shared by all blocks."""

KERNEL = (0, 5)
"""Views whose gradient through the shared distances comes from the kernel."""

Visit = Callable[[int, Views, Tensor], Tensor]
"""start, the block's views, its squared distances (b, R) -> the result of the block."""

Cotangent = Callable[[int, Tensor], Tensor]


def blocked(visit: Visit, views: Views, parameters: Sequence[Tensor], size: int, *, rows: bool, eager: bool) -> Tensor:
    """Visit blocks of `size` anchors; results are concatenated if they are `rows` of anchors, else added.

    `eager`: only the first entry of the result is differentiated, and its gradient is made in forward.
    """
    result: Tensor = _Blocks.apply(  # type: ignore[no-untyped-call]
        visit, size, rows, eager and torch.is_grad_enabled(), len(views), *views, *parameters
    )
    return result


class _Blocks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, visit: Visit, size: int, rows: bool, eager: bool, count: int, *tensors: Any) -> Tensor:
        sweep = _Sweep(visit, size, Views(*tensors[:count]), list(tensors[count:]))
        ctx.form = (visit, size, rows, count)
        results = sweep.run(_first_entry if eager else None)
        ctx.gradients = sweep.gradients if eager else None
        ctx.save_for_backward(*(() if eager else tensors))
        return torch.cat(results) if rows else torch.stack(results).sum(0)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError("the blocked form of a loss has no double backward; use the dense form: block_size=None")
        visit, size, rows, count = ctx.form
        if ctx.gradients is not None:
            scale = outer[0].flatten()[0]
            return (None,) * 5 + tuple(None if g is None else g * scale.to(g.dtype) for g in ctx.gradients)
        tensors = ctx.saved_tensors
        sweep = _Sweep(visit, size, Views(*tensors[:count]), list(tensors[count:]))
        sweep.run(lambda start, result: outer[0][start : start + len(result)] if rows else outer[0])
        return (None,) * 5 + tuple(sweep.gradients)


def _first_entry(start: int, result: Tensor) -> Tensor:
    cotangent = torch.zeros_like(result)
    cotangent.view(-1)[0] = 1
    return cotangent


class _Sweep:
    """One pass over the blocks: their results, and if asked the gradient of each view and parameter."""

    def __init__(self, visit: Visit, size: int, views: Views, parameters: list[Tensor]) -> None:
        self.visit, self.size, self.views, self.parameters = visit, size, views, parameters
        self.kernel = SquaredKernel(views.references, views.vectors.dtype)
        self.tensors: list[Tensor | None] = [*views, *parameters]
        self.gradients: list[Tensor | None] = [None] * len(self.tensors)

    def run(self, cotangent: Cotangent | None) -> list[Tensor]:
        anchors = self.views.anchors
        buffer = anchors.new_empty(min(self.size, len(anchors)), len(self.kernel.references), dtype=self.kernel.dtype)
        if cotangent is not None:
            self.gradients = [_zeros(tensor) for tensor in self.tensors]
        with full_precision(anchors.device):
            return [self._block(start, stop, buffer, cotangent) for start, stop in self._ranges()]

    def _ranges(self) -> Iterator[tuple[int, int]]:
        count = len(self.views.anchors)
        return ((start, min(start + self.size, count)) for start in range(0, count, self.size))

    def _block(self, start: int, stop: int, buffer: Tensor, cotangent: Cotangent | None) -> Tensor:
        squared, near = self.kernel.forward(self.views.anchors[start:stop], buffer[: stop - start])
        if cotangent is None:
            with torch.no_grad():
                return self.visit(start, self.views.cut(start, stop), squared)
        with torch.enable_grad():
            leaves = self.views.cut(start, stop).leaves()
            squared = squared.detach().requires_grad_()
            result = self.visit(start, leaves, squared)
        if result.requires_grad:
            self._pull(start, stop, result, cotangent(start, result), leaves, squared, near)
        return result.detach()

    def _pull(
        self, start: int, stop: int, result: Tensor, outer: Tensor, leaves: Views, squared: Tensor, near: Any
    ) -> None:
        wanted = [i for i, gradient in enumerate(self.gradients) if gradient is not None]
        inputs: list[Any] = [leaves[i] if i < len(leaves) else self.tensors[i] for i in wanted]
        found = torch.autograd.grad(result, [squared, *inputs], outer.to(result.dtype), allow_unused=True)
        for i, gradient in zip(wanted, found[1:]):
            self._add(i, start, stop, gradient)
        if found[0] is not None and any(self.gradients[i] is not None for i in KERNEL):
            for i, gradient in zip(KERNEL, self.kernel.backward(self.views.anchors[start:stop], near, found[0])):
                self._add(i, start, stop, gradient)

    def _add(self, i: int, start: int, stop: int, gradient: Tensor | None) -> None:
        total = self.gradients[i]
        if total is not None and gradient is not None:
            (total[start:stop] if i < CUT else total).add_(gradient)


def _zeros(tensor: Tensor | None) -> Tensor | None:
    return torch.zeros_like(tensor) if tensor is not None and tensor.requires_grad else None
