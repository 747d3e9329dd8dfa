"""Whether probabilities keep their word: calibration error, Brier score, and how well they tell right from wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, integer
from nearkin.decision.open_set import open_set

Array: TypeAlias = NDArray[np.float64]

BINS = 15


@dataclass(frozen=True)
class Reliability:
    """How far answers can be trusted by their probability.

    accuracy:    share of right answers
    confidence:  mean probability; above `accuracy` is overconfident
    calibration_error: ECE, mean over queries of |mean probability - share of right ones| in its bin
    brier:       mean of (probability - right)^2, right being 1 or 0
    constant:    Brier score of the best constant answer, accuracy (1 - accuracy)
    auroc:       P(a right answer has a larger probability than a wrong one) + P(equal)/2; NaN where all are right, or none
    count:       (B,) queries of each bin; mean_probability, share_right (B,)
    """

    accuracy: float
    confidence: float
    calibration_error: float
    brier: float
    constant: float
    auroc: float
    count: NDArray[np.int64]
    mean_probability: Array
    share_right: Array

    @property
    def skill(self) -> float:
        """1 - brier / constant: share of the constant answer's score that is saved; NaN where that score is 0."""
        return 1 - self.brier / self.constant if self.constant > 0 else float("nan")

    @property
    def scores(self) -> dict[str, float]:
        """The numbers by name."""
        return {
            "accuracy": self.accuracy,
            "confidence": self.confidence,
            "calibration-error": self.calibration_error,
            "brier": self.brier,
            "brier-constant": self.constant,
            "brier-skill": self.skill,
            "auroc": self.auroc,
        }


def reliability(probability: ArrayLike, right: ArrayLike, *, bins: int = BINS) -> Reliability:
    """What answers of a stated probability are worth.

    Equation: queries in the order of their probability, cut into `bins` parts whose sizes differ by one at most (equal
              mass); ECE = sum_b n_b/n |mean probability_b - share right_b|. Queries of equal probability stay in the order
              given, unless a cut would part them: then they are shared out by their mean, so that the order does not matter
    Shapes:   probability (n,) in [0, 1] of the answered class, right (n,) bool
    bins:     15 by default; n where there are fewer queries. Equal widths would leave most bins of good answers empty
    Noise:    with n queries even perfect probabilities have an ECE of about sqrt(2 bins p (1 - p) / (pi n))
    Errors:   InputError for no queries, numbers outside [0, 1], flags that are no bool
    Source:   Naeini et al. 2015 (ECE), with the equal mass of Nguyen and O'Connor 2015; Brier 1950

    >>> found = reliability([0.9, 0.8, 0.6, 0.5], [True, True, False, True], bins=2)
    >>> round(found.calibration_error, 3), round(found.brier, 3), found.constant
    (0.1, 0.165, 0.1875)
    """
    given, flags = np.asarray(probability, dtype=np.float64), np.asarray(right)
    if given.ndim != 1 or given.shape != flags.shape or flags.dtype != np.bool_ or not len(given):
        raise InputError(
            f"probability and right must be two columns of one length, the second of flags (bool), got {given.shape} "
            f"and {flags.shape} of {flags.dtype}"
        )
    if not ((given >= 0) & (given <= 1)).all():
        raise InputError(f"probabilities must lie in 0 to 1, got {given.min()} to {given.max()}")
    order = np.argsort(given, kind="stable")
    ordered, outcome = given[order], _shared_out(given[order], flags[order].astype(np.float64))
    parts = np.array_split(np.arange(len(given)), min(integer("bins", bins, minimum=1), len(given)))
    count = np.array([len(part) for part in parts])
    means = np.array([ordered[part].mean() for part in parts])
    shares = np.array([outcome[part].mean() for part in parts])
    accuracy = float(flags.mean())
    return Reliability(
        accuracy=accuracy,
        confidence=float(given.mean()),
        calibration_error=float((count * np.abs(means - shares)).sum() / len(given)),
        brier=float(np.square(given - flags).mean()),
        constant=accuracy * (1 - accuracy),
        auroc=_auroc(given, flags),
        count=count,
        mean_probability=means,
        share_right=shares,
    )


def brier_of_classes(probabilities: ArrayLike, truth: ArrayLike) -> tuple[float, float]:
    """Brier score over all classes, mean of sum_c (p_c - [c is right])^2, and that of always giving the classes' shares.

    Shapes: probabilities (n, classes), rows of sum 1; truth (n,) class codes
    """
    given, codes = np.asarray(probabilities, dtype=np.float64), np.asarray(truth)
    own = given[np.arange(len(given)), codes]
    score = np.square(given).sum(1) - 2 * own + 1
    shares = np.bincount(codes, minlength=given.shape[1]) / len(codes)
    return float(score.mean()), float(1 - np.square(shares).sum())


def _shared_out(ordered: Array, outcome: Array) -> Array:
    """Outcomes with those of equal probabilities replaced by their mean."""
    _, group, sizes = np.unique(ordered, return_inverse=True, return_counts=True)
    means: Array = np.bincount(group, weights=outcome) / sizes
    return means[group]


def _auroc(probability: Array, right: NDArray[np.bool_]) -> float:
    if right.all() or not right.any():
        return float("nan")
    correct = np.ones(int(right.sum()), dtype=bool)
    return open_set(correct, probability[right], probability[~right]).auroc
