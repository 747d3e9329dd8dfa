"""From an opened image to what a model sees: the same arithmetic, to the bit, by which its training images were loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, InputTypeError, flag, integer
from nearkin.data.images import ImageSet
from nearkin.data.preparing import padded, resized, with_channels

RESIZE = "triangle filter as wide as the reduction, at the image's own depth"
_WHOLE = {8: (0.0, 255.0), 16: (0.0, 65535.0)}


@dataclass(frozen=True)
class Preprocessing:
    """Images (H, W, C) of uint8 or uint16 to (channels, height, width) of float32, black 0 and white 1.

    Equation:    (value - black) / (white - black), after channels and size were made equal as `load_images` makes them
    channels:    1 makes grey of RGB by luma, 3 makes RGB of grey by copies; any other number must be the image's own
    height, width: to which images are stretched
    value_range: the values that mean black and white. Default: the image's whole range, 0 to 255 or 0 to 65535
    bits:        8 or 16, the depth that `value_range` is of; an image of the other depth is brought to it (times 257, or
                 divided by 257). Nothing is clipped.
    pad:         images keep their own aspect ratio, in the middle of black, instead of being stretched
    Errors:      InputError for an image of another shape or type, and for channels that cannot be made equal

    >>> Preprocessing(1, 1, 2)([np.array([[[0], [255]]], np.uint8)])
    array([[[[0., 1.]]]], dtype=float32)
    """

    channels: int
    height: int
    width: int
    value_range: tuple[float, float] | None = None
    bits: int | None = None
    pad: bool = False

    def __post_init__(self) -> None:
        for side in ("channels", "height", "width"):
            integer(side, getattr(self, side), minimum=1)
        flag("pad", self.pad)
        if self.value_range is None:
            return
        low, high = self.value_range
        if not (low < high and np.isfinite([low, high]).all()) or self.bits not in _WHOLE:
            raise InputError(
                f"value_range must be two finite numbers, the lower first, of 8 or 16 bits, got {self.value_range!r} of "
                f"{self.bits!r}"
            )

    @classmethod
    def of(cls, images: ImageSet, *, pad: bool = False) -> Preprocessing:
        """By which an opened image becomes what `images.scaled()` has of it; `pad` as `load_images` was told."""
        channels, height, width = images.image_shape
        bits = 8 * images.pixels.dtype.itemsize
        low, high = (float(value) for value in images.value_range)
        if (low, high) == _WHOLE[bits]:
            return cls(channels, height, width, pad=pad)
        return cls(channels, height, width, (low, high), bits, pad)

    def __call__(self, images: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """All images, (N, channels, height, width)."""
        made = np.empty((len(images), self.channels, self.height, self.width), np.float32)
        for place, image in enumerate(images):
            made[place] = self._one(image, f"image {place}")
        return made

    def _one(self, image: NDArray[Any], name: str) -> NDArray[np.float32]:
        if not isinstance(image, np.ndarray) or image.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
            kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
            raise InputTypeError(f"{name} must be an array (H, W, C) of uint8 or uint16 as open_image gives it, got {kind}")
        if image.ndim != 3 or 0 in image.shape:
            raise InputError(f"{name} must have the shape (H, W, C), got {image.shape}")
        sized = padded if self.pad else resized
        equal = sized(with_channels(image, self.channels, name), (self.height, self.width))
        low, high = self.value_range or _WHOLE[8 * image.dtype.itemsize]
        values = np.moveaxis(equal, 2, 0).astype(np.float32)
        if self.bits is not None and self.bits != 8 * image.dtype.itemsize:
            values = values * np.float32(257) if self.bits == 16 else values / np.float32(257)
        if low:
            values -= np.float32(low)
        values /= np.float32(high - low)
        return values

    def as_section(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        value_range = None if self.value_range is None else list(self.value_range)
        sides = {"channels": self.channels, "height": self.height, "width": self.width}
        return {**sides, "value_range": value_range, "bits": self.bits, "resize": RESIZE, "pad": self.pad}

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> Preprocessing:
        """What `as_section` described. Errors: InputError where images were resized in a way that this version has not."""
        if section["resize"] != RESIZE:
            raise InputError(f"the model's images are resized by {section['resize']!r}; this version knows {RESIZE!r}")
        given = section["value_range"]
        value_range = None if given is None else (float(given[0]), float(given[1]))
        return cls(section["channels"], section["height"], section["width"], value_range, section["bits"], section["pad"])
