"""From images as they were decoded to images of one shape: sizes, channels and depths made equal, or refused in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nearkin.core import InputError, InputTypeError, flag, integer

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601

LARGEST_IMAGE = 89_478_485
"""Pixels of an image, at most; image files with more are refused as well, by Pillow."""


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What a user asks of the images while they are loaded; see `load_images`."""

    size: tuple[int, int] | None = None
    channels: int | None = None
    value_range: tuple[float, float] | None = None
    skip_bad: bool = False
    limit_per_class: int | None = None
    allow_part: bool = False
    pad: bool = False

    def __post_init__(self) -> None:
        if self.size is not None:
            if not isinstance(self.size, tuple | list) or len(self.size) != 2:
                raise InputTypeError(f"size must be (height, width) in pixels, got {self.size!r}")
            height, width = (integer("size", side, minimum=1) for side in self.size)
            if height * width > LARGEST_IMAGE:
                raise InputError(
                    f"size={height, width} asks for {height * width:,} pixels an image; "
                    f"the most is {LARGEST_IMAGE:,}, about 9459 x 9459"
                )
            object.__setattr__(self, "size", (height, width))
        if self.channels not in (None, 1, 3):
            raise InputError(f"channels must be 1 (grey) or 3 (RGB), got {self.channels!r}")
        if self.value_range is not None:
            object.__setattr__(self, "value_range", _checked_range(self.value_range))
        flag("skip_bad", self.skip_bad)
        flag("allow_part", self.allow_part)
        flag("pad", self.pad)
        if self.limit_per_class is not None:
            integer("limit_per_class", self.limit_per_class, minimum=1)

    def apply(self, pixels: NDArray[Any], name: str) -> NDArray[Any]:
        """Convert and resize one image (H, W, C); the result is (C, H, W)."""
        if self.channels is not None:
            pixels = with_channels(pixels, self.channels, name)
        if self.size is not None:
            pixels = padded(pixels, self.size) if self.pad else resized(pixels, self.size)
        return np.moveaxis(pixels, 2, 0)


def padded(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Bring (H, W, C) to `size` with its own aspect ratio: as large as fits, in the middle of black."""
    high, wide = pixels.shape[:2]
    factor = min(size[0] / high, size[1] / wide)
    inner = min(size[0], max(1, round(high * factor))), min(size[1], max(1, round(wide * factor)))
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    framed = np.zeros((*size, pixels.shape[2]), dtype=pixels.dtype)
    framed[top : top + inner[0], left : left + inner[1]] = resized(pixels, inner)
    return framed


def _checked_range(value: object) -> tuple[float, float]:
    try:
        low, high = (float(number) for number in value)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise InputTypeError(f"value_range must be two numbers, black and white, got {value!r}") from None
    if not (low < high and np.isfinite([low, high]).all()):
        raise InputError(f"value_range must be two finite numbers, the lower first, got {value!r}")
    return low, high


def with_channels(pixels: NDArray[Any], channels: int, name: str) -> NDArray[Any]:
    """Grey (1) to RGB (3) by copies, RGB to grey by luma 0.299 R + 0.587 G + 0.114 B; (H, W, C) to (H, W, channels)."""
    found = pixels.shape[2]
    if found == channels:
        return pixels
    if (found, channels) == (1, 3):
        return np.repeat(pixels, 3, axis=2)
    if (found, channels) == (3, 1):
        grey: NDArray[Any] = np.rint(pixels @ _LUMA).astype(pixels.dtype)
        return grey[:, :, None]
    raise InputError(f"{name} has {found} channels, which cannot become {channels}; leave channels unset to keep them")


def resized(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Stretch (H, W, C) to `size` by a triangle filter as wide as the reduction, each channel for itself, at full depth."""
    if pixels.shape[:2] == size:
        return pixels
    height, width = size
    if pixels.dtype == np.uint8 and pixels.shape[2] in (1, 3):
        image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)).reshape(height, width, -1)
    planes = [
        np.asarray(Image.fromarray(plane.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR))
        for plane in np.moveaxis(pixels, 2, 0)
    ]
    stretched: NDArray[Any] = np.rint(np.stack(planes, axis=2)).astype(pixels.dtype)
    return stretched
