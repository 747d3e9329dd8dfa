"""A file of features that knows what it holds: another file in its place, half of it or a changed byte is noticed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from nearkin.core import content_hash, write_atomically

SCHEMA = 1
_CHUNK = 1 << 22

Features = NDArray[np.float32]


def write_features(path: Path, key: str, shape: tuple[int, ...], blocks: Iterable[Features]) -> None:
    """Write blocks of rows, which together have `shape`, atomically and one block at a time.

    The file is a safetensors file with one tensor, "features" (float32), that any reader of the format opens. Its
    metadata hold the schema, the key under which it was made, and the SHA-256 of key, shape and values.
    """

    def write(file: IO[bytes]) -> None:
        file.write(_header(key, shape, "0" * 64))
        digest = _digest(key, shape)
        for block in blocks:
            values = np.ascontiguousarray(block, dtype="<f4").tobytes()
            digest.update(values)
            file.write(values)
        file.seek(0)
        file.write(_header(key, shape, digest.hexdigest()))

    write_atomically(path, write)


def read_features(path: Path, key: str) -> Features | None:
    """The features as a read-only memory map, or None unless the file is whole, unchanged and made under `key`."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, _CHUNK)))
            shape = tuple(header["features"]["shape"])
            given = header["__metadata__"]["sha256"]
            size = 8 + length + 4 * int(np.prod(shape))
            if _header(key, shape, given)[8:] != _bytes_at(file, 8, length) or os.fstat(file.fileno()).st_size != size:
                return None
            digest = _digest(key, shape)
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            if digest.hexdigest() != given:
                return None
            return np.memmap(file, dtype="<f4", mode="r", offset=8 + length, shape=shape)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _header(key: str, shape: tuple[int, ...], sha256: str) -> bytes:
    """The format's own beginning: the length of the JSON and the JSON, with spaces up to a multiple of 64 bytes."""
    tensor = {"dtype": "F32", "shape": list(shape), "data_offsets": [0, 4 * int(np.prod(shape))]}
    metadata = {"schema": str(SCHEMA), "key": key, "sha256": sha256}
    text = json.dumps({"__metadata__": metadata, "features": tensor})
    text += " " * (-(8 + len(text)) % 64)
    return len(text).to_bytes(8, "little") + text.encode("ascii")


def _digest(key: str, shape: tuple[int, ...]) -> hashlib._Hash:
    return hashlib.sha256(content_hash(key, json.dumps(shape)).encode())


def _bytes_at(file: IO[bytes], start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)
