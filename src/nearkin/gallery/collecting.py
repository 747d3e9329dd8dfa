"""Images to come, from whatever a person names: folders, zips, files, globs, standard input, arrays; none read yet."""

from __future__ import annotations

import glob
import io
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, InputTypeError, suggestion
from nearkin.data.decoding import Picture
from nearkin.data.folders import check_names, common_top, has_split
from nearkin.data.opening import SUFFIXES, Opened
from nearkin.data.order import natural_key
from nearkin.data.shelves import LARGEST_FILE, FolderShelf, Parts, Shelf, ZipShelf, check_regular, read_file
from nearkin.gallery.labels import as_label

Source: TypeAlias = "str | os.PathLike[str] | NDArray[Any]"

STDIN = "-"
MAGIC = (b"\x89PNG", b"\xff\xd8", b"II*\0", b"MM\0*", b"BM", b"GIF8", b"RIFF", b"\x93NUMPY", *(b"P%d" % kind for kind in range(1, 7)))
"""How the files of the image formats known here begin."""


@dataclass(frozen=True)
class Photo:
    """An image to come. name: for people; read: decodes it, or raises InputError; label: its class, where it was said."""

    name: str
    read: Callable[[], Opened]
    label: str | None = None


@dataclass
class Collection:
    """Photos in natural order, and notes on files that were left out. bad: photos that could not be read, once they were."""

    photos: list[Photo] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skip_bad: bool = False
    bad: list[tuple[str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.photos)


def collect(
    images: Source | Collection | Iterable[Source],
    *,
    labelled: bool = False,
    label: str | None = None,
    skip_bad: bool = False,
    stdin: IO[bytes] | None = None,
) -> Collection:
    """Find the images that `images` names: one source or several.

    A folder or a zip stands for every image in it, at any depth, without hidden and system files. Where a path does not
    exist, `*`, `?`, `[...]` and `**` in it are a pattern. `-` is standard input: the bytes of one image, or paths, one a
    line. An array (H, W) or (H, W, C) of uint8 or uint16 is an image.

    labelled: every photo must have a class: `label`, else the name of its class folder, the first below the top
    skip_bad: leave out what cannot be read, and list it in `bad`; without it, readers raise
    Errors:   InputError where there is nothing of that name, no image, or no class
    """
    if isinstance(images, Collection):
        return images
    label = None if label is None else as_label(label)
    found = Collection(skip_bad=skip_bad)
    for source in _sources(images, stdin):
        _add(found, source, labelled and label is None)
    if label is not None:
        found.photos = [Photo(photo.name, photo.read, label) for photo in found.photos]
    return found


def _sources(images: Source | Iterable[Source], stdin: IO[bytes] | None) -> Iterable[Any]:
    """One thing after another; patterns and lists of paths are spelled out."""
    single = isinstance(images, str | bytes | os.PathLike | np.ndarray) or not isinstance(images, Iterable)
    asked: list[Any] = [images] if single else list(images)  # type: ignore[arg-type]
    for place, source in enumerate(asked, 1):
        if isinstance(source, np.ndarray):
            yield f"image {place}", source
        elif not isinstance(source, str | os.PathLike):
            raise InputTypeError(f"images are paths or arrays (H, W, C), got {type(source).__name__}")
        elif os.fspath(source) == STDIN:
            yield from _from_stdin((stdin or sys.stdin.buffer).read(LARGEST_FILE))
        else:
            yield from _spelled_out(os.fspath(source))


def _spelled_out(path: str) -> list[Path]:
    """The path, or the paths that it is a pattern of."""
    if os.path.lexists(path):
        return [Path(path)]
    if glob.has_magic(path):
        matches = sorted(glob.glob(path, recursive=True), key=natural_key)
        if not matches:
            raise InputError(f"no file or folder matches {path!r}")
        return [Path(match) for match in matches]
    above = Path(path).parent
    near = suggestion(Path(path).name, os.listdir(above)) if above.is_dir() else ""
    raise InputError(f"there is no file or folder {path!r}{near}")


def _from_stdin(data: bytes) -> Iterable[Any]:
    if data.startswith(MAGIC):
        yield "-", data
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("standard input is neither an image of a format known here nor a list of paths in UTF-8") from None
    paths = [line for line in text.replace("\0", "\n").splitlines() if line.strip()]
    if not paths:
        raise InputError("standard input is empty; give it the bytes of one image, or paths, one a line")
    found = [os.path.lexists(path) or glob.has_magic(path) for path in paths]
    if not any(found):
        _spelled_out(paths[0])  # none of them is there: that is no list
    for path, there in zip(paths, found, strict=True):
        yield from _spelled_out(path) if there else [Path(path)]  # of a long list one may be gone: it is read like a bad file


def _add(found: Collection, source: Any, by_folder: bool) -> None:
    if isinstance(source, Path):
        if source.is_dir():
            _add_shelf(found, FolderShelf(source), by_folder)
        elif source.suffix.lower() == ".zip":
            _add_shelf(found, _opened_zip(source), by_folder)
        else:
            _needs_no_class(str(source), by_folder)
            check_names(str(source), [])
            found.photos.append(Photo(str(source), Picture(partial(read_file, source), str(source))))
        return
    name, content = source
    _needs_no_class(name, by_folder)
    read = Picture(partial(bytes, content), name) if isinstance(content, bytes) else partial(_from_array, content, name)
    found.photos.append(Photo(name, read))


def _opened_zip(place: Path) -> ZipShelf:
    """A zip whose archive stays open as long as photos of it are to be read."""
    import zipfile

    try:
        check_regular(place)
        return ZipShelf(place, zipfile.ZipFile(place))
    except zipfile.BadZipFile as error:
        raise InputError(f"{place} is not a readable zip archive: {error}") from None


def _add_shelf(found: Collection, shelf: Shelf, by_folder: bool) -> None:
    paths = [path for path in shelf.paths if path[-1].casefold().endswith(SUFFIXES)]
    if not paths:
        raise InputError(f"{shelf.name} holds no images ({', '.join(SUFFIXES)})")
    check_names(shelf.name, paths)
    others = ["/".join(path) for path in shelf.paths if not path[-1].casefold().endswith(SUFFIXES)]
    if others:
        found.notes.append(f"left out of {shelf.name}, no images by their names: {some(others)}")
    labels = _classes_of(paths, shelf.name) if by_folder else [None] * len(paths)
    for path, label in zip(paths, labels, strict=True):
        name = os.path.join(shelf.name, *path)
        found.photos.append(Photo(name, Picture(partial(shelf.read, path), name), label))


def _classes_of(paths: Sequence[Parts], place: str) -> list[str | None]:
    """The class folder of each path: the first below the folders that all share."""
    top = common_top(paths)
    inner = [path[len(top) :] for path in paths]
    if has_split(inner):
        parts = sorted({path[0] for path in inner})
        raise InputError(f"{place} has the parts {' and '.join(parts)}, each with class folders; name one, as in {os.path.join(place, *top, parts[-1])}")
    lone = next(("/".join(path) for path in inner if len(path) < 2), None)
    if lone is not None:
        folder = unicodedata.normalize("NFC", Path(place).resolve().name)
        raise InputError(
            f"{lone} in {place} lies in no class folder; give a folder with one folder a class, "
            f"or say the class of all these images: --label {folder!r}"
        )
    try:
        return [as_label(path[0]) for path in inner]
    except InputError as error:
        raise InputError(f"a class folder of {place} cannot name a class: {error}") from None


def some(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are.

    >>> some(["a", "b", "c", "d"], 2)
    'a, b and 2 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _needs_no_class(name: str, by_folder: bool) -> None:
    if by_folder:
        raise InputError(f"of what class is {name}? Say it with --label NAME, or give a folder with one folder a class")


def _from_array(pixels: NDArray[Any], name: str) -> Opened:
    if pixels.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{name} is an array of {pixels.dtype}; an image holds uint8 or uint16")
    content = io.BytesIO()
    np.save(content, pixels, allow_pickle=False)
    return Picture(content.getvalue, name)()
