"""Small pictures of the test images, for the report's maps."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from nearkin.core import write_atomically
from nearkin.data import ImageSet

LARGEST = 64


def write_thumbnails(path: Path, images: ImageSet, indices: np.ndarray) -> None:
    """Write uint8 (n, h, w, C) with h, w <= 64 and C = 1 or 3, in the order of `indices`; an existing file is kept."""
    if path.exists():
        return
    pictures = np.stack([thumbnail(images.scaled(indices[i : i + 1])[0]) for i in range(len(indices))])
    buffer = io.BytesIO()
    np.save(buffer, pictures)
    write_atomically(path, buffer.getvalue())


def thumbnail(image: np.ndarray) -> np.ndarray:
    """An image (C, H, W) with values in 0..1 as uint8 (h, w, 1 or 3); further channels are left out."""
    shown = image[:3] if len(image) >= 3 else image[:1]
    pixels = np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)
    _, height, width = pixels.shape
    if max(height, width) > LARGEST:
        shrink = LARGEST / max(height, width)
        size = max(1, round(width * shrink)), max(1, round(height * shrink))
        planes = [np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BOX)) for plane in pixels]
        pixels = np.stack(planes)
    return np.moveaxis(pixels, 0, 2)
