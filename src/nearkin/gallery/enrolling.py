"""Enrolling photos: all of them or none, with conflicts, duplicates and new classes that look like others named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.decision.nearest import nearest
from nearkin.gallery.collecting import Collection
from nearkin.gallery.entries import Entry
from nearkin.gallery.reading import Embeds, Progress, read_rows
from nearkin.gallery.revisions import Conflict
from nearkin.gallery.staging import Staged
from nearkin.gallery.viewing import View

ASKED = 2000
"""Images of new classes that are compared with all others, at most, spread evenly."""


@dataclass(frozen=True)
class Confusion:
    """A new class that another will be taken for.

    images: of the new class that were looked at; nearer: of these, images whose nearest other image is of `other`; within:
    images that have one of `other` within the threshold, None before calibration
    """

    label: str
    other: str
    images: int
    nearer: int
    within: int | None

    def __str__(self) -> str:
        words = f"{self.nearer} of {self.images} images of {self.label!r} lie nearer to {self.other!r} than to their own class"
        if self.within and self.within > self.nearer:
            words += f"; {self.within} lie within the threshold of it"
        return words


@dataclass(frozen=True)
class Added:
    """What `add` did. conflicts: images that are enrolled under another label and were not added; bad: files that could
    not be read, with the reason; confusions: new classes that look like others, the worst first; outgrown: why the
    calibration no longer holds, or None."""

    revision: int
    added: int
    classes: int
    unchanged: int
    conflicts: tuple[Conflict, ...]
    bad: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    confusions: tuple[Confusion, ...] = ()
    outgrown: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {**asdict(self), "bad": [{"image": image, "reason": reason} for image, reason in self.bad]}


@contextmanager
def embedded(
    collection: Collection, embedder: Embeds, folder: Path, on_progress: Progress | None = None
) -> Iterator[Staged]:
    """Every photo of a labelled collection, embedded, ready to be enrolled in the gallery in `folder`.

    Memory:  one batch, however many photos there are
    """
    with Staged(folder) as staged:
        for row in read_rows(collection, embedder, thumbnails=True, on_progress=on_progress):
            label = row.photo.label or ""
            staged.append(Entry(row.hash, label, row.vector, row.thumbnail, row.photo.name, row.width, row.height))
        yield staged


def confusions(view: View, new: Sequence[str], threshold: float | None) -> tuple[Confusion, ...]:
    """Which enrolled classes the classes `new` will be taken for.

    Each image of a new class is asked as if it were a photo, with itself left out. It counts as nearer to another class
    where that one has an image closer than all others of its own; the lone image of a class has no own class to go to and
    counts only where another class lies within the threshold.
    """
    places = view.places_of(new)
    if not len(places) or len(view.enrolled.names) < 2:
        return ()
    if len(places) > ASKED:
        places = places[np.arange(ASKED) * len(places) // ASKED]
    codes, vectors = view.enrolled.codes, view.vectors
    asked = vectors[places]
    other = nearest(view.space, asked, vectors, 1, query_groups=codes[places], reference_groups=codes)
    near, rival = other.distances[:, 0], codes[other.places[:, 0]]
    own = _own_distances(view, places)
    closer = (near < own) & np.isfinite(own)
    inside = near <= threshold if threshold is not None else np.zeros(len(near), dtype=bool)
    return _counted(view, places, rival, closer, inside, threshold is not None)


def _own_distances(view: View, places: NDArray[np.int64]) -> NDArray[np.float64]:
    """The distance of each image to the nearest other of its class; infinite where it is the only one."""
    codes, vectors = view.enrolled.codes, view.vectors
    own = np.full(len(places), np.inf)
    for code in np.unique(codes[places]):
        members, asked = np.flatnonzero(codes == code), np.flatnonzero(codes[places] == code)
        if len(members) > 1:
            at = places[asked]
            found = nearest(view.space, vectors[at], vectors[members], 1, query_groups=at, reference_groups=members)
            own[asked] = found.distances[:, 0]
    return own


def _counted(
    view: View,
    places: NDArray[np.int64],
    rival: NDArray[np.int64],
    closer: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    calibrated: bool,
) -> tuple[Confusion, ...]:
    codes, names, found = view.enrolled.codes[places], view.enrolled.names, []
    for code in np.unique(codes):
        own = codes == code
        for other in np.unique(rival[own & (closer | inside)]):
            to = own & (rival == other)
            within = int((to & inside).sum()) if calibrated else None
            found.append(Confusion(names[code], names[other], int(own.sum()), int((to & closer).sum()), within))
    return tuple(sorted(found, key=lambda each: (-each.nearer / each.images, -(each.within or 0), each.label, each.other)))
