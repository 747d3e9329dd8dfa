"""Slopes of a conditional logit, found by Newton's method: the likeliest ones for labelled searches, none below 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nearkin.decision.evidence import Evidence

Floats = NDArray[np.float64]

EXPECTED = np.array([8.0, 8.0, 1.5, 1.0])
"""Slopes where nothing is known, of `NAMES`: what digits, faces, birds, objects and characters lie around."""

SPREAD = np.array([10.0, 10.0, 2.0, 2.0])
"""How far from there slopes usually lie: a few searches move them little, a hundred as far as they like."""

ROUNDS = 100


def fit_slopes(evidence: Evidence, truth: NDArray[np.int64], *, free: NDArray[np.bool_]) -> Floats:
    """Slopes s >= 0 that make the truth of searches likeliest.

    Equation: minimise sum_a -log P(truth_a) + sum_f ((s_f - expected_f) / spread_f)^2 / 2 over s >= 0, with P(c) of
              `Probability`. Convex: one minimum, found from any start
    Shapes:   truth (A,) class codes; free (4,) bool, which slopes are fitted, others stay 0 -> (4,)
    Method:   Newton steps among the slopes that are not held at 0, halved until the value falls; deterministic
    """
    right = evidence.classes == truth[:, None]
    column = np.where(right.any(1), right.argmax(1), evidence.classes.shape[1])
    slopes = np.where(free, EXPECTED, 0.0)
    value = _value(evidence, column, slopes)
    for _ in range(ROUNDS):
        gradient, curvature = _derivatives(evidence, column, slopes)
        moving = free & ~((slopes <= 0) & (gradient > 0))
        if not moving.any():
            break
        step = np.zeros(len(slopes))
        step[moving] = np.linalg.solve(curvature[np.ix_(moving, moving)], gradient[moving])
        trial, share = value, 1.0
        while share > 1e-12:
            candidate = np.maximum(slopes - share * step, 0.0)
            trial = _value(evidence, column, candidate)
            if trial < value:
                break
            share /= 2
        if not trial < value:
            break
        enough = value - trial < 1e-10 * (1 + abs(value))
        slopes, value = candidate, trial
        if enough:
            break
    return slopes


def probabilities(evidence: Evidence, logits: Floats) -> Floats:
    """(A, K + 1): the probability of each class that was seen, and of one that was not; 0 in columns without a class."""
    largest = logits.max(1, keepdims=True)
    weights = np.exp(logits - np.where(np.isfinite(largest), largest, 0.0))
    total = weights[:, :-1].sum(1) + weights[:, -1] * evidence.unseen
    shares: Floats = weights / total[:, None]
    return shares


def _value(evidence: Evidence, column: NDArray[np.int64], slopes: Floats) -> float:
    logits = evidence.logits(slopes)
    largest = logits.max(1)
    weights = np.exp(logits - largest[:, None])
    total = weights[:, :-1].sum(1) + weights[:, -1] * evidence.unseen
    own = logits[np.arange(len(logits)), column] - largest
    return float((np.log(total) - own).sum() + np.square((slopes - EXPECTED) / SPREAD).sum() / 2)


def _derivatives(evidence: Evidence, column: NDArray[np.int64], slopes: Floats) -> tuple[Floats, Floats]:
    shares = probabilities(evidence, evidence.logits(slopes))
    shares[:, -1] *= evidence.unseen
    values = evidence.values
    mean = np.einsum("ak,akf->af", shares, values)
    gradient = (mean - values[np.arange(len(values)), column]).sum(0) + (slopes - EXPECTED) / SPREAD**2
    second = np.einsum("ak,akf,akg->fg", shares, values, values, optimize=True) - mean.T @ mean
    return gradient, second + np.diag(1 / SPREAD**2)
