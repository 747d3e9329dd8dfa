"""The ways to part a set of images by shares; `make_split` is their face and says what each promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError
from nearkin.data.dealing import deal
from nearkin.data.images import PARTS, ImageSet
from nearkin.data.leaks import without_leaks
from nearkin.data.ties import tied_classes, tied_images

Indices = NDArray[np.int64]
Parts = tuple[Indices, Indices, Indices]
Shares = dict[str, float]
DEFAULT_SHARES: dict[str, Shares] = {
    "closed-set": {"validation": 0.15, "test": 0.25},
    "class-disjoint": {"validation": 0.2, "test": 0.3},
    "official": {"validation": 0.1},
}
_NONE: Indices = np.zeros(0, dtype=np.int64)


def _closed_set(images: ImageSet, shares: Shares, rng: np.random.Generator, _: bool) -> tuple[Parts, dict[str, Any]]:
    everything = np.arange(len(images), dtype=np.int64)
    return _stratified(images, everything, [shares["validation"], shares["test"]], rng), {}


def _stratified(images: ImageSet, chosen: Indices, shares: list[float], rng: np.random.Generator) -> Parts:
    """Deal the chosen images by class into train and a part for each share; a class needs a unit for each part."""
    units, labels = tied_images(images)[chosen], images.labels[chosen]
    wanted = 1 + sum(share > 0 for share in shares)
    sizes = np.bincount(labels, minlength=len(images.classes))
    holders = _holders(units, labels, len(images.classes))
    poor = np.flatnonzero((holders < wanted) & (sizes > 0))
    if len(poor):
        raise InputError(_words_on_poor(images, poor, holders, wanted))
    targets = _targets(sizes, shares)
    part = deal(units, labels, targets, rng)
    if part is None:
        raise InputError(
            "groups hold so many classes together that no split was found in which every part has every class"
        )
    return _parts_of(chosen, part, shares)


def _holders(units: Indices, labels: Indices, classes: int) -> Indices:
    """How many units hold images of each class."""
    pairs = np.unique(np.stack([labels, units]), axis=1)
    return np.bincount(pairs[0], minlength=classes)


def _words_on_poor(images: ImageSet, poor: Indices, holders: Indices, wanted: int) -> str:
    what = "distinct images" if images.groups is None else "separate groups"
    shown = ", ".join(f"{images.classes[label]!r} has {holders[label]}" for label in poor[:3])
    more = f" and {len(poor) - 3} more classes" if len(poor) > 3 else ""
    return (
        f"closed-set needs at least {wanted} {what} of each class, one for each part, but {shown}{more}; "
        "leave such classes out, or split by class-disjoint"
    )


def _targets(sizes: Indices, shares: list[float]) -> Indices:
    """(1 + shares, classes) whole numbers: at least 1 of each class for each share above 0, the rest for train."""
    rows = [np.where(sizes > 0, np.maximum(np.rint(sizes * share), share > 0), 0) for share in shares]
    while (sizes - sum(rows) < 1)[sizes > 0].any():  # tiny classes: the larger part gives one back to train
        short = (sizes - sum(rows) < 1) & (sizes > 0)
        largest = np.argmax(rows, axis=0)
        for number, row in enumerate(rows):
            row[short & (largest == number)] -= 1
    return np.stack([sizes - sum(rows), *rows]).astype(np.int64)


def _parts_of(chosen: Indices, part: Indices, shares: list[float]) -> Parts:
    train, *others = (chosen[part == number] for number in range(1 + len(shares)))
    return (train, others[0], others[1] if len(others) > 1 else _NONE)


def _class_disjoint(
    images: ImageSet, shares: Shares, rng: np.random.Generator, _: bool
) -> tuple[Parts, dict[str, Any]]:
    everything = np.arange(len(images), dtype=np.int64)
    return _by_classes(images, everything, [shares["validation"], shares["test"]], rng), {}


def _by_classes(images: ImageSet, chosen: Indices, shares: list[float], rng: np.random.Generator) -> Parts:
    """Deal the classes of the chosen images into train and a part for each share, two classes at least for each."""
    present = np.unique(images.labels[chosen])
    wanted = 2 * (1 + sum(share > 0 for share in shares))
    if len(present) < wanted:
        raise InputError(f"class-disjoint needs at least {wanted} classes, two for each part; there are {len(present)}")
    rows = [max(2, round(len(present) * share)) if share > 0 else 0 for share in shares]
    while len(present) - sum(rows) < 2:
        rows[int(np.argmax(rows))] -= 1
    targets = np.array([[len(present) - sum(rows)], *[[row] for row in rows]], dtype=np.int64)
    part = deal(tied_classes(images)[present], np.zeros(len(present), dtype=np.int64), targets, rng, least=2)
    if part is None:
        raise InputError(
            "groups or identical images tie the classes together, so that no class-disjoint split keeps them whole "
            "with two classes in each part"
        )
    part_of_class = np.full(len(images.classes), -1, dtype=np.int64)
    part_of_class[present] = part
    return _parts_of(chosen, part_of_class[images.labels[chosen]], shares)


def _official(images: ImageSet, shares: Shares, rng: np.random.Generator, drop: bool) -> tuple[Parts, dict[str, Any]]:
    if images.split is None:
        raise InputError(f"{images.name!r} comes without an official split; use closed-set or class-disjoint")
    train, validation, test = (np.flatnonzero(images.split == part) for part in PARTS)
    if not (len(train) and len(test)):
        raise InputError(f"the official split has {len(train)} training and {len(test)} test images; both are needed")
    facts: dict[str, Any] = {"validation": "from the source"}
    if drop:
        before = len(train) + len(validation)
        train, validation = without_leaks(images, train, validation, test)
        facts["dropped"] = before - len(train) - len(validation)
        if not len(train):
            raise InputError("every training image is identical to, or in a group with, one of the test part")
    if len(validation) or shares["validation"] == 0:
        return (train, validation, test), facts
    shared = np.intersect1d(images.labels[train], images.labels[test]).size > 0
    carve = _carved_images if shared else _by_classes
    train, validation, _ = carve(images, train, [shares["validation"]], rng)
    facts["validation"] = f"carved out of train, {'stratified by class' if shared else 'class-disjoint'}"
    return (train, validation, test), facts


def _carved_images(images: ImageSet, train: Indices, shares: list[float], rng: np.random.Generator) -> Parts:
    """As `_stratified`, but a class with a single unit stays in train as a whole."""
    units, labels = tied_images(images)[train], images.labels[train]
    lone = np.zeros(len(train), dtype=bool)
    while True:  # an image that stays keeps its whole unit with it, which may leave another class with one unit
        more = (_holders(units[~lone], labels[~lone], len(images.classes)) < 2)[labels] & ~lone
        if not more.any():
            break
        lone = np.isin(units, units[lone | more])
    if lone.all():
        raise InputError("no validation part can be carved out of train: every class has a single image or group there")
    kept, validation, _ = _stratified(images, train[~lone], shares, rng)
    return np.concatenate([kept, train[lone]]), validation, _NONE


def _by_counts(*_: object) -> tuple[Parts, dict[str, Any]]:
    raise InputError("few-shot goes by numbers of images (`few_shot.deal_few_shot`), not by shares")


Rule = Callable[[ImageSet, Shares, np.random.Generator, bool], tuple[Parts, dict[str, Any]]]
FEW_SHOT = "few-shot"
PROTOCOLS: dict[str, Rule] = {
    "closed-set": _closed_set,
    "class-disjoint": _class_disjoint,
    "official": _official,
    FEW_SHOT: _by_counts,
}
