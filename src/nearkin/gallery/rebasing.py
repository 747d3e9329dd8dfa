"""The gallery of a new model, built beside the old one from the images themselves."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError
from nearkin.decision.leaving_out import left_out
from nearkin.decision.unknowns import answered
from nearkin.embedding.embedder import Embedder
from nearkin.gallery.asking import Asked, Images, Place
from nearkin.gallery.collecting import Collection, collect
from nearkin.gallery.entries import Entry
from nearkin.gallery.reading import Progress, Row, read_rows
from nearkin.gallery.staging import Staged
from nearkin.gallery.viewing import View


@dataclass(frozen=True)
class Flip:
    """A photo that the two galleries name differently, by their nearest images alone. label: its class, where known"""

    image: str
    before: str
    after: str
    label: str | None


@dataclass(frozen=True)
class Rebased:
    """The new gallery and how it differs. missing: enrolled images that `images` lacks, by number and source; strangers:
    photos in `images` that are not enrolled; right_before, right_after: of `probes`, where their classes are known;
    flips: those that became wrong first"""

    folder: str
    model: str
    moved: int
    missing: tuple[tuple[int, str], ...]
    strangers: int
    bad: tuple[tuple[str, str], ...]
    probes: int
    right_before: int | None
    right_after: int | None
    flips: tuple[Flip, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return asdict(self)


def rebased(
    gallery: Asked,
    model: Place | Embedder,
    images: Images,
    *,
    to: Place | None,
    probes: Images | None,
    skip_bad: bool,
    on_progress: Progress | None,
) -> Rebased:
    """See `Gallery.rebase`. The new gallery gets its name when it is complete; it needs a calibration of its own."""
    embedder = model if isinstance(model, Embedder) else Embedder.load(model)
    if embedder.fingerprint == gallery.store.facts.fingerprint:
        raise InputError(f"{gallery.folder} is a gallery of this very model already ({embedder.name}); there is nothing to build")
    folder = Path(to) if to is not None else _beside(gallery.folder, embedder.name)
    if folder.exists():
        raise InputError(f"{folder} is there already; give another folder with --to")
    view, photos = gallery.view(), collect(images, skip_bad=skip_bad)
    with Staged(folder) as staged:
        moved = _staged(gallery, view, photos, embedder, staged, on_progress)
        if not moved:
            raise InputError(f"none of the {len(photos):,} images given is enrolled in {gallery.folder}; give the folder of its images")
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        made = Asked.create(part, embedder)
        note = f"from {gallery.folder.name} at revision {view.revision}, model {gallery.store.facts.fingerprint[:12]}"
        made.store.add(staged.entries(np.argsort(list(moved.values())).tolist()), note=note)
        del made
        os.replace(part, folder)
    after = Asked.open(folder)
    asked = _of_probes(gallery, after, collect(probes, skip_bad=skip_bad)) if probes is not None else _of_enrolled(view, after.view())
    strangers = len(photos) - len(photos.bad) - len(moved)
    missing = [int(number) for number, content in zip(view.enrolled.ids, view.hashes) if content not in moved]
    return Rebased(
        folder=str(folder),
        model=embedder.name,
        moved=len(moved),
        missing=tuple((each.id, each.source) for each in gallery.store.details(missing)),
        strangers=max(0, strangers),
        bad=tuple(photos.bad),
        probes=len(asked),
        right_before=_right([each.before for each in asked], asked),
        right_after=_right([each.after for each in asked], asked),
        flips=_flips(asked),
    )


def _beside(folder: Path, name: str) -> Path:
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "rebased"
    return folder.resolve().with_name(f"{folder.resolve().name}-{plain}")


def _staged(
    gallery: Asked, view: View, photos: Collection, embedder: Embedder, staged: Staged, on_progress: Progress | None
) -> dict[str, int]:
    """Stage what is enrolled, embedded by the new model; the old numbers of these images by content hash, as they come."""
    place = {content: at for at, content in enumerate(view.hashes)}
    names, codes, moved = view.enrolled.names, view.enrolled.codes, dict[str, int]()
    for row in read_rows(photos, embedder, only=place, on_progress=on_progress):
        if row.hash not in moved:
            at = place[row.hash]
            moved[row.hash] = int(view.enrolled.ids[at])
            staged.append(_entry(gallery, row, names[codes[at]], moved[row.hash]))
    return moved


def _entry(gallery: Asked, row: Row, label: str, number: int) -> Entry:
    details = gallery.store.details([number])[0]
    thumbnail = gallery.store.thumbnail(number)
    return Entry(row.hash, label, row.vector, thumbnail, details.source, row.width, row.height)


def _of_enrolled(before: View, after: View) -> list[Flip]:
    """What each gallery would name its own images, left out."""
    kept = np.isin(np.array(before.hashes), np.array(after.hashes))
    order = {content: at for at, content in enumerate(after.hashes)}
    places = np.array([order[content] for content, there in zip(before.hashes, kept) if there])
    codes = before.enrolled.codes[kept]
    first = _left_out(before, before.vectors[kept], codes)
    second = _left_out(after, after.vectors[places], codes)
    names, sources = before.enrolled.names, before.sources(np.flatnonzero(kept)[list(first)])
    ids = before.enrolled.ids[kept]
    return [Flip(sources[int(ids[at])], names[first[at]], names[second[at]], names[codes[at]]) for at in first]


def _left_out(view: View, rows: NDArray[np.float32], codes: NDArray[np.int64]) -> dict[int, int]:
    """The class code that each row is named by, by its place."""
    asked = left_out(view.space, rows, codes, view.votes)
    named, _ = answered(asked.distances, asked.voters, weights=view.weights)
    return dict(zip(asked.asked.tolist(), named.tolist()))


def _of_probes(before: Asked, after: Asked, probes: Collection) -> list[Flip]:
    labels = {photo.name: photo.label for photo in probes.photos}
    first = {answer.image: answer.candidates[0].label for answer in before.classify(probes)}
    second = {answer.image: answer.candidates[0].label for answer in after.classify(probes)}
    return [Flip(image, first[image], second[image], labels[image]) for image in first]


def _right(named: list[str], asked: list[Flip]) -> int | None:
    known = [(name, each.label) for name, each in zip(named, asked) if each.label is not None]
    return sum(name == label for name, label in known) if known else None


def _flips(asked: list[Flip]) -> tuple[Flip, ...]:
    turned = [each for each in asked if each.before != each.after]
    return tuple(sorted(turned, key=lambda each: (each.label is not None and each.before != each.label, each.image)))
