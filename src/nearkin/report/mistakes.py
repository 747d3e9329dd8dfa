"""The worst mistakes of a method: test images whose nearest other images are of other classes, with those neighbours.

A mistake is the worse the later the first image of its own class comes among the neighbours; of equals, the nearer the
stranger that stands first. So at the top stand images that a method finds very like something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearkin.report.records import Records
from nearkin.report.sprite import Sprite, sprite

Integers = NDArray[np.int64]

LISTED = 24
"""Mistakes of a method."""
NEIGHBOURS = 5


@dataclass(frozen=True)
class Mistake:
    """A test image that a method takes for another class.

    image       its place within the split's test images
    first_kin   the rank of its first neighbour of the own class, from 2; None where the recorded ones have none
    neighbours  places of the nearest other test images, nearest first
    distances   theirs
    """

    image: int
    first_kin: int | None
    neighbours: tuple[int, ...]
    distances: tuple[float, ...]


@dataclass(frozen=True)
class Mistakes:
    """Those of one run: how many of how many images that ask, and the worst of them."""

    method: str
    seed: int
    count: int
    asked: int
    recorded: int
    worst: tuple[Mistake, ...]


def mistakes(method: str, seed: int, records: Records, labels: Integers) -> Mistakes | None:
    """Rank the mistakes of a run; None where no image has a neighbour.

    Shapes:  labels (Q,) of the test images; an image that is the only one of its class cannot be right and is left out
    """
    near = records.neighbours
    if near.shape[1] == 0:
        return None
    there = near >= 0
    kin = there & (np.append(labels, -1)[near] == labels[:, None])
    lone = np.bincount(labels)[labels] < 2
    asks = there[:, 0] & ~lone
    wrong = np.flatnonzero(asks & ~kin[:, 0])
    rank = np.where(kin.any(1), kin.argmax(1), near.shape[1])
    order = wrong[np.lexsort((records.distances[wrong, 0], -rank[wrong]))][:LISTED]
    worst = tuple(_mistake(int(image), int(rank[image]), records) for image in order)
    return Mistakes(method, seed, len(wrong), int(asks.sum()), near.shape[1], worst)


def _mistake(image: int, rank: int, records: Records) -> Mistake:
    near = [int(place) for place in records.neighbours[image, :NEIGHBOURS] if place >= 0]
    distances = records.distances[image, : len(near)].tolist()
    return Mistake(image, rank + 1 if rank < records.neighbours.shape[1] else None, tuple(near), tuple(distances))


@dataclass(frozen=True)
class Pictured:
    """Thumbnails of mistakes and their neighbours: `number` says which one of the sprite an image of a place is."""

    number: Mapping[int, int]
    sprite: Sprite | None


def pictured(found: Sequence[Mistakes], thumbnails: NDArray[np.uint8] | None, budget: int) -> Pictured:
    """One sheet for all methods, the worst mistakes of each first, as many as fit into `budget` bytes."""
    if thumbnails is None:
        return Pictured({}, None)
    places: dict[int, None] = {}
    for rank in range(LISTED):
        for each in found:
            for mistake in each.worst[rank : rank + 1]:
                places |= dict.fromkeys((mistake.image, *mistake.neighbours))
    sheet = sprite(thumbnails[list(places)], budget)
    shown = list(places)[: sheet.count] if sheet else []
    return Pictured({place: number for number, place in enumerate(shown)}, sheet)
