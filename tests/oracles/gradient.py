"""Derivatives of scalar oracles: the complex step, exact to rounding, and central differences as its control.

An oracle is a function of nested lists of numbers that uses only arithmetic, `cmath` and comparisons of real parts.
Given x + ih in one entry, its imaginary part is h times the derivative in that entry, without any cancellation.
Where an oracle chooses (a hinge, an argmin), the real parts decide, so the choice itself has no derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

STEP = 1e-30

Oracle = Callable[..., complex]
Arrays = Mapping[str, np.ndarray]


def value_and_gradient(oracle: Oracle, arrays: Arrays) -> tuple[float, dict[str, np.ndarray]]:
    """The oracle's value at `arrays` (given by keyword, as nested lists) and its gradient to every array."""
    lists = {name: np.asarray(array, dtype=float).tolist() for name, array in arrays.items()}
    value = float(complex(oracle(**lists)).real)
    gradient = {name: np.zeros(np.shape(array)) for name, array in arrays.items()}
    for name, array in arrays.items():
        for index in np.ndindex(np.shape(array)):
            row = _inner_list(lists[name], index)
            kept = row[index[-1]]
            row[index[-1]] = complex(kept, STEP)
            gradient[name][index] = complex(oracle(**lists)).imag / STEP
            row[index[-1]] = kept
    return value, gradient


def central_differences(oracle: Oracle, arrays: Arrays, step: float = 1e-5) -> dict[str, np.ndarray]:
    """The gradient by (f(x + h) - f(x - h)) / 2h: slow and rough, but it knows nothing of complex numbers."""
    lists = {name: np.asarray(array, dtype=float).tolist() for name, array in arrays.items()}
    gradient = {name: np.zeros(np.shape(array)) for name, array in arrays.items()}
    for name, array in arrays.items():
        for index in np.ndindex(np.shape(array)):
            row = _inner_list(lists[name], index)
            kept = row[index[-1]]
            above, below = [], []
            for values, moved in ((above, kept + step), (below, kept - step)):
                row[index[-1]] = moved
                values.append(complex(oracle(**lists)).real)
            row[index[-1]] = kept
            gradient[name][index] = (above[0] - below[0]) / (2 * step)
    return gradient


def _inner_list(nested: list[Any], index: tuple[int, ...]) -> list[Any]:
    for position in index[:-1]:
        nested = nested[position]
    return nested
