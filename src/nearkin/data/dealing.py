"""Dealing units out to the parts of a split: whole units, each class near its share in every part, by a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ATTEMPTS = 20


def deal(
    units: NDArray[np.int64],
    labels: NDArray[np.int64],
    targets: NDArray[np.int64],
    rng: np.random.Generator,
    least: int = 1,
) -> NDArray[np.int64] | None:
    """(N,) the part of each element, so that units stay whole and part p gets about targets[p, c] elements of class c.

    `targets` is (parts, classes), its columns sum to the sizes of the classes. A part with a target above 0 for a class
    gets at least `least` of its elements (or its target, if that is smaller); None where a few tries find no such deal.
    Where every unit is one element, the targets are met exactly.
    """
    needed = np.minimum(targets, least)
    counts, members = _counts(units, labels, targets.shape[1])
    for _ in range(_ATTEMPTS):
        part_of_unit, dealt = _deal_once(counts, targets, rng)
        if (dealt >= needed).all():
            return part_of_unit[members]
    return None


def _counts(
    units: NDArray[np.int64], labels: NDArray[np.int64], classes: int
) -> tuple[list[dict[int, int]], NDArray[np.int64]]:
    """For each unit how many elements of which class it has, and the unit of each element."""
    members = np.unique(units, return_inverse=True)[1]
    keys, sizes = np.unique(members * classes + labels, return_counts=True)
    counts: list[dict[int, int]] = [{} for _ in range(int(members.max(initial=-1)) + 1)]
    for key, size in zip(keys.tolist(), sizes.tolist(), strict=True):
        counts[key // classes][key % classes] = size
    return counts, members


def _deal_once(
    counts: list[dict[int, int]], targets: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One greedy pass: units of rare classes first, then large ones; each goes where its classes lack most of their target."""
    wanted = targets.T.tolist()
    dealt = [[0] * len(targets) for _ in wanted]
    holders = np.zeros(len(wanted), dtype=np.int64)
    for unit in counts:
        holders[list(unit)] += 1
    order = rng.permutation(len(counts)).tolist()
    order.sort(key=lambda number: (min(holders[label] for label in counts[number]), -sum(counts[number].values())))
    part_of_unit = np.zeros(len(counts), dtype=np.int64)
    for number in order:
        part = _neediest(counts[number], wanted, dealt)
        part_of_unit[number] = part
        for label, size in counts[number].items():
            dealt[label][part] += size
    return part_of_unit, np.array(dealt, dtype=np.int64).T


def _neediest(unit: dict[int, int], wanted: list[list[int]], dealt: list[list[int]]) -> int:
    """The part that lacks the largest share of its target of the unit's classes; among equals the one that wants more."""
    needs = []
    for part in range(len(wanted[0])):
        relative = absolute = 0.0
        for label, size in unit.items():
            target = wanted[label][part]
            lacking = target - dealt[label][part]
            relative += size * (lacking / target if target else -1.0 - dealt[label][part])
            absolute += size * lacking
        needs.append((relative, absolute))
    return max(range(len(needs)), key=needs.__getitem__)
