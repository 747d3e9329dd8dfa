"""Rows in a distance's space: a tensor, or rows that are made as they are asked for, some at a time."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from nearkin.core.tensors import cast

Pairs = tuple[Tensor, Tensor]
"""Indices of rows and of columns."""

CHUNK = 1 << 18
"""Numbers of pairs of rows that are made at a time beside a result."""

PIECE = {"cpu": 1 << 16}
"""Numbers of rows that are made at a time, by device: they stay in a processor's cache."""

HELD = 4
"""Pieces of rows that are made once and held, where they would be made several times."""

LONG = 1 << 22
"""The same on any other device, where every step has to be launched."""


class Rows(Protocol):
    """(n, D) in the widest dtype there is: `rows[index]`, an index of rows or a slice, makes some of them."""

    @property
    def shape(self) -> torch.Size:
        """(n, D)."""

    @property
    def device(self) -> torch.device:
        """Where they are made."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Tensor: ...

    def index_select(self, dim: int, index: Tensor, /) -> Tensor:
        """Rows `index` (m,) of dimension 0, (m, D)."""


def parts(count: int, width: int) -> list[slice]:
    """Slices of `count` pairs of rows of so many numbers, CHUNK numbers a slice."""
    size = max(1, CHUNK // max(width, 1))
    return [slice(start, start + size) for start in range(0, count, size)]


def pieces(rows: Rows) -> list[slice]:
    """Slices of rows that are made one after the other; of no rows one slice of nothing."""
    count, width = rows.shape
    size = max(1, PIECE.get(rows.device.type, LONG) // max(width, 1))
    return [slice(start, start + size) for start in range(0, max(count, 1), size)]


def at_once(rows: Rows) -> bool:
    """Whether rows are so few that all of them may be held."""
    return len(pieces(rows)) <= HELD


def mean(rows: Rows) -> Tensor:
    """The mean row (D,), without a graph; 0 of no rows."""
    if isinstance(rows, Tensor):
        return rows.detach().sum(0).div_(max(rows.shape[0], 1))
    return torch.stack([rows[part].sum(0) for part in pieces(rows)]).sum(0) / max(rows.shape[0], 1)


def _as_wide(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """Rows in `dtype` where that has more digits than their own: a difference of narrow ones would be rounded already."""
    return cast(rows, torch.promote_types(rows.dtype, dtype))


def narrowed(rows: Rows, dtype: torch.dtype, shift: Tensor | None = None) -> Tensor:
    """The rows less `shift` (D,), in `dtype`."""
    if not isinstance(rows, Tensor) and at_once(rows):
        rows = rows[:]
    if isinstance(rows, Tensor):
        return cast(rows, dtype) if shift is None else cast(_as_wide(rows, dtype) - shift, dtype)
    found = torch.empty(rows.shape, dtype=dtype, device=rows.device)
    for part in pieces(rows):
        found[part] = rows[part] if shift is None else rows[part] - shift
    return found
