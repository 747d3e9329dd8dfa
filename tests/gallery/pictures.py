"""Small pictures of made-up classes, that the descriptor tells apart; and a model that was trained on some of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nearkin.embedding.embedder import Embedder, descriptor_model


def picture(kind: int, number: int, noise: float = 25.0) -> NDArray[np.uint8]:
    """Picture `number` of class `kind`, (32, 32, 3): a coarse pattern, moved a little, under noise."""
    pattern = np.random.default_rng([7, kind]).uniform(0, 255, (5, 5, 3))
    own = np.random.default_rng([kind, number])
    moved = np.roll(np.kron(pattern, np.ones((8, 8, 1))), own.integers(-1, 2, 2), (0, 1))[:32, :32]
    return np.clip(moved + own.normal(0, noise, moved.shape), 0, 255).astype(np.uint8)


def folder_of(place: Path, kinds: range, numbers: range, *, name: str = "kind {}", noise: float = 25.0) -> Path:
    """One folder a class, PNG files."""
    for kind in kinds:
        (place / name.format(kind)).mkdir(parents=True, exist_ok=True)
        for number in numbers:
            Image.fromarray(picture(kind, number, noise)).save(place / name.format(kind) / f"{number}.png")
    return place


def trained(on: set[str] | frozenset[str] = frozenset(), name: str = "trained") -> Embedder:
    """The descriptor, said to have been trained on images of these hashes."""
    return Embedder(replace(descriptor_model(), name=name, trained_on=frozenset(on)))


class Turned(Embedder):
    """Another model of the same width: the descriptor of the picture upside down."""

    def __init__(self) -> None:
        super().__init__(descriptor_model())
        self.name, self.fingerprint = "turned", "f" * 64
        straight = self._run
        self._run = lambda images: straight(np.ascontiguousarray(images[:, :, ::-1]))
