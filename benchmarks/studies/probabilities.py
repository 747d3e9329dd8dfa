"""Whether class probabilities hold on photos that were not enrolled. Prints the table of docs/estimators.md.

`NeighbourClassifier` is fitted to some images a class and asked about others of the same classes: digits and faces by their
pixels, birds and objects by features of a pretrained backbone, characters of alphabets that a small network was not trained
on (`search_promise.py` has it). Every draw deals classes and images anew; queries of all draws are judged together.

    python benchmarks/studies/probabilities.py
    python benchmarks/studies/probabilities.py --parts digits faces --draws 5
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from search_promise import trained

from nearkin.core import derived_seed
from nearkin.data import load_images
from nearkin.decision import brier_of_classes, reliability
from nearkin.estimators import NeighbourClassifier

Array = np.ndarray
BACKBONE = {
    "name": "mobilenet_v2",
    "weights": "weights/mobilenet_v2_imagenet_fp16.safetensors",
    "frozen": True,
}
CASES = {
    "digits": ((10, 2), (10, 5), (10, 30)),
    "faces": ((40, 2), (40, 5)),
    "birds": ((50, 5), (200, 5), (200, 10)),
    "objects": ((30, 10), (101, 5), (101, 10)),
    "characters": ((20, 5), (100, 5), (300, 2), (300, 7), (2000, 7)),
}
HELD_OUT = 20
"""Images of a class that are asked about at most."""


def rows_of(part: str, given: argparse.Namespace) -> tuple[Array, Array]:
    """Embeddings (N, D) of a set's images, and their labels."""
    if part == "characters":
        if given.embeddings is not None and given.embeddings.exists():
            kept = np.load(given.embeddings)
            return kept["rows"], kept["labels"]
        rows, labels = trained(0, given.steps)
        if given.embeddings is not None:
            np.savez(given.embeddings, rows=rows, labels=labels)
        return rows, labels
    if part in ("birds", "objects"):
        from nearkin.comparison.frozen import open_features

        size = 144 if part == "birds" else 128
        images = load_images("cub200-2010" if part == "birds" else "caltech101", size=(size, size))
        rows = np.array(open_features({**BACKBONE, "size": size}, images)[0].rows)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True), images.labels
    images, step = load_images(part), 4 if part == "faces" else 1
    return images.scaled(np.arange(len(images)))[:, :, ::step, ::step].reshape(len(images), -1), images.labels


def deal(labels: Array, classes: int, shots: int, draw: int) -> tuple[Array, Array]:
    """Places of enrolled and of asked images of so many classes, at most."""
    rng = np.random.default_rng(derived_seed(draw, "probabilities", classes, shots))
    some = rng.permutation(np.unique(labels))[:classes]
    dealt = [rng.permutation(np.flatnonzero(labels == name)) for name in some]
    asked = [places[shots : shots + HELD_OUT] for places in dealt]
    return np.concatenate([places[:shots] for places in dealt]), np.concatenate(asked)


def line(part: str, rows: Array, labels: Array, classes: int, shots: int, method: str, draws: int) -> str:
    """One row of the table."""
    said, right, scores = [], [], []
    for draw in range(draws):
        enrolled, asked = deal(labels, classes, shots, draw)
        model = NeighbourClassifier(method).fit(rows[enrolled], labels[enrolled])
        chances = model.predict_proba(rows[asked])
        truth = np.searchsorted(model.classes_, labels[asked])
        said.append(chances.max(1))
        right.append(chances.argmax(1) == truth)
        scores.append(brier_of_classes(chances, truth))
    found = reliability(np.concatenate(said), np.concatenate(right))
    there = min(classes, len(np.unique(labels)))
    score, constant = np.mean(scores, axis=0)
    cells = [part, f"{there} x {shots}", method, int(found.count.sum())]
    cells += [f"{100 * value:.1f}" for value in (found.accuracy, found.confidence)]
    cells += [
        f"{found.calibration_error:.3f}",
        f"{found.brier:.3f}",
        f"{found.constant:.3f}",
        f"{100 * found.skill:.0f}",
    ]
    return "| " + " | ".join(map(str, [*cells, f"{found.auroc:.3f}", f"{100 * (1 - score / constant):.0f}"])) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=tuple(CASES), default=list(CASES))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--steps", type=int, default=800, help="of training")
    parser.add_argument(
        "--embeddings", type=Path, help="an .npz to keep the characters' embeddings in, or to take them from"
    )
    given = parser.parse_args()
    print(
        "| images | enrolled | method | asked | right, % | said, % | ECE | Brier | constant | less, % | AUROC | all classes: less, % |"
    )
    print("| --- |" + " --- |" * 11)
    for part in given.parts:
        rows, labels = rows_of(part, given)
        for classes, shots in CASES[part]:
            for method in ("neighbours", "prototypes"):
                print(line(part, rows, labels, classes, shots, method, given.draws), flush=True)
    print(f"\n{time.process_time():.0f} s of CPU")


if __name__ == "__main__":
    main()
