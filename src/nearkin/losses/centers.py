"""Losses with a centre a class: contrastive-center and center loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nearkin.core import InputError, choice, derived_seed, integer, non_negative, positive
from nearkin.core.tensors import Terms, numbers, traced
from nearkin.distances import squared_distances, wide
from nearkin.losses.outside import BatchLoss, each


class _Centers(BatchLoss):
    """Centres (classes, dimensions), drawn normal with variance 1 / dimensions: about as long as unit vectors."""

    centers: Tensor | None

    def __init__(
        self, classes: int | None, dimensions: int | None, *, seed: int | None, learned: bool, reduction: str
    ) -> None:
        super().__init__(reduction=reduction)
        self.classes = None if classes is None else integer("classes", classes, minimum=1)
        self.dimensions = None if dimensions is None else integer("dimensions", dimensions, minimum=1)
        self.seed = integer("seed", 0 if seed is None else seed)
        drawn = None
        if self.classes is not None and self.dimensions is not None:
            generator = torch.Generator().manual_seed(derived_seed(self.seed, "centers"))
            drawn = torch.randn(self.classes, self.dimensions, generator=generator) / math.sqrt(self.dimensions)
        if learned:
            self.register_parameter("centers", None if drawn is None else nn.Parameter(drawn))
        else:
            self.register_buffer("centers", drawn)

    def checked(self, rows: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """The centres and the labels, after a look at what they must fit."""
        if labels is None:
            raise RuntimeError("labels are asked for before")
        return check_classes(self, self.centers, rows, labels), labels

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"classes={self.classes}, dimensions={self.dimensions}, seed={self.seed}, {super().extra_repr()}"


def check_classes(
    loss: nn.Module, table: Tensor | None, rows: Tensor, labels: Tensor | None, per_class: int = 1
) -> Tensor:
    """A table with `per_class` rows a class, or an InputError where table, rows and labels (if any) do not fit."""
    name = type(loss).__name__
    if table is None:
        raise InputError(f"{name} has a row a class: give classes= and dimensions= (a recipe fills them in)")
    if rows.shape[1] != table.shape[1]:
        raise InputError(f"{name} was made for {table.shape[1]} dimensions, the embeddings have {rows.shape[1]}")
    if labels is not None and len(labels) and not traced():
        low, high = numbers(*torch.aminmax(labels))
        classes = len(table) // per_class
        if low < 0 or high >= classes:
            raise InputError(f"labels of {name} must be class indices 0..{classes - 1}, got {low}..{high}")
    return table


class ContrastiveCenter(_Centers):
    """Contrastive-center loss: near the centre of one's class, compared with the distances to all others [CTC-1].

    Equation:  1/2 |x_i - c_y|^2 / (sum_{j != y} |x_i - c_j|^2 + delta), averaged over samples; "sum" as printed
    denominator: "sum" (default, as printed) or "mean" over the other classes. With many classes the sum makes the term
               idle: about 2e-5 with 1000 classes on unit vectors
    delta:     default 1, or 1e-6 with denominator="mean"
    classes, dimensions: of the centres, which are trained like weights; a recipe fills them in. Labels are 0..classes-1
    seed:      of the first centres, default 0
    Source:    document 002 section 2, which calls it centre loss; Qi and Su 2017 eq 4
    """

    def __init__(
        self,
        classes: int | None = None,
        dimensions: int | None = None,
        *,
        denominator: str = "sum",
        delta: float | None = None,
        seed: int | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(classes, dimensions, seed=seed, learned=True, reduction=reduction)
        self.denominator = choice("denominator", denominator, ("sum", "mean"))
        given = (1.0 if self.denominator == "sum" else 1e-6) if delta is None else delta
        self.delta = positive("delta", given)

    def terms(self, rows: Tensor, labels: Tensor | None) -> Terms:
        centers, labels = self.checked(rows, labels)
        wider = wide(rows)  # rows far from all centres move by differences of nearly equal distances
        squared = squared_distances(wider, wide(centers), wider.dtype)
        own = labels[:, None] == torch.arange(len(centers), device=rows.device)
        spread = torch.where(own, 0, squared).sum(1)
        if self.denominator == "mean":
            spread = spread / max(len(centers) - 1, 1)
        costs = torch.where(own, squared, 0).sum(1) / 2 / (spread + self.delta)
        return each(costs)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"denominator={self.denominator!r}, delta={self.delta:g}, {super().extra_repr()}"


class Center(_Centers):
    """Center loss: near the centre of one's class [CTC-2].

    Equation:  1/2 |x_i - c_y|^2, averaged over samples
    update:    "gradient" (default): centres are trained like weights, with the rate of the loss's parameters;
               "rule": c_j <- c_j - a sum_{i: y_i = j} (c_j - x_i) / (1 + n_j), once a call in training mode, the paper's
    rate:      a of the rule, default 0.5
    classes, dimensions: of the centres; a recipe fills them in. Labels are 0..classes-1
    seed:      of the first centres, default 0
    Use:       alone it collapses everything to a point: `Joint(metric=Center(...), weight=0.003, normalize=False)`
    Source:    Wen et al. 2016 eq 2-4
    """

    def __init__(
        self,
        classes: int | None = None,
        dimensions: int | None = None,
        *,
        update: str = "gradient",
        rate: float = 0.5,
        seed: int | None = None,
        reduction: str = "mean",
    ) -> None:
        self.update = choice("update", update, ("gradient", "rule"))
        super().__init__(classes, dimensions, seed=seed, learned=self.update == "gradient", reduction=reduction)
        self.rate = non_negative("rate", rate)

    def terms(self, rows: Tensor, labels: Tensor | None) -> Terms:
        centers, labels = self.checked(rows, labels)
        costs = (wide(rows) - wide(centers)[labels]).square().sum(1) / 2
        return each(costs)

    def after(self, rows: Tensor, labels: Tensor | None) -> None:
        """The paper's rule. The centres become another tensor: a traced backward may read those of the call once more."""
        if self.update == "rule":
            centers, labels = self.checked(rows, labels)
            self.centers = self.moved(rows, labels).to(centers.dtype)

    def moved(self, rows: Tensor, labels: Tensor) -> Tensor:
        """The centres (classes, dimensions) after the rule has seen a batch."""
        centers, labels = self.checked(rows, labels)
        counts = torch.zeros(len(centers), 1, dtype=rows.dtype, device=rows.device)
        counts.index_add_(0, labels, torch.ones_like(rows[:, :1]))
        pulls = torch.zeros_like(centers, dtype=rows.dtype).index_add_(0, labels, centers[labels].to(rows.dtype) - rows)
        return centers - self.rate * pulls / (1 + counts)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"update={self.update!r}, rate={self.rate:g}, {super().extra_repr()}"
