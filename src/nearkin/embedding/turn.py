"""One process at a time: the others wait, and nobody waits for a process that has ended."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _take(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Hold the lock `path` while the block runs, after waiting for whoever holds it.

    The system frees the lock of a process that ends in whatever way. Where the file system knows no locks, nobody
    waits: what is done in a turn must be right, if wasteful, when two do it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _wait_for(handle)
        yield
    finally:
        os.close(handle)


def _wait_for(handle: int) -> None:
    try:
        while not _take(handle):
            time.sleep(0.05)
    except OSError:
        return
