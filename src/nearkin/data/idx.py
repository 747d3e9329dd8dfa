"""The idx format of MNIST: a magic number, the lengths, then unsigned bytes; gzipped or not."""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError
from nearkin.data.shelves import read_file


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read an idx file of unsigned bytes with that many dimensions (images: 3, labels: 1).

    The header is a big-endian number 0x0000TTDD (TT = 8 for unsigned bytes, DD = dimensions) and one for each length.
    A damaged file is an InputError that names it.
    """
    data = _unpacked(path)
    expected = 0x0800 + dimensions
    if len(data) < 4 * (1 + dimensions):
        raise InputError(f"{path} is cut off: {len(data)} bytes do not hold the header of an idx file")
    magic, *shape = struct.unpack_from(f">{1 + dimensions}I", data)
    if magic != expected:
        raise InputError(
            f"{path} is not an idx file of {dimensions}-dimensional bytes: it begins with {magic:#010x}, not {expected:#010x}"
        )
    body = len(data) - 4 * (1 + dimensions)
    if body != prod(shape):
        lengths = " x ".join(map(str, shape))
        fault = "is cut off" if body < prod(shape) else "is too long"
        raise InputError(f"{path} {fault}: its header promises {lengths} bytes, {body} follow")
    return np.frombuffer(data, np.uint8, offset=4 * (1 + dimensions)).reshape(shape)


def _unpacked(path: Path) -> bytes:
    data = read_file(path)
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is not a whole gzip file: {error}") from None
