"""Which class was answered for which: the votes of the nearest neighbours, over all seeds of a method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError
from nearkin.report.records import Records

DRAWN = 24  # more classes than this make no legible matrix: the list of mix-ups alone
LISTED = 24


@dataclass(frozen=True)
class Mixup:
    """A class that was taken for another: how often, and what share of its images that is."""

    true: str
    answered: str
    count: int
    share: float


@dataclass(frozen=True)
class Confusion:
    """Votes of one method. `share` (T, A) has a row for each true class, summing to 1, or is None above 24 classes."""

    method: str
    neighbours: int
    seeds: int
    true: tuple[str, ...]
    answered: tuple[str, ...]
    share: NDArray[np.float64] | None
    correct: float
    mixups: tuple[Mixup, ...]


def confusion(method: str, records: Sequence[Records], classes: Sequence[str]) -> Confusion | None:
    """Count the votes of the largest k that the records have; None where they have none."""
    ranks = [int(name.partition("@")[2]) for name in records[0].predicted]
    if not ranks:
        return None
    column = f"predicted@{max(ranks)}"
    place = {name: index for index, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)))
    for record in records:
        try:
            for true, answer in zip(record.classes, record.predicted[column]):
                if answer:  # nothing was answered to an image that did not ask
                    counts[place[true], place[answer]] += 1
        except KeyError as error:
            raise InputError(
                f"a record of the method {method!r} names the class {error}, which study.json does not list"
            ) from None
    asked = np.flatnonzero(counts.sum(1)).tolist()
    answered = np.flatnonzero(counts.sum(1) + counts.sum(0)).tolist()
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    small = len(answered) <= DRAWN
    return Confusion(
        method=method,
        neighbours=max(ranks),
        seeds=len(records),
        true=tuple(classes[i] for i in asked),
        answered=tuple(classes[i] for i in answered),
        share=share[np.ix_(asked, answered)] if small else None,
        correct=float(np.trace(counts) / counts.sum()),
        mixups=_mixups(counts, share, classes),
    )


def _mixups(counts: NDArray[np.float64], share: NDArray[np.float64], classes: Sequence[str]) -> tuple[Mixup, ...]:
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:LISTED]
    cells = [divmod(int(cell), len(classes)) for cell in order]
    return tuple(
        Mixup(classes[t], classes[a], int(counts[t, a]), float(share[t, a])) for t, a in cells if wrong[t, a] > 0
    )
