"""What a loss sees and says (Block, Terms), and reductions over masks whose gradients are finite for empty rows.

Imported by name only (`nearkin.core.tensors`): it is the one module of `core` that needs torch.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

LOG2E = 1 / math.log(2)
"""e^x is 2^(LOG2E x), as exact in floating point, and two to three times as fast where torch asks MKL for powers of e."""


class Terms(NamedTuple):
    """One mean of a loss: the sum of its terms and how many there are.

    total:  scalar, in the graph
    count:  scalar, the number of valid terms, zeros included (or their weights' sum); detached
    active: scalar, the number of terms above 0; None where the notion is empty (terms that are never 0)
    """

    total: Tensor
    count: Tensor  # type: ignore[assignment]
    active: Tensor | None = None


class Own(NamedTuple):
    """Columns of one row alone: generated negatives and positives, or the partners of ready triplets.

    vectors (B, K, D); positives, negatives (B, K) bool; a column in neither is padding.
    """

    vectors: Tensor
    positives: Tensor
    negatives: Tensor

    @classmethod
    def triplets(cls, positives: Tensor, negatives: Tensor) -> Own:
        """One positive and one negative a row: (B, D), (B, D) -> Own of two columns."""
        first = torch.tensor([True, False], device=positives.device).expand(len(positives), 2)
        return cls(torch.stack([positives, negatives], 1), first, ~first)


class Block(NamedTuple):
    """All that a loss may look at: b anchors against R shared and K own columns.

    distances:  (b, R + K), row = anchor, smaller = nearer
    positives:  (b, R + K) bool, kin of the anchor; the anchor itself is in neither mask
    negatives:  (b, R + K) bool
    weights:    (b, R + K) weights of the positive pairs where the pairs rule is graded, else None (all 1)
    labels:     (b,) class indices of the anchors, or None where kin is not decided by class indices
    anchors:    (b, D) anchors in the distance's space
    references: (R, D) shared columns in the distance's space
    own:        (b, K, D) own columns in the distance's space, or None
    noise:      (b, T) uniforms in [0, 1) for random miners, or None
    row:        (b,) what `prepare` said of the anchors, or None
    column:     (R,) what `prepare` said of the shared columns, or None
    """

    distances: Tensor
    positives: Tensor
    negatives: Tensor
    weights: Tensor | None
    labels: Tensor | None
    anchors: Tensor
    references: Tensor
    own: Tensor | None
    noise: Tensor | None
    row: Tensor | None
    column: Tensor | None


AS_IT_IS = nullcontext()
"""A context that changes nothing."""


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """A context without autocast on that device; nothing where autocast is off anyway."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return AS_IT_IS


def cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    """`x` in that dtype; the very tensor where it is: even a `to` that does nothing takes as long as a small step."""
    return x if x.dtype == dtype else x.to(dtype)


def unrounded(number: float, dtype: torch.dtype) -> float:
    """What rounding to that dtype takes off a number: 1.2 is 5e-8 less than what float32 has for it, which small differences
    to it would all be off by.

    >>> f"{unrounded(1.2, torch.float32):.1e}"
    '-4.8e-08'
    """
    return number - float(np.float32(number)) if dtype == torch.float32 else 0.0


def numbers(*values: Tensor) -> list[Any]:
    """Scalars of one dtype as Python has them, after one wait for the device."""
    if not values or values[0].device.type == "cpu":
        return [each.item() for each in values]
    return torch.stack(values).tolist()


def masked_sum(values: Tensor, mask: Tensor) -> Tensor:
    """Row sums over the mask, (b, C) -> (b,); 0 for an empty row, whatever stands outside the mask."""
    return torch.where(mask, values, 0).sum(1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Row means over the mask, (b, C) -> (b,); 0 for an empty row."""
    return masked_sum(values, mask) / mask.sum(1).clamp(min=1)


def masked_logsumexp(values: Tensor, mask: Tensor) -> Tensor:
    """log sum exp of each row over the mask, (b, C) -> (b,); -inf with zero gradient for an empty row.

    >>> masked_logsumexp(torch.zeros(2, 2), torch.tensor([[True, True], [False, False]]))
    tensor([0.6931,   -inf])
    """
    some = mask.any(1)
    kept = values.masked_fill(~mask, -torch.inf).masked_fill(~some[:, None], 0)
    return torch.where(some, kept.logsumexp(1), -torch.inf)


def masked_argmax(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Index of the largest value of each row over the mask (ties: the lowest), and whether there is one: (b,), (b,)."""
    filled = values.masked_fill(~mask, -torch.inf)
    best = filled.amax(1, keepdim=True) if values.shape[1] else filled.new_full((len(values), 1), -torch.inf)
    return _first(filled == best, mask)


def masked_argmin(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Index of the smallest value of each row over the mask (ties: the lowest), and whether there is one: (b,), (b,)."""
    return masked_argmax(-values, mask)


def _first(best: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    if best.shape[1] == 0:
        return best.new_zeros(len(best), dtype=torch.int64), best.new_zeros(len(best))
    order = torch.arange(best.shape[1], device=best.device)
    index = torch.where(best & mask, order, best.shape[1]).amin(1)
    return index.clamp(max=best.shape[1] - 1), mask.any(1)


def log1p_exp(z: Tensor) -> Tensor:
    """log(1 + e^z), and 0 at -inf. Twice differentiable: the second slope of `logaddexp` is NaN in float32 below -44.

    Above 40 it is z to the last digit of a float64; the default of `softplus`, 20, is off there.
    """
    return torch.nn.functional.softplus(z, threshold=40)


def added(values: Tensor) -> Tensor:
    """The sum of all values, in float64 where the device has it."""
    return values.sum(dtype=torch.float32 if values.device.type == "mps" else torch.float64)


def traced() -> bool:
    """Whether torch.compile or a transform of `torch.func` looks on: then no shape and no branch may depend on values."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
