"""Regularisers: small terms beside a loss, as members of a `Sum`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nearkin.core import InputError, flag, non_negative
from nearkin.core.tensors import Terms, added
from nearkin.distances import Cosine, Distance, squared_distances, wide
from nearkin.losses.outside import BatchLoss, each


class ZeroMean(BatchLoss):
    """Zero-mean regulariser of the signal-to-noise distance [SNR-3].

    Equation:  mean over samples of |sum_m h_im|; relative: |sum_m h_im| / (sqrt(D) |h_i|), within 0..1, 0 for a zero row
    relative:  default False, the published form. It is homogeneous, SNR is not: shrinking all embeddings lowers it and
               costs nothing, so prefer relative=True where nothing else bounds their size
    Use:       `Sum([Triplet(distance="snr"), (ZeroMean(), 0.005)])`; 0.005 is usual. Labels are not read
    What for:  SNR subtracts each row's mean, so it is right without this; only its reading as a ratio of Euclidean
               distances (document 004 eq 10) needs rows of mean zero
    Source:    announced in document 004 section 4.3, not printed; Yuan et al. 2019
    """

    needs_labels = False

    def __init__(self, relative: bool = False, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.relative = flag("relative", relative)

    def terms(self, rows: Tensor, labels: Tensor | None) -> Terms:
        sums = wide(rows).sum(1)
        if self.relative:
            squared = wide(rows).square().sum(1)
            sums = sums / (torch.where(squared > 0, squared, 1).sqrt() * math.sqrt(rows.shape[1]))
        total: Tensor = torch.linalg.vector_norm(sums, 1)
        return Terms(total, torch.full_like(total.detach(), len(sums)))

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"relative={self.relative}, {super().extra_repr()}"


class EnergyConfusion(BatchLoss):
    """Energy confusion: the mean squared distance between classes, which is *reduced* [ECA-1].

    Equation:  mean over unordered pairs of classes of the mean |u(x) - u(z)|^2 over members x of one, z of the other;
               "sum" adds over pairs of classes. Within 0..4. Needs two classes
    Use:       added to a loss, `Sum([loss, (EnergyConfusion(), 0.01)])`: it draws classes together, so that features
               do not fit the training classes alone. Alone it collapses everything
    Differs:   the paper lets it move the feature extractor only and not the embedding layer; here it moves what the
               loss moves. Its weights are not given; 0.01 is ours
    Memory:    N x N. Outside the engine: a term is a pair of classes, not a row
    Source:    Chen and Deng 2019
    """

    @property
    def distance(self) -> Distance:
        """Cosine: only directions are read."""
        return Cosine()

    def terms(self, rows: Tensor, labels: Tensor | None) -> Terms:
        if labels is None:
            raise RuntimeError("labels are asked for before")
        directions = Cosine().project(wide(rows))
        squared = squared_distances(directions, directions, rows.dtype)
        same = labels[:, None] == labels[None]
        sizes = same.sum(1).to(torch.float64 if rows.device.type != "mps" else torch.float32)
        shares = torch.where(same, 0, 1 / (sizes[:, None] * sizes[None]))  # sums to ordered pairs of classes
        return Terms(added(squared * shares) / 2, added(shares) / 2)


class EmbeddingNorm(BatchLoss):
    """Length of embeddings: a penalty on their norm, or on its distance from a target.

    Equation:  mean over samples of | |h_i|_order - target |^power
    target:    default 0: embeddings are drawn to 0 (L2 as it stands); 1 keeps them near the unit sphere without
               normalising them
    order:     of the norm, at least 1; default 2, Euclidean
    power:     at least 1; default 2. The slope is 0 at the target
    Use:       beside a loss that lets embeddings grow, such as N-pair on inner products:
               `Sum([NPair(), (EmbeddingNorm(), 0.001)])`. N-pair's own `l2` weighs by pairs, this by samples. Labels are
               not read
    Source:    Sohn 2016 for target 0; with order and power as in pytorch-metric-learning's LpRegularizer (whose power is 1)
    """

    needs_labels = False

    def __init__(self, target: float = 0.0, *, order: float = 2.0, power: float = 2.0, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.target = non_negative("target", target)
        self.order, self.power = _at_least_one("order", order), _at_least_one("power", power)

    def terms(self, rows: Tensor, labels: Tensor | None) -> Terms:
        lengths: Tensor = torch.linalg.vector_norm(wide(rows), self.order, dim=1)
        costs = (lengths - self.target).abs() ** self.power
        return each(costs)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"target={self.target:g}, order={self.order:g}, power={self.power:g}, {super().extra_repr()}"


class EqualNorms(BatchLoss):
    """Equal lengths: the variance of the embeddings' norms, whatever their mean.

    Equation:  mean over samples of (|h_i| - mean_j |h_j|)^2; squared: of (|h_i|^2 - mean_j |h_j|^2)^2 / 4
    squared:   default False. True is the published form, of fourth order in the embeddings: it overflows sooner, and weighs
               long ones more
    Use:       `Sum([loss, (EqualNorms(), 0.01)])`, where a distance sees lengths and should not sort by them. Shrinking all
               embeddings lowers it: not for a loss that lets them shrink. Labels are not read
    Source:    Wu et al. 2017 (center invariant loss), there on the centres of classes
    """

    needs_labels = False

    def __init__(self, squared: bool = False, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.squared = flag("squared", squared)

    def terms(self, rows: Tensor, labels: Tensor | None) -> Terms:
        lengths: Tensor = torch.linalg.vector_norm(wide(rows), dim=1)
        sizes = wide(rows).square().sum(1) / 2 if self.squared else lengths
        costs = (sizes - sizes.sum() / max(len(sizes), 1)).square()
        return each(costs)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"squared={self.squared}, {super().extra_repr()}"


class Decorrelation(BatchLoss):
    """Decorrelation: components of the embeddings should not say the same.

    Equation:  mean over pairs of components k != l of r_kl^2, r the correlation over the batch, within 0..1; a component
               that is constant has correlation 0. Without `relative`: (1/D) sum_{k != l} C_kl^2, C the covariance with
               divisor N - 1
    relative:  default True. The covariance is of fourth order in the embeddings: shrinking them lowers it
    Use:       `Sum([loss, (Decorrelation(), 0.1)])`. With fewer samples than components correlations cannot all be 0. Needs
               two samples; labels are not read
    Source:    Cogswell et al. 2016; the covariance term of Bardes, Ponce and LeCun 2022. The weight is to be searched
    """

    needs_labels = False

    def __init__(self, relative: bool = True, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.relative = flag("relative", relative)

    def terms(self, rows: Tensor, labels: Tensor | None) -> Terms:
        count, dimensions = rows.shape
        centred = wide(rows) - wide(rows).sum(0) / max(count, 1)
        if self.relative:
            squared = centred.square().sum(0)
            moves = squared > (SMALLEST * max(count, 1) * wide(rows).detach().square().sum(0))
            centred = torch.where(moves, centred / torch.where(moves, squared, 1).sqrt(), 0)
        spread = centred.T @ centred / (1 if self.relative else max(count - 1, 1))
        other = ~torch.eye(dimensions, dtype=torch.bool, device=rows.device)
        costs = torch.where(other, spread.square(), 0)
        number = dimensions * (dimensions - 1) if self.relative else dimensions
        return Terms(added(costs), added(costs[:0]).detach() + (number if count > 1 else 0))

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"relative={self.relative}, {super().extra_repr()}"


SMALLEST = 1e-28
"""Share of its squares below which a component's variance is rounding: it is constant."""


def _at_least_one(name: str, value: object) -> float:
    number = non_negative(name, value)
    if number < 1:
        raise InputError(f"{name} must be a number of at least 1, got {value!r}")
    return number
