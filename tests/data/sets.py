"""Small image sets for the tests of this room."""

from __future__ import annotations

import numpy as np

from nearkin.data import ImageSet
from nearkin.data.opening import image_hash


def image_set(labels, *, groups=None, split=None, pixels=None, seed=0, size=(6, 6), classes=None) -> ImageSet:
    """Random images with these labels; equal rows of `pixels` are identical images."""
    labels = np.asarray(labels, dtype=np.int64)
    if pixels is None:
        pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 1, *size), dtype=np.uint8)
    return ImageSet(
        name="small",
        pixels=pixels,
        value_range=(0, 255),
        labels=labels,
        classes=tuple(classes or map(str, range(int(labels.max(initial=-1)) + 1))),
        image_ids=tuple(f"image{index}" for index in range(len(labels))),
        hashes=tuple(image_hash(np.moveaxis(image, 0, 2)) for image in pixels),
        groups=None if groups is None else np.asarray(groups, dtype=np.int64),
        group_names=() if groups is None else tuple(f"g{group}" for group in range(int(np.max(groups)) + 1)),
        split=None if split is None else np.asarray(split),
    )
