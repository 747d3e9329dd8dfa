"""Losses in float64 over the whole batch, as plain as their equations; every row has a positive and a negative."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from exact import euclidean
from torch import Tensor

Dense = Callable[[Tensor, Tensor], Tensor]
"""(rows, labels) -> the loss."""


class Pairs(NamedTuple):
    """Which ordered pairs are kin, and which are not; nobody with itself."""

    positive: Tensor
    negative: Tensor


def pairs(labels: Tensor) -> Pairs:
    kin = labels[:, None] == labels
    return Pairs(kin & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~kin)


def cosines(rows: Tensor) -> Tensor:
    unit = torch.nn.functional.normalize(rows)
    return unit @ unit.T


def log_sum(values: Tensor, mask: Tensor) -> Tensor:
    return values.masked_fill(~mask, -torch.inf).logsumexp(1)


def softplus(values: Tensor) -> Tensor:
    return torch.logaddexp(values, values.new_zeros(()))


def nt_xent(temperature: float) -> Dense:
    def loss(rows: Tensor, labels: Tensor) -> Tensor:
        kin, s = pairs(labels), cosines(rows) / temperature
        return softplus(log_sum(s, kin.negative)[:, None] - s)[kin.positive].mean()

    return loss


def sup_con(temperature: float) -> Dense:
    def loss(rows: Tensor, labels: Tensor) -> Tensor:
        kin, s = pairs(labels), cosines(rows) / temperature
        mean = torch.where(kin.positive, s, 0).sum(1) / kin.positive.sum(1)
        return (log_sum(s, kin.positive | kin.negative) - mean).mean()

    return loss


def lifted(margin: float) -> Dense:
    def loss(rows: Tensor, labels: Tensor) -> Tensor:
        kin, d = pairs(labels), euclidean(rows)
        crowd = log_sum(margin - d, kin.negative)
        return torch.relu(torch.logaddexp(crowd[:, None], crowd) + d)[kin.positive].square().mean() / 2

    return loss


def generalized_lifted(margin: float) -> Dense:
    def loss(rows: Tensor, labels: Tensor) -> Tensor:
        kin, d = pairs(labels), euclidean(rows)
        return torch.relu(log_sum(d, kin.positive) + log_sum(margin - d, kin.negative)).mean()

    return loss


def multi_similarity(positive_scale: float, negative_scale: float, base: float) -> Dense:
    def loss(rows: Tensor, labels: Tensor) -> Tensor:
        kin, s = pairs(labels), cosines(rows)
        pull = softplus(log_sum(positive_scale * (base - s), kin.positive)) / positive_scale
        push = softplus(log_sum(negative_scale * (s - base), kin.negative)) / negative_scale
        return (pull + push).mean()

    return loss


def circle(margin: float, scale: float) -> Dense:
    def loss(rows: Tensor, labels: Tensor) -> Tensor:
        kin, s = pairs(labels), cosines(rows)
        pull = -scale * torch.relu(1 + margin - s.detach()) * (s - 1 + margin)
        push = scale * torch.relu(s.detach() + margin) * (s - margin)
        return softplus(log_sum(pull, kin.positive) + log_sum(push, kin.negative)).mean()

    return loss


def contrastive(positive_margin: float, margin: float, distance: Callable[[Tensor], Tensor] = euclidean) -> Dense:
    """Each side a mean over its terms above 0."""

    def loss(rows: Tensor, labels: Tensor) -> Tensor:
        kin, d = pairs(labels), distance(rows)
        sides = torch.relu(d - positive_margin)[kin.positive], torch.relu(margin - d)[kin.negative]
        return torch.stack([side.sum() / (side > 0).sum().clamp(min=1) for side in sides]).sum()

    return loss


def angular(alpha_deg: float) -> Dense:
    t = math.tan(math.radians(alpha_deg)) ** 2

    def loss(rows: Tensor, labels: Tensor) -> Tensor:
        kin, s = pairs(labels), cosines(rows)
        i, j = kin.positive.nonzero(as_tuple=True)
        crowd = log_sum(4 * t * (s[i] + s[j]), kin.negative[i])
        return softplus(crowd - 2 * (1 + t) * s[i, j]).mean()

    return loss


def tuplet_margin(margin_deg: float, scale: float) -> Dense:
    b = math.radians(margin_deg)

    def loss(rows: Tensor, labels: Tensor) -> Tensor:
        kin, s = pairs(labels), cosines(rows)
        i, j = kin.positive.nonzero(as_tuple=True)
        slackened = (s[i, j].acos() - b).cos()
        return softplus(log_sum(scale * s, kin.negative)[i] - scale * slackened).mean()

    return loss


def snr(rows: Tensor) -> Tensor:
    """Var(z - x) / Var(x) over the components, by differences."""
    centred = rows - rows.mean(1, keepdim=True)
    return euclidean(centred).square() / centred.square().sum(1, keepdim=True)
