"""Which test images ask and which may answer, where the images bring flags for that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nearkin.data import ImageSet
from nearkin.evaluation import Evaluation


@dataclass(frozen=True)
class Questions:
    """Places in a part of the split: `asking` (Q,) and `answering` (G,). An image that does both never answers itself."""

    asking: np.ndarray
    answering: np.ndarray
    images: int

    @property
    def words(self) -> str:
        """For the notes of a run."""
        return (
            f"{len(self.asking):,} of {self.images:,} test images ask and {len(self.answering):,} may answer; "
            "clusters are of those that ask"
        )


def questions(images: ImageSet, indices: np.ndarray) -> Questions | None:
    """Who asks and who answers among the images at `indices`; None without flags: each asks all others."""
    if images.queries is None and images.gallery is None:
        return None
    everybody = np.ones(len(images), dtype=bool)
    asking = everybody if images.queries is None else images.queries
    answering = everybody if images.gallery is None else images.gallery
    return Questions(np.flatnonzero(asking[indices]), np.flatnonzero(answering[indices]), len(indices))


def sides(
    asked: Questions, embeddings: np.ndarray, labels: np.ndarray, ids: np.ndarray, groups: np.ndarray | None
) -> tuple[tuple[Any, Any], dict[str, Any]]:
    """`evaluate`'s arguments: (embeddings, labels) of those that ask, and those that answer as its references."""
    mine, theirs = asked.asking, asked.answering
    references = {
        "references": embeddings[theirs],
        "reference_labels": labels[theirs],
        "ids": ids[mine],
        "reference_ids": ids[theirs],
        "groups": None if groups is None else groups[mine],
        "reference_groups": None if groups is None else groups[theirs],
    }
    return (embeddings[mine], labels[mine]), references


def over_all(found: Evaluation, asked: Questions) -> Evaluation:
    """The records of those that asked as records of all test images: nothing stands where an image did not ask.

    Neighbours, rows of the answering images before, become places in the part. A column of numbers is NaN where nothing stands,
    one of whole numbers -1.
    """
    records = {}
    for name, values in found.queries.items():
        empty = np.nan if values.dtype.kind == "f" else -1
        if name == "neighbours":
            values = np.where(values >= 0, asked.answering[values], -1)
        spread = np.full((asked.images, *values.shape[1:]), empty, dtype=values.dtype)
        spread[asked.asking] = values
        records[name] = spread
    return replace(found, queries=records, notes=(*found.notes, asked.words))


def can_be_asked(images: ImageSet, indices: np.ndarray) -> bool:
    """Whether at least one image that asks has another of its class among those that answer."""
    asked = questions(images, indices)
    if asked is None:
        return bool(np.bincount(images.labels[indices]).max() > 1)
    labels = images.labels[indices]
    answers = np.bincount(labels[asked.answering], minlength=len(images.classes))
    itself = np.isin(asked.asking, asked.answering)
    return bool((answers[labels[asked.asking]] > itself).any())
