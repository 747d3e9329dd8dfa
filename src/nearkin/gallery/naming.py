"""What a person means by a word: a class, an image's file, or an image's number."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from nearkin.core import InputError, InputTypeError
from nearkin.data.decoding import Picture
from nearkin.data.opening import image_hash
from nearkin.data.shelves import read_file
from nearkin.gallery.labels import as_label
from nearkin.gallery.store import Store
from nearkin.gallery.viewing import View


class Label(str):
    """A class name, even where there is a file of that name."""

    __slots__ = ()


class File(str):
    """An image's file, even where there is a class of that name."""

    __slots__ = ()


Choice: TypeAlias = "str | os.PathLike[str] | int | Sequence[int]"


def chosen(view: View, what: Choice, *, erased: bool = False) -> dict[str, Any]:
    """Arguments for a store's change: `label`, `hashes` or `ids`.

    what:    a number, numbers, or text: `#17` is image 17, a file's path the image of its content, else it is a class
    erased:  what is no longer enrolled may be meant, too
    Errors:  InputError for a word that is both a class and a file
    """
    if isinstance(what, Label):
        return {"label": as_label(str(what))}
    if isinstance(what, File | os.PathLike):
        return {"hashes": [_content(Path(what))]}
    if isinstance(what, bool) or not isinstance(what, str | int | Sequence):
        raise InputTypeError(f"name a class, an image's file or number, got {what!r}")
    if isinstance(what, int):
        return {"ids": [what]}
    if not isinstance(what, str):
        return {"ids": [int(each) for each in what]}
    if what.startswith("#") and what[1:].isdecimal():
        return {"ids": [int(what[1:])]}
    is_label, is_file = what in view.enrolled.names or as_label(what) in view.enrolled.names, Path(what).is_file()
    if is_label and is_file:
        raise InputError(f"{what!r} is both a class and a file here; write ./{what} for the file, or say --label")
    return {"hashes": [_content(Path(what))]} if is_file else {"label": as_label(what)}


def hash_of(store: Store, number: int) -> str:
    """The content hash of an image."""
    return store.details([number])[0].hash


def _content(path: Path) -> str:
    return image_hash(Picture(lambda: read_file(path), str(path))().pixels)
