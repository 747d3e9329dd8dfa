"""The descriptor against raw pixels, without training: Recall@1, MAP@R and kNN of real images, and 20-way one-shot.

    NEARKIN_DATA=... python benchmarks/studies/descriptor.py

Every image is a query against all others of its set (leave-one-out). Raw pixels are compared at their own size (at most
64 x 64) and at 16 x 16, where they do better. Numbers of the descriptor were chosen on these very sets (MNIST, Omniglot,
birds and Caltech-101: other draws of images and classes), so they flatter it a little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import write_json
from nearkin.data import ImageSet, data_root, load_images
from nearkin.data.preparing import resized
from nearkin.embedding import Embedder
from nearkin.evaluation import evaluate

Opened = list[NDArray[Any]]
SEED = 20


def sets() -> dict[str, Callable[[], ImageSet]]:
    """The image sets: whole, or a draw of their classes and images."""

    def some(images: ImageSet, classes: int, each: int, part: str | None = None) -> ImageSet:
        rng = np.random.default_rng(SEED)
        allowed = np.arange(len(images)) if part is None or images.split is None else np.flatnonzero(images.split == part)
        present = np.unique(images.labels[allowed])
        chosen = rng.permutation(present)[:classes]
        drawn = [rng.permutation(allowed[images.labels[allowed] == label])[:each] for label in chosen]
        return images.take(np.concatenate(drawn))

    caltech = data_root() / "caltech101" / "caltech101_96px.zip"
    return {
        "digits": lambda: load_images("digits"),
        "MNIST": lambda: some(load_images("mnist"), 10, 400, "test"),
        "Omniglot": lambda: some(load_images("omniglot"), 200, 20, "test"),
        "faces": lambda: load_images("faces"),
        "birds": lambda: some(load_images("cub200-2010", size=(64, 64)), 100, 40, "test"),
        "Caltech-101": lambda: some(load_images(caltech, size=(64, 64), channels=3), 102, 30),
    }


def opened(images: ImageSet) -> Opened:
    """As `open_image` gives them, with the whole range of 8 bits."""
    low, high = images.value_range
    values = np.rint((images.pixels - low) * (255 / (high - low))).astype(np.uint8)
    return [np.ascontiguousarray(np.moveaxis(each, 0, 2)) for each in values]


def pixels(images: Opened, largest: int) -> NDArray[np.float32]:
    """Rows of raw values."""
    high, wide = images[0].shape[:2]
    size = (min(high, largest), min(wide, largest))
    return np.stack([resized(each, size).ravel() for each in images]).astype(np.float32) / 255


def one_shot(rows: NDArray[np.float32], labels: NDArray[np.int64], *, ways: int = 20, episodes: int = 400) -> float:
    """Share of right answers where one image of each of `ways` classes is known and one of each asks; ways below 20 where classes are fewer."""
    rng = np.random.default_rng(SEED)
    classes = np.unique(labels)
    ways = min(ways, len(classes))
    right = 0
    for _ in range(episodes):
        drawn = [rng.choice(np.flatnonzero(labels == label), 2, replace=False) for label in rng.permutation(classes)[:ways]]
        known, asking = rows[[pair[0] for pair in drawn]], rows[[pair[1] for pair in drawn]]
        apart = np.square(asking[:, None] - known[None]).sum(-1)
        right += int((apart.argmin(1) == np.arange(ways)).sum())
    return right / (ways * episodes)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--output", type=Path, help="a JSON file for the figures")
    given = options.parse_args()
    embedder, results = Embedder.load("descriptor"), {}
    for name, load in sets().items():
        images = load()
        shown = opened(images)
        start = time.process_time()
        described = embedder.embed(shown)
        speed = len(shown) / (time.process_time() - start)
        rows = {"descriptor": described, "pixels": pixels(shown, 64), "pixels 16x16": pixels(shown, 16)}
        results[name] = {"images": len(images), "classes": len(np.unique(images.labels)), "images a second": speed}
        for kind, each in rows.items():
            scores = evaluate(each, images.labels, distance="euclidean", clustering=False).scores
            chosen = {score: scores[score] for score in ("recall@1", "map@r", "knn@5")}
            results[name][kind] = {**chosen, "one-shot": one_shot(each, images.labels)}
        print(name, results[name], flush=True)
    if given.output:
        write_json(given.output, results)


if __name__ == "__main__":
    main()
