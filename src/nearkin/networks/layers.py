"""The two hidden layers of a `Network`, with weights drawn from a passed generator (He normal, biases 0)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils import skip_init

from nearkin.core import InputError

Pair = tuple[int, int]
Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)
_SIDES = ("high", "wide")


class ConvLayer(nn.Module):
    """ReLU(max pooling(convolution)), or ReLU(max pooling(batch norm(convolution))): (B, C, H, W) -> (B, *output_shape).

    Two choices for speed alone: pooling comes before ReLU (both are monotone, so value and gradient are those of the
    usual order, and ReLU works on the pooled map only), and weights lie channels last in memory, which torch's maps
    then do too (a step of document 001's net takes a fifth less on a CPU).
    """

    def __init__(
        self,
        map_shape: tuple[int, int, int],
        *,
        kernel: Pair,
        pool: Pair,
        filters: int,
        padding: str,
        generator: torch.Generator,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        channels, *size = map_shape
        convolved = [_convolved(side, size[i], kernel[i], padding) for i, side in enumerate(_SIDES)]
        if pool[0] > convolved[0] or pool[1] > convolved[1]:
            raise InputError(
                f"a pool of {_by(pool)} does not fit: the map is {_by(convolved)} at this point; "
                "use a smaller pool or fewer layers"
            )
        self.kernel, self.pool, self.filters, self.padding = kernel, pool, filters, padding
        self.output_shape = (filters, convolved[0] // pool[0], convolved[1] // pool[1])
        before = ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2)
        even = kernel[0] % 2 == 0 or kernel[1] % 2 == 0
        self.uneven = (before[1], kernel[1] // 2, before[0], kernel[0] // 2) if padding == "same" and even else None
        around = before if padding == "same" and not even else (0, 0)
        deviation = (2.0 / (channels * kernel[0] * kernel[1])) ** 0.5
        self.batch_norm = batch_norm
        self.convolution = _drawn(
            deviation, generator, nn.Conv2d, channels, filters, kernel, padding=around, bias=not batch_norm
        )
        self.convolution.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.norm = nn.BatchNorm2d(filters) if batch_norm else nn.Identity()
        self.pooling = nn.Identity() if pool == (1, 1) else nn.MaxPool2d(pool)

    def forward(self, x: Tensor) -> Tensor:
        if self.uneven is not None:
            x = pad(x, self.uneven)
        return torch.relu(self.pooling(self.norm(self.convolution(x))))

    def configuration(self) -> dict[str, Any]:
        return {
            "kind": "conv",
            "kernel_h": self.kernel[0],
            "kernel_w": self.kernel[1],
            "pool_h": self.pool[0],
            "pool_w": self.pool[1],
            "filters": self.filters,
            "padding": self.padding,
            **({"batch_norm": True} if self.batch_norm else {}),
        }

    def extra_repr(self) -> str:
        return f"padding={self.padding!r}, output_shape={self.output_shape}"


class FcLayer(nn.Module):
    """ReLU(W x + bias): (B, ...) flattened to (B, features) -> (B, units)."""

    def __init__(self, features: int, units: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.units = units
        self.linear = linear(features, units, (2.0 / features) ** 0.5, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.linear(torch.flatten(x, 1)))

    def configuration(self) -> dict[str, Any]:
        return {"kind": "fc", "units": self.units}


def linear(features: int, units: int, deviation: float, *, generator: torch.Generator) -> nn.Linear:
    """A linear layer with normal weights of the given standard deviation and bias 0."""
    return _drawn(deviation, generator, nn.Linear, features, units)


def _drawn(
    deviation: float, generator: torch.Generator, kind: Callable[..., Layer], *sizes: Any, **options: Any
) -> Layer:
    """A layer of torch without its own initialisation, which would draw from (and move) the global random state."""
    layer: Layer = skip_init(kind, *sizes, **options)
    with torch.no_grad():
        layer.weight.normal_(0.0, deviation, generator=generator)
        if layer.bias is not None:
            layer.bias.zero_()
    return layer


def _convolved(side: str, size: int, kernel: int, padding: str) -> int:
    """The map's side after the convolution; an error when part of the kernel could never meet the map."""
    largest = 2 * size - 1 if padding == "same" else size
    if kernel > largest:
        raise InputError(
            f"a kernel {kernel} {side} does not fit: the map is {size} {side} at this point, and with padding "
            f"{padding!r} a kernel may be at most {largest} {side} to meet it with every weight"
        )
    return size if padding == "same" else size - kernel + 1


def _by(size: Pair | list[int]) -> str:
    return f"{size[0]} x {size[1]}"
