"""A set of labelled images in memory, all of one shape: what every part of the library that sees images works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, content_hash

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """N labelled images of one shape, and what is known of each.

    Fields
    ------
    name : what the set is called.
    pixels : (N, C, H, W), uint8 or uint16.
    value_range : the values that mean black and white, such as (0, 255), or (0, 16) for scikit-learn's digits.
    labels : (N,) int64, positions in `classes`.
    classes : the class names, literal text in natural order ("2" before "10").
    image_ids : a stable name for each image: its path, or "train/00017".
    hashes : SHA-256 of each image as it was decoded (type, shape and values, before any resizing).
    groups : (N,) int64, positions in `group_names`, or None: the slide, patient, camera or session of each image.
    split : (N,) of "train", "validation", "test" where the source comes with a split, else None.
    queries : (N,) bool, or None: which test images ask. Without it all do.
    gallery : (N,) bool, or None: which test images may answer. Without it all may; no image answers itself.
    notes : what a person should know ("3 files skipped: ...").
    source : where the images came from.
    """

    name: str
    pixels: NDArray[Any]
    value_range: tuple[float, float]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    image_ids: tuple[str, ...]
    hashes: tuple[str, ...]
    groups: NDArray[np.int64] | None = None
    group_names: tuple[str, ...] = ()
    split: NDArray[np.str_] | None = None
    queries: NDArray[np.bool_] | None = None
    gallery: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or self.pixels.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
            raise InputError(
                f"pixels must be (N, C, H, W) of uint8 or uint16, got {self.pixels.shape} of {self.pixels.dtype}"
            )
        for field in ("labels", "image_ids", "hashes", "groups", "split", "queries", "gallery"):
            column = getattr(self, field)
            if column is not None and len(column) != len(self.pixels):
                raise InputError(f"{field} has {len(column)} entries for {len(self.pixels)} images")
        _check_positions("labels", self.labels, self.classes)
        if self.groups is not None:
            _check_positions("groups", self.groups, self.group_names)
        if self.split is not None and not np.isin(self.split, PARTS).all():
            raise InputError(f"split must hold only {', '.join(map(repr, PARTS))}")
        for field in ("queries", "gallery"):
            column = getattr(self, field)
            if column is not None and column.dtype != np.bool_:
                raise InputError(f"{field} must be one column of flags (bool), got {column.dtype}")
        low, high = self.value_range
        if not low < high:
            raise InputError(f"value_range must be two numbers, the lower first, got {self.value_range!r}")

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        channels, height, width = self.image_shape
        grouped = "" if self.groups is None else f", {len(self.group_names)} groups"
        return (
            f"ImageSet({self.name!r}: {len(self)} images of {height} x {width} x {channels}, "
            f"{len(self.classes)} classes{grouped})"
        )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 over images, labels, class names, groups, split, flags, shape and value range: equal data, equal hash."""
        return content_hash(
            *self.hashes,
            self.labels.astype("<i8").tobytes(),
            "classes",
            *self.classes,
            "groups",
            *([] if self.groups is None else [self.group_names[group] for group in self.groups]),
            "split",
            *([] if self.split is None else map(str, self.split)),
            *_flag_parts("queries", self.queries),
            *_flag_parts("gallery", self.gallery),
            f"{self.image_shape} {self.pixels.dtype} {self.value_range[0]:g} {self.value_range[1]:g}",
        )

    def take(self, indices: ArrayLike) -> ImageSet:
        """The images at `indices`, in that order; classes and group names stay as they are, so labels keep their meaning."""
        chosen = np.asarray(indices, dtype=np.int64)
        return replace(
            self,
            pixels=self.pixels[chosen],
            labels=self.labels[chosen],
            image_ids=tuple(self.image_ids[index] for index in chosen),
            hashes=tuple(self.hashes[index] for index in chosen),
            groups=None if self.groups is None else self.groups[chosen],
            split=None if self.split is None else self.split[chosen],
            queries=None if self.queries is None else self.queries[chosen],
            gallery=None if self.gallery is None else self.gallery[chosen],
        )

    def scaled(self, indices: ArrayLike | None = None) -> NDArray[np.float32]:
        """The images at `indices` (default: all) as float32 (n, C, H, W): (value - black) / (white - black).

        The result lies in [0, 1] where the images keep to `value_range`; values outside it are not clipped.
        """
        chosen = self.pixels if indices is None else self.pixels[np.asarray(indices, dtype=np.int64)]
        low, high = self.value_range
        values = chosen.astype(np.float32)
        if low:
            values -= np.float32(low)
        values /= np.float32(high - low)
        return values


def _flag_parts(field: str, column: NDArray[np.bool_] | None) -> tuple[str | bytes, ...]:
    return () if column is None else (field, column.tobytes())


def _check_positions(field: str, column: NDArray[np.int64], names: Sequence[str]) -> None:
    if column.dtype != np.int64 or column.ndim != 1:
        raise InputError(f"{field} must be one column of int64, got {column.dtype} of shape {column.shape}")
    if len(column) and not (column.min() >= 0 and column.max() < len(names)):
        raise InputError(f"{field} must be positions in the {len(names)} names, got {column.min()} to {column.max()}")
