"""Published data sets against what their authors say of them: lists read line by line, counts compared, a wrong tree explained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from nearkin.core import InputError
from nearkin.data.assembling import assemble
from nearkin.data.decoding import Item
from nearkin.data.folders import picture
from nearkin.data.images import ImageSet
from nearkin.data.opening import SUFFIXES, Opened
from nearkin.data.preparing import Preparation
from nearkin.data.shelves import Parts, Shelf

Counts = Mapping[str | None, tuple[int, int]]
"""Part of the official split (None where there is no split) -> how many images, of how many classes."""

Row = tuple[Parts, str, str | None]
"""An image's path on its shelf, its class, and its part of the official split."""


def first_there(folder: Path, *candidates: str) -> tuple[Path, ...] | None:
    """The first of the files and folders `candidates` that stands in `folder`; "" is `folder` itself."""
    return next(((folder / name,) for name in candidates if (folder / name).exists()), None)


def folder_of(shelf: Shelf, name: str) -> Parts | None:
    """The folder on the shelf that holds the file `name`, the one nearest to the top; None where none does."""
    found = [path[:-1] for path in shelf.paths if path[-1] == name]
    return min(found, key=len, default=None)


def image_paths(shelf: Shelf) -> list[Parts]:
    """The paths of all images of a shelf."""
    return [path for path in shelf.paths if path[-1].casefold().endswith(SUFFIXES)]


def read_lines(shelf: Shelf, path: Parts, columns: int) -> list[list[str]]:
    """The lines of a list on the shelf, cut at blanks into `columns` texts; the last one may hold blanks itself."""
    where = f"{'/'.join(path)} in {shelf.name}"
    try:
        text = shelf.read(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not UTF-8 text: {error}") from None
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.split(maxsplit=columns - 1)
        if len(cells) not in (0, columns):
            raise InputError(f"{where}, line {number}: {len(cells)} words where {columns} belong: {line!r}")
        if cells:
            rows.append([cell.strip() for cell in cells])
    return rows


def numbered(word: str, where: str) -> int:
    """The whole number that `word` is, or begins with before a dot ("017.Cardinal" is 17)."""
    digits = word.partition(".")[0]
    if not digits.isascii() or not digits.isdigit():
        raise InputError(f"{where}: {word!r} has no class number, such as 17 or 017.Cardinal")
    return int(digits)


def assemble_official(
    name: str,
    shelf: Shelf,
    rows: Sequence[Row],
    expected: Counts,
    preparation: Preparation,
    *,
    top: Parts = (),
    notes: Iterable[str] = (),
    opened: Callable[[Shelf, Parts], Callable[[], Opened]] = picture,
) -> ImageSet:
    """An `ImageSet` of the rows, after a check that they are the published set. `opened` says how an image is read.

    `top` is left out of the images' names. Raises InputError where listed images are missing, a class is on both sides
    of the split, or the counts are not the published ones; with `allow_part` the first and the last become notes.
    """
    notes = list(notes)
    rows = _present(name, shelf, rows, preparation.allow_part, notes)
    _check_disjoint(name, shelf, rows)
    _check_counts(name, shelf, rows, expected, preparation.allow_part, notes)
    items = [
        Item("/".join(path[len(top) :]), class_name, opened(shelf, path), split=part)
        for path, class_name, part in rows
    ]
    return assemble(name, items, preparation, source=shelf.name, notes=notes)


def _present(name: str, shelf: Shelf, rows: Sequence[Row], allow_part: bool, notes: list[str]) -> list[Row]:
    """The rows whose image is there."""
    there = set(shelf.paths)
    kept = [row for row in rows if row[0] in there]
    if len(kept) < len(rows):
        missing = next("/".join(path) for path, _, _ in rows if path not in there)
        words = f"{len(rows) - len(kept)} of the {len(rows)} images that its lists name are not there, such as {missing}"
        if not allow_part:
            raise InputError(f"{name} in {shelf.name} is not whole: {words}; {_remedy(name)}")
        notes.append(words)
    return kept


def _check_disjoint(name: str, shelf: Shelf, rows: Sequence[Row]) -> None:
    train, test = ({class_name for _, class_name, at in rows if at == part} for part in ("train", "test"))
    shared = sorted(train & test)
    if shared:
        raise InputError(
            f"{name} in {shelf.name}: {len(shared)} classes are in training and in test, such as {shared[0]!r}; "
            "in the published split no class is"
        )


def _check_counts(
    name: str, shelf: Shelf, rows: Sequence[Row], expected: Counts, allow_part: bool, notes: list[str]
) -> None:
    parts = np.array([str(part) for _, _, part in rows], dtype=object)
    classes = np.array([class_name for _, class_name, _ in rows], dtype=object)
    found = {
        part: (int((parts == str(part)).sum()), len(set(classes[parts == str(part)].tolist()))) for part in expected
    }
    if found == dict(expected):
        return
    if not allow_part:
        raise InputError(
            f"{name} in {shelf.name} is not the published set: expected {_words(expected)}, found {_words(found)}; "
            f"{_remedy(name)}"
        )
    notes.append(f"a part of the published set: {_words(found)}, instead of {_words(expected)}")


def _words(counts: Counts) -> str:
    return " and ".join(
        f"{images:,} images of {classes:,} classes" + (f" for {part}" if part else "")
        for part, (images, classes) in counts.items()
    )


def _remedy(name: str) -> str:
    return f"get {name} again (nearkin data says how), or say that a part of it is meant (allow_part)"
