"""Which images must stay on one side of a split: those of one group, those that are identical, and whatever these link."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nearkin.core import need
from nearkin.data.images import ImageSet


def tied_images(images: ImageSet) -> NDArray[np.int64]:
    """(N,) the number of each image's unit: images tied by a group or by identical content, directly or in a chain."""
    columns = [_codes(images.hashes)]
    if images.groups is not None:
        columns.append(images.groups)
    return tied(columns)


def tied_classes(images: ImageSet) -> NDArray[np.int64]:
    """(C,) the number of each class's unit: classes are tied where a unit of images holds both."""
    return _components(images.labels, tied_images(images), len(images.classes))


def tied(columns: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """(N,) components of N elements, two of which are linked where they agree in any column."""
    count = len(columns[0])
    elements = np.arange(count, dtype=np.int64).repeat(len(columns))
    offsets = np.cumsum([0, *[int(column.max(initial=-1)) + 1 for column in columns]])[:-1]
    return _components(elements, (np.stack(columns, axis=1) + offsets).ravel(), count)


def _components(ends: NDArray[np.int64], others: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(count,) components of the graph in which ends[i], below `count`, is linked to others[i], of another kind."""
    need("scipy", extra="train", purpose="splitting images")  # a quarter of a second that only splits need
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = count + int(others.max(initial=-1)) + 1
    graph = coo_array((np.ones(len(ends), dtype=np.int8), (ends, others + count)), shape=(size, size))
    return _codes(connected_components(graph, directed=False)[1][:count])


def _codes(values: object) -> NDArray[np.int64]:
    """Equal values get equal whole numbers from 0."""
    return np.unique(np.asarray(values), return_inverse=True)[1].astype(np.int64)
