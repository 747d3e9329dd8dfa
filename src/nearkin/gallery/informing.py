"""What a gallery is and holds, in plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nearkin.gallery.answers import Model
from nearkin.gallery.asking import Asked
from nearkin.gallery.calibration import Calibration
from nearkin.gallery.store import Store


@dataclass(frozen=True)
class Info:
    """images, classes: what is enrolled now; smallest, median, largest: images a class; lone: classes of one image;
    bytes: of the whole folder; outgrown: why the calibration no longer holds, or None"""

    folder: str
    revision: int
    created: str
    changed: str
    images: int
    classes: int
    smallest: int
    median: float
    largest: int
    lone: int
    model: Model
    dimension: int
    distance: str
    runner: str
    calibration: Calibration | None
    outgrown: str | None
    index: str
    bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**plain, "model": asdict(self.model), "calibration": self.calibration.as_section() if self.calibration else None}


def informed(gallery: Asked) -> Info:
    """The facts of a gallery as it is now."""
    view, store, history = gallery.view(), gallery.store, gallery.store.history()
    sizes = np.bincount(view.enrolled.codes, minlength=1)
    return Info(
        folder=str(gallery.folder),
        revision=view.revision,
        created=store.facts.created,
        changed=history[-1].time,
        images=len(view.enrolled),
        classes=len(view.enrolled.names),
        smallest=int(sizes.min()),
        median=float(np.median(sizes)),
        largest=int(sizes.max()),
        lone=int((sizes == 1).sum()),
        model=gallery.model,
        dimension=store.facts.dimension,
        distance=view.space.name,
        runner=gallery.embedder.runner,
        calibration=view.calibration,
        outgrown=view.promise.outgrown if view.promise else None,
        index=_search_words(store),
        bytes=sum(each.stat().st_size for each in gallery.folder.rglob("*") if each.is_file()),
    )


def _search_words(store: Store) -> str:
    """How it is searched, and the command that would make that quicker."""
    recall = store.recall()
    words = "exact search" if recall is None else f"approximate index, measured recall@10 {recall.mean:.3f}"
    return f"{words}; an index would be quicker from here on: nearkin gallery index" if store.index_is_due() else words
