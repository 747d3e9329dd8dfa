"""Files that are there whole or not at all: written beside, flushed, renamed."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def _beside(path: Path) -> Iterator[IO[bytes]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # the system applies the process's umask
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say which file had no room
        raise
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path | str, content: bytes | str | Callable[[IO[bytes]], object]) -> Path:
    """Write `content` so that a kill leaves the old file or the new one, never a part of either.

    `content` is bytes, text (UTF-8), or a function that writes to the open binary file it is given. Missing folders are
    made. Where `content` raises, the old file stays and the error goes on. A kill may leave a hidden `.NAME.*.part`
    beside the file; nothing reads it, and it may be deleted.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> write_atomically(f"{folder}/notes/today.txt", "kin").read_text()
    'kin'
    """
    path = Path(path)
    with _beside(path) as file:
        if callable(content):
            content(file)
        else:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def write_json(path: Path | str, value: Any) -> Path:
    """Write `value` as readable JSON, atomically. NaN and infinity raise ValueError: they are not JSON."""
    return write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def content_hash(*parts: bytes | str) -> str:
    """SHA-256 of the parts in hexadecimal, each taken with its length.

    >>> content_hash("ab", "c") == content_hash("a", "bc")
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()
