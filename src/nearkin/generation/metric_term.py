"""J_m: any loss of rows with generated negatives in place of real ones [DML-4]."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from nearkin.core.tensors import Own, Terms, added
from nearkin.distances import compute_dtype, wide
from nearkin.generation.measured import measured
from nearkin.generation.rows import has_two_ends
from nearkin.losses import Measure, RowLoss
from nearkin.mining import MiningRule


def metric_term(base: RowLoss, anchors: Tensor, positives: Tensor, negatives: Tensor) -> Measure:
    """The base loss of embedded rows: each anchor sees its own positive and its own negatives, nothing else [DML-4].

    Equation:  the base loss with own columns p_i and g_ik, k = 1..K. So for
               Triplet("squared-euclidean"):    mean_i [D(a,p)^2 - D(a,g)^2 + alpha]_+
               Contrastive(average="sides"):    (1/2N) sum_i (D(a,p)^2 + [alpha - D(a,g)]_+^2)
               NPair():                         mean_i log(1 + sum_k exp(<a,g_k> - <a,p>))
               Lifted: (1/2M) sum_i [log sum_k (exp(alpha - D(a,g_k)) + exp(alpha - D(p,g'_k))) + D(a,p)]_+^2,
               g' generated from (p, a, x_k)
    Shapes:    anchors, positives (E, M, D); negatives (E, M, K, D); E = 2 for lifted (the pair, and the pair turned
               round), else 1. Real negatives in place of generated ones give J_real
    Without rows the value is 0, in the graph. A miner of the base has chosen the rows and does not choose again
    """
    if has_two_ends(base):
        return _two_ends(base, anchors, positives, negatives)
    anchor, positive, negative = anchors[0], positives[0], negatives[0]
    if not len(anchor):
        return Measure((anchors.sum() + positives.sum() + negatives.sum()) * 0, None, math.nan, math.nan)
    kin = torch.zeros(1 + negative.shape[1], dtype=torch.bool, device=anchor.device)
    kin[0] = True
    kin = kin.expand(len(anchor), -1)
    measure: Measure = unmined(base).measure(anchor, own=Own(torch.cat([positive[:, None], negative], 1), kin, ~kin))
    return measure


def unmined(base: RowLoss) -> RowLoss:
    """The same loss, with the same parameters, over all triplets of a row."""
    if not isinstance(getattr(base, "mining", None), MiningRule) and getattr(base, "mining", None) != "semi-hard-set":
        return base
    shallow: Any = copy.copy(base)
    shallow.mining, shallow.uniforms = "all", 0
    return shallow  # type: ignore[no-any-return]


def _two_ends(base: RowLoss, anchors: Tensor, positives: Tensor, negatives: Tensor) -> Measure:
    distance, margin, count = base.distance, float(base.margin), anchors.shape[1]  # type: ignore[arg-type]
    if not count or not negatives.shape[2]:
        return Measure((anchors.sum() + positives.sum() + negatives.sum()) * 0, None, math.nan, math.nan)
    dtype = compute_dtype(anchors)
    ends = [distance.project(wide(end)) for end in anchors]
    partner = distance.project(wide(positives[0]))
    apart = distance.between(ends[0], partner[:, None], dtype)[:, 0]
    crowds = [
        distance.between(end, distance.project(wide(crowd.flatten(0, 1))).unflatten(0, crowd.shape[:2]), dtype)
        for end, crowd in zip(ends, negatives, strict=True)
    ]
    crowd = torch.cat([margin - crowd for crowd in crowds], 1).logsumexp(1)
    terms = torch.relu(crowd + apart).square() / 2
    found = Terms(added(terms), terms.new_tensor(count), added(terms.detach() > 0))
    return measured(base, found, float(apart.mean().detach()), float(torch.stack(crowds).mean().detach()), dtype)
