"""The inverse root of a covariance of features, global or pooled within classes [MAH-3]."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nearkin.core import InputError, InputTypeError, choice, within
from nearkin.distances.squared import compute_dtype


def inverse_root_of_covariance(features: Any, labels: Any, kind: str, shrinkage: float) -> Tensor:
    """L (D, D), lower triangular, with L'L the inverse of the shrunk covariance; see `Mahalanobis.from_covariance`."""
    rows = _rows(features)
    share = within("shrinkage", shrinkage, 0, 1)
    if choice("kind", kind, ("global", "within")) == "within":
        covariance, freedom = _within(rows.double(), _classes(labels, len(rows)))
    else:
        covariance, freedom = _global(rows.double()), len(rows) - 1
    size, spread = len(covariance), covariance.trace()
    if not spread > 0:
        raise InputError("these features have no spread, so their covariance has no inverse")
    if freedom < size and not share:
        raise InputError(
            f"a covariance of {size} dimensions from {freedom} degrees of freedom has no inverse: give shrinkage above 0"
        )
    shrunk = (1 - share) * covariance + share * spread / size * torch.eye(size, dtype=torch.float64)
    factor, failed = torch.linalg.cholesky_ex(shrunk)
    if failed:
        raise InputError(
            f"the covariance has no inverse at shrinkage {share:g} (dependent features): give a larger one"
        )
    inverse = torch.linalg.solve_triangular(factor, torch.eye(size, dtype=torch.float64), upper=False)
    result: Tensor = inverse.to(compute_dtype(rows))
    return result


def _global(rows: Tensor) -> Tensor:
    centred = rows - rows.mean(0)
    return centred.T @ centred / len(rows)


def _within(rows: Tensor, classes: Tensor) -> tuple[Tensor, int]:
    """S and its degrees of freedom N - C; a class of one member adds nothing to the sum but counts in C."""
    number, count = int(classes.max()) + 1, len(rows)
    if number == count:
        raise InputError("every class has one member, so nothing varies within classes; use kind='global'")
    sums = torch.zeros(number, rows.shape[1], dtype=rows.dtype).index_add(0, classes, rows)
    centred = rows - (sums / classes.bincount()[:, None])[classes]
    return centred.T @ centred / (count - number), count - number


def _rows(features: Any) -> Tensor:
    rows = torch.as_tensor(features).detach().cpu()
    if rows.dim() != 2 or not rows.is_floating_point() or 0 in rows.shape:
        raise InputTypeError(
            f"features must be floating of shape (rows, dimensions), got {rows.dtype} of shape {tuple(rows.shape)}"
        )
    if not bool(rows.isfinite().all()):
        raise InputError("features hold NaN or infinity")
    return rows


def _classes(labels: Any, count: int) -> Tensor:
    if labels is None:
        raise InputError("kind='within' needs labels, one whole number for each row of features")
    values = torch.as_tensor(labels).detach().cpu()
    if values.is_floating_point() or values.is_complex() or tuple(values.shape) != (count,):
        raise InputError(f"labels must be {count} whole numbers, got {values.dtype} of shape {tuple(values.shape)}")
    classes: Tensor = values.unique(return_inverse=True)[1]
    return classes
