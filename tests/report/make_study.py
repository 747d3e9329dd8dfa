"""Writes a realistic study folder without training anything: digits seen through imitated methods.

An imitated method mixes the pixels' principal axes with axes that separate the classes, and adds noise, so that some
methods are really better than others, two are the same method under two names, and one ends in two dimensions.
As a program: `python tests/report/make_study.py FOLDER` (then `nearkin report FOLDER`).
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Imitation:
    """One method: how much of the class structure it finds, in how many dimensions, judged by which distance."""

    name: str
    description: str
    kind: str = "trained"
    strength: float = 0.0
    noise: float = 0.35
    dimensions: int = 16
    distance: str = "euclidean"
    settings: dict[str, Any] = field(default_factory=dict)
    stream: str | None = None


METHODS = (
    Imitation("untrained", "the network as initialised", "untrained", 0.0, 0.6),
    Imitation("raw pixels", "the pixels themselves", "pixels"),
    Imitation(
        "siamese", "contrastive loss over all pairs", strength=0.35, settings={"loss": "contrastive", "margin": 1.0}
    ),
    Imitation(
        "triplet",
        "triplet hinge over all triplets",
        strength=0.62,
        settings={"loss": "triplet", "margin": 0.2, "mining": "all"},
    ),
    Imitation(
        "triplet, semi-hard",
        "triplet hinge, semi-hard negatives",
        strength=0.65,
        settings={"loss": "triplet", "margin": 0.2, "mining": "semi-hard"},
    ),
    Imitation("n-pair", "N-pair loss", strength=0.58, distance="cosine", settings={"loss": "n-pair", "l2": 0.002}),
    Imitation(
        "combined negatives",
        "combined negatives, corrected, two outputs",
        strength=0.8,
        dimensions=2,
        settings={"loss": "combined-negatives", "printed": False},
    ),
    Imitation(
        "siamese again",
        "the Siamese method under a second name",
        strength=0.35,
        stream="again",
        settings={"loss": "contrastive", "margin": 1.0},
    ),
)


@dataclass(frozen=True)
class Pictures:
    """What a study is about: images (N, h, w, C) uint8, labels (N,), literal class names."""

    name: str
    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    @property
    def rows(self) -> np.ndarray:
        return self.images.reshape(len(self.images), -1).astype(np.float64) / 255


def digits(classes: Sequence[str] | None = None) -> Pictures:
    """scikit-learn's handwritten digits; `classes` renames the ten classes."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    images = np.minimum(raw.images * 16, 255).astype(np.uint8)[..., None]
    return Pictures(
        "digits", images, raw.target.astype(np.int64), tuple(classes or (str(digit) for digit in range(10)))
    )


def make_study(
    folder: Path | str,
    *,
    pictures: Pictures | None = None,
    methods: Sequence[Imitation] = METHODS,
    protocols: Sequence[str] = ("closed-set", "class-disjoint"),
    seeds: Sequence[int] = (0, 1, 2),
    test_share: float = 0.3,
    tuned: bool = False,
) -> Path:
    """Write the folder and return it; everything in it follows from the arguments."""
    folder = Path(folder)
    pictures = pictures or digits()
    _write_study(folder, pictures, methods, protocols, seeds, tuned)
    for protocol in protocols:
        split = _split(pictures, protocol, test_share)
        _json(folder / "splits" / f"{protocol}.json", split)
        test = np.array(split["test"])
        (folder / "thumbnails").mkdir(parents=True, exist_ok=True)
        np.save(folder / "thumbnails" / f"{protocol}.npy", pictures.images[test])
        for method in methods:
            for seed in seeds[:1] if method.kind == "pixels" else seeds:
                _write_run(folder, pictures, method, protocol, seed, split)
    return folder


def _split(pictures: Pictures, protocol: str, test_share: float) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    count = len(pictures.labels)
    if protocol == "class-disjoint":
        tested = np.isin(pictures.labels, np.arange(len(pictures.classes) // 2, len(pictures.classes)))
    else:
        tested = rng.random(count) < test_share
    rest = rng.permutation(np.flatnonzero(~tested))
    held = len(rest) // 5
    return {
        "protocol": protocol,
        "seed": 3,
        "description": {"test share": test_share},
        "train": np.sort(rest[held:]).tolist(),
        "validation": np.sort(rest[:held]).tolist(),
        "test": np.flatnonzero(tested).tolist(),
    }


def _write_study(
    folder: Path,
    pictures: Pictures,
    methods: Sequence[Imitation],
    protocols: Sequence[str],
    seeds: Sequence[int],
    tuned: bool,
) -> None:
    height, width, channels = pictures.images.shape[1:]
    _json(folder / "study.json", {
        "schema": 1,
        "name": f"metric losses on {pictures.name}",
        "created": "2026-11-21T08:30:00+00:00",
        "nearkin": "0.1.0",
        "versions": {"python": "3.11.9", "numpy": "2.4.6", "torch": "2.13.0"},
        "command": f"nearkin compare quickstart --data {pictures.name} --seeds {len(seeds)}",
        "budget": {"steps": 600, "classes per batch": 8, "images per class": 4, "optimiser": "Adam, 1e-3"},
        "data": {
            "name": pictures.name,
            "hash": "9f2c61d0" * 8,
            "images": len(pictures.labels),
            "classes": list(pictures.classes),
            "groups": None,
            "image_size": [channels, height, width],
            "notes": ["uses values 0..16 of 0..255"],
            "source": "scikit-learn, UCI optical recognition of handwritten digits",
        },
        "protocols": list(protocols),
        "baseline": "untrained",
        "methods": [
            {"name": m.name, "description": m.description, "kind": m.kind, "settings": _settings(m)}
            for m in methods
        ],
        "seeds": list(seeds),
        "primary": "map@r",
        "tuned": tuned,
    })  # fmt: skip


def _settings(method: Imitation) -> dict[str, Any]:
    if method.kind == "pixels":
        return {"distance": method.distance}
    training = {"optimiser": "adam", "learning_rate": 0.001, "weight_decay": 0.0, "augmentation": None}
    return {
        "distance": method.distance,
        "embedding_size": method.dimensions,
        **method.settings,
        **(training if method.kind == "trained" else {}),
    }


def _embed(rows: np.ndarray, labels: np.ndarray, method: Imitation, seed: int, transfer: float) -> np.ndarray:
    """Class centres placed at random directions, blended with the pixels' principal axes, plus noise."""
    if method.kind == "pixels":
        return rows.astype(np.float32)
    rng = np.random.default_rng([seed, len(method.stream or ""), method.dimensions])
    centred = rows - rows.mean(0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, : method.dimensions]
    seen = centred @ axes
    seen = seen / seen.std()
    centres = rng.normal(size=(labels.max() + 1, method.dimensions))
    centres *= 4.5 / np.linalg.norm(centres, axis=1, keepdims=True)
    blur = method.noise * (1 + 0.08 * rng.normal())
    strength = method.strength * transfer
    mixed = (1 - strength) * seen + strength * centres[labels] + blur * rng.normal(size=seen.shape)
    return mixed.astype(np.float32)


def _distances(a: np.ndarray, b: np.ndarray, name: str) -> np.ndarray:
    if name == "cosine":
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
        return 1 - a @ b.T
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squared, 0))


def _vote(nearest: np.ndarray, classes: int) -> np.ndarray:
    """The most frequent class of each row, ties to the smallest class."""
    counts = np.zeros((len(nearest), classes))
    for column in nearest.T:
        counts[np.arange(len(nearest)), column] += 1
    return counts.argmax(1)


def _write_run(
    folder: Path, pictures: Pictures, method: Imitation, protocol: str, seed: int, split: dict[str, Any]
) -> None:
    test, train = np.array(split["test"]), np.array(split["train"])
    embeddings = _embed(pictures.rows, pictures.labels, method, seed, 0.75 if protocol == "class-disjoint" else 1.0)
    labels = pictures.labels[test]
    distances = _distances(embeddings[test], embeddings[test], method.distance)
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")
    columns = _retrieval(labels, order)
    support = (
        order
        if protocol == "class-disjoint"
        else np.argsort(_distances(embeddings[test], embeddings[train], method.distance), axis=1, kind="stable")
    )
    support_labels = labels if protocol == "class-disjoint" else pictures.labels[train]
    for k in (1, 5):
        columns[f"predicted@{k}"] = _vote(support_labels[support[:, :k]], len(pictures.classes))
        columns[f"knn@{k}"] = (columns[f"predicted@{k}"] == labels).astype(float)
    key = _key(method.name, protocol, seed)
    run = folder / "runs" / key
    run.mkdir(parents=True, exist_ok=True)
    np.save(run / "embeddings.npy", embeddings[test])
    _write_records(run / "records.csv", pictures, test, columns, order, distances)
    scores = {f"recall@{k}": columns[f"hits@{k}"] for k in (1, 2, 4, 8)}
    scores |= {"precision@1": columns["hits@1"], "r-precision": columns["r-precision"], "map@r": columns["ap@r"]}
    scores |= {f"knn@{k}": columns[f"knn@{k}"] for k in (1, 5)}
    wobble = 0.01 * np.random.default_rng([seed, 9]).normal()
    scores |= {
        "nmi": np.array([min(1.0, 0.5 + 0.45 * np.nanmean(columns["ap@r"]) + wobble)]),
        "ami": np.array([0.45 + 0.45 * np.nanmean(columns["ap@r"]) + wobble]),
    }
    _json(run / "run.json", {
        "schema": 1, "key": key, "method": method.name, "protocol": protocol, "seed": seed, "distance": method.distance,
        "recipe": {"loss": method.settings}, "data": "9f2c61d0" * 8, "fingerprint": _key("fingerprint", method.name, 0), "status": "done",
        "scores": {name: float(np.nanmean(values)) for name, values in scores.items()},
        "seconds": 41.5 if method.kind == "trained" else 0.4, "best_step": 480 if method.kind == "trained" else 0, "notes": [],
        **({"shares": {"input": 0.0213, "network": 0.95, "loss": 0.0287}} if method.kind == "trained" else {}),
    })  # fmt: skip
    if method.kind == "trained":
        _write_curves(run / "curves.csv", method, seed, float(np.nanmean(columns["ap@r"])))


def _retrieval(labels: np.ndarray, order: np.ndarray) -> dict[str, np.ndarray]:
    """Per-query columns of self-retrieval: hits at K, AP at R, R-precision; self is last in `order`; NaN without kin."""
    same = labels[order[:, :-1]] == labels[:, None]
    relevant = same.sum(1)
    ranks = np.arange(1, same.shape[1] + 1)
    within = ranks <= relevant[:, None]
    columns = {f"hits@{k}": same[:, :k].any(1).astype(float) for k in (1, 2, 4, 8)}
    columns["r-precision"] = (same & within).sum(1) / np.maximum(relevant, 1)
    columns["ap@r"] = (np.cumsum(same, axis=1) / ranks * (same & within)).sum(1) / np.maximum(relevant, 1)
    return {name: np.where(relevant > 0, values, np.nan) for name, values in columns.items()}


def _write_records(
    path: Path,
    pictures: Pictures,
    test: np.ndarray,
    columns: dict[str, np.ndarray],
    order: np.ndarray,
    distances: np.ndarray,
) -> None:
    scores = [name for name in columns if not name.startswith("predicted")]
    votes = [name for name in columns if name.startswith("predicted")]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["query", "image_id", "hash", "class", "group", *scores, *votes, "neighbours", "distances"])
        for row, image in enumerate(test):
            near = order[row, : min(10, len(test) - 1)]  # the image itself stands last
            writer.writerow([
                image, f"{pictures.name}/{image:05d}", _key("image", str(image), 0), pictures.classes[pictures.labels[image]], "",
                *(f"{columns[name][row]:.10g}".replace("nan", "") for name in scores), *(pictures.classes[columns[name][row]] for name in votes),
                " ".join(map(str, test[near])), " ".join(f"{value:.6g}" for value in distances[row, near]),
            ])  # fmt: skip


def _write_curves(path: Path, method: Imitation, seed: int, reached: float) -> None:
    rng = np.random.default_rng([seed, 77])
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "epoch", "loss", "active", "validation", "seconds"])
        for step in range(10, 601, 10):
            rest = np.exp(-step / (60 + 140 * method.strength))
            validation = f"{reached * (1 - 0.6 * rest) + 0.01 * rng.normal():.6g}" if step % 40 == 0 else ""
            loss = (0.25 + rest * (1 + method.strength)) * (1 + 0.08 * rng.normal())
            writer.writerow(
                [
                    step,
                    step // 50,
                    f"{loss:.6g}",
                    f"{np.clip(0.12 + 0.8 * rest + 0.02 * rng.normal(), 0, 1):.6g}",
                    validation,
                    f"{step * 0.07:.3f}",
                ]
            )


def _key(*parts: object) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:16]


def _json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")


if __name__ == "__main__":
    print(make_study(sys.argv[1]))
