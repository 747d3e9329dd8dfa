"""Training images changed at random, a whole batch at once: mirrored, cut out a little aside, brighter or darker."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nearkin.core import InputError, InputTypeError, integer, non_negative

DRAWS = 4
"""Uniforms an image: mirrored or not, two places of the cut, brightness. Drawn always, so that no option moves another."""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes of the training images; validation and test images stay as they are. All are off by default.

    flip:       half of the images are mirrored, left and right exchanged
    crop:       pixels of black that are put around an image before a window of its own size is cut out at random: a
                shift by up to so many pixels each way
    brightness: largest amount that is added to or taken from all pixels of an image, which lie in [0, 1] and are
                clipped to it

    Shapes:  images (B, C, H, W), floating -> the same; the argument is not changed
    Random:  one image, one draw of `DRAWS` uniforms, in the order of the batch, from the generator that is passed
    Errors:  InputError for settings out of range, and for inputs that are no images
    """

    flip: bool = False
    crop: int = 0
    brightness: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.flip, bool):
            raise InputTypeError(f"flip must be true or false, got {self.flip!r}")
        integer("crop", self.crop, minimum=0)
        if non_negative("brightness", self.brightness) > 1:
            raise InputError(f"brightness must lie in 0..1, the range of pixels, got {self.brightness!r}")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The images as a step sees them."""
        if images.dim() != 4:
            raise InputError(
                f"augmentation changes images (B, C, H, W); these inputs have the shape {tuple(images.shape)}. "
                "Features of a frozen backbone cannot be augmented: leave augmentation out"
            )
        draws = torch.rand(len(images), DRAWS, generator=generator, dtype=torch.float64).to(images.device)
        if self.crop:
            places = (draws[:, 1:3] * (2 * self.crop + 1)).long()
            images = _cut_out(images, self.crop, *places.unbind(1))
        if self.flip:
            images = torch.where(_each(draws[:, 0] < 0.5), images.flip(-1), images)
        if self.brightness:
            added = (2 * draws[:, 3] - 1) * self.brightness
            images = (images + _each(added).to(images.dtype)).clamp(0, 1)
        return images


def _cut_out(images: Tensor, border: int, tops: Tensor, lefts: Tensor) -> Tensor:
    """Windows of the images' own size out of images with a black border."""
    height, width = images.shape[2:]
    windows = functional.pad(images, (border,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(len(images), device=images.device), :, tops, lefts]


def _each(values: Tensor) -> Tensor:
    """A value an image, (B, 1, 1, 1)."""
    return values[:, None, None, None]
