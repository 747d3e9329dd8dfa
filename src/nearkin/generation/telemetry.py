"""What generated negatives look like, in numbers that tell collapse, uselessness and noise apart [DML-14]."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

COLUMNS = (
    "segment", "segment_10", "segment_50", "segment_90", "off_segment", "active_adversarial", "active_real",
    "active_generated", "cosine_generated", "cosine_negatives", "kept_class", "norm_ratio", "feature_norm",
    "J_hard", "J_reg", "J_adv", "J_gen_positive",
    "gradient_cnn", "gradient_metric", "gradient_negatives", "gradient_positives",
)  # fmt: skip
"""Columns that a run with generated negatives adds to its curves; while pretraining those of generated rows are empty.

segment:           t = <g - a, n - a> / |n - a|^2: mean over rows, and its 10, 50 and 90 per cent quantiles. 0: g is the
                   anchor; 1: the real negative
off_segment:       mean of |g - a - t (n - a)| / |n - a|
active_adversarial, active_real, active_generated: shares of hinges above 0 in J_adv, and in J_m on real and generated
                   rows (empty for a base whose terms are never 0, and for J_adv without weight)
cosine_generated, cosine_negatives: mean cosine between two different g, and between two different n
kept_class:        share of g whose nearest running class mean is that of n's class
norm_ratio:        mean |g| / mean |n|; feature_norm: mean |x| of the batch
J_...:             the generators' terms
gradient_...:      norm of the gradient that each group was moved by
"""


@torch.no_grad()
def shape_of(anchor: Tensor, negative: Tensor, made: Tensor) -> dict[str, float]:
    """Where generated negatives lie, from features (R, d): the first six and the norms of `COLUMNS`."""
    if not len(made):
        return {}
    anchor, negative, made = anchor.double(), negative.double(), made.double()
    along, step = negative - anchor, made - anchor
    length = along.square().sum(1)
    apart = length > 1e-24
    t = (step * along).sum(1) / torch.where(apart, length, 1)
    off = (step - t[:, None] * along).norm(dim=1) / torch.where(apart, length, 1).sqrt()
    found = {"norm_ratio": float(made.norm(dim=1).mean() / negative.norm(dim=1).mean().clamp(min=1e-12))}
    found["cosine_generated"], found["cosine_negatives"] = _mean_cosine(made), _mean_cosine(negative)
    if bool(apart.any()):
        t, off = t[apart], off[apart]
        low, middle, high = t.quantile(torch.tensor([0.1, 0.5, 0.9], dtype=t.dtype, device=t.device)).tolist()
        found |= {"segment": float(t.mean()), "segment_10": low, "segment_50": middle, "segment_90": high}
        found["off_segment"] = float(off.mean())
    return found


def _mean_cosine(rows: Tensor) -> float:
    """The mean over ordered pairs of different rows: (|sum u|^2 - sum |u|^2) / (R (R - 1))."""
    count = len(rows)
    if count < 2:
        return math.nan
    units = normalize(rows, dim=1, eps=1e-12)
    return float((units.sum(0).square().sum() - units.square().sum()) / (count * (count - 1)))
