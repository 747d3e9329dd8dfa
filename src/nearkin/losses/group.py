"""Several processes as one batch: rows gathered from everybody, with gradients that go back to their owners."""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor

from nearkin.core import InputTypeError


class Group(Protocol):
    """What the engine asks of the processes that share a batch."""

    rank: int
    size: int

    def gather(self, rows: Tensor) -> list[Tensor]:
        """Everybody's rows, unequal numbers allowed, in the order of ranks; without gradient."""

    def sum(self, values: Tensor) -> Tensor:
        """The sum of everybody's `values` of one shape."""


class ProcessGroup:
    """A `torch.distributed` process group, seen as a Group."""

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        self.group = group
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)

    def gather(self, rows: Tensor) -> list[Tensor]:
        lengths = [torch.zeros((), dtype=torch.int64, device=rows.device) for _ in range(self.size)]
        dist.all_gather(lengths, torch.tensor(len(rows), device=rows.device), self.group)
        counts = [int(length) for length in lengths]
        padded = torch.cat([rows, rows.new_zeros(max(counts) - len(rows), *rows.shape[1:])])
        everybody = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(everybody, padded.contiguous(), self.group)
        return [part[:count] for part, count in zip(everybody, counts)]

    def sum(self, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=self.group)
        return total


def as_group(group: Any) -> Group | None:
    """A `torch.distributed` group, or an object that already is a Group; None stays None."""
    if group is None or (hasattr(group, "gather") and hasattr(group, "size") and not callable(group.size)):
        return group  # type: ignore[no-any-return]
    if not dist.is_initialized():
        raise InputTypeError(f"group must be a torch.distributed process group or a Group, got {type(group).__name__}")
    return ProcessGroup(group)


def gathered(rows: Tensor, group: Group | None) -> tuple[Tensor, int]:
    """Everybody's rows (R, ...) and the place of the first of mine; the gradient of each row returns to its owner."""
    if group is None:
        return rows, 0
    if rows.is_floating_point():
        result: tuple[Tensor, int] = _Gather.apply(rows, group)  # type: ignore[no-untyped-call]
        return result
    parts = group.gather(rows)
    return torch.cat(parts), sum(len(part) for part in parts[: group.rank])


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, group: Group) -> tuple[Tensor, int]:
        parts = group.gather(rows)
        ctx.group, ctx.start, ctx.length = group, sum(len(part) for part in parts[: group.rank]), len(rows)
        return torch.cat(parts), ctx.start

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        if torch.is_grad_enabled():
            raise RuntimeError("a loss over several processes has no double backward; compute it on one process")
        return ctx.group.sum(gradients[0])[ctx.start : ctx.start + ctx.length], None
