"""A recipe from a few words: these images, these losses, these distances. The rest is chosen by the images, and written down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nearkin.comparison.default_network import default_network
from nearkin.comparison.study import check_judgeable
from nearkin.core import InputError
from nearkin.data import ImageSet, SizesDiffer, load_images, make_split

LARGEST_SIDE = 64
"""Larger images are resized to this, and so are images of differing sizes."""


def recipe_from_images(
    source: str,
    *,
    losses: Sequence[str],
    distances: Sequence[str] = (),
    mining: Sequence[str] = (),
    protocols: Sequence[str] = (),
    steps: int | None = None,
    size: tuple[int, int] | None = None,
    skip_bad: bool = False,
    name: str,
) -> tuple[dict[str, Any], ImageSet]:
    """A recipe as a section, and the images that it speaks of.

    Images keep their size up to 64 pixels a side; larger ones and sets of several sizes are stretched to 64 x 64.
    The network is the default one for that size; batches have up to 8 classes and 8 images of each.
    """
    data: dict[str, Any] = {"name": source, "skip_bad": skip_bad}
    chosen = size or _large_size(source, skip_bad)
    images, chosen = _of_one_size(source, chosen, skip_bad)
    if chosen is not None:
        data["size"] = list(chosen)
    parts = list(protocols) or [_first_possible(images)]
    classes, members = _batch_shape(images, parts)
    steps = steps or 500
    grid = {"distance": list(distances), "mining": list(mining)}
    section = {
        "name": name,
        "data": data,
        "protocols": parts,
        "network": default_network(images.image_shape),
        "training": {
            "steps": steps,
            "classes_per_batch": classes,
            "images_per_class": members,
            "validate_every": max(1, steps // 10),
        },
        "grid": {"loss": list(losses), **{axis: values for axis, values in grid.items() if values}},
        "seeds": 3,
    }
    return section, images


def _large_size(source: str, skip_bad: bool) -> tuple[int, int] | None:
    """The size to ask for, seen on an image a class: None where they are small enough."""
    try:
        sample = load_images(source, skip_bad=skip_bad, limit_per_class=1)
    except SizesDiffer:
        return LARGEST_SIDE, LARGEST_SIDE
    _, height, width = sample.image_shape
    return None if max(height, width) <= LARGEST_SIDE else (LARGEST_SIDE, LARGEST_SIDE)


def _of_one_size(
    source: str, size: tuple[int, int] | None, skip_bad: bool
) -> tuple[ImageSet, tuple[int, int] | None]:
    """The images, and the size that they had to be brought to."""
    try:
        return load_images(source, size=size, skip_bad=skip_bad), size
    except SizesDiffer:
        size = LARGEST_SIDE, LARGEST_SIDE
        return load_images(source, size=size, skip_bad=skip_bad), size


def _first_possible(images: ImageSet) -> str:
    """The images' own split where they bring one, else new images of known classes, else new classes."""
    wanted = ("official", "closed-set") if images.split is not None else ("closed-set", "class-disjoint")
    reasons = []
    for protocol in wanted:
        try:
            check_judgeable(images, make_split(images, protocol))
            return protocol
        except InputError as error:
            reasons.append(f"{protocol}: {error}")
    raise InputError(f"{images.name!r} can be split by no protocol. {' '.join(reasons)}")


def _batch_shape(images: ImageSet, protocols: Sequence[str]) -> tuple[int, int]:
    """P and K that fit every protocol: at most 8 classes, and as many images as most classes have, 2 to 8."""
    sizes = [np.bincount(images.labels[make_split(images, protocol).train]) for protocol in protocols]
    sizes = [counts[counts > 0] for counts in sizes]
    classes = min(8, *(len(counts) for counts in sizes))
    members = min(int(np.median(counts)) for counts in sizes)
    return classes, max(2, min(8, members))
