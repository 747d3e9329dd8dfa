"""Functions of complex numbers whose imaginary part carries a derivative: real parts decide, conventions are explicit."""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable, Sequence

Number = complex | float
Terms = Sequence[tuple[Number, float]]
"""Terms of a loss, each with its weight (1 unless the pairs are graded)."""


def real(value: Number) -> float:
    return complex(value).real


def square(value: Number) -> complex:
    """value^2 without the -h^2 that would make the square of 0 + ih negative."""
    value = complex(value)
    return complex(value.real * value.real, 2.0 * value.real * value.imag)


def hinge(value: Number) -> Number:
    """[value]_+, with value 0 and derivative 0 at 0."""
    return value if real(value) > 0 else 0.0


def root(value: Number) -> Number:
    """The square root, correctly rounded, with slope 1/(2 root); value 0 and derivative 0 at 0."""
    value = complex(value)
    if not value.real > 0:
        return 0.0
    length = math.sqrt(value.real)
    return complex(length, value.imag / (2.0 * length))


def log_sum_exp(values: Sequence[Number]) -> Number:
    """log sum exp of at least one value."""
    top = max(real(value) for value in values)
    return top + cmath.log(sum(cmath.exp(value - top) for value in values))


def softplus(value: Number) -> Number:
    """log(1 + e^value)."""
    return log_sum_exp([value, 0.0])


def sigmoid(value: Number) -> Number:
    """1 / (1 + e^-value), never overflowing."""
    if real(value) >= 0:
        return 1.0 / (1.0 + cmath.exp(-value))
    return cmath.exp(value) / (1.0 + cmath.exp(value))


def lowest(values: Iterable[tuple[Number, int]]) -> int:
    """The index of the smallest value; among equals the lowest index."""
    return min((real(value), index) for value, index in values)[1]


def highest(values: Iterable[tuple[Number, int]]) -> int:
    """The index of the largest value; among equals the lowest index."""
    return min((-real(value), index) for value, index in values)[1]


def reduced(terms: Terms, reduction: str = "mean") -> Number:
    """Weighted mean over all terms ("mean"), over those above 0 ("mean_nonzero"), or their weighted sum ("sum")."""
    total = sum(weight * term for term, weight in terms)
    if reduction == "sum":
        return total
    assert reduction in {"mean", "mean_nonzero"}, reduction
    count = sum(weight for term, weight in terms if reduction == "mean" or real(term) > 0)
    return total / count if count else 0.0
