"""Pixels of mean 0 and deviation 1, with the numbers of the training part alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError
from nearkin.data.images import ImageSet

_BLOCK = 4096
_VALUES = 1 << 26
"""A block has at most so many images, and at most so many pixel values: half a GiB while they are added up."""


@dataclass(frozen=True)
class Standardisation:
    """y = (x - mean) / deviation for each channel, on pixels scaled to [0, 1] as `ImageSet.scaled` gives them."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, images: ImageSet, indices: ArrayLike) -> Standardisation:
        """Mean and standard deviation of each channel over the images at `indices`: the training part, never more.

        Added in float64, a block of images at a time, each sum about the first block's mean. A channel of one value
        gets deviation 1, so that it becomes 0.
        """
        chosen = np.asarray(indices, dtype=np.int64)
        if not len(chosen):
            raise InputError("no images to take the mean and deviation of")
        channels = images.image_shape[0]
        size = max(1, min(_BLOCK, _VALUES // int(np.prod(images.image_shape))))
        centre = images.scaled(chosen[:size]).mean(axis=(0, 2, 3), dtype=np.float64)
        total, squares, count = np.zeros(channels), np.zeros(channels), 0
        for start in range(0, len(chosen), size):
            block = images.scaled(chosen[start : start + size]) - centre[:, None, None]
            total += block.sum(axis=(0, 2, 3))
            squares += np.square(block).sum(axis=(0, 2, 3))
            count += block[:, 0].size
        shift = total / count
        deviation = np.sqrt(np.maximum(squares / count - shift**2, 0))
        deviation[deviation < 1e-6] = 1.0
        return cls(tuple((centre + shift).tolist()), tuple(deviation.tolist()))

    def __call__(self, scaled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardise (n, C, H, W) float32 pixels."""
        mean, deviation = (np.array(row, dtype=np.float32)[:, None, None] for row in (self.mean, self.deviation))
        if scaled.shape[1] != len(self.mean):
            raise InputError(f"the standardisation is for {len(self.mean)} channels, the images have {scaled.shape[1]}")
        standard: NDArray[np.float32] = (scaled - mean) / deviation
        return standard

    def as_dict(self) -> dict[str, list[float]]:
        """The numbers as plain values for a JSON file."""
        return {"mean": list(self.mean), "deviation": list(self.deviation)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Sequence[float]]) -> Standardisation:
        """The standardisation that `as_dict` wrote."""
        return cls(tuple(value["mean"]), tuple(value["deviation"]))
