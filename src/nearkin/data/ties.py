"""Which images must stay on one side of a split: those of one group, those that are identical, and whatever these link."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nearkin.data.images import ImageSet


def tied_images(images: ImageSet) -> NDArray[np.int64]:
    """(N,) the number of each image's unit: images tied by a group or by identical content, directly or in a chain."""
    columns = [_codes(images.hashes)]
    if images.groups is not None:
        columns.append(images.groups)
    return tied(columns)


def tied_classes(images: ImageSet) -> NDArray[np.int64]:
    """(C,) the number of each class's unit: classes are tied where a unit of images holds both."""
    units = tied_images(images)
    both = connected_components(_links([images.labels, units], len(images.classes)), directed=False)[1]
    return _codes(both[: len(images.classes)])


def tied(columns: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """(N,) components of N elements, two of which are linked where they agree in any column."""
    count = len(columns[0])
    elements = np.arange(count, dtype=np.int64)
    stacked = [elements.repeat(len(columns)), np.stack(columns, axis=1).ravel()]
    offsets = np.cumsum([0, *[int(column.max(initial=-1)) + 1 for column in columns]])[:-1]
    stacked[1] = stacked[1] + np.tile(offsets, count)
    return _codes(connected_components(_links(stacked, count), directed=False)[1][:count])


def _links(ends: list[NDArray[np.int64]], offset: int) -> coo_array:
    """The graph in which the first ends (numbered below `offset`) are linked to the second, numbered from there on."""
    first, second = ends[0], ends[1] + offset
    size = int(max(offset, second.max(initial=-1) + 1))
    return coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(size, size))


def _codes(values: object) -> NDArray[np.int64]:
    return np.unique(np.asarray(values), return_inverse=True)[1].astype(np.int64)
