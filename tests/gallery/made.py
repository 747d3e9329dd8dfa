"""Small galleries for tests: images are numbers."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from nearkin.decision import Space
from nearkin.gallery import Entry, Store

WIDTH = 8


def image_hash(number: int) -> str:
    return hashlib.sha256(f"image {number}".encode()).hexdigest()


def vector(number: int) -> np.ndarray:
    return np.random.default_rng(number).standard_normal(WIDTH).astype(np.float32)


def entry(number: int, label: str = "cat", **other: object) -> Entry:
    words = {"thumbnail": f"thumbnail {number:06d}".encode(), "source": f"photos/{number}.png", "width": 3, "height": 2}
    return Entry(image_hash(number), label, vector(number), **{**words, **other})


def store_in(folder: Path, labels: dict[int, str] | None = None, *, space: str = "euclidean", **words: object) -> Store:
    """A gallery with {number: label} added in one revision."""
    store = Store.create(folder, dimension=WIDTH, space=Space(space), fingerprint="model 1", **words)
    if labels:
        store.add([entry(number, label) for number, label in labels.items()])
    return store


def held(store: Store, at: int | None = None) -> dict[str, str]:
    """{hash: label} at a revision."""
    now = store.enrolled(at)
    return dict(zip((each.hash for each in store.details(now.ids.tolist())), now.labels, strict=True))


def expected(labels: dict[int, str]) -> dict[str, str]:
    return {image_hash(number): label for number, label in labels.items()}
