"""Files that are locked by one process at a time; the system frees the lock of a process that ends in whatever way.

So a lock of a killed process is never in the way, and no age or process id has to be guessed at.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def locked(handle: int) -> bool:
        """Lock an open file; False at once where another process, or another handle, holds it.

        Errors:  OSError where the file system knows no locks
        """
        os.lseek(handle, 1 << 30, os.SEEK_SET)  # a byte far behind any text, so that others may read who holds it
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    def locked(handle: int) -> bool:
        """Lock an open file; False at once where another process, or another handle, holds it.

        Errors:  OSError where the file system knows no locks
        """
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """The file `path`, made where it is not there, open to be locked; closing it frees the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield handle
    finally:
        os.close(handle)
