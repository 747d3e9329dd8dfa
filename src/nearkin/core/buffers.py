"""Memory for large buffers, kept from one call to the next: on a CPU fresh pages cost more than the arithmetic in them."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

LEAST = 5 << 17
"""Bytes from which a buffer is kept: three of them the process gives back to the system, to get fresh pages each time. Smaller
ones are found in memory that other steps have left in the cache."""

KEPT = 1 << 23
"""Bytes that a thread keeps at most."""


class _Kept(threading.local):
    """What a thread keeps: buffers of bytes that nobody uses, the one given back last at the end."""

    def __init__(self) -> None:
        self.idle: list[Tensor] = []

    def take(self, size: int) -> Tensor:
        """The smallest buffer of at least so many bytes, or a new one."""
        fitting = [place for place, each in enumerate(self.idle) if each.numel() >= size]
        if fitting:
            return self.idle.pop(min(fitting, key=lambda place: self.idle[place].numel()))
        with torch.inference_mode(False):  # a tensor made there could be used nowhere else
            return torch.empty(size, dtype=torch.uint8, device="cpu")

    def put(self, buffers: list[Tensor]) -> None:
        """Keep these, and let go what has lain idle longest where all would be more than KEPT."""
        self.idle += buffers
        while sum(each.numel() for each in self.idle) > KEPT:
            del self.idle[0]


_kept = _Kept()


class Buffers:
    """Tensors, contents undefined, whose memory is lent until the `with` block ends: nothing may look into them then.

    like:   a tensor on their device, of their dtype where none is said
    Memory: a thread keeps up to KEPT bytes for its next call; on other devices than CPUs torch does so itself

    >>> with Buffers(torch.zeros(())) as buffers:
    ...     buffers.take((2, 3), torch.int32).shape
    torch.Size([2, 3])
    """

    def __init__(self, like: Tensor) -> None:
        self.like = like
        self._lent: list[Tensor] = []

    def __enter__(self) -> Buffers:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._lent:
            _kept.put(self._lent)
            self._lent = []

    def take(self, shape: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
        """A tensor of that shape."""
        dtype = dtype or self.like.dtype
        size = math.prod(shape) * dtype.itemsize
        if size < LEAST or self.like.device.type != "cpu":
            return self.like.new_empty(shape, dtype=dtype)
        self._lent.append(_kept.take(size))
        return self._lent[-1][:size].view(dtype).view(shape)
