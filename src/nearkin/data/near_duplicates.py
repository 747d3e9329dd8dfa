"""Pairs of images in different parts of a split that look almost the same: listed for a person, never refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nearkin.core import integer, within
from nearkin.data.images import PARTS, ImageSet
from nearkin.data.leaks import Parted

Indices = NDArray[np.int64]
_SIDE = 16
_BLOCK = 2048
_VALUES = 1 << 26  # pixel values of a block of whole images, at most
_SLACK = 0.02


@dataclass(frozen=True)
class NearDuplicate:
    """Two images of different parts, their indices and names, and the correlation of their pixels (1: the same picture)."""

    first: int
    second: int
    first_part: str
    second_part: str
    first_id: str
    second_id: str
    similarity: float


def near_duplicates(
    images: ImageSet, split: Parted, *, similarity: float = 0.99, limit: int = 1000
) -> list[NearDuplicate]:
    """List pairs across the parts of `split` whose grey pixels correlate by `similarity` or more, the nearest first.

    The correlation of two images x, y is sum((x - mean x)(y - mean y)) / (|x - mean x| |y - mean y|): brightness and
    contrast do not matter, a shift by a pixel does. Candidates are found on thumbnails of 16 x 16 with a little slack,
    then compared pixel by pixel. Images of one value throughout are never listed.

    At most `limit` pairs are returned (default 1000); a list of that length says that there may be more. Time is one
    product of the thumbnails of each two parts; memory is one block of 2048 rows of it, or of at most 2048 images, beside the thumbnails.
    """
    within("similarity", similarity, 0, 1)
    integer("limit", limit, minimum=1)
    thumbnails = _thumbnails(images)
    found: list[NearDuplicate] = []
    for one, other in combinations(PARTS, 2):
        threshold, step = similarity - _SLACK, _images_of_a_block(images)
        for first, second in _candidates(thumbnails, getattr(split, one), getattr(split, other), threshold, step):
            close = np.einsum("nd,nd->n", _standard(_grey(images, first)), _standard(_grey(images, second)))
            found += [
                NearDuplicate(a, b, one, other, images.image_ids[a], images.image_ids[b], float(value))
                for a, b, value in zip(first.tolist(), second.tolist(), close, strict=True)
                if value >= similarity
            ]
            if len(found) > 4 * limit:
                found = _nearest(found, limit)
    return _nearest(found, limit)


def _nearest(found: list[NearDuplicate], limit: int) -> list[NearDuplicate]:
    return sorted(found, key=lambda pair: (-pair.similarity, pair.first, pair.second))[:limit]


def _candidates(
    thumbnails: NDArray[np.float32], one: Indices, other: Indices, threshold: float, step: int
) -> Iterator[tuple[Indices, Indices]]:
    """Index pairs, at most `step` at a time, whose thumbnails correlate by `threshold` or more."""
    columns = thumbnails[other].T
    for start in range(0, len(one), _BLOCK):
        rows = one[start : start + _BLOCK]
        row, column = np.nonzero(thumbnails[rows] @ columns >= threshold)
        for begin in range(0, len(row), step):
            chunk = slice(begin, begin + step)
            yield rows[row[chunk]], other[column[chunk]]


def _images_of_a_block(images: ImageSet) -> int:
    return max(1, min(_BLOCK, _VALUES // int(np.prod(images.image_shape))))


def _thumbnails(images: ImageSet) -> NDArray[np.float32]:
    """(N, 256) standardised grey thumbnails, each pixel the mean of its area."""
    small = np.empty((len(images), _SIDE * _SIDE), dtype=np.float32)
    step = _images_of_a_block(images)
    for start in range(0, len(images), step):
        block = np.arange(start, min(start + step, len(images)))
        for index, image in zip(block, _grey(images, block), strict=True):
            thumbnail = Image.fromarray(image).resize((_SIDE, _SIDE), Image.Resampling.BOX)
            small[index] = np.asarray(thumbnail).ravel()
    return _standard(small)


def _grey(images: ImageSet, indices: Indices) -> NDArray[np.float32]:
    """(n, H, W) the mean over channels."""
    mean: NDArray[np.float32] = images.pixels[indices].mean(axis=1, dtype=np.float32)
    return mean


def _standard(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, d) rows of mean 0 and length 1; rows of one value become zeros."""
    rows = values.reshape(len(values), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    flat = lengths <= 1e-3
    unit: NDArray[np.float32] = np.where(flat, 0, rows / np.where(flat, 1, lengths)).astype(np.float32)
    return unit
