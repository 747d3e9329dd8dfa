"""Where numbers lie, and memory for what is needed on the way, used again for one chunk of rows after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nearkin.core.buffers import Buffers


def on_cpu(values: Tensor) -> bool:
    """Whether numpy can work on these values where they lie."""
    return values.device.type == "cpu"


class Workspace:
    """Named buffers of `size` numbers each, lent until the `with` block ends: fresh memory costs more than the arithmetic in it."""

    def __init__(self, size: int, like: Tensor) -> None:
        self.size, self._lender = size, Buffers(like)
        self._buffers: dict[str, Tensor] = {}

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *error: Any) -> None:
        self._buffers.clear()
        self._lender.__exit__(*error)

    def take(self, name: str, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A tensor of that shape, contents undefined, in the memory that the name had before."""
        if name not in self._buffers:
            self._buffers[name] = self._lender.take((self.size,), dtype)
        return self._buffers[name][: math.prod(shape)].view(*shape)
