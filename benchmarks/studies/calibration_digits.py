"""One method under 15 names on real images: in how many studies of the digits does `nearkin.statistics` tell it apart?

The method is linear discriminant analysis, each time fitted to another random half of the training images: quick, and as
different from seed to seed as a small network. A study draws its own test images (closed-set) or test classes
(class-disjoint), and judges 14 names against the first by precision@1 and by MAP@R. Every claim is false.

    python benchmarks/studies/calibration_digits.py --studies 100
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from nearkin.core import derived_seed
from nearkin.data import load_images
from nearkin.statistics import against_baseline

Array = np.ndarray
NAMES, TEST_IMAGES, DIMENSIONS, SHRINKAGE = 15, 300, 4, 0.1


def fitted(pixels: Array, labels: Array) -> Array:
    """Directions that separate the classes, (features, DIMENSIONS), from a shrunken covariance within them."""
    classes = np.unique(labels)
    means = np.stack([pixels[labels == name].mean(0) for name in classes])
    inner = pixels - means[np.searchsorted(classes, labels)]
    within = inner.T @ inner / len(pixels)
    within += SHRINKAGE * np.trace(within) / len(within) * np.eye(len(within))
    values, vectors = np.linalg.eigh(within)
    white = vectors / np.sqrt(values)
    outer = (means - means.mean(0)) @ white
    return white @ np.linalg.eigh(outer.T @ outer)[1][:, -DIMENSIONS:]


def judged(embeddings: Array, labels: Array) -> tuple[Array, Array]:
    """Precision@1 and average precision at R of every image as a query among the others."""
    squares = (embeddings**2).sum(1)
    distances = squares[:, None] + squares - 2 * embeddings @ embeddings.T
    np.fill_diagonal(distances, np.inf)
    kin = labels[np.argsort(distances, 1, kind="stable")] == labels[:, None]
    counts = np.bincount(labels)[labels] - 1
    ranks = np.arange(1, len(labels) + 1)
    precision = np.cumsum(kin, 1) / ranks
    return kin[:, 0].astype(float), (precision * kin * (ranks <= counts[:, None])).sum(1) / counts


def study(
    protocol: str, seeds: int, pixels: Array, labels: Array, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Precision@1 and AP@R (names, S, Q) and the classes of the queries (Q,) of one study."""
    if protocol == "closed-set":
        mixed = rng.permutation(len(labels))
        test, training = mixed[:TEST_IMAGES], mixed[TEST_IMAGES:]
    else:
        held = np.isin(labels, rng.permutation(np.unique(labels))[:5])
        test, training = rng.permutation(np.flatnonzero(held))[:TEST_IMAGES], np.flatnonzero(~held)
    runs = []
    for _ in range(NAMES * seeds):
        half = rng.permutation(training)[: len(training) // 2]
        runs.append(judged(pixels[test] @ fitted(pixels[half], labels[half]), labels[test]))
    hits, precision = (np.stack(column).reshape(NAMES, seeds, -1) for column in zip(*runs))
    return hits, precision, labels[test]


def told_apart(scores: Array, labels: Array) -> tuple[int, bool]:
    """How many of the 14 single intervals miss 0, and whether anything is claimed after Holm."""
    methods = {str(name): table for name, table in enumerate(scores)}
    found = against_baseline(methods, labels, baseline="0").values()
    return sum(not one.low <= 0 <= one.high for one in found), any(one.claimed for one in found)


def main() -> None:
    """Print a line for each protocol and number of seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5])
    given = parser.parse_args()
    started = time.perf_counter()
    images = load_images("digits")
    pixels = images.scaled(np.arange(len(images.labels))).reshape(len(images.labels), -1).astype(np.float64)
    print(
        "| protocol | seeds | score | intervals that miss 0, % | studies with a claim |\n| --- | --- | --- | --- | --- |"
    )
    for protocol in ("closed-set", "class-disjoint"):
        for seeds in given.seeds:
            rng = np.random.default_rng(derived_seed(given.seed, protocol, seeds))
            answers = {"precision@1": [], "map@r": []}
            for _ in range(given.studies):
                hits, precision, labels = study(protocol, seeds, pixels, images.labels, rng)
                answers["precision@1"].append(told_apart(hits, labels))
                answers["map@r"].append(told_apart(precision, labels))
            for score, found in answers.items():
                missed, claimed = (sum(column) for column in zip(*found))
                share = 100 * missed / (14 * len(found))
                print(f"| {protocol} | {seeds} | {score} | {share:.1f} | {claimed} of {len(found)} |", flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
