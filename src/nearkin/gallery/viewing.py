"""One revision of a gallery as it is asked: what is enrolled, the vectors, and the calibration that held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nearkin.decision.links import Space
from nearkin.gallery.answers import Promised
from nearkin.gallery.calibration import Calibration, outgrown
from nearkin.gallery.enrolled import Details
from nearkin.gallery.searching import Found
from nearkin.gallery.store import Store

PART = 10_000
"""Images whose details are read at a time."""


class View:
    """Everything that an answer rests on but the photo. at: a revision; None is the current one, which then stays the same."""

    def __init__(self, store: Store, at: int | None = None) -> None:
        self._store, self._at = store, at
        self.snapshot = store.snapshot(at)
        self.space = Space.from_section(store.facts.space)
        self.enrolled = self.snapshot.enrolled
        self.vectors: NDArray[np.float32] = self.snapshot.rows

    @property
    def revision(self) -> int:
        """Its number."""
        return self.enrolled.revision

    @cached_property
    def calibration(self) -> Calibration | None:
        """The calibration that held right after this revision."""
        section = self._store.calibration(self.revision)
        return None if section is None else Calibration.from_section(section)

    @cached_property
    def promise(self) -> Promised | None:
        """What the calibration promised, and whether the gallery has outgrown it."""
        if self.calibration is None:
            return None
        kept = self.calibration.promise
        return Promised(
            rate=kept.rate,
            bound=kept.upper,
            confidence=kept.confidence,
            observed=kept.observed,
            photos=kept.photos,
            classes=kept.classes,
            enrolled_classes=self.calibration.enrolled_classes,
            enrolled_images=self.calibration.enrolled_images,
            outgrown=outgrown(self.calibration, len(self.enrolled.names), len(self.enrolled)),
        )

    @property
    def votes(self) -> int:
        """How many neighbours vote: the calibration's number, 1 before."""
        return self.calibration.votes if self.calibration else 1

    @property
    def weights(self) -> str:
        """How neighbours vote: by 1/d, or all alike where distances may be below 0."""
        return "uniform" if self.space.name == "inner-product" else "distance"

    def search(self, rows: NDArray[np.float32], count: int) -> Found:
        """The nearest enrolled images of embedded photos (A, D)."""
        found = self._store.search(rows, max(1, count), at=self._at)
        if found.snapshot.enrolled.revision == self.revision:
            return found
        return self._store.search(rows, max(1, count), at=self.revision)  # somebody made a change meanwhile

    def sources(self, places: NDArray[np.int64]) -> dict[int, str]:
        """Where the images at these places came from, by their ids."""
        ids = self.enrolled.ids[np.unique(places[places >= 0])]
        return {each.id: each.source for each in self._store.details(ids.tolist())}

    def details(self, places: NDArray[np.int64]) -> list[Details]:
        """What is kept beside the vectors of the images at these places."""
        return self._store.details(self.enrolled.ids[places].tolist())

    @cached_property
    def hashes(self) -> Sequence[str]:
        """The content hash of every enrolled image, in order."""
        ids = self.enrolled.ids.tolist()
        parts = (ids[start : start + PART] for start in range(0, len(ids), PART))
        return [each.hash for part in parts for each in self._store.details(part)]

    def places_of(self, labels: Iterable[str]) -> NDArray[np.int64]:
        """Places of the images under any of these labels."""
        wanted = np.isin(np.array([*self.enrolled.names, ""]), list(labels))
        return np.flatnonzero(wanted[self.enrolled.codes])
