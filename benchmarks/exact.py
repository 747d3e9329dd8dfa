"""Losses in float64, row by row and without haste: what value and gradient have to be."""

from __future__ import annotations

from collections.abc import Callable

import torch
from batches import Batch
from harness import Answer
from torch import Tensor

RowLoss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(distances to the positives, distances to the negatives) of one anchor -> (sum of its terms, number of its terms)."""


def euclidean(rows: Tensor) -> Tensor:
    """Distances by differences, no products."""
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")


def by_anchors(batch: Batch, loss: RowLoss, distance: Callable[[Tensor], Tensor] = euclidean) -> Answer:
    """The mean of all terms, and its gradient; an anchor's derivatives are taken one anchor at a time."""
    rows = batch.rows.detach().double().requires_grad_()
    matrix = distance(rows)
    slopes, total, count = torch.zeros_like(matrix), 0.0, 0.0
    everybody = torch.arange(len(rows), device=rows.device)
    for i in range(len(rows)):
        kin = batch.labels == batch.labels[i]
        positive, negative = (kin & (everybody != i)).nonzero()[:, 0], (~kin).nonzero()[:, 0]
        near, far = (matrix[i, side].detach().requires_grad_() for side in (positive, negative))
        terms, number = loss(near, far)
        to_near, to_far = torch.autograd.grad(terms + 0 * near.sum() + 0 * far.sum(), (near, far))
        slopes[i, positive], slopes[i, negative] = to_near, to_far
        total, count = total + float(terms), count + float(number)
    matrix.backward(slopes / max(count, 1))
    return {"value": total / max(count, 1), "gradient": _gradient(rows)}


def whole(batch: Batch, loss: Callable[[Tensor, Tensor], Tensor]) -> Answer:
    """A loss written over the whole batch in float64, differentiated by autograd."""
    rows = batch.rows.detach().double().requires_grad_()
    value = loss(rows, batch.labels)
    value.backward()
    return {"value": value.detach(), "gradient": _gradient(rows)}


def _gradient(rows: Tensor) -> Tensor:
    if rows.grad is None:
        raise RuntimeError("the oracle has no gradient")
    return rows.grad


def all_triplets(margin: float) -> RowLoss:
    """[d_ap - d_an + m]_+ over every positive and negative, zeros counted."""

    def loss(near: Tensor, far: Tensor) -> tuple[Tensor, Tensor]:
        return torch.relu(near[:, None] - far + margin).sum(), torch.tensor(len(near) * len(far))

    return loss


def band(margin: float) -> RowLoss:
    """The triplets with d_ap < d_an < d_ap + m, those above 0 counted."""

    def loss(near: Tensor, far: Tensor) -> tuple[Tensor, Tensor]:
        z = near[:, None] - far
        terms = torch.where((z < 0) & (z + margin > 0), z + margin, 0)
        return terms.sum(), (terms > 0).sum()

    return loss


def batch_hard(margin: float) -> RowLoss:
    """The farthest positive and the nearest negative."""

    def loss(near: Tensor, far: Tensor) -> tuple[Tensor, Tensor]:
        if not len(near) or not len(far):
            return near.sum() * 0, torch.tensor(0)
        return torch.relu(near.max() - far.min() + margin), torch.tensor(1)

    return loss


def semi_hard(margin: float) -> RowLoss:
    """FaceNet's rule: for each positive the nearest negative strictly farther, else the farthest negative."""

    def loss(near: Tensor, far: Tensor) -> tuple[Tensor, Tensor]:
        if not len(near) or not len(far):
            return near.sum() * 0, torch.tensor(0)
        farther = torch.where(far > near[:, None], far, torch.inf).amin(1)
        chosen = torch.where(farther.isinf(), far.max(), farther)
        return torch.relu(near - chosen + margin).sum(), torch.tensor(len(near))

    return loss
