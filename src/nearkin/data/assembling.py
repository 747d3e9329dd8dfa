"""From a list of labelled items to an `ImageSet`: read, checked, prepared, stacked; what was odd goes into the notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError
from nearkin.data.decoding import Item, decoded_items
from nearkin.data.images import ImageSet
from nearkin.data.order import natural_key
from nearkin.data.preparing import Preparation

_LISTED = 100


def assemble(
    name: str,
    items: Sequence[Item],
    preparation: Preparation,
    *,
    source: str,
    value_range: tuple[float, float] | None = None,
    notes: Iterable[str] = (),
) -> ImageSet:
    """Read the items, in their order, into an `ImageSet`.

    `value_range` is what the source means by black and white where its container does not say; the user's own goes
    before it. Fewer than two classes are an InputError, and so is an image that cannot be read, unless `skip_bad`.
    """
    _check_classes([item.class_name for item in items], source)
    items = _limited(items, preparation.limit_per_class)
    decoded = decoded_items(items, preparation)
    kept, hashes, pixels = [items[place] for place in decoded.kept], decoded.hashes, decoded.pixels
    _check_classes([item.class_name for item in kept], source)
    classes, labels = _indexed([item.class_name for item in kept])
    group_names, groups = _indexed([item.group or "" for item in kept])
    grouped = kept[0].group is not None
    chosen_range = preparation.value_range or value_range or (0.0, float(np.iinfo(pixels.dtype).max))
    lost = sorted({item.class_name for item in items} - set(classes), key=natural_key)
    return ImageSet(
        name=name,
        pixels=pixels,
        value_range=chosen_range,
        labels=labels,
        classes=classes,
        image_ids=tuple(item.image_id for item in kept),
        hashes=hashes,
        groups=groups if grouped else None,
        group_names=group_names if grouped else (),
        split=None if kept[0].split is None else np.array([item.split for item in kept]),
        queries=None if kept[0].query is None else np.array([item.query for item in kept], dtype=bool),
        gallery=None if kept[0].gallery is None else np.array([item.gallery for item in kept], dtype=bool),
        notes=(
            *notes,
            *_skip_notes(decoded.skipped),
            *decoded.notes,
            *(f"class {class_name!r} has no readable image left" for class_name in lost),
            *_range_notes(decoded.extremes, chosen_range, given=preparation.value_range is not None),
            *_copy_notes(hashes, labels),
        ),
        source=source,
    )


def _check_classes(names: Sequence[str], source: str) -> None:
    found = set(names)
    if not found:
        raise InputError(f"{source} holds no images")
    if len(found) == 1:
        raise InputError(f"{source} holds one class only, {names[0]!r}; learning what is near needs at least two")


def _limited(items: Sequence[Item], limit: int | None) -> Sequence[Item]:
    """The first `limit` items of each class in each part of the official split."""
    if limit is None:
        return items
    seen: Counter[tuple[str, str | None]] = Counter()
    kept = []
    for item in items:
        seen[item.class_name, item.split] += 1
        if seen[item.class_name, item.split] <= limit:
            kept.append(item)
    return kept


def _skip_notes(skipped: Sequence[str]) -> tuple[str, ...]:
    if not skipped:
        return ()
    more = f"; and {len(skipped) - _LISTED} more" if len(skipped) > _LISTED else ""
    return (f"skipped {len(skipped)}: " + "; ".join(skipped[:_LISTED]) + more,)


def _indexed(names: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The distinct names in natural order, and the position of each entry among them."""
    distinct = tuple(sorted(set(names), key=natural_key))
    position = {name: index for index, name in enumerate(distinct)}
    return distinct, np.array([position[name] for name in names], dtype=np.int64)


def _range_notes(extremes: tuple[int, int], value_range: tuple[float, float], *, given: bool) -> tuple[str, ...]:
    (low, high), (smallest, largest) = value_range, extremes
    if smallest < low or largest > high:
        return (f"values {smallest}..{largest} go beyond the range {low:g}..{high:g}; they are not clipped",)
    if not given and largest - smallest < (high - low) / 4:
        return (
            f"uses values {smallest}..{largest} of {low:g}..{high:g}, less than a quarter; "
            f"pass value_range=({smallest}, {largest}) to use the whole range",
        )
    return ()


def _copy_notes(hashes: Sequence[str], labels: NDArray[np.int64]) -> tuple[str, ...]:
    """How many images are identical to another one, and how many of them under different labels."""
    classes_of: dict[str, set[int]] = {}
    for value, label in zip(hashes, labels, strict=True):
        classes_of.setdefault(value, set()).add(int(label))
    copies = len(hashes) - len(classes_of)
    if not copies:
        return ()
    contradictions = sum(len(found) > 1 for found in classes_of.values())
    words = f"identical to another image: {copies} of {len(hashes)}"
    return (f"{words}; pictures under more than one label: {contradictions}" if contradictions else words,)
