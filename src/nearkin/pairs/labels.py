"""Labels as users give them, made into a pairs rule, or refused in words."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nearkin.core import InputError, InputTypeError
from nearkin.core.tensors import cast, traced
from nearkin.pairs.rules import PairRule, SameLabel, SharedLabel


def as_values(name: str, labels: Any, count: int, device: torch.device) -> Tensor:
    """Labels as an integer tensor, (count,) class indices or (count, C) multi-hot, on `device`: lists and arrays are brought
    there, a tensor must be there.

    Errors:  InputTypeError for floats and other kinds, InputError for a wrong length
    """
    try:
        values = labels if isinstance(labels, Tensor) else torch.as_tensor(labels, device=device)
    except (TypeError, ValueError, RuntimeError):
        raise InputTypeError(f"{name} must be integers or a pairs rule, got {type(labels).__name__}") from None
    if values.is_floating_point() or values.is_complex():
        raise InputTypeError(f"{name} must be integers (class indices), got {values.dtype}: use {name}.long()")
    if values.dtype == torch.bool and values.dim() == 1:
        raise InputTypeError(f"{name} must be integers (class indices), got booleans: use {name}.long()")
    if values.dim() not in (1, 2) or values.shape[0] != count:
        raise InputError(f"{name} must have shape ({count},) or ({count}, classes), got {tuple(values.shape)}")
    if values.device != device:
        raise InputError(f"{name} are on {values.device}, the embeddings on {device}; they must be together")
    if values.dim() == 2 and not traced() and bool(((values != 0) & (values != 1)).any()):
        raise InputError(f"{name} of shape (samples, classes) must be multi-hot, 0 and 1; class indices are ({count},)")
    return values if values.dtype == torch.bool else cast(values, torch.int64)


def as_rule(labels: Any, count: int, device: torch.device) -> PairRule:
    """The pairs rule that `labels` stand for: class indices, multi-hot rows, or a rule already.

    Errors:  InputError for a column (count, 1), which is class indices in the wrong shape; `SharedLabel` takes one tag
    """
    if isinstance(labels, PairRule):
        if len(labels) != count:
            raise InputError(f"the pairs rule describes {len(labels)} samples, the embeddings are {count}")
        return labels
    values = as_values("labels", labels, count, device)
    if values.dim() == 2 and values.shape[1] == 1:
        raise InputError(
            f"labels of shape {tuple(values.shape)} would be one tag, and samples without it kin of nobody; "
            f"class indices are ({count},): use labels.squeeze(1)"
        )
    return SameLabel(values) if values.dim() == 1 else SharedLabel(values)
