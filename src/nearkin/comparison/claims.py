"""Who makes which run: a claim is a locked file (see `core.locks`), whose text only tells people who holds it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nearkin.core.locks import locked, opened


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Hold the claim `path` while the block runs; gives False at once when another process holds it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, claim(Path(folder) / "a") as first, claim(Path(folder) / "a") as second:
    ...     first, second
    (True, False)
    """
    with opened(path) as handle:
        try:
            mine = locked(handle)
        except OSError:
            mine = False
        if mine:
            os.ftruncate(handle, 0)
            os.write(handle, json.dumps({"process": os.getpid(), "machine": platform.node()}).encode())
        yield mine


def holder(path: Path) -> str:
    """Who holds the claim `path`, in words."""
    try:
        owner = json.loads(path.read_text())
        return f"process {owner['process']} on {owner['machine']}"
    except (OSError, ValueError, KeyError):
        return "another process"
