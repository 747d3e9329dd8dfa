"""Losses on proxies of classes [PNC, PAN, NSM, CSF, ARC, SUB, STP], one embedding and one proxy at a time.

Proxies w are class-major: row c * K + k is the k-th proxy of class c. Everything is normalised here.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence

from oracles.arithmetic import Number, highest, log_sum_exp, real, root
from oracles.distances import Vector, squared_euclidean, unit

Rows = Sequence[Vector]
Margin = Callable[[Number], Number]
"""The similarity that is asked of the own class, from the one that there is."""


def similarity(x: Vector, w: Vector) -> Number:
    """The cosine of x and w."""
    return sum(a * b for a, b in zip(unit(x), unit(w), strict=True))


def proxy_nca(
    x: Rows, labels: Sequence[int], w: Rows, temperature: float = 1.0, plus: bool = False, reduction: str = "mean"
) -> Number:
    """d^2(x, p_y)/T + LSE_c(-d^2(x, p_c)/T), over c != y [PNC-1] or over all c [PNC-2]."""
    terms = []
    for row, y in zip(x, labels, strict=True):
        d = [squared_euclidean(unit(row), unit(proxy)) / temperature for proxy in w]
        terms.append(d[y] + log_sum_exp([-each for c, each in enumerate(d) if plus or c != y]))
    return averaged(terms, reduction)


def proxy_anchor(
    x: Rows, labels: Sequence[int], w: Rows, alpha: float = 32.0, delta: float = 0.1, reduction: str = "mean"
) -> Number:
    """Means over proxies of log(1 + sum over own samples) and of log(1 + sum over other samples) [PAN-1]."""
    pull, push = [], []
    for c, proxy in enumerate(w):
        s = [similarity(row, proxy) for row in x]
        mine = [-alpha * (each - delta) for each, y in zip(s, labels, strict=True) if y == c]
        others = [alpha * (each + delta) for each, y in zip(s, labels, strict=True) if y != c]
        if mine:
            pull.append(log_sum_exp([*mine, 0.0]))
        push.append(log_sum_exp([*others, 0.0]))
    return averaged(pull, reduction) + averaged(push, reduction)


def class_softmax(
    x: Rows, labels: Sequence[int], w: Rows, K: int, scale: float, margin: Margin, gamma: float | None = None,
    reduction: str = "mean",
) -> Number:  # fmt: skip
    """Cross-entropy of scale times the similarity to each class, that of the own class after the margin.

    A class of K proxies is as similar as its most similar one, or with gamma as sum_k softmax_k(s_k / gamma) s_k.
    """
    terms = []
    for row, y in zip(x, labels, strict=True):
        s = [similarity(row, proxy) for proxy in w]
        by_class = [together(s[c : c + K], gamma) for c in range(0, len(s), K)]
        logits = [scale * (margin(each) if c == y else each) for c, each in enumerate(by_class)]
        terms.append(log_sum_exp(logits) - logits[y])
    return averaged(terms, reduction)


def together(s: Sequence[Number], gamma: float | None) -> Number:
    """The similarity to a class out of those to its proxies."""
    if gamma is None:
        return s[highest((each, k) for k, each in enumerate(s))]
    weights = [cmath.exp(each / gamma - log_sum_exp([other / gamma for other in s])) for each in s]
    return sum(q * each for q, each in zip(weights, s, strict=True))


def no_margin(s: Number) -> Number:
    return s


def cosine_margin(m: float) -> Margin:
    return lambda s: s - m


def angle_margin(m: float) -> Margin:
    """cos(t + m), and cos t - m sin m where t > pi - m."""

    def margin(s: Number) -> Number:
        angle = cmath.acos(s)
        return cmath.cos(angle + m) if real(angle) <= math.pi - m else s - m * math.sin(m)

    return margin


def spread(w: Rows, K: int) -> Number:
    """sum_c sum_{k < l} |w_ck - w_cl| / (C K (K - 1)) over normalised centres; 0 for K = 1."""
    if K == 1:
        return 0.0
    total: Number = 0.0
    for c in range(0, len(w), K):
        centers = [unit(each) for each in w[c : c + K]]
        total += sum(root(squared_euclidean(centers[k], centers[j])) for k in range(K) for j in range(k))
    return total / (len(w) * (K - 1))


def averaged(terms: Sequence[Number], reduction: str) -> Number:
    total = sum(terms)
    return total if reduction == "sum" or not terms else total / len(terms)
