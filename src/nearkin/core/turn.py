"""One process at a time: the others wait, and nobody waits for a process that has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nearkin.core.locks import locked, opened


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Hold the lock `path` while the block runs, after waiting for whoever holds it.

    The system frees the lock of a process that ends in whatever way. Where the file system knows no locks, nobody
    waits: what is done in a turn must be right, if wasteful, when two do it.
    """
    with opened(path) as handle:
        _wait_for(handle)
        yield


def _wait_for(handle: int) -> None:
    try:
        while not locked(handle):
            time.sleep(0.05)
    except OSError:
        return
