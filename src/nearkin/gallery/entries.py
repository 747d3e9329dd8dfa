"""What is enrolled: one image with its label and its place in the embedding."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, InputTypeError, integer
from nearkin.gallery.labels import as_label

_HASH = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """An image to enrol.

    hash:       `nearkin.data.opening.image_hash` of its pixels, 64 hexadecimal digits: the same pixels are the same image
    label:      its class, see `nearkin.gallery.labels.as_label`
    vector:     projected embedding, (D,) float32
    thumbnail:  a small picture of it, encoded; may be empty
    source:     where it came from, for people; never read as a path
    width, height:  pixels
    """

    hash: str
    label: str
    vector: NDArray[np.float32]
    thumbnail: bytes = b""
    source: str = ""
    width: int = 0
    height: int = 0


def checked(entry: Entry, dimension: int) -> Entry:
    """The entry as it is kept.

    Errors:  InputError for another width, NaN or infinity, a hash that is none; InputTypeError for another type
    """
    if not isinstance(entry, Entry):
        raise InputTypeError(f"a gallery takes entries, got {type(entry).__name__}")
    if not isinstance(entry.thumbnail, bytes):
        raise InputTypeError(f"a thumbnail is bytes, got {type(entry.thumbnail).__name__}")
    label = as_label(entry.label)
    as_hash(entry.hash)
    as_vector(entry.vector, dimension, entry.source or entry.hash)
    integer("width", entry.width)
    integer("height", entry.height)
    return entry if label == entry.label else replace(entry, label=label)


def as_hash(value: object) -> str:
    """The content hash of an image, checked."""
    if not (isinstance(value, str) and _HASH.fullmatch(value)):
        raise InputError(f"an image's hash is 64 hexadecimal digits in small letters, got {value!r}")
    return value


def as_vector(vector: object, dimension: int, name: str) -> NDArray[Any]:
    """A vector of float32 of the gallery's width, all of it finite."""
    if not isinstance(vector, np.ndarray) or vector.dtype != np.float32:
        given = vector.dtype if isinstance(vector, np.ndarray) else type(vector).__name__
        raise InputTypeError(f"the vector of {name} must be float32, got {given}")
    if vector.shape != (dimension,):
        raise InputError(f"the vector of {name} has shape {vector.shape}, this gallery holds ({dimension},)")
    if not np.isfinite(vector).all():
        raise InputError(f"the vector of {name} holds NaN or infinity; such an image cannot be enrolled")
    return vector
