"""ROC and DET curves over counted pairs, and the rates of a threshold [EVA-4]."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, within
from nearkin.decision.pairs import Counts

Array: TypeAlias = NDArray[np.float64]

LEAST = 1e-14
"""Differences of shares below this are rounding."""


@dataclass(frozen=True)
class Rates:
    """What a threshold does to pairs: "same" where distance <= threshold.

    tpr:       share of positive pairs that are accepted (true accept rate, TAR)
    tnr:       share of negative pairs that are refused, 1 - far
    far:       share of negative pairs that are accepted (false accept rate)
    precision: share of positive pairs among the accepted, where a share `positive_share` of all pairs is positive; None
               where nothing is accepted. It depends on that share; tpr and tnr do not
    """

    threshold: float
    tpr: float
    tnr: float
    far: float
    precision: float | None
    positive_share: float


@dataclass(frozen=True)
class Roc:
    """Rates at every distinct distance, and at none.

    Shapes:  thresholds (T + 1,) ascending, the first -inf: the point (0, 0), where nothing is accepted; positives and
             negatives (T + 1,), how many pairs (or their weight) are accepted at distance <= threshold
    Errors:  InputError where there are no positive or no negative pairs
    """

    thresholds: Array
    positives: Array
    negatives: Array

    @classmethod
    def of(cls, counts: Counts) -> Roc:
        """The curve of counted pairs."""
        positives, negatives = counts.positives.sum(), counts.negatives.sum()
        if not positives > 0 or not negatives > 0:
            kind = "positive" if not positives > 0 else "negative"
            raise InputError(
                f"a ROC curve needs positive and negative pairs, and there are no {kind} ones; "
                "give two classes or more, and two rows or more of some class"
            )
        return cls(
            np.concatenate([[-np.inf], counts.distances]),
            np.concatenate([[0.0], np.cumsum(counts.positives)]),
            np.concatenate([[0.0], np.cumsum(counts.negatives)]),
        )

    @cached_property
    def tar(self) -> Array:
        """True accept rates (T + 1,), rising from 0 to 1."""
        rates: Array = self.positives / self.positives[-1]
        return rates

    @cached_property
    def far(self) -> Array:
        """False accept rates (T + 1,), rising from 0 to 1."""
        rates: Array = self.negatives / self.negatives[-1]
        return rates

    @property
    def auc(self) -> float:
        """P(d_positive < d_negative) + P(equal)/2."""
        return float((np.diff(self.far) * (self.tar[1:] + self.tar[:-1])).sum() / 2)

    def crossing(self) -> tuple[float, int]:
        """The equal error rate and the place of its threshold.

        Equation:  FAR = 1 - TAR, linear between the two points around the crossing; the threshold is the point of the two
                   with the smaller |FAR - (1 - TAR)|, the smaller distance among equals, never the point (0, 0)
        """
        gap = self.negatives * self.positives[-1] - (self.positives[-1] - self.positives) * self.negatives[-1]
        after = int(np.argmax(gap >= 0))
        before = after - 1
        part = gap[before] / (gap[before] - gap[after])
        rate = self.far[before] + part * (self.far[after] - self.far[before])
        return float(rate), before if before > 0 and -gap[before] <= gap[after] else after

    @property
    def eer(self) -> float:
        """The rate at which as many negative pairs are accepted as positive ones are refused."""
        return self.crossing()[0]

    def place_at_far(self, rate: float) -> int:
        """The last place whose FAR is at most `rate`; 0 where only (0, 0) is."""
        return int(np.searchsorted(self.far, within("far", rate, 0.0, 1.0), side="right")) - 1

    def tar_at_far(self, rate: float) -> float:
        """The largest TAR with FAR <= `rate`, not interpolated, however few pairs speak for it."""
        return float(self.tar[self.place_at_far(rate)])

    def best_balanced(self) -> tuple[float, int]:
        """The largest (TAR + 1 - FAR)/2 over the distinct distances and the first place that reaches it."""
        values = (self.tar[1:] + 1 - self.far[1:]) / 2
        place = int(np.argmax(values >= values.max() - LEAST))
        return float(values[place]), place + 1

    def at(self, threshold: float, positive_share: float | None = None) -> Rates:
        """Rates of a threshold; precision at the pairs' own share of positives, or at another one."""
        place = int(np.searchsorted(self.thresholds, threshold, side="right")) - 1
        own = self.positives[-1] / (self.positives[-1] + self.negatives[-1])
        share = own if positive_share is None else positive_share
        right, wrong = share * self.tar[place], (1 - share) * self.far[place]
        return Rates(
            threshold=float(threshold),
            tpr=float(self.tar[place]),
            tnr=float(1 - self.far[place]),
            far=float(self.far[place]),
            precision=float(right / (right + wrong)) if right + wrong > 0 else None,
            positive_share=float(share),
        )

    def points(self, most: int = 400) -> Roc:
        """The curve at `most` places or fewer, for a picture: evenly in TAR, in FAR, and in the logarithm of FAR."""
        if len(self.thresholds) <= most:
            return self
        third = most // 3
        rates = np.concatenate([np.linspace(0, 1, third), np.geomspace(max(self.far[self.far > 0][0], 1e-9), 1, third)])
        places = np.concatenate(
            [
                [0, len(self.far) - 1],
                np.searchsorted(self.far, rates, side="right") - 1,
                np.searchsorted(self.tar, np.linspace(0, 1, third - 2)),
            ]
        )
        some = np.unique(np.clip(places, 0, len(self.far) - 1))
        return Roc(self.thresholds[some], self.positives[some], self.negatives[some])


@dataclass(frozen=True)
class Det:
    """Detection error trade-off: misses against false accepts, on normal-deviate axes.

    Shapes:  thresholds, far, miss (1 - TAR), and their probits x, y, (K,) each; places where either rate is 0 or 1, whose
             probit is infinite, are left out
    """

    thresholds: Array
    far: Array
    miss: Array
    x: Array
    y: Array


def det(roc: Roc, most: int = 400) -> Det:
    """The DET curve of a ROC curve at `most` places or fewer."""
    some = roc.points(most)
    far, miss = some.far, 1 - some.tar
    inside = (far > 0) & (far < 1) & (miss > 0) & (miss < 1)
    normal = NormalDist()
    x, y = (np.array([normal.inv_cdf(rate) for rate in rates[inside].tolist()]) for rates in (far, miss))
    return Det(some.thresholds[inside], far[inside], miss[inside], x, y)
