"""Sums of terms over pairs, with the pairs' weights."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core.tensors import Block, Terms, added, masked_logsumexp


def positive_weights(block: Block) -> Tensor:
    """Weights of the positive pairs (b, C), 1 where the rule is not graded; 0 elsewhere."""
    weights = block.distances.new_ones(()) if block.weights is None else block.weights.to(block.distances.dtype)
    return torch.where(block.positives, weights, 0)


def weighted_terms(values: Tensor, weights: Tensor, *, active: bool) -> Terms:
    """The mean of `values` (b, C) by `weights` (b, C); nothing is seen where the weight is 0.

    active: whether a term can be 0, so that it is told how many are not
    """
    kept = torch.where(weights > 0, values * weights, 0)
    above = added(torch.where(kept.detach() > 0, weights, 0).sum(1)) if active else None
    return Terms(added(kept.sum(1)), added(weights.sum(1)), above)


def positive_logsumexp(values: Tensor, block: Block) -> Tensor:
    """log sum_p w_p e^{values} over each row's positives, (b, C) -> (b,); -inf without one."""
    weighed = values if block.weights is None else values + positive_weights(block).log()
    return masked_logsumexp(weighed, block.positives)
