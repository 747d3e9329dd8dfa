"""One picture that holds the thumbnails of a protocol, for all maps: test images are the same under every method."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Sprite:
    """Thumbnails in rows of `columns` cells; an image of `height` x `width` lies in the upper left of its cell."""

    encoded: bytes
    media: str
    height: int
    width: int
    cell: tuple[int, int]
    columns: int
    count: int


def sprite(thumbnails: Bytes, budget: int) -> Sprite | None:
    """As many of the first thumbnails (n, h, w, C) as fit into `budget` bytes: PNG if all do, else JPEG, else fewer.

    One channel is grey, three are colour, of any other number the first is shown. What is to be expected is judged by
    the first 200, so that ten thousand photos are not encoded three times.
    """
    if not len(thumbnails):
        return None
    thumbnails = thumbnails if thumbnails.shape[3] in (1, 3) else thumbnails[..., :1]
    form = "PNG" if _fitting(thumbnails, "PNG", budget) >= len(thumbnails) else "JPEG"
    count = min(len(thumbnails), _fitting(thumbnails, form, budget))
    picture = _sheet(thumbnails[:count], form)
    while len(picture.encoded) > budget and count > 1:
        count = max(1, int(count * 0.95 * budget / len(picture.encoded)))
        picture = _sheet(thumbnails[:count], form)
    return picture


def _fitting(thumbnails: Bytes, form: str, budget: int) -> int:
    """How many thumbnails are expected to fit, at least 1."""
    tried = thumbnails[:200]
    return max(1, int(budget * len(tried) / len(_sheet(tried, form).encoded)))


def _sheet(thumbnails: Bytes, form: str) -> Sprite:
    count, height, width, channels = thumbnails.shape
    whole = 8 if form == "JPEG" else 1  # JPEG works in squares of 8 pixels, which two images must not share
    cell = (-(-height // whole) * whole, -(-width // whole) * whole)
    columns = int(np.ceil(np.sqrt(count * cell[0] / cell[1])))
    rows = -(-count // columns)
    padded = np.pad(
        thumbnails, ((0, rows * columns - count), (0, cell[0] - height), (0, cell[1] - width), (0, 0)), mode="edge"
    )
    sheet = (
        padded.reshape(rows, columns, *cell, channels)
        .transpose(0, 2, 1, 3, 4)
        .reshape(rows * cell[0], columns * cell[1], channels)
    )
    image = Image.fromarray(sheet[..., 0] if channels == 1 else sheet)
    file = io.BytesIO()
    options = {"optimize": True} if form == "PNG" else {"quality": 85, "subsampling": 0}
    image.save(file, form, **options)
    return Sprite(file.getvalue(), f"image/{form.lower()}", height, width, cell, columns, count)
