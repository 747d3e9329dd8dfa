"""Who makes which run: a claim is a locked file, and the lock dies with its owner.

The system frees the lock of a process that ends in whatever way, so a claim of a killed process is never in the way and no
age or process id has to be guessed at. The file's text only tells people who holds it.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, 1 << 30, os.SEEK_SET)  # a byte far behind the text, so that others may read who holds it
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Hold the claim `path` while the block runs; gives False at once when another process holds it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, claim(Path(folder) / "a") as first, claim(Path(folder) / "a") as second:
    ...     first, second
    (True, False)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            _lock(handle)
        except OSError:
            yield False
            return
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps({"process": os.getpid(), "machine": platform.node()}).encode())
        yield True
    finally:
        os.close(handle)


def holder(path: Path) -> str:
    """Who holds the claim `path`, in words."""
    try:
        owner = json.loads(path.read_text())
        return f"process {owner['process']} on {owner['machine']}"
    except (OSError, ValueError, KeyError):
        return "another process"
