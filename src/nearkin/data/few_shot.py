"""Few images of many classes: some of each are known and the others ask, and whole classes can be kept as novel [document 002]."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, flag, integer
from nearkin.data.images import ImageSet
from nearkin.data.ties import tied_images

Indices = NDArray[np.int64]
NONE: Indices = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class FewShot:
    """How a few-shot split is drawn.

    classes:              classes to train on, drawn at random; None: all that have images enough
    images_per_class:     images drawn of each class, 10 as in document 002
    train_per_class:      how many of those are known, 7; the others ask, 3
    validation_per_class: how many of the known ones are not trained on but choose weights and settings, 1. Document 002 chooses
                          by the images that it reports on. 0 trains on all that are known
    novel:                the classes that are not drawn are kept: as many images of each are enrolled without training, and
                          as many ask

    The drawn classes and images, and which of them are known, do not depend on `validation_per_class`; those of fewer
    `classes` are among those of more.
    """

    classes: int | None = None
    images_per_class: int = 10
    train_per_class: int = 7
    validation_per_class: int = 1
    novel: bool = False

    def __post_init__(self) -> None:
        if self.classes is not None:
            integer("few_shot.classes", self.classes, minimum=2)
        integer("few_shot.images_per_class", self.images_per_class, minimum=2)
        integer("few_shot.train_per_class", self.train_per_class, minimum=1)
        integer("few_shot.validation_per_class", self.validation_per_class)
        if self.train_per_class >= self.images_per_class:
            raise InputError(
                f"few_shot.train_per_class is {self.train_per_class} of {self.images_per_class} images_per_class; "
                "at least one image of each class must be left to ask"
            )
        if self.validation_per_class >= self.train_per_class:
            raise InputError(
                f"few_shot.validation_per_class is {self.validation_per_class} of {self.train_per_class} train_per_class; "
                "at least one must be left to train on"
            )
        if flag("few_shot.novel", self.novel) and self.classes is None:
            raise InputError("few_shot.novel keeps the classes that are not trained on: say how many are, few_shot.classes")


@dataclass(frozen=True)
class Dealt:
    """The four parts of a few-shot split; `enrolled` has images of novel classes, `test` images of known and of novel ones."""

    train: Indices
    validation: Indices
    test: Indices
    enrolled: Indices = field(default_factory=lambda: NONE)
    facts: dict[str, Any] = field(default_factory=dict)


def deal_few_shot(images: ImageSet, settings: FewShot, rng: np.random.Generator) -> Dealt:
    """Draw a few-shot split. Of images that are tied together (identical, or of one group) at most one is drawn.

    Errors:  InputError where fewer classes have images enough than are asked for
    """
    known, left = settings.train_per_class, settings.train_per_class - settings.validation_per_class
    drawn, poor = _drawn(images, settings.images_per_class, rng)
    wanted = len(drawn) if settings.classes is None else settings.classes
    spare = 1 if settings.novel else 0
    if len(drawn) < max(2, wanted) + spare:
        raise InputError(
            f"few-shot needs {settings.images_per_class} separate images in each of {max(2, wanted) + spare} classes or more; "
            f"{len(drawn)} of {len(images.classes)} have so many. Set split.few_shot.classes and split.few_shot.images_per_class "
            "by what there is"
        )
    every = np.stack(drawn)
    trained, others = every[:wanted], every[wanted:] if settings.novel else every[:0]
    return Dealt(
        train=trained[:, :left].ravel(),
        validation=trained[:, left:known].ravel(),
        test=np.concatenate([trained[:, known:].ravel(), others[:, known:].ravel()]),
        enrolled=others[:, :known].ravel(),
        facts={"few_shot": asdict(settings), "classes_with_too_few_images": poor},
    )


def _drawn(images: ImageSet, count: int, rng: np.random.Generator) -> tuple[list[Indices], int]:
    """`count` images of each class that has so many, classes and images in random order; and how many classes have not."""
    units, taken = tied_images(images), set()
    drawn, poor = [], 0
    for label in rng.permutation(len(images.classes)):
        chosen: list[int] = []
        for image in rng.permutation(np.flatnonzero(images.labels == label)).tolist():
            if len(chosen) < count and units[image] not in taken:
                taken.add(units[image])
                chosen.append(image)
        drawn += [np.array(chosen, dtype=np.int64)] if len(chosen) == count else []
        poor += 0 < len(chosen) < count
    return drawn, poor
