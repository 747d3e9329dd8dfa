"""Likely label errors, near duplicates, classes of one image, and faults of the files, among what is enrolled."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nearkin.decision.answering import calibrate_answers
from nearkin.decision.nearest import Nearest, nearest
from nearkin.decision.probability import DEPTH
from nearkin.gallery.asking import Asked
from nearkin.gallery.reading import Progress
from nearkin.gallery.store import Store
from nearkin.gallery.viewing import View

SURE = 0.7
"""Probability of another class from which on a label is doubted."""

ASKED = 20_000
"""Images looked at, at most, spread evenly."""

CLOSE = 0.5
"""Pairs nearer than this share of the median distance to the nearest neighbour are looked at as near duplicates."""

ALIKE = 0.98
"""Correlation of their thumbnails' grey pixels from which on they are."""

PART = 500
"""Images whose neighbours are searched between two reports of progress."""

SIDE = 16
MOST_PAIRS = 5000


@dataclass(frozen=True)
class Suspect:
    """An enrolled image that would be named otherwise if it were new. probability: of `likely`, given that one class is
    right; own: of the label that it bears"""

    id: int
    source: str
    label: str
    likely: str
    probability: float
    own: float


@dataclass(frozen=True)
class Twins:
    """Two enrolled images that look almost the same. similarity: correlation of their thumbnails, 1 for the same picture"""

    first: int
    second: int
    first_source: str
    second_source: str
    first_label: str
    second_label: str
    distance: float
    similarity: float


@dataclass(frozen=True)
class Checked:
    """What a check found. suspects: likely label errors, the likeliest first; twins: those under two labels first; lone:
    classes of one image; faults: what is wrong with the gallery's files, empty where they are sound; looked_at: images
    whose neighbours were looked at, of `images`"""

    images: int
    looked_at: int
    suspects: tuple[Suspect, ...]
    twins: tuple[Twins, ...]
    lone: tuple[str, ...]
    faults: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return asdict(self)


def checked(gallery: Asked, on_progress: Progress | None = None) -> Checked:
    """Look at every enrolled image as if it were new, among all others.

    Label errors: the class's probability is that of `nearkin.decision.probability`, fitted to the gallery itself; a label
    is doubted where another class has at least 0.7. An exact copy under two labels cannot be enrolled (`add` reports it).
    """
    faults = tuple(gallery.store.check())
    view = gallery.view()
    count = len(view.enrolled)
    sizes = np.bincount(view.enrolled.codes, minlength=len(view.enrolled.names))
    lone = tuple(name for name, size in zip(view.enrolled.names, sizes) if size == 1)
    if count < 2:
        return Checked(count, count, (), (), lone, faults)
    asked = np.arange(count) if count <= ASKED else np.arange(ASKED) * count // ASKED
    found = _neighbours(view, asked, on_progress)
    return Checked(count, len(asked), _suspects(view, asked, found), _twins(gallery.store, view, asked, found), lone, faults)


def _neighbours(view: View, asked: NDArray[np.int64], on_progress: Progress | None) -> Nearest:
    """The nearest others of these images."""
    places, parts = np.arange(len(view.enrolled)), []
    for start in range(0, len(asked), PART):
        part = asked[start : start + PART]
        depth = min(DEPTH, len(places) - 1)
        parts.append(
            nearest(
                view.space,
                view.vectors[part],
                view.snapshot.references,
                depth,
                query_groups=part,
                reference_groups=places,
            )
        )
        if on_progress is not None:
            on_progress(start + len(part), len(asked))
    return Nearest(*map(np.concatenate, zip(*parts, strict=True)))


def _suspects(view: View, asked: NDArray[np.int64], found: Nearest) -> tuple[Suspect, ...]:
    codes, names = view.enrolled.codes, view.enrolled.names
    probability = calibrate_answers(view.space, view.vectors, codes, weights=view.weights).probability
    if not probability.is_calibrated:
        return ()
    voters = np.where(found.places >= 0, codes[found.places], -1)
    shares = probability.seen(found.distances, voters, len(names))[0]
    is_own = voters == codes[asked][:, None]
    own, others = np.where(is_own, shares, 0.0).max(1), np.where(is_own, 0.0, shares)
    column, sizes = others.argmax(1), np.bincount(codes)
    doubted = np.flatnonzero((others.max(1) >= SURE) & (sizes[codes[asked]] > 1))
    sources = view.sources(asked[doubted])
    listed = [
        Suspect(
            id=(number := int(view.enrolled.ids[asked[place]])),
            source=sources[number],
            label=names[codes[asked[place]]],
            likely=names[voters[place, column[place]]],
            probability=float(others[place, column[place]]),
            own=float(own[place]),
        )
        for place in doubted
    ]
    return tuple(sorted(listed, key=lambda each: (-each.probability, each.id)))


def _twins(store: Store, view: View, asked: NDArray[np.int64], found: Nearest) -> tuple[Twins, ...]:
    """Pairs that are near by the embedding and alike as thumbnails; where there are none, only copies to the bit."""
    usual = float(np.median(found.distances[:, 0]))
    row, column = np.nonzero(found.distances <= CLOSE * usual)
    first, second, apart = asked[row], found.places[row, column], found.distances[row, column]
    once = (first < second) | ~np.isin(second, asked)
    order = np.argsort(apart[once], kind="stable")[:MOST_PAIRS]
    pairs = [(int(a), int(b), float(d)) for a, b, d in zip(first[once][order], second[once][order], apart[once][order])]
    shown = {place for pair in pairs for place in pair[:2]}
    pictures = {place: _grey(store.thumbnail(int(view.enrolled.ids[place]))) for place in shown}
    sources = view.sources(np.array([place for pair in pairs for place in pair[:2]], dtype=np.int64))
    twins = []
    for a, b, distance in pairs:
        one, two = pictures[a], pictures[b]
        similarity = float(one @ two) if one is not None and two is not None else float(distance == 0)
        if similarity >= ALIKE:
            one_id, two_id = (int(view.enrolled.ids[each]) for each in (a, b))
            labels = [view.enrolled.names[view.enrolled.codes[each]] for each in (a, b)]
            twins.append(
                Twins(one_id, two_id, sources[one_id], sources[two_id], labels[0], labels[1], distance, min(1.0, similarity))
            )
    return tuple(sorted(twins, key=lambda each: (each.first_label == each.second_label, each.distance, each.first)))


def _grey(content: bytes) -> NDArray[np.float32] | None:
    """A thumbnail as one row of mean 0 and length 1; None where there is none, or one of a single value."""
    if not content:
        return None
    with Image.open(io.BytesIO(content)) as picture:
        small = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    row = np.asarray(small, dtype=np.float32).ravel()
    row = row - row.mean()
    length = float(np.linalg.norm(row))
    return row / np.float32(length) if length > 1e-3 else None
