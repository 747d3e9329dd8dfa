"""Where numbers lie, and memory for what is needed on the way, used again for one chunk of rows after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def on_cpu(values: Tensor) -> bool:
    """Whether numpy can work on these values where they lie."""
    return values.device.type == "cpu"


class Workspace:
    """Named buffers of `size` numbers. Fresh memory costs more than the arithmetic in it."""

    def __init__(self, size: int, device: torch.device) -> None:
        self.size, self.device = size, device
        self._buffers: dict[str, Tensor] = {}

    def take(self, name: str, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A tensor of that shape, contents undefined, in the memory that the name had before."""
        if name not in self._buffers:
            self._buffers[name] = torch.empty(self.size, dtype=dtype, device=self.device)
        return self._buffers[name][: math.prod(shape)].view(*shape)
