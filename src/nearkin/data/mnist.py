"""MNIST: 60,000 training and 10,000 test images of handwritten digits in the four official idx files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError
from nearkin.data.assembling import assemble
from nearkin.data.decoding import Item
from nearkin.data.idx import read_idx
from nearkin.data.images import ImageSet
from nearkin.data.opening import Opened
from nearkin.data.preparing import Preparation

STEMS = {"train": "train", "test": "t10k"}
FILES = tuple(f"{stem}-{kind}-ubyte" for stem in STEMS.values() for kind in ("images-idx3", "labels-idx1"))


def find_mnist(folder: Path) -> tuple[Path, ...] | None:
    """The four files in `folder`, each gzipped or not; None unless all are there."""
    found = []
    for name in FILES:
        here = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
        if not here:
            return None
        found.append(here[0])
    return tuple(found)


def read_mnist(places: tuple[Path, ...], preparation: Preparation) -> ImageSet:
    """Read the files that `find_mnist` found; the official split is kept."""
    items: list[Item] = []
    for part, images_path, labels_path in zip(STEMS, places[0::2], places[1::2], strict=True):
        images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
        if len(images) != len(labels):
            raise InputError(f"{images_path} holds {len(images)} images, but {labels_path} {len(labels)} labels")
        if labels.max(initial=0) > 9:
            raise InputError(f"{labels_path} holds the label {labels.max()}; digits are 0 to 9")
        items += [
            Item(f"{part}/{index:05d}", str(label), partial(_nth, images, index), split=part)
            for index, label in enumerate(labels)
        ]
    return assemble("mnist", items, preparation, source=str(places[0].parent))


def _nth(images: NDArray[np.uint8], index: int) -> Opened:
    return Opened(images[index][:, :, None])
