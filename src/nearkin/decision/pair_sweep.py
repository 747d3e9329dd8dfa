"""Distances of all pairs of labelled rows, block by block: every pair, or all near ones and a sample of the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, choice, integer
from nearkin.decision.pair_sample import Kept
from nearkin.decision.pairs import Codes, PairDistances, settled

Array: TypeAlias = NDArray[np.float64]

BLOCK = 1 << 21
"""Distances held at a time."""

NEAR = 1e-4
"""Share of the squared norms (mean removed) below which a squared distance is made from the difference of its rows."""

CHUNK = 1 << 20
"""Numbers held at a time while such pairs are made."""

KEEP = 5_000_000
"""Pairs that are kept, by default: about 150 MB."""


class Linked(Protocol):
    """A distance of projected rows: a `Space`, or anything else with a link of arrays."""

    @property
    def name(self) -> str:
        """What results call it."""

    @property
    def symmetric(self) -> bool:
        """Whether d(a, b) = d(b, a)."""

    def link(self, squared: Array, query_norm: Array, reference_norm: Array) -> Array:
        """Elementwise and broadcasting, from squared Euclidean distances and squared norms."""


def pair_distances(
    space: Linked,
    rows: ArrayLike,
    labels: ArrayLike,
    others: ArrayLike | None = None,
    other_labels: ArrayLike | None = None,
    *,
    both: str = "mean",
    keep: int = KEEP,
    seed: int = 0,
    on_progress: Callable[[float], None] | None = None,
) -> PairDistances:
    """Distances of all pairs i < j of one set, or of every row with every one of `others`.

    Shapes:   projected rows (N, D) with labels (N,), whole numbers or texts; others (M, D), other_labels (M,)
    Order:    an asymmetric distance is measured in both orders; a pair's is their mean (default) or their "max"
    Exact:    float64, near-duplicates from differences, and to 10 decimal digits, so that equal distances are equal
    keep:     up to so many pairs all are kept, 5 million by default (2,000 rows make 2 million). Beyond, all positive
              pairs (a sample where they are more than half of `keep`), the nearest negative ones, where low false
              accept rates are decided, and a sample by `seed` of the other negative ones, which weighs as much as
              what it stands for. `positives` and `negatives` count every pair
    Progress: `on_progress` is called with the share of the rows that are done, up to 1
    Time:     one product of all rows in float64; 24.5 million pairs of 256 dimensions take seconds
    Memory:   `keep` pairs and blocks of 2 million distances
    Errors:   InputError for NaN, for shapes that do not agree, for fewer than two rows

    >>> from nearkin.decision import Space
    >>> pair_distances(Space(), [[0.0], [1.0], [5.0]], ["a", "a", "b"]).counts()
    Counts(distances=array([1., 4., 5.]), positives=array([1., 0., 0.]), negatives=array([0., 1., 1.]))
    """
    choice("both", both, ("mean", "max"))
    first, second, within = _sides(rows, labels, others, other_labels)
    positives, negatives = _numbers(first.codes, second.codes, within)
    if not positives + negatives:
        raise InputError("one row makes no pair; give at least two")
    most = integer("keep", keep, minimum=10_000)
    kept = Kept(positives, negatives, most, np.random.default_rng(seed))
    step = max(1, BLOCK // len(second.rows))
    for start in range(0, len(first.rows), step):
        block = slice(start, start + step)
        columns = slice(start if within else 0, None)
        distances = _block(space, first, second, block, columns, both)
        own, other = first.codes[block], second.codes[columns]
        there = np.arange(len(other))[None] > np.arange(len(own))[:, None] if within else np.bool_(True)
        kept.add(distances, own, other, np.broadcast_to(there, distances.shape))
        if on_progress is not None:
            on_progress(min(1.0, (start + step) / len(first.rows)))
    classes = len(np.unique(np.concatenate([first.codes, second.codes])))
    return kept.pairs(classes, scoring(space, both))


def paired_distances(space: Linked, first: ArrayLike, second: ArrayLike, *, both: str = "mean") -> Array:
    """Distances of ready pairs as `pair_distances` measures them, row by row: (N, D), (N, D) projected -> (N,).

    Errors:  InputError for NaN and for shapes that do not agree

    >>> from nearkin.decision import Space
    >>> paired_distances(Space("snr"), [[1.0, -1.0]], [[2.0, -2.0]])  # 1 and 0.25
    array([0.625])
    """
    choice("both", both, ("mean", "max"))
    one, two = _finite("first", first), _finite("second", second)
    if one.shape != two.shape:
        raise InputError(f"both sides of pairs must have one shape, got {one.shape} and {two.shape}")
    squared = np.square(one - two).sum(1)
    return _in_both_orders(space, squared, np.square(one).sum(1), np.square(two).sum(1), both)


def scoring(space: Linked, both: str = "mean") -> str:
    """How a pair is measured, in words."""
    if space.symmetric:
        return space.name
    return f"{space.name}, the {'mean' if both == 'mean' else 'larger'} of both orders"


def _in_both_orders(space: Linked, squared: Array, one: Array, two: Array, both: str) -> Array:
    distances = space.link(squared, one, two)
    if not space.symmetric:
        back = space.link(squared, two, one)
        distances = (distances + back) / 2 if both == "mean" else np.maximum(distances, back)
    return settled(distances)


class _Side(NamedTuple):
    rows: Array
    centred: Array
    norms: Array
    """Squared norms of the rows as they are."""
    lengths: Array
    """Squared norms of the centred rows."""
    codes: Codes


def _sides(
    rows: ArrayLike, labels: ArrayLike, others: ArrayLike | None, other_labels: ArrayLike | None
) -> tuple[_Side, _Side, bool]:
    if (others is None) != (other_labels is None):
        raise InputError("give others and other_labels together, or neither")
    one = _finite("rows", rows)
    two = one if others is None else _finite("others", others)
    if one.shape[1] != two.shape[1]:
        raise InputError(f"rows have {one.shape[1]} dimensions and others {two.shape[1]}; they must agree")
    named = _labels("labels", labels, len(one))
    named_too = named if other_labels is None else _labels("other_labels", other_labels, len(two))
    if (named.dtype.kind in "US") != (named_too.dtype.kind in "US"):
        raise InputError("labels and other_labels must be of one kind, whole numbers or texts")
    codes = np.unique(np.concatenate([named, named_too]), return_inverse=True)[1].astype(np.int32)
    middle = two.mean(0)
    first = _side(one, middle, codes[: len(one)])
    return (first, first, True) if others is None else (first, _side(two, middle, codes[len(one) :]), False)


def _side(rows: Array, middle: Array, codes: Codes) -> _Side:
    centred = rows - middle
    return _Side(rows, centred, np.square(rows).sum(1), np.square(centred).sum(1), codes)


def _finite(name: str, rows: ArrayLike) -> Array:
    array = np.asarray(rows, dtype=np.float64)
    if array.ndim != 2 or not array.size:
        raise InputError(f"{name} must have the shape (rows, dimensions), got {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array).all(1))
    if len(bad):
        raise InputError(f"{name} hold NaN or infinity in {len(bad)} of {len(array)} rows, first in row {int(bad[0])}")
    return array


def _labels(name: str, labels: ArrayLike, count: int) -> NDArray[np.generic]:
    array = np.asarray(labels)
    if array.shape != (count,):
        raise InputError(f"{name} must be one for each of the {count} rows, got the shape {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{name} hold NaN or infinity; give whole numbers or texts")
    return array


def _numbers(first: Codes, second: Codes, within: bool) -> tuple[int, int]:
    """Positive and negative pairs, counted from the labels alone."""
    classes = 1 + int(max(first.max(), second.max()))
    one, two = (np.bincount(codes, minlength=classes).tolist() for codes in (first, second))
    if within:
        positives, pairs = sum(n * (n - 1) // 2 for n in one), len(first) * (len(first) - 1) // 2
    else:
        positives, pairs = sum(n * m for n, m in zip(one, two)), len(first) * len(second)
    return positives, pairs - positives


def _block(space: Linked, first: _Side, second: _Side, block: slice, columns: slice, both: str) -> Array:
    """Distances of a block of rows to some columns."""
    length, width = first.lengths[block, None], second.lengths[None, columns]
    squared = length + width - 2 * first.centred[block] @ second.centred[columns].T
    rows, places = np.nonzero(squared < NEAR * (length + width))
    a, b = first.rows[block], second.rows[columns]
    step = max(1, CHUNK // a.shape[1])
    for start in range(0, len(rows), step):
        i, j = rows[start : start + step], places[start : start + step]
        squared[i, j] = np.square(a[i] - b[j]).sum(1)
    one, two = first.norms[block, None], second.norms[None, columns]
    return _in_both_orders(space, squared, one, two, both)
