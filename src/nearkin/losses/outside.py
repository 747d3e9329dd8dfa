"""The face of losses that stand outside the engine of rows: the same calls, without columns."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from nearkin.core import InputError, choice
from nearkin.core.tensors import Terms, added, full_precision, traced
from nearkin.distances import Distance, Euclidean, compute_dtype
from nearkin.losses.engine import Measure, RowLoss
from nearkin.losses.finite import check_value
from nearkin.losses.given import check_rows
from nearkin.losses.group import as_group, gathered
from nearkin.pairs import as_values


class OutsideLoss(nn.Module):
    """A loss that is no mean over rows of anchors: `loss(embeddings, labels)` and `loss.measure(...)`, as everywhere.

    It has no blocks, no references and no own columns; where it has a state (centres, a memory) the state is in
    `state_dict` and moves once a call, in training mode only.
    """

    uniforms: int = 0
    tuples: bool = False
    takes_columns: bool = False
    """Whether the call takes references, own columns and triplets, as a row loss does."""

    @property
    def distance(self) -> Distance:
        """The distance in which embeddings of this loss are near or far; Euclidean by default."""
        return Euclidean()

    def forward(
        self,
        embeddings: Tensor,
        labels: Any = None,
        *,
        ids: Tensor | None = None,
        generator: torch.Generator | None = None,
        group: Any = None,
    ) -> Tensor:
        """The loss of a batch, a scalar in float32 (in float64 for float64 embeddings).

        embeddings: (N, D); labels: (N,) integers
        ids:        (N,) integers that say which sample is which, where the loss remembers samples
        generator:  what random numbers are drawn from, where the loss draws
        group:      a torch.distributed group that shares the batch: the value is the joint one, the gradient is this
                    process's share times the number of processes (DDP averages)
        """
        return self._seen(embeddings, labels, group)[0]

    def measure(
        self,
        embeddings: Tensor,
        labels: Any = None,
        *,
        ids: Tensor | None = None,
        generator: torch.Generator | None = None,
        group: Any = None,
    ) -> Measure:
        """The same with what happened in it."""
        value, rows, known = self._seen(embeddings, labels, group)
        return Measure(value, None, *pair_means(self.distance, rows, known))

    def _seen(self, embeddings: Tensor, labels: Any, group: Any) -> tuple[Tensor, Tensor, Tensor | None]:
        """The value, and the rows and labels that it was made of; not asked of a loss with a call of its own."""
        raise NotImplementedError(f"{type(self).__name__} needs a value: override forward and measure")


Loss = RowLoss | OutsideLoss
"""Any loss of the library. A parameter so annotated may be a section of its own in a recipe."""


class BatchLoss(OutsideLoss):
    """A mean of terms that are made of the batch as a whole, `terms(rows, labels) -> Terms`.

    Over several processes every one sees the joint batch: values and gradients are those of one process with it.
    """

    needs_labels: bool = True
    reductions: tuple[str, ...] = ("mean", "sum")

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = choice("reduction", reduction, self.reductions)
        self._said_empty = False

    def terms(self, rows: Tensor, labels: Tensor | None) -> Terms:
        """The sum of the terms of the joint batch and their number; rows (N, D) in float32 or float64."""
        raise NotImplementedError(f"{type(self).__name__} needs terms(rows, labels) -> Terms")

    def after(self, rows: Tensor, labels: Tensor | None) -> None:
        """Called once a call in training mode, without gradient: where a state moves."""

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"reduction={self.reduction!r}"

    def _seen(self, embeddings: Tensor, labels: Any, group: Any) -> tuple[Tensor, Tensor, Tensor | None]:
        """The value, and the joint batch."""
        check_rows("embeddings", embeddings)
        mine = None if labels is None and not self.needs_labels else class_indices(labels, embeddings)
        shared = as_group(group)
        rows, _ = gathered(embeddings.to(compute_dtype(embeddings)), shared)
        known = None if mine is None else gathered(mine, shared)[0]
        with full_precision(rows.device):
            terms = self.terms(rows, known)
            total = terms.total if terms.total.requires_grad else terms.total + added(rows[:0])  # in the graph anyway
            value = (total / self._divisor(terms.count)).to(rows.dtype)
        if not traced() and not math.isfinite(value.detach()):
            check_value(type(self).__name__, value)
        if self.training and type(self).after is not BatchLoss.after:
            with torch.no_grad():
                self.after(rows.detach(), known)
        return value, rows, known

    def _divisor(self, count: Tensor) -> Tensor | float:
        """What the sum of `count` terms is divided by; says so once where there are none."""
        if traced():
            return 1.0 if self.reduction == "sum" else torch.where(count > 0, count.detach(), 1)
        number = float(count)
        if not number and not self._said_empty:
            self._said_empty = True
            say_empty(self)
        return 1.0 if self.reduction == "sum" else number or 1.0


def each(costs: Tensor) -> Terms:
    """The mean of all costs (N,): a term each."""
    total = added(costs)
    return Terms(total, torch.full_like(total.detach(), len(costs)))


def class_labels(embeddings: Tensor, labels: Any) -> Tensor:
    """Labels (N,) as integers, after a look at the embeddings."""
    check_rows("embeddings", embeddings)
    return class_indices(labels, embeddings)


def class_indices(labels: Any, embeddings: Tensor) -> Tensor:
    """Labels (N,) of embeddings as integers."""
    if labels is None:
        raise InputError("labels are missing: give integers (N,)")
    values = as_values("labels", labels, len(embeddings), embeddings.device)
    if values.dim() != 1:
        raise InputError(f"labels must be class indices of shape ({len(embeddings)},), got {tuple(values.shape)}")
    return values


def pair_means(distance: Distance, embeddings: Tensor, labels: Tensor | None) -> tuple[float, float]:
    """Mean distance of the positive and of the negative pairs of a batch; NaN without one."""
    if labels is None:
        return float("nan"), float("nan")
    with torch.no_grad():
        distances = distance(embeddings)
        same = labels[:, None] == labels[None]
        other = ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        return tuple(float(added(distances[mask]) / mask.sum()) for mask in (same & other, ~same))  # type: ignore[return-value]


def say_empty(loss: nn.Module) -> None:
    """Warn that a batch has nothing for this loss."""
    warnings.warn(
        f"{type(loss).__name__}: this batch has no valid term (no sample, or no second class where pairs of classes "
        "count); its loss is 0. Said once.",
        stacklevel=4,
    )
