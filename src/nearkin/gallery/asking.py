"""A gallery that is asked: opened with its model, it names, compares and finds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np

from nearkin.core import InputError, integer
from nearkin.decision.pair_sweep import paired_distances
from nearkin.embedding.embedder import Embedder
from nearkin.gallery import caching, deciding
from nearkin.gallery.answers import DIFFERENT, NOT_CALIBRATED, SAME, Answer, Model, Nearby, Pair
from nearkin.gallery.collecting import Collection, Source, collect
from nearkin.gallery.facts import FILE
from nearkin.gallery.reading import Progress, Row, read_rows
from nearkin.gallery.store import Store
from nearkin.gallery.viewing import View

Images: TypeAlias = "Source | Collection | Iterable[Source]"
Place: TypeAlias = "str | os.PathLike[str]"

MODEL = "model"
"""The folder of the model inside the gallery's."""

CHUNK = 256
"""Photos whose neighbours are searched at a time."""


class Asked:
    """A folder of enrolled images with the model that embeds them, and the questions that it answers: see `Gallery`."""

    def __init__(self, folder: Path, store: Store, embedder: Embedder | None = None) -> None:
        self.folder, self.store = folder, store
        self._given = embedder
        self._last: View | None = None

    @classmethod
    def create(cls, folder: Place, model: Place | Embedder = "descriptor") -> Self:
        """Make an empty gallery.

        model:   the folder of a model or of a training run, an `Embedder`, or "descriptor" (default), which needs no
                 training and knows edges and colours of small images
        Errors:  InputError where there is a gallery already
        """
        folder = free(folder)
        embedder = model if isinstance(model, Embedder) else Embedder.load(model)
        with caching.alone(folder):  # two processes that create the same gallery take turns
            free(folder)
            embedder.save(folder / MODEL)
            store = Store.create(folder, dimension=embedder.dimension, space=embedder.space, fingerprint=embedder.fingerprint)
        return cls(folder, store, embedder)

    @classmethod
    def open(cls, folder: Place, *, model: Place | Embedder | None = None, write: bool = True) -> Self:
        """Open a gallery.

        model:   to embed with, instead of the copy that the gallery holds; it must be the same model
        write:   False also opens galleries in folders that cannot be written
        Errors:  InputError for a folder that is no gallery, one of a newer version, a damaged one, and another model
        """
        folder = Path(folder)
        gallery = cls(folder, Store.open(folder, write=write))
        if model is not None:
            gallery._given = model if isinstance(model, Embedder) else Embedder.load(model)
            gallery._refuse_another(gallery._given, "the model that was given")
        return gallery

    @cached_property
    def embedder(self) -> Embedder:
        """The gallery's model."""
        if self._given is not None:
            return self._given
        if not (self.folder / MODEL).is_dir():
            raise InputError(f"the gallery {self.folder} has lost its model ({self.folder / MODEL}); put that folder back")
        loaded = Embedder.load(self.folder / MODEL)
        self._refuse_another(loaded, f"{self.folder / MODEL}")
        return loaded

    def _refuse_another(self, embedder: Embedder, what: str) -> None:
        made_by = self.store.facts.fingerprint
        if embedder.fingerprint != made_by:
            raise InputError(
                f"the gallery {self.folder} was made by the model {made_by[:12]}, and {what} is {embedder.name!r}, "
                f"{embedder.fingerprint[:12]}; embeddings of two models cannot be compared. Build a gallery of the new model "
                "beside it with nearkin gallery rebase"
            )

    @property
    def model(self) -> Model:
        """Name and fingerprint of the model."""
        return Model(self.embedder.name, self.embedder.fingerprint)

    def view(self, at_revision: int | None = None) -> View:
        """What is enrolled, now or right after a revision."""
        if at_revision is not None:
            return View(self.store, integer("at_revision", at_revision))
        if self._last is None or self._last.snapshot is not self.store.snapshot():
            self._last = View(self.store)
        return self._last

    # Asking

    def classify(
        self, images: Images, *, at_revision: int | None = None, skip_bad: bool = False, on_progress: Progress | None = None
    ) -> list[Answer]:
        """Say what class each photo is of, or that it is of none that is enrolled.

        at_revision: answer as the gallery did right after that revision, with its images and its calibration: the same
                     call gets the same answers, bit for bit. By the default model a photo's answer does not depend on the
                     others of the call; an exported network may change the last digits of a distance with them
        Errors:      InputError for an empty gallery
        """
        return list(self.answers(images, at_revision=at_revision, skip_bad=skip_bad, on_progress=on_progress))

    def answers(
        self, images: Images, *, at_revision: int | None = None, skip_bad: bool = False, on_progress: Progress | None = None
    ) -> Iterator[Answer]:
        """`classify`, one answer after the other, for more photos than fit into memory."""
        view = self._filled(at_revision)
        photos = collect(images, skip_bad=skip_bad)
        rows = read_rows(photos, self.embedder, on_progress=on_progress)
        depth = deciding.depth_of(view.votes, len(view.enrolled))
        while chunk := list(islice(rows, CHUNK)):
            found = view.search(np.stack([row.vector for row in chunk]), depth)
            yield from deciding.decided(chunk, found, view, self.model)

    def verify(self, first: Images, second: Images, *, at_revision: int | None = None) -> Pair:
        """Say whether two photos are of one class; neither need be enrolled, nor their class."""
        view = self.view(at_revision)
        one, two = self._one(first), self._one(second)
        distance = float(paired_distances(view.space, one.vector[None], two.vector[None])[0])
        pairs = view.calibration.pairs if view.calibration else None
        decision = NOT_CALIBRATED if pairs is None else SAME if distance <= pairs.value else DIFFERENT
        return Pair(
            first=one.photo.name,
            second=two.photo.name,
            decision=decision,
            distance=distance,
            threshold=pairs.value if pairs else None,
            false_accepts=pairs.far if pairs else None,
            true_accepts=pairs.tpr if pairs else None,
            impostor_pairs=pairs.impostor_pairs if pairs else 0,
            positive_pairs=pairs.positive_pairs if pairs else 0,
            model=self.model,
            revision=view.revision,
        )

    def search(self, image: Images, k: int = 10, *, at_revision: int | None = None) -> Nearby:
        """The k enrolled images nearest to a photo."""
        view, count = self._filled(at_revision), integer("k", k, minimum=1)
        row = self._one(image)
        found = view.search(row.vector[None], min(count, len(view.enrolled)))
        near = deciding.neighbours(found.places[0], found.distances[0], view, view.sources(found.places))
        return Nearby(row.photo.name, near, self.model, view.revision)

    def _filled(self, at_revision: int | None) -> View:
        view = self.view(at_revision)
        if not len(view.enrolled):
            raise InputError(f"nothing is enrolled in {self.folder} at revision {view.revision}; nearkin gallery add enrols images")
        return view

    def _one(self, image: Images) -> Row:
        photos = collect(image)
        if len(photos) != 1:
            raise InputError(f"one image is needed here, and {len(photos):,} were given; nearkin classify takes many")
        return next(read_rows(photos, self.embedder))


def free(folder: Place) -> Path:
    """The folder, if a gallery can be made there."""
    place = Path(folder)
    if (place / FILE).exists():
        raise InputError(f"there is a gallery in {place} already; nearkin gallery add enrols more, or choose another folder")
    above = next(each for each in (place, *place.absolute().parents) if each.exists())
    if not above.is_dir():
        raise InputError(f"{above} is a file; a gallery is a folder, choose another name")
    return place
