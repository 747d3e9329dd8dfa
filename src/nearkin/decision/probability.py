"""How likely each class is, given a search: calibrated on the enrolled images themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, choice, integer, positive
from nearkin.decision.evidence import Evidence, evidence_of
from nearkin.decision.slopes import EXPECTED, fit_slopes, probabilities
from nearkin.decision.votes import WEIGHTS

Floats = NDArray[np.float64]

DEPTH = 50
"""Neighbours of a search that probabilities are made of; those beyond add less than is worth their search."""

DOUBT = 20
"""Searches that count as seen where none could be: with so few no answer is surer than 95 %."""

GROWTH = 0.3
"""Power of the number of images a class with which slopes grow: on six sets 0.4 from 1 to 2 images, 0.2 from 4 to 8."""


@dataclass(frozen=True)
class Probability:
    """Class probabilities of a search's answer, as parameters fitted to searches whose answers are known.

    Equation: P(c) = w_c / sum over all classes of w, with
                log w_c = ratio * -log sqrt(x_c^2 + 0.1^2) + difference * -x_c + votes * votes_c [- unseen]
              for x_c = d_c / scale, d_c the distance to the nearest neighbour of c, and votes_c the log of the sum of
              (d_c / d_i)^8 over all neighbours i of c. A class that no neighbour has is taken to lie with the farthest
              neighbour, less `unseen`. The answered class is the one that k neighbours vote for [EVA-3]; where another
              has a larger w, that is lowered to it, so that the answer is always the likeliest class. At last
              P <- (1 - e) P + e / classes with e = 1 / (fitted + 20): few searches cannot support certainty
    ratio, difference, votes, unseen: the slopes, all at least 0
    scale:    a distance, so that slopes have no unit: the median distance to the nearest neighbour
    k, weights: of the vote
    fitted:   searches that the slopes were fitted to. 0: none could be left out (classes of one image), and the slopes
              are what other data usually have: then the number is a guess, `is_calibrated` is False
    Range:    the classes' probabilities sum to 1: they are given that one of them is right. A photo of something else
              gets one, too; whether to believe that is what a threshold on the distance decides
    Differs:  a share of the vote is not a probability: with k = 1 it is always 1
    """

    ratio: float
    difference: float
    votes: float
    unseen: float
    scale: float
    k: int
    weights: str = "distance"
    fitted: int = 0

    def __post_init__(self) -> None:
        positive("scale", self.scale)
        integer("k", self.k, minimum=1)
        choice("weights", self.weights, WEIGHTS)
        if not (self._slopes >= 0).all():
            raise InputError(f"slopes of a probability must be at least 0, got {self._slopes.tolist()}")

    @property
    def is_calibrated(self) -> bool:
        """Whether the slopes were fitted to searches of the data at hand."""
        return self.fitted > 0

    def of(self, distances: ArrayLike, voters: ArrayLike, classes: int) -> Floats:
        """Probabilities (A, classes) of searches; rows sum to 1.

        Shapes: distances (A, K), nearest first; voters (A, K) class codes in [0, classes), -1 where there is none
        """
        found, shares = self._shares(distances, voters, classes)
        every = np.repeat(shares[:, -1:], classes, 1)
        rows, columns = np.nonzero(found.classes >= 0)
        every[rows, found.classes[rows, columns]] = shares[rows, columns]
        return every

    def top(self, distances: ArrayLike, voters: ArrayLike, classes: int) -> tuple[NDArray[np.int64], Floats]:
        """The answered classes (A,) and their probabilities (A,), without a table of all classes."""
        found, shares = self._shares(distances, voters, classes)
        return found.winner, shares[np.arange(len(shares)), found.column]

    def seen(self, distances: ArrayLike, voters: ArrayLike, classes: int) -> tuple[Floats, Floats]:
        """Probabilities (A, K) beside each class's nearest neighbour, 0 beside its others, and of all classes unseen (A,)."""
        found, shares = self._shares(distances, voters, classes)
        return shares[:, :-1], shares[:, -1] * found.unseen

    def _shares(self, distances: ArrayLike, voters: ArrayLike, classes: int) -> tuple[Evidence, Floats]:
        found = evidence_of(distances, voters, classes, scale=self.scale, k=self.k, weights=self.weights)
        logits = found.logits(self._slopes)
        rows = np.arange(len(logits))
        answered = logits[rows, found.column]
        logits = np.minimum(logits, answered[:, None] - 1e-9)
        logits[rows, found.column] = answered
        shares, doubt = probabilities(found, logits), 1 / (self.fitted + DOUBT)
        return found, np.where(found.present, (1 - doubt) * shares + doubt / classes, 0.0)

    @property
    def _slopes(self) -> Floats:
        return np.array([self.ratio, self.difference, self.votes, self.unseen])

    def as_section(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return asdict(self)

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> Probability:
        """The probability that `as_section` described."""
        return cls(**section)


def fit_probability(
    distances: ArrayLike,
    voters: ArrayLike,
    truth: ArrayLike,
    classes: int,
    *,
    k: int,
    weights: str = "distance",
    kept: float = 1.0,
    scale: float | None = None,
) -> Probability:
    """The probability that fits searches whose right class is known.

    Shapes:   distances, voters (A, K) as `Probability.of` takes them, truth (A,) class codes
    kept:     share of a class's images that these searches saw: slopes are made larger by (1/kept)^0.3, as they grow
              with the images of a class
    scale:    `Probability.scale`; the median distance to the nearest neighbour by default
    Source:   a conditional logit (McFadden 1974) on distances; its likelihood is a proper score, so that what comes out
              is calibrated where the form fits
    """
    far, codes, right = np.asarray(distances), np.asarray(voters), np.asarray(truth)
    signed = bool((far[codes >= 0] < 0).any())
    scale = typical_distance(far[:, 0][codes[:, 0] >= 0]) if scale is None else scale
    found = evidence_of(far, codes, classes, scale=scale, k=k, weights=weights)
    free = np.array([not signed, True, not signed, bool((found.unseen > 0).any())])
    slopes = fit_slopes(found, right, free=free) if len(right) else np.where(free, EXPECTED, 0.0)
    slopes[:2] *= (1 / kept) ** GROWTH
    slopes[3] = slopes[3] if free[3] else EXPECTED[3]
    ratio, difference, votes, unseen = map(float, slopes)
    return Probability(ratio, difference, votes, unseen, scale, k, weights, len(right))


def typical_distance(distances: Floats) -> float:
    """The median, or the mean where the median is 0, or 1; of what distances are in size."""
    sizes = np.abs(distances)
    for value in (np.median(sizes), sizes.mean()) if len(sizes) else ():
        if value > 0:
            return float(value)
    return 1.0
