"""Searches of photos of classes that are not enrolled: given ones, or enrolled classes that are left out."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError
from nearkin.decision.growth import LEFT_OUT, left_out_room
from nearkin.decision.nearest import nearest
from nearkin.decision.support import smallest_rate
from nearkin.decision.unknowns import answered
from nearkin.gallery.asking import Asked
from nearkin.gallery.collecting import Collection, some
from nearkin.gallery.deciding import voters_of
from nearkin.gallery.reading import Progress, read_rows
from nearkin.gallery.viewing import View

ASKED = 20_000
"""Left-out images that ask, at most, spread evenly."""

STEPS = 20
"""Rates that are suggested: twentieths."""


class Unknowns(NamedTuple):
    """Searches of photos of classes that are not enrolled.

    distances, classes: (N,) the distance that decides, and the class code, of each photo
    set_aside:   photos left out because the model was trained on them or on their class
    size:        classes of the gallery that was asked
    words:       where the photos came from
    room, independent: see `nearkin.decision.promise`
    """

    distances: NDArray[np.float64]
    classes: NDArray[np.int64]
    set_aside: int
    size: int
    words: str
    room: float = 1.0
    independent: float = 1.0


def left_out_classes(view: View, fresh: NDArray[np.bool_], votes: int) -> Unknowns:
    """Whole enrolled classes as unknown ones: their images asked of all other classes. A class of which the model has seen
    an image is not unknown to it, and is set aside."""
    codes = view.enrolled.codes
    seen = np.unique(codes[~fresh])
    places = np.flatnonzero(~np.isin(codes, seen))
    classes = len(np.unique(codes[places]))
    if classes < 2:
        why = f"the model was trained on images of {len(seen):,} of them" if len(seen) else "at least two are needed"
        raise InputError(
            f"no promise can be calibrated by leaving out whole classes of the {len(view.enrolled.names):,} enrolled: {why}; "
            "give photos of classes that are not enrolled and that the model has not seen: --unknowns FOLDER"
        )
    aside = len(codes) - len(places)
    if len(places) > ASKED:
        places = places[np.arange(ASKED) * len(places) // ASKED]
    found = nearest(
        view.space,
        view.vectors[places],
        view.snapshot.references,
        votes,
        query_groups=codes[places],
        reference_groups=codes,
    )
    distance = answered(found.distances, voters_of(found.places, codes), weights=view.weights)[1]
    count = len(view.enrolled.names)
    words = "enrolled classes left out in turn"
    return Unknowns(distance, codes[places], aside, count - 1, words, left_out_room(count), LEFT_OUT)


def supported(view: View, trained_on: frozenset[str]) -> float | None:
    """A round rate, at least 5 %, that the enrolled classes support when each is left out; None where none up to half does.

    Classes of which the model has seen an image do not count.
    """
    codes = view.enrolled.codes
    fresh = np.array([each not in trained_on for each in view.hashes], dtype=bool) if trained_on else np.ones(len(codes), bool)
    unseen = codes[~np.isin(codes, codes[~fresh])]
    if len(np.unique(unseen)) < 2:
        return None
    least = smallest_rate(unseen, room=left_out_room(len(view.enrolled.names)), independent=LEFT_OUT)
    rate = max(1, math.ceil(round(least * STEPS, 6))) / STEPS
    return rate if rate <= 0.5 else None


def given_photos(gallery: Asked, view: View, photos: Collection, votes: int, on_progress: Progress | None) -> Unknowns:
    """Photos that somebody says are of classes that are not enrolled."""
    known = sorted({photo.label or "" for photo in photos.photos} & set(view.enrolled.names))
    if known:
        raise InputError(f"of the unknown classes {len(known):,} are enrolled: {some(known)}; leave their folders out")
    rows = list(read_rows(photos, gallery.embedder, on_progress=on_progress))
    enrolled, trained_on = set(view.hashes), gallery.embedder.trained_on
    copies = [row.photo.name for row in rows if row.hash in enrolled]
    if copies:
        raise InputError(f"{len(copies):,} of the unknown photos are enrolled under another name: {some(copies)}")
    seen = {row.photo.label for row in rows if row.hash in trained_on}
    kept = [row for row in rows if row.photo.label not in seen]
    aside = len(rows) - len(kept)
    names, codes = np.unique(np.array([row.photo.label for row in kept], dtype=object).astype(str), return_inverse=True)
    if len(names) < 2:
        raise InputError(
            f"a promise needs photos of at least two unknown classes, one folder a class, and {len(names)} is left; "
            f"{aside:,} photos were set aside because the model was trained on them or on their class"
        )
    found = view.search(np.stack([row.vector for row in kept]), votes)
    distance = answered(found.distances, voters_of(found.places, view.enrolled.codes), weights=view.weights)[1]
    size = len(view.enrolled.names)
    return Unknowns(distance, codes.astype(np.int64), aside, size, "classes that are not enrolled")
