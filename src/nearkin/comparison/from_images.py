"""A recipe from a few words: these images, these losses, these distances. The rest is chosen by the images, and written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nearkin.comparison.default_network import default_network
from nearkin.comparison.overrides import apply_overrides
from nearkin.comparison.problems import Problems
from nearkin.comparison.schemas import check_data, check_split
from nearkin.comparison.study import check_judgeable
from nearkin.core import InputError
from nearkin.data import ImageSet, SizesDiffer, Split, load_images, make_split

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
    changes: Sequence[str] = (),
) -> tuple[dict[str, Any], ImageSet]:
    """A recipe as a section, and the images that it speaks of.

    Images keep their size up to 64 pixels a side; larger ones and sets of several sizes are stretched to 64 x 64.
    The network is the default one for that size; batches have up to 8 classes and 8 images of each. Of `changes`
    (`key.path=value`) those of `data` and `split` are made first, because the images decide the rest; the others last.
    """
    given: dict[str, Any] = {"name": source, "skip_bad": skip_bad, **({"size": list(size)} if size else {})}
    first = [change for change in changes if change.strip().startswith(("data.", "split."))]
    data, split = _with_changes(given, first)
    images, chosen = _opened(data)
    data["size"] = None if chosen is None else list(chosen)
    parts = list(protocols) or [_first_possible(images, split)]
    classes, members = _batch_shape([_split(images, protocol, split) for protocol in parts], images)
    steps = steps or 500
    grid = {"distance": list(distances), "mining": list(mining)}
    section = {
        "name": name,
        "data": data,
        "protocols": parts,
        "split": split,
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
    return apply_overrides(section, [change for change in changes if change not in first]), images


def _with_changes(data: dict[str, Any], changes: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The checked sections `data` and `split` with the changes that are theirs."""
    section, problems = apply_overrides({"data": data, "split": {}}, changes), Problems()
    checked = check_data(section["data"], problems), check_split(section["split"], problems)
    problems.stop("the recipe of these options")
    return checked[0] or {}, checked[1] or {}


def _opened(data: Mapping[str, Any]) -> tuple[ImageSet, tuple[int, int] | None]:
    """The images, and the size that they had to be brought to."""
    source, options = data["name"], {key: value for key, value in data.items() if key != "name"}
    if options.get("size") is None:
        options["size"] = _large_size(source, options)
    try:
        return load_images(source, **options), options["size"]
    except SizesDiffer:
        size = LARGEST_SIDE, LARGEST_SIDE
        return load_images(source, **{**options, "size": size}), size


def _large_size(source: str, options: Mapping[str, Any]) -> tuple[int, int] | None:
    """The size to ask for, seen on an image a class: None where they are small enough."""
    try:
        sample = _sample(source, options)
    except SizesDiffer:
        return LARGEST_SIDE, LARGEST_SIDE
    _, height, width = sample.image_shape
    return None if max(height, width) <= LARGEST_SIDE else (LARGEST_SIDE, LARGEST_SIDE)


def _sample(source: str, options: Mapping[str, Any]) -> ImageSet:
    """An image a class; all of them where too many of the first cannot be read, and that is no error."""
    try:
        return load_images(source, **{**options, "limit_per_class": 1})
    except SizesDiffer:
        raise
    except InputError:
        if not options.get("skip_bad"):
            raise
        return load_images(source, **options)


def _split(images: ImageSet, protocol: str, options: Mapping[str, Any]) -> Split:
    """The split that a study with these `options` makes."""
    official = protocol == "official"
    return make_split(images, protocol, **{**options, **({"test_share": None} if official else {"drop_leaks": False})})


def _first_possible(images: ImageSet, options: Mapping[str, Any]) -> str:
    """The images' own split where they bring one, else new images of known classes, else new classes."""
    wanted = ("official", "closed-set") if images.split is not None else ("closed-set", "class-disjoint")
    reasons = []
    for protocol in wanted:
        try:
            check_judgeable(images, _split(images, protocol, options))
            return protocol
        except InputError as error:
            reasons.append(str(error) if str(error).startswith(protocol) else f"{protocol}: {error}")
    raise InputError("\n  ".join([f"{images.name!r} can be split by no protocol:", *reasons]))


def _batch_shape(splits: Sequence[Split], images: ImageSet) -> tuple[int, int]:
    """P and K that fit every split: at most 8 classes, and as many images as most classes have, 2 to 8."""
    sizes = [np.bincount(images.labels[split.train]) for split in splits]
    sizes = [counts[counts > 0] for counts in sizes]
    classes = min(8, *(len(counts) for counts in sizes))
    members = min(int(np.median(counts)) for counts in sizes)
    return classes, max(2, min(8, members))
