"""Pairs of test images as a finished run embeds them: half of one class, half of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearkin.comparison.snr_relations import TINY, Floats, Measured, measured

Integers = NDArray[np.int64]

ONE_CLASS = "pairs of one class"
TWO_CLASSES = "pairs of two classes"


@dataclass(frozen=True)
class RealRows:
    """Embeddings of test images: `rows` (N, D), `labels` (N,), and where they come from in words and in facts."""

    rows: Floats
    labels: Integers
    words: str
    origin: Mapping[str, object]


def real_pairs(real: RealRows, count: int, rng: np.random.Generator) -> dict[str, Measured]:
    """At most `count` pairs of one class and as many of two, measured; rows whose variance is at most 1e-12 are left out.

    Returns the two by name; a kind that has no pair is not there.
    """
    varied = np.flatnonzero(real.rows.var(1) > TINY)
    labels = real.labels[varied]
    found = {}
    for name, (anchor, compared) in {ONE_CLASS: _within(labels, count, rng), TWO_CLASSES: _across(labels, count, rng)}.items():
        if len(anchor):
            found[name] = measured(real.rows[varied[anchor]], real.rows[varied[compared]])
    return found


def _within(labels: Integers, count: int, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """Ordered pairs of different rows with one label: anchors drawn evenly among rows that have another of their class."""
    order = np.argsort(labels, kind="stable")
    sizes = np.unique(labels, return_counts=True)[1]
    size, start = np.repeat(sizes, sizes), np.repeat(np.cumsum(sizes) - sizes, sizes)
    able = np.flatnonzero(size > 1)
    if not len(able):
        return able, able
    place = rng.choice(able, count)
    step = rng.integers(1, size[place])
    other = start[place] + (place - start[place] + step) % size[place]
    return order[place], order[other]


def _across(labels: Integers, count: int, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """Ordered pairs of rows with two labels, drawn evenly: the partner lies among the rows of the other classes."""
    order = np.argsort(labels, kind="stable")
    sizes = np.unique(labels, return_counts=True)[1]
    if len(sizes) < 2:
        return order[:0], order[:0]
    size, start = np.repeat(sizes, sizes), np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = rng.integers(0, len(labels), count)
    step = rng.integers(0, len(labels) - size[place])
    other = (start[place] + size[place] + step) % len(labels)
    return order[place], order[other]
