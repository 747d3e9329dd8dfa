"""Known or unknown? How well a score parts queries of known classes from those of unknown ones [EVA-6]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, InputTypeError

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class OpenSet:
    """Scores of an open set, and the curve behind them.

    auroc:               P(score of a known > score of an unknown) + P(equal)/2
    fpr_at_95_tpr:       smallest share of unknowns accepted by a threshold that accepts at least 95 % of the knowns
    oscr:                area under `ccr` over `fpr`, by trapezoids
    accuracy:            share of the knowns that are classified rightly, with nobody refused; the end of `ccr`
    thresholds, tpr, fpr, ccr: (T + 1,) at falling thresholds, the first inf: the point (0, 0). Accepted is a score >=
                         threshold; ccr is the share of all knowns that are correct and accepted
    known, unknown:      numbers of queries
    """

    auroc: float
    fpr_at_95_tpr: float
    oscr: float
    accuracy: float
    thresholds: Array
    tpr: Array
    fpr: Array
    ccr: Array
    known: int
    unknown: int

    @property
    def scores(self) -> dict[str, float]:
        """The numbers by name."""
        return {
            "auroc": self.auroc,
            "fpr@95tpr": self.fpr_at_95_tpr,
            "oscr": self.oscr,
            "known-accuracy": self.accuracy,
        }


def open_set(known_correct: ArrayLike, known_score: ArrayLike, unknown_score: ArrayLike) -> OpenSet:
    """AUROC, FPR at 95 % TPR and OSCR [EVA-6].

    Shapes:   known_correct (K,) whether the closed-set answer is right; known_score (K,), unknown_score (U,): larger
              means known, for example minus the distance to the nearest reference of the answered class
    Equation: at a threshold t CCR = #{known: correct, score >= t} / K, FPR = #{unknown: score >= t} / U; OSCR is the
              area under CCR(FPR) from (0, 0) over the distinct scores
    Errors:   InputError for NaN, infinity, or no query of either kind
    Source:   Dhamija, Guenther and Boult, "Reducing network agnostophobia", NeurIPS 2018

    >>> found = open_set([True, True, False], [0.9, 0.8, 0.3], [0.5, 0.1])
    >>> round(found.auroc, 3), found.fpr_at_95_tpr, round(found.oscr, 3)
    (0.833, 0.5, 0.667)
    """
    known, unknown = _scores("known_score", known_score), _scores("unknown_score", unknown_score)
    correct = np.asarray(known_correct)
    if correct.shape != known.shape or correct.dtype.kind not in "bui" or not np.isin(correct, (0, 1)).all():
        raise InputError(f"known_correct must be true or false for each of the {len(known)} known scores")
    values, places = np.unique(np.concatenate([known, unknown]), return_inverse=True)
    known_at, unknown_at = places[: len(known)], places[len(known) :]
    tpr, fpr, ccr = (
        np.concatenate([[0.0], np.cumsum(np.bincount(at, minlength=len(values))[::-1]) / total])
        for at, total in ((known_at, len(known)), (unknown_at, len(unknown)), (known_at[correct == 1], len(known)))
    )
    enough = int(np.argmax(np.round(tpr * len(known)) >= 0.95 * len(known) - 1e-9))
    return OpenSet(
        auroc=_area(fpr, tpr),
        fpr_at_95_tpr=float(fpr[enough]),
        oscr=_area(fpr, ccr),
        accuracy=float(ccr[-1]),
        thresholds=np.concatenate([[np.inf], values[::-1]]),
        tpr=tpr,
        fpr=fpr,
        ccr=ccr,
        known=len(known),
        unknown=len(unknown),
    )


def _area(x: Array, y: Array) -> float:
    return float((np.diff(x) * (y[1:] + y[:-1])).sum() / 2)


def _scores(name: str, scores: ArrayLike) -> Array:
    array = np.asarray(scores)
    if array.dtype.kind not in "fiu" or array.ndim != 1:
        raise InputTypeError(f"{name} must be numbers in one row, got {array.dtype} of the shape {array.shape}")
    if not len(array):
        raise InputError(f"{name} is empty: an open set needs queries of known and of unknown classes")
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinity, first at place {int(np.flatnonzero(~np.isfinite(array))[0])}")
    return array.astype(np.float64)
