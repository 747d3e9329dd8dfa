"""What the library keeps in the platform's cache folder because making it takes long. All of it may be deleted at any time."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import platformdirs

from nearkin.core.names import pick

CACHES = MappingProxyType(
    {
        "pixels": "prepared pixels of large image sets",
        "features": "features that frozen backbones gave",
    }
)
"""The caches by name. Data sets that were downloaded are none: they are kept until somebody deletes them."""

DAY = 24 * 60 * 60
_UNFINISHED = (".part", ".parts", ".lock")


class Kept(NamedTuple):
    """What a cache holds: finished entries, and bytes in all, unfinished ones too."""

    folder: Path
    entries: int
    bytes: int


def cache_folder(name: str) -> Path:
    """Where the cache of that name lies; it may not exist yet."""
    pick("cache", CACHES, name, where="nearkin data")
    return platformdirs.user_cache_path("nearkin") / name


def kept_in(name: str) -> Kept:
    """The size of a cache."""
    folder = cache_folder(name)
    entries = sum(1 for entry in _entries(folder) if not _unfinished(entry))
    return Kept(folder, entries, sum(map(_size, _entries(folder))))


def clear_cache(name: str) -> Kept:
    """Remove everything from a cache but what is being made now, and say what was removed.

    Runs that go on keep what they have mapped into memory, and whoever asks next makes it again. What a killed process left
    unfinished goes too, a day after it was last written to.
    """
    removed, freed, folder = 0, 0, cache_folder(name)
    for entry in list(_entries(folder)):
        if _unfinished(entry) and time.time() - _written(entry) < DAY:
            continue
        size = _size(entry)
        shutil.rmtree(entry, ignore_errors=True)
        try:
            entry.unlink(missing_ok=True)
        except OSError:  # in use, where a file that is in use cannot be removed
            continue
        removed, freed = removed + (not _unfinished(entry)), freed + size
    return Kept(folder, removed, freed)


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except OSError:
        return


def _unfinished(entry: Path) -> bool:
    return entry.name.endswith(_UNFINISHED)


def _size(entry: Path) -> int:
    files = [entry, *(Path(folder) / name for folder, _, names in os.walk(entry) for name in names)]
    return sum(_stat(file).st_size for file in files if file.is_file())


def _written(entry: Path) -> float:
    return _stat(entry).st_mtime


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError:  # another process was quicker
        return os.stat_result((0,) * 10)
