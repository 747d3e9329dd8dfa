"""Training images changed at random, a whole batch at once: turned, scaled, cut out a little aside, mirrored, brighter or darker."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nearkin.core import InputError, InputTypeError, integer, non_negative, within

DRAWS = 4
"""Uniforms an image: mirrored or not, two places of the cut, brightness. Drawn always, so that no option moves another."""

TURNS = 2
"""Uniforms an image after those, its angle and its size, drawn only where images are turned or scaled."""

LATER = {"rotate": 0.0, "scale": 0.0, "background": 0.0}
"""Settings younger than runs that may be resumed, with their defaults."""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes of the training images; validation and test images stay as they are. All are off by default.

    rotate:     largest angle, in degrees, by which an image is turned about its centre either way
    scale:      an image is enlarged or shrunk about its centre by a factor between 1 / (1 + scale) and 1 + scale, both
                axes alike; the factor's logarithm is uniform
    flip:       half of the images are mirrored, left and right exchanged
    crop:       pixels of background that are put around an image before a window of its own size is cut out at random:
                a shift by up to so many pixels each way
    brightness: largest amount that is added to or taken from all pixels of an image, which lie in [0, 1] and are
                clipped to it
    background: the pixel that stands where a turned, shrunk or shifted image has none: 0 is black, 1 white

    Between pixels a turned or scaled image is interpolated linearly. Turning and scaling come first, then the cut.

    Shapes:  images (B, C, H, W), floating -> the same; the argument is not changed
    Random:  one image, one draw of `DRAWS` uniforms, in the order of the batch, from the generator that is passed; then
             one of `TURNS`
    Errors:  InputError for settings out of range, and for inputs that are no images
    """

    flip: bool = False
    crop: int = 0
    brightness: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    background: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.flip, bool):
            raise InputTypeError(f"flip must be true or false, got {self.flip!r}")
        integer("crop", self.crop, minimum=0)
        if non_negative("brightness", self.brightness) > 1:
            raise InputError(f"brightness must lie in 0..1, the range of pixels, got {self.brightness!r}")
        if non_negative("rotate", self.rotate) > 180:
            raise InputError(f"rotate must be an angle of 0 to 180 degrees, got {self.rotate!r}")
        if non_negative("scale", self.scale) > 4:
            raise InputError(
                f"scale must be a share of 0 to 4, such as 0.1 for a tenth larger or smaller, got {self.scale!r}"
            )
        within("background", self.background, 0, 1)

    def settings(self) -> dict[str, Any]:
        """All settings as plain values; those of `LATER` only where they are set, as in runs from before there were such."""
        return {name: value for name, value in asdict(self).items() if name not in LATER or value != LATER[name]}

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The images as a step sees them."""
        if images.dim() != 4:
            raise InputError(
                f"augmentation changes images (B, C, H, W); these inputs have the shape {tuple(images.shape)}. "
                "Features of a frozen backbone cannot be augmented: leave augmentation out"
            )
        draws = torch.rand(len(images), DRAWS, generator=generator, dtype=torch.float64).to(images.device)
        if self.rotate or self.scale:
            turns = torch.rand(len(images), TURNS, generator=generator, dtype=torch.float64).to(images.device)
            images = self._turned(images, 2 * turns - 1)
        if self.crop:
            places = (draws[:, 1:3] * (2 * self.crop + 1)).long()
            images = _cut_out(images, self.crop, self.background, *places.unbind(1))
        if self.flip:
            images = torch.where(_each(draws[:, 0] < 0.5), images.flip(-1), images)
        if self.brightness:
            added = (2 * draws[:, 3] - 1) * self.brightness
            images = (images + _each(added).to(images.dtype)).clamp(0, 1)
        return images

    def _turned(self, images: Tensor, amounts: Tensor) -> Tensor:
        """Images turned and scaled about their centres by `amounts` (B, 2) in [-1, 1] of the largest angle and factor."""
        angles, factors = math.radians(self.rotate) * amounts[:, 0], (1 + self.scale) ** amounts[:, 1]
        height, width = images.shape[2:]
        cosines, sines = angles.cos() / factors, angles.sin() / factors
        zeros = torch.zeros_like(cosines)
        rows = (
            cosines,
            sines * height / width,
            zeros,
            -sines * width / height,
            cosines,
            zeros,
        )  # from places to sources
        grid = functional.affine_grid(torch.stack(rows, 1).reshape(-1, 2, 3), list(images.shape), align_corners=False)
        moved = functional.grid_sample(images - self.background, grid.to(images.dtype), align_corners=False)
        return moved + self.background


def _cut_out(images: Tensor, border: int, background: float, tops: Tensor, lefts: Tensor) -> Tensor:
    """Windows of the images' own size out of images with a border of background."""
    height, width = images.shape[2:]
    windows = functional.pad(images, (border,) * 4, value=background).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(len(images), device=images.device), :, tops, lefts]


def _each(values: Tensor) -> Tensor:
    """A value an image, (B, 1, 1, 1)."""
    return values[:, None, None, None]
