"""What a user gave a loss, checked: rows, own columns, triplets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nearkin.core import InputError, InputTypeError
from nearkin.core.tensors import Own, traced
from nearkin.pairs import as_values


def check_rows(name: str, rows: Any, like: Tensor | None = None, *, finite: bool = True) -> None:
    """Raise where `rows` are no floating (N, D) tensor, or of other dimensions or elsewhere than `like`; where `finite`, also
    where they hold NaN or infinity."""
    if not isinstance(rows, Tensor):
        raise InputTypeError(f"{name} must be a tensor of shape (rows, dimensions), got {type(rows).__name__}")
    if not rows.is_floating_point() or rows.dim() != 2:
        raise InputTypeError(
            f"{name} must be a floating tensor of shape (rows, dimensions), got {rows.dtype} of shape {tuple(rows.shape)}"
        )
    if rows.layout != torch.strided:
        kind = str(rows.layout).removeprefix("torch.")
        raise InputTypeError(f"{name} must be dense, got the layout {kind}: use {name}.to_dense()")
    if rows.is_meta and (like is None or like.is_meta):
        raise InputError(f"{name} are on the meta device, which holds shapes and no numbers: give tensors with values")
    if like is not None and (rows.shape[1] != like.shape[1] or rows.device != like.device):
        raise InputError(
            f"{name} have {rows.shape[1]} dimensions on {rows.device}, the embeddings {like.shape[1]} on {like.device}; they must agree"
        )
    if finite:
        check_finite(name, rows)


def check_finite(name: str, rows: Tensor) -> None:
    """Raise where rows (N, D) hold NaN or infinity; not while a graph is compiled."""
    if traced() or math.isfinite(rows.detach().sum()):
        return
    bad = ~rows.detach().isfinite().all(1)  # a sum of huge numbers may overflow: look closely
    if bool(bad.any()):
        first = int(bad.nonzero()[0])
        raise InputError(f"{name} hold NaN or infinity in {int(bad.sum())} of {len(rows)} rows, first in row {first}")


def check_own(own: Own, embeddings: Tensor) -> None:
    """Raise where own columns do not fit the embeddings, or hold NaN or infinity."""
    shape = tuple(own.vectors.shape)
    if len(shape) != 3 or shape[0] != len(embeddings) or shape[2] != embeddings.shape[1]:
        raise InputError(f"own vectors must have shape ({len(embeddings)}, K, {embeddings.shape[1]}), got {shape}")
    for name, given in own._asdict().items():
        if given.device != embeddings.device:
            raise InputError(
                f"own {name} are on {given.device}, the embeddings on {embeddings.device}; they must be together"
            )
    for name, mask in (("positives", own.positives), ("negatives", own.negatives)):
        if mask.dtype != torch.bool or tuple(mask.shape) != shape[:2]:
            raise InputError(
                f"own {name} must be boolean of shape {shape[:2]}, got {mask.dtype} of shape {tuple(mask.shape)}"
            )
    if not traced() and not bool(own.vectors.detach().isfinite().all()):
        raise InputError("own vectors hold NaN or infinity")


def from_triplets(embeddings: Tensor, references: Tensor | None, triplets: Any) -> tuple[Tensor, Own]:
    """Anchors (T, D) and their own columns, one positive and one negative, out of ready triplets of indices."""
    anchor, positive, negative = (
        as_values("triplets", column, len(column), embeddings.device)
        for column in _index_columns(triplets, embeddings.device)
    )
    columns = embeddings if references is None else references
    for name, index, rows in (
        ("anchor", anchor, embeddings),
        ("positive", positive, columns),
        ("negative", negative, columns),
    ):
        if not traced() and len(index) and not bool(((index >= 0) & (index < len(rows))).all()):
            raise InputError(
                f"{name} indices of triplets must lie in 0..{len(rows) - 1}, got {int(index.min())}..{int(index.max())}"
            )
    return embeddings[anchor], Own.triplets(columns[positive], columns[negative])


def _index_columns(triplets: Any, device: torch.device) -> tuple[Tensor, ...]:
    """Indices of anchors, positives and negatives, (T,) each, out of (T, 3) rows or a tuple of three columns."""
    wanted = "triplets must be (T, 3) indices or a tuple of three tensors (anchor, positive, negative) of one length"
    arrays = isinstance(triplets, tuple | list) and any(isinstance(part, Tensor | np.ndarray) for part in triplets)
    if arrays:
        columns = tuple(part if isinstance(part, Tensor) else torch.as_tensor(part, device=device) for part in triplets)
        shapes = [tuple(column.shape) for column in columns]
        if isinstance(triplets, list) or len(shapes) != 3 or len(set(shapes)) != 1 or len(shapes[0]) != 1:
            kind = type(triplets).__name__
            raise InputError(
                f"{wanted}, got a {kind} of {len(shapes)} of shapes {', '.join(map(str, dict.fromkeys(shapes)))}"
            )
        return columns
    try:
        rows = triplets if isinstance(triplets, Tensor) else torch.as_tensor(triplets, device=device)
    except (TypeError, ValueError, RuntimeError):
        raise InputTypeError(f"{wanted}, got {type(triplets).__name__}") from None
    if rows.dim() != 2 or rows.shape[1] != 3:
        raise InputError(f"{wanted}, got shape {tuple(rows.shape)}")
    return rows.unbind(1)
