"""Answers of a few-shot search: top-1 and top-5 of a vote of the nearest known images, and the k that they are given by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nearkin.comparison.classifying import logits_of
from nearkin.decision import LINKS, Space, nearest
from nearkin.decision.prototypes import class_means
from nearkin.decision.votes import voted_for
from nearkin.distances import DISTANCES, Distance, make_distance

TOPS = {"1": 1, "5": 5}
FIVE = (5, 7, 9)
Rows = NDArray[np.float32]
Labels = NDArray[np.int64]
Right = dict[str, NDArray[np.float64]]
Voters = Mapping[str, int]


@dataclass(frozen=True)
class Side:
    """Projected rows (n, D) and their classes (n,)."""

    rows: Rows
    labels: Labels

    def where(self, chosen: NDArray[np.bool_]) -> Side:
        """Those that are chosen."""
        return Side(self.rows[chosen], self.labels[chosen])

    def beside(self, other: Side) -> Side:
        """These and then the others."""
        return Side(np.concatenate([self.rows, other.rows]), np.concatenate([self.labels, other.labels]))


@dataclass(frozen=True)
class Searched:
    """The distance by which rows are searched: `space` reads what `distance` projects."""

    distance: Distance
    space: Space

    @classmethod
    def by(cls, distance: Distance | str, options: dict[str, Any]) -> Searched:
        """By a distance, or one's name; of `options` those that its link reads."""
        made = make_distance(distance)
        name = distance if isinstance(distance, str) else next(n for n, kind in DISTANCES.items() if type(made) is kind)
        return cls(made, Space(name, {key: value for key, value in options.items() if key in LINKS[name].options}))

    def side(self, rows: Rows, labels: Labels) -> Side:
        """Embeddings, projected, with their classes."""
        with torch.inference_mode():
            at = next(self.distance.parameters(), torch.zeros(0)).device
            projected = self.distance.project(torch.from_numpy(rows).to(at, torch.float64))
        return Side(projected.float().cpu().numpy(), labels)


def right_by_knn(
    space: Space, asked: Side, known: Side, voters: Voters, *, groups: tuple[Labels, Labels] | None = None
) -> Right:
    """{"1": ..., "5": ...}: whether the vote of the nearest, weighted by 1/distance, has the class first, or in its first five.

    voters: how many vote for each
    groups: of the two sides; who asks does not see the known images of the own group
    """
    mine, theirs = groups if groups is not None else (None, None)
    found = nearest(space, asked.rows, known.rows, max(voters.values()), query_groups=mine, reference_groups=theirs)
    classes, codes = np.unique(known.labels, return_inverse=True)
    places = np.minimum(np.searchsorted(classes, asked.labels), len(classes) - 1)
    truth = np.where(classes[places] == asked.labels, places, -1)
    codes = np.where(found.places >= 0, codes[found.places], -1)
    weights = "distance" if (found.distances >= 0).all() else "uniform"
    right: Right = {}
    for name, k in voters.items():
        first, five, _ = voted_for(found.distances[:, :k], codes[:, :k], truth, weights=weights)
        right[name] = (first if name == "1" else five).astype(np.float64)
    return right


def right_by_means(space: Space, asked: Side, known: Side) -> Right:
    """As `right_by_knn`, by the nearest class mean: {"1": it is the class, "5": the class is among the five nearest}."""
    classes, codes = np.unique(known.labels, return_inverse=True)
    means = class_means(space, known.rows, codes, len(classes))
    places = nearest(space, asked.rows, means, min(max(TOPS.values()), len(classes))).places
    hit = classes[places] == asked.labels[:, None]
    return {name: hit[:, :top].any(1).astype(np.float64) for name, top in TOPS.items()}


def voters_for_five(space: Space, known: Side) -> int:
    """How many vote where five classes are asked for: the best of `FIVE` for known images left out one by one, the largest of
    equals. Fewer than five neighbours cannot name five classes, so the k that is best for one class will not do."""
    own = np.arange(len(known.labels))
    right = {k: right_by_knn(space, known, known, {"5": k}, groups=(own, own))["5"].mean() for k in FIVE}
    return max(FIVE, key=lambda k: (right[k], k))


def right_by_classifier(loss: Any, rows: Rows, labels: Labels, classes: Labels) -> Right | None:
    """As `right_by_knn`, by the loss's own classifier; None where it has none."""
    logits = logits_of(loss, rows, len(classes))
    if logits is None:
        return None
    order = np.argsort(-logits, axis=1, kind="stable")[:, : max(TOPS.values())]
    hit = classes[order] == labels[:, None]
    return {name: hit[:, :top].any(1).astype(np.float64) for name, top in TOPS.items()}
