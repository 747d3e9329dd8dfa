"""What is drawn of a protocol: which images, where a method put them, which it finds near, how far pairs lie apart.

Test images are numbered in an order of which every beginning is fair to the classes; a page shows a beginning of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nearkin.report.arrays import read_embeddings, read_thumbnails
from nearkin.report.pairs import pair_distance
from nearkin.report.planar import planar, quantised
from nearkin.report.records import Records
from nearkin.report.separation import Separation, separation
from nearkin.report.sprite import sprite
from nearkin.report.study import Run, Split, Study
from nearkin.report.summary import Map, Points

Integers = NDArray[np.int64]

THUMBNAILS = 10_000  # of one protocol, where they fit
NUMBERED = 65_535  # images that the page can point at
NEIGHBOURS = 5  # shown below each map


def points_of(
    study: Study, split: Split, records: Records, labels: Integers, order: Integers, limit: int, sprite_bytes: int
) -> Points:
    """The first `limit` images of the order as points, and as many thumbnails as fit."""
    place = order[:limit]
    thumbnails = read_thumbnails(study, split)
    return Points(
        place=place,
        label=labels[place],
        image_ids=tuple(records.image_ids[image] for image in place),
        sprite=sprite(thumbnails[order[:THUMBNAILS]], sprite_bytes) if thumbnails is not None else None,
    )


def draw(
    run: Run, records: Records, points: Points, labels: Integers, order: Integers, projection: str
) -> tuple[Map, Separation]:
    """The map and the histogram of one run."""
    rows = read_embeddings(run, len(labels), points.place)
    distance, note = pair_distance(run.distance)
    how, xy, kept = planar(rows, distance, projection)
    neighbours, neighbour_labels = _neighbours(records, points, labels, order)
    drawn = Map(run.method, run.seed, run.distance, how, kept, quantised(xy), neighbours, neighbour_labels)
    return drawn, separation(run.method, rows, points.label, distance, note)


def _neighbours(records: Records, points: Points, labels: Integers, order: Integers) -> tuple[Integers, Integers]:
    """The nearest test images of every point: their numbers in the order, and their classes."""
    number = np.full(len(labels) + 1, -1, dtype=np.int64)  # the last entry answers for the padding -1
    number[order[:NUMBERED]] = np.arange(len(order[:NUMBERED]))
    near = records.neighbours[points.place][:, :NEIGHBOURS]
    return number[near], np.append(labels, -1)[near]
