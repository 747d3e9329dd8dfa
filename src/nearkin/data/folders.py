"""A folder or a zip of images with one folder a class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from nearkin.core import InputError
from nearkin.data.assembling import assemble
from nearkin.data.decoding import Item, Picture
from nearkin.data.images import ImageSet
from nearkin.data.opening import SUFFIXES
from nearkin.data.preparing import Preparation
from nearkin.data.shelves import Parts, Shelf, open_shelf

SPLIT_FOLDERS = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}
_PART_OF = {**SPLIT_FOLDERS, "training": "train", "testing": "test"}


def read_folder(place: Path, preparation: Preparation, *, name: str | None = None) -> ImageSet:
    """Read `class/image`, `top/class/image` or `train/class/image` with `test/class/image`, `val/class/image` or both.

    The class is the first folder below the top; deeper folders belong to it. Capitals make no difference to the names
    of parts. Files that are no images are left out with a note, images outside every class folder are an error.
    """
    with open_shelf(place) as shelf:
        paths, notes = _image_paths(shelf)
        check_names(shelf.name, paths)
        top = common_top(paths)
        inner = [path[len(top) :] for path in paths]
        split = has_split(inner)
        items, stray = [], []
        for path, below in zip(paths, inner, strict=True):
            if len(below) < 2 + split:
                stray.append("/".join(path))
                continue
            part = _PART_OF[below[0].casefold()] if split else None
            items.append(Item("/".join(below), below[int(split)], picture(shelf, path), split=part))
        notes += _stray_notes(stray, shelf.name, preparation.skip_bad)
        return assemble(name or place.stem, items, preparation, source=shelf.name, notes=notes)


def picture(shelf: Shelf, path: Parts) -> Picture:
    """One image of a shelf, to be read later."""
    return Picture(partial(shelf.read, path), f"{'/'.join(path)} in {shelf.name}")


def _image_paths(shelf: Shelf) -> tuple[list[Parts], list[str]]:
    paths = [path for path in shelf.paths if path[-1].casefold().endswith(SUFFIXES)]
    if not paths:
        raise InputError(f"{shelf.name} holds no images ({', '.join(SUFFIXES)})")
    others = ["/".join(path) for path in shelf.paths if not path[-1].casefold().endswith(SUFFIXES)]
    if not others:
        return paths, []
    return paths, [f"left out, no images: {_some(others)}"]


def check_names(source: str, paths: Sequence[Parts]) -> None:
    """Raise an InputError at a name whose bytes are not UTF-8: it could not be written into results."""
    for name in (source, *map("/".join, paths)):
        if name.encode("utf-8", "ignore").decode() != name:
            raise InputError(f"the name {name!r} is not UTF-8 text; rename it (convmv does this for whole folders)")


def common_top(paths: Sequence[Parts]) -> Parts:
    """The folders above all class folders: shared by all images, with at least two levels below."""
    top: Parts = ()
    while len({path[len(top)] for path in paths}) == 1 and all(len(path) > len(top) + 2 for path in paths):
        top = paths[0][: len(top) + 1]
    return top


def has_split(paths: Sequence[Parts]) -> bool:
    """Whether the first folders are the parts of a split: train and another, each with class folders."""
    deep = {path[0] for path in paths if len(path) > 2}
    parts = {_PART_OF.get(folder.casefold()) for folder in deep}
    return {"train"} < parts <= set(SPLIT_FOLDERS.values()) and all(path[0] in deep for path in paths if len(path) > 1)


def _stray_notes(stray: Sequence[str], name: str, skip_bad: bool) -> list[str]:
    if not stray:
        return []
    if not skip_bad:
        raise InputError(
            f"{stray[0]} in {name} lies in no class folder; move it into one, or go on without such images (skip_bad)"
        )
    return [f"left out, in no class folder: {_some(stray)}"]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
