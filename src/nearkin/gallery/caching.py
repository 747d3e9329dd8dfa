"""The cache of a gallery: files that are derived from its database, and may be deleted at any time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nearkin.core.turn import turn

FOLDER = "cache"
LOCK = ".lock"


@contextmanager
def alone(folder: Path) -> Iterator[Path]:
    """The cache folder of the gallery in `folder`, while no other process writes to it."""
    cache = folder / FOLDER
    with turn(cache / LOCK):
        yield cache


def clear(folder: Path) -> None:
    """Delete whatever the cache holds. Processes that have mapped a file keep it in memory until they let go of it."""
    if not (folder / FOLDER).is_dir():
        return
    with alone(folder) as cache:
        for file in cache.iterdir():
            if file.name != LOCK:
                file.unlink(missing_ok=True)
