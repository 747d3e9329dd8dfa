"""What a caller may hand to an evaluation, checked once at the door: finite rows, exact integer labels, names of samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nearkin.core import InputError, InputTypeError

Array = np.ndarray
Rows = Tensor | Array


def finite_rows(name: str, rows: object) -> Tensor:
    """`rows` as a detached floating tensor (N, D) with N, D > 0, all finite.

    Half precision is raised to float32 and float64 stays. A tensor keeps its device. Errors name the first row that
    holds NaN or infinity.
    """
    if isinstance(rows, np.ndarray):
        if rows.dtype.kind != "f":
            raise InputTypeError(f"{name} must be floating numbers of shape (rows, dimensions), got {rows.dtype}")
        rows = np.ascontiguousarray(rows, dtype=np.float64 if rows.dtype.itemsize >= 8 else np.float32)
        rows = torch.from_numpy(rows if rows.flags.writeable else rows.copy())  # torch warns of what it may not write
    if not isinstance(rows, Tensor):
        raise InputTypeError(
            f"{name} must be a tensor or an array of shape (rows, dimensions), got {type(rows).__name__}"
        )
    if rows.dim() != 2 or not rows.is_floating_point():
        raise InputTypeError(
            f"{name} must be floating numbers of shape (rows, dimensions), got {rows.dtype} of shape {tuple(rows.shape)}"
        )
    if rows.numel() == 0:
        raise InputError(f"{name} is empty, of shape {tuple(rows.shape)}; give at least one row of one dimension")
    rows = rows.detach()
    rows = rows if rows.dtype == torch.float64 else rows.to(torch.float32)
    bad = (~torch.stack(torch.aminmax(rows, dim=1)).isfinite()).any(0).nonzero()
    if len(bad):
        raise InputError(f"{name} holds NaN or infinity in {len(bad)} of {len(rows)} rows, first in row {int(bad[0])}")
    return rows


def exact_labels(name: str, labels: object, rows: int) -> Array:
    """`labels` as int64 (rows,), never by way of a float, so that labels above 2^24 or 2^53 stay what they are."""
    array = _one_dimensional(name, labels, rows)
    if array.dtype.kind not in "iu":
        raise InputTypeError(f"{name} must be whole numbers (int64), got {array.dtype}; encode classes as 0, 1, 2, ...")
    if array.dtype.kind == "u" and len(array) and int(array.max()) > np.iinfo(np.int64).max:
        raise InputError(f"{name} must fit into int64, got {int(array.max())}")
    return array.astype(np.int64)


def sample_names(name: str, names: object, rows: int) -> Array:
    """Identities of samples or groups, (rows,): whole numbers or strings."""
    array = _one_dimensional(name, names, rows)
    if array.dtype.kind == "U":
        return array
    if array.dtype.kind not in "iu":
        raise InputTypeError(f"{name} must be whole numbers or strings, one for each row, got {array.dtype}")
    return exact_labels(name, array, rows)


def as_array(values: object) -> Array:
    """What was given, as numpy has it; a tensor comes from whatever device it is on."""
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)


def _one_dimensional(name: str, values: object, rows: int) -> Array:
    array = as_array(values)
    if array.ndim != 1:
        raise InputError(f"{name} must have one entry for each of the {rows} rows, got shape {array.shape}")
    if len(array) != rows:
        raise InputError(
            f"{name} has {len(array)} entries for {rows} rows of embeddings; there must be one for each row"
        )
    return array


@dataclass(frozen=True)
class Side:
    """The queries, or what answers them: rows with labels and, where given, identities and groups."""

    name: str
    rows: Tensor
    labels: Array
    ids: Array | None
    groups: Array | None

    def __len__(self) -> int:
        return len(self.labels)


def side(name: str, prefix: str, rows: object, labels: object, ids: object = None, groups: object = None) -> Side:
    """Check one side. Errors call its rows `name` and the others `prefix` + labels, ids, groups."""
    given = finite_rows(name, rows)
    return Side(
        name,
        given,
        exact_labels(f"{prefix}labels", labels, len(given)),
        None if ids is None else sample_names(f"{prefix}ids", ids, len(given)),
        None if groups is None else sample_names(f"{prefix}groups", groups, len(given)),
    )


def shared_codes(first: Array, second: Array) -> tuple[Array, Array, Array]:
    """Codes 0, 1, 2, ... of the values of both arrays, in the order of the values, and the values themselves."""
    if first.dtype.kind != second.dtype.kind and "U" in (first.dtype.kind, second.dtype.kind):
        raise InputTypeError("names of queries and references must be of one kind, all whole numbers or all strings")
    values, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    return codes[: len(first)], codes[len(first) :], values
