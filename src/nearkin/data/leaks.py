"""Leaks between the parts of a split: the same image, images of one group, or images of a class meant to be new, on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError
from nearkin.data.images import PARTS, ImageSet
from nearkin.data.ties import tied_images

Indices = NDArray[np.int64]
_PARTS = (*PARTS, "enrolled")


class Parted(Protocol):
    """Whatever has three parts, such as a `Split`, and images that are enrolled of classes which the training does not know."""

    @property
    def train(self) -> Indices: ...
    @property
    def validation(self) -> Indices: ...
    @property
    def test(self) -> Indices: ...
    @property
    def enrolled(self) -> Indices: ...


def check_leaks(images: ImageSet, split: Parted) -> None:
    """Raise an InputError with examples where an identical image, a group or a new class is in two parts of `split`.

    Test classes are new where fewer than half of them are in train or validation: then none may be. Those that are enrolled
    are new whatever their share, and none of them may be in train or validation.
    """
    indices, part = _parts(split)
    hashes = np.unique(np.array(images.hashes), return_inverse=True)[1][indices]
    faults = []
    identical = list(_across(hashes, part))
    if identical:
        faults.append(f"{len(identical)} identical images, such as {_pair(images, indices, part, identical[0])}")
    if images.groups is not None:
        groups = list(_across(images.groups[indices], part))
        if groups:
            first = images.group_names[images.groups[indices[groups[0][0]]]]
            example = _pair(images, indices, part, groups[0])
            faults.append(f"{len(groups)} groups, such as {first!r} with {example}")
    learned, enrolled = np.concatenate([split.train, split.validation]), np.unique(images.labels[split.enrolled])
    others = split.test[~np.isin(images.labels[split.test], enrolled)]
    leaked = np.union1d(
        leaked_classes(images, split.train, split.validation, others), np.intersect1d(images.labels[learned], enrolled)
    )
    if len(leaked):
        faults.append(_words_on_classes(images, split, leaked))
    if faults:
        raise InputError(
            f"the split leaks: its parts share {' and '.join(faults)}; remove them, or keep the test part as it is "
            "and drop them from training (drop_leaks)"
        )


def without_leaks(images: ImageSet, train: Indices, validation: Indices, test: Indices) -> tuple[Indices, Indices]:
    """Train and validation without what is tied to the test part, and train without what is tied to validation.

    Of test classes that are new but for a few, both lose those few."""
    leaked = leaked_classes(images, train, validation, test)
    train, validation = (part[~np.isin(images.labels[part], leaked)] for part in (train, validation))
    units = tied_images(images)
    validation = validation[~np.isin(units[validation], units[test])]
    return train[~np.isin(units[train], units[np.concatenate([validation, test])])], validation


def leaked_classes(images: ImageSet, train: Indices, validation: Indices, test: Indices) -> Indices:
    """Test classes that are in train or validation too, where fewer than half are; () where known classes are tested."""
    tested = np.unique(images.labels[test])
    known = np.intersect1d(tested, images.labels[np.concatenate([train, validation])])
    return known if 2 * len(known) < len(tested) else known[:0]


def _words_on_classes(images: ImageSet, split: Parted, leaked: Indices) -> str:
    tested = len(np.unique(images.labels[split.test]))
    learned = np.concatenate([split.train, split.validation])
    here, there = (int((images.labels[part] == leaked[0]).sum()) for part in (learned, split.test))
    return (
        f"{len(leaked)} of the {tested} test classes, such as {images.classes[leaked[0]]!r} with {here} images in train and "
        f"validation and {there} in test, while the others are new"
    )


def _parts(split: Parted) -> tuple[Indices, Indices]:
    """All indices of the split, and the number of the part of each."""
    parts = [getattr(split, part) for part in _PARTS]
    return np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def _across(keys: Indices, part: Indices) -> Iterator[tuple[int, int]]:
    """For each key in more than one part, the positions of two of its members in different parts."""
    order = np.lexsort((part, keys))
    keys, part = keys[order], part[order]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else keys
    for start, end in zip(starts, np.r_[starts[1:], len(keys)], strict=True):
        if part[start] != part[end - 1]:
            yield int(order[start]), int(order[end - 1])


def _pair(images: ImageSet, indices: Indices, part: Indices, positions: tuple[int, int]) -> str:
    first, second = (f"{images.image_ids[indices[place]]!r} in {_PARTS[part[place]]}" for place in positions)
    return f"{first} and {second}"
