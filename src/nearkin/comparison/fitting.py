"""What a method fits after training, or instead of it: a linear map of an estimator, on the training images alone."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.comparison.design import canonical
from nearkin.comparison.problems import Problems
from nearkin.comparison.signatures import check_section, schema_of
from nearkin.core import InputError, content_hash, need, pick, write_atomically

FILE = "estimator.safetensors"
WIDEST = 8192
"""Inputs of more numbers are refused: a covariance of them alone would take more than half a gigabyte."""

_DIGITS = 6


@dataclass(frozen=True)
class Fitted:
    """x -> L (x - mean), with the L of an estimator. Euclidean distances of its rows are the Mahalanobis distance of L.

    The mean of the training rows changes no Euclidean distance; cosines are then those of what differs.
    """

    mean: NDArray[np.float64]
    factor: NDArray[np.float64]
    seconds: float = 0.0
    notes: tuple[str, ...] = field(default=())

    def __call__(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Mapped rows (n, rank) of rows (n, D)."""
        mapped: NDArray[np.float32] = ((rows.astype(np.float64) - self.mean) @ self.factor.T).astype(np.float32)
        return mapped


def estimator_class(name: Any) -> Any:
    """What makes the estimator `name`."""
    from nearkin.estimators import ESTIMATORS

    return pick("estimator", ESTIMATORS, name)


def check_estimator_section(section: object, path: str, problems: Problems) -> dict[str, Any] | None:
    """An estimator section with every default filled in; mistakes are noted in `problems` and give None."""
    if isinstance(section, str):
        section = {"name": section}
    if not isinstance(section, Mapping) or "name" not in section:
        problems.add(path, f"must be an estimator's name or a section with a name, got {section!r}")
        return None
    before = len(problems.found)
    with problems.gathered(f"{path}.name"):
        make = estimator_class(section["name"])
    if len(problems.found) > before:
        return None
    options = {key: value for key, value in section.items() if key != "name"}
    checked = check_section(schema_of(make, only=frozenset(make().get_params()) - {"random_state"}), options, path, problems)
    if checked is None:
        return None
    resolved = {"name": section["name"], **checked}
    with problems.gathered(path):
        estimator_fingerprint(resolved, *_PROBE)
    return resolved if len(problems.found) == before else None


def build_estimator(section: Mapping[str, Any], *, seed: int = 0, **more: Any) -> Any:
    """The estimator of a checked section; `more` takes the place of its options."""
    make = estimator_class(section["name"])
    options = {key: value for key, value in section.items() if key != "name"} | more
    if "random_state" in make().get_params():
        options["random_state"] = seed % 2**32
    return make(**options)


def check_width(section: Mapping[str, Any], width: int, method: str) -> None:
    """Raise an InputError where rows of `width` numbers do not suit an estimator."""
    if width > WIDEST:
        raise InputError(
            f"{method}: the estimator would see {width:,} numbers an image, and takes {WIDEST:,} at most; give the network a "
            "frozen backbone, so that it sees features, or the method a loss, so that it sees embeddings"
        )
    rank = section.get("rank")
    if rank is not None and rank > width:
        raise InputError(f"{method}: estimator.rank {rank} is more than the {width} numbers that it sees of an image")


def fit(section: Mapping[str, Any], rows: NDArray[Any], labels: NDArray[np.int64], seed: int) -> Fitted:
    """Fit the estimator of a checked section to rows (n, D) with classes (n,). Errors: InputError where it cannot be."""
    start = time.perf_counter()
    wide = rows.astype(np.float64)
    if not np.isfinite(wide).all():
        raise InputError("the rows to fit an estimator to are not finite")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fitted = build_estimator(section, seed=seed).fit(wide, labels)
    notes = tuple(dict.fromkeys(str(each.message) for each in said))
    return Fitted(wide.mean(0), np.asarray(fitted.components_, np.float64), time.perf_counter() - start, notes)


def estimator_fingerprint(section: Mapping[str, Any], rows: NDArray[np.float64], labels: NDArray[np.int64]) -> str:
    """16 hexadecimal digits of what the estimator makes of a fixed batch.

    One that searches takes three steps; its map counts to six digits of its largest number, so that another processor's
    last bits do not count.
    """
    more = {"max_iter": 3} if "max_iter" in section else {}
    if (section.get("rank") or 0) > rows.shape[1]:
        more["rank"] = rows.shape[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = build_estimator(section, **more).fit(rows, labels).components_
    largest = float(np.abs(found).max())
    numbers = np.round(found / largest, _DIGITS) + 0.0
    return content_hash(canonical(section["name"]), f"{largest:.{_DIGITS - 1}e}", canonical(numbers.tolist()))[:16]


def write_fitted(folder: Path, fitted: Fitted) -> None:
    """`estimator.safetensors`: `factor` L (rank, D) and `mean` (D,)."""
    safetensors = need("safetensors.numpy", extra="train", purpose="saving what an estimator learned")
    tensors = {"factor": np.ascontiguousarray(fitted.factor), "mean": np.ascontiguousarray(fitted.mean)}
    write_atomically(folder / FILE, safetensors.save(tensors))


_PROBE = (np.random.default_rng(0).normal(size=(12, 3)), np.arange(12) // 3)
"""Rows and classes on which an estimator's options are tried."""
