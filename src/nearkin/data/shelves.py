"""A folder or a zip archive seen alike: image files by their path inside it, read into memory, never extracted."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, Protocol

from nearkin.core import InputError
from nearkin.data.order import natural_key

Parts = tuple[str, ...]
LARGEST_FILE = 1 << 30
_SYSTEM = {"__macosx", "thumbs.db", "desktop.ini"}


class Shelf(Protocol):
    """Files under one roof. `paths` are sorted naturally, without hidden and system files; `read` gives the bytes of one."""

    @property
    def name(self) -> str: ...
    @property
    def paths(self) -> list[Parts]: ...
    def read(self, path: Parts) -> bytes: ...


@contextmanager
def open_shelf(place: Path) -> Iterator[Shelf]:
    """Open a folder or a zip archive."""
    if place.is_dir():
        yield FolderShelf(place)
        return
    try:
        check_regular(place)
        archive = zipfile.ZipFile(place)
    except zipfile.BadZipFile as error:
        raise InputError(f"{place} is not a readable zip archive: {error}") from None
    with archive:
        yield ZipShelf(place, archive)


class FolderShelf:
    """The files of a folder and its subfolders; links are followed, but not in circles."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = str(folder)
        self.paths = sorted(_walk(folder), key=_path_key)

    def read(self, path: Parts) -> bytes:
        return read_file(self.folder.joinpath(*path))


class ZipShelf:
    """The members of a zip archive. Member names are text only: whatever they say, nothing is written."""

    def __init__(self, place: Path, archive: zipfile.ZipFile) -> None:
        self.name = str(place)
        self._archive = archive
        self._members: dict[Parts, zipfile.ZipInfo] = {}
        for member in archive.infolist():
            parts = tuple(part for part in member.filename.replace("\\", "/").split("/") if part not in ("", "."))
            if parts and not member.is_dir() and not any(map(_unwanted, parts)):
                if parts in self._members:
                    raise InputError(f"{place} holds {'/'.join(parts)!r} twice")
                self._members[parts] = member
        self.paths = sorted(self._members, key=_path_key)

    def read(self, path: Parts) -> bytes:
        member = self._members[path]
        if member.file_size > LARGEST_FILE:
            raise InputError(f"{'/'.join(path)} in {self.name} is larger than {LARGEST_FILE >> 30} GiB")
        try:
            return self._archive.read(member)
        except Exception as error:  # a damaged or encrypted member raises errors of many kinds
            raise InputError(f"{'/'.join(path)} in {self.name} cannot be read: {error}") from error


def read_file(path: Path) -> bytes:
    """The bytes of a file, or an InputError that names it."""
    try:
        check_regular(path)
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path} is larger than {LARGEST_FILE >> 30} GiB")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def check_regular(path: Path) -> None:
    """Raise InputError for what waits for a writer or never ends: pipes, sockets and devices, whatever their names."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise InputError(f"{path} is no regular file, but a pipe, a socket, a device or a folder")


def _walk(folder: Path) -> Iterator[Parts]:
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not _unwanted(name))
        above = Path(place).relative_to(folder).parts
        yield from ((*above, name) for name in files if not _unwanted(name))


def _refuse(error: OSError) -> NoReturn:
    """A folder that cannot be listed is no empty one."""
    raise InputError(f"the folder {error.filename} cannot be read: {error.strerror}") from None


def _unwanted(name: str) -> bool:
    return (name.startswith(".") and not name.startswith("..")) or name.casefold() in _SYSTEM


def _path_key(path: Parts) -> tuple[object, ...]:
    return tuple(natural_key(part) for part in path)
