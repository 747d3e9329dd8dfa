"""How far classes lie from each other: mean distances of their test images, for the classes that are mixed up most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearkin.report.arrays import read_embeddings
from nearkin.report.confusion import Confusion
from nearkin.report.pairs import Floats, pair_distance
from nearkin.report.study import Run

Integers = NDArray[np.int64]

DRAWN = 24
IMAGES = 40
"""Of a class, at most."""


@dataclass(frozen=True)
class ClassDistances:
    """Mean distances (T, T) of one run; row = class of the query. On the diagonal, of different images of one class.

    An entry is NaN where there is no pair: a class of one image has no distance to itself.
    """

    method: str
    seed: int
    distance: str
    classes: tuple[str, ...]
    of: int
    mean: Floats


def class_distances(run: Run, labels: Integers, classes: Sequence[str], confused: Confusion | None) -> ClassDistances:
    """The table of one run: all classes where there are up to 24, else the 24 that are mixed up most often.

    Shapes:  labels (Q,) indices into `classes`. Of a class the first 40 test images count
    """
    chosen = _chosen(classes, confused)
    places = [np.flatnonzero(labels == label)[:IMAGES] for label in chosen]
    distance, _ = pair_distance(run.distance)
    stored = read_embeddings(run, len(labels), np.concatenate(places))
    rows = np.split(distance.project(stored), np.cumsum([len(part) for part in places])[:-1])
    mean = np.array([[_mean(distance.between(a, b), i == j) for j, b in enumerate(rows)] for i, a in enumerate(rows)])
    return ClassDistances(run.method, run.seed, distance.name, tuple(classes[i] for i in chosen), len(classes), mean)


def _mean(distances: Floats, same: bool) -> float:
    if not same:
        return float(distances.mean())
    apart = distances[~np.eye(len(distances), dtype=bool)]
    return float(apart.mean()) if len(apart) else float("nan")


def _chosen(classes: Sequence[str], confused: Confusion | None) -> list[int]:
    """Indices of the classes to draw, in the order of `classes`."""
    if len(classes) <= DRAWN:
        return list(range(len(classes)))
    named = [name for mixup in (confused.mixups if confused else ()) for name in (mixup.true, mixup.answered)]
    place = {name: index for index, name in enumerate(classes)}
    mixed = [place[name] for name in dict.fromkeys(named) if name in place]
    rest = [index for index in range(len(classes)) if index not in set(mixed)]
    return sorted((mixed + rest)[:DRAWN])
