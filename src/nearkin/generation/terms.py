"""What a generator is trained for: near the anchor, near the example that it stands for, hard in embedding space."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from nearkin.generation.settings import GenerationSettings

Embed = Callable[[Tensor], Tensor]

FLOOR = 1e-12
"""Squares below it have the root of the floor and no gradient, where squares are dropped."""


class GeneratorTerms(NamedTuple):
    """The losses of one generator; `adversarial` is None for positives, `active` the share of hinges above 0."""

    near: Tensor
    regular: Tensor
    adversarial: Tensor | None
    total: Tensor
    active: float | None


def negative_terms(
    settings: GenerationSettings,
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    made: Tensor,
    seen: Tensor,
    embed: Embed,
) -> GeneratorTerms:
    """J_gen of generated negatives [DML-3].

    Equation:  J_hard = mean |g - a|^2;  J_reg = mean |g - n|^2;  J_adv = c mean [D(g, a)^2 - D(p, a)^2 - alpha]_+
               J_gen = J_hard + lambda1 J_reg + lambda2 J_adv;  D(u, v) = |W(u) - W(v)|
               settings.squared=False drops every square, reduction="sum" every 1/N
    Shapes:    features (R, d); made is g, seen the g of J_adv (the same, or (n + g)/2); embed is W
    Source:    document 003 eq 3 and 4; Duan et al. 2018. 003 prints + alpha against the sentence after it: corrected,
               `adversarial_margin_sign` keeps the print
    """
    near = _mean(settings, _length(settings, made - anchor))
    regular = _mean(settings, _length(settings, made - negative))
    anchors = embed(anchor)
    far = _length(settings, embed(seen) - anchors)
    real = _length(settings, embed(positive) - anchors)
    hinge = torch.relu(far - real + settings.adversarial_margin_sign * settings.margin)
    adversarial = settings.factor * _mean(settings, hinge)
    total = near + settings.lambda1 * regular + settings.lambda2 * adversarial
    active = float((hinge.detach() > 0).double().mean()) if len(hinge) else 0.0
    return GeneratorTerms(near, regular, adversarial, total, active)


def positive_terms(settings: GenerationSettings, anchor: Tensor, positive: Tensor, made: Tensor) -> GeneratorTerms:
    """J_gen+ of generated positives [DML-10]: mean (|g+ - a|^2 + lambda1+ |g+ - p|^2), features (R, d).

    Its minimiser is the fixed mixture (a + lambda1+ p)/(1 + lambda1+): it adds nothing that a and p lack [DML-8.2]
    """
    near = _mean(settings, _length(settings, made - anchor))
    regular = _mean(settings, _length(settings, made - positive))
    return GeneratorTerms(near, regular, None, near + settings.lambda1_positive * regular, None)


def best_share(
    anchor_negative: float,
    anchor_positive: float,
    *,
    lambda1: float,
    lambda2: float,
    margin: float,
    factor: float = 1.0,
) -> float:
    """t of the best g = a + t (n - a) under J_gen with squares and an isometric W [DML-8.3].

    Equation:  s = [|p - a|^2 + alpha]_+;
               t = clip(sqrt(s)/|n - a|, lambda1/(1 + lambda1 + c lambda2), lambda1/(1 + lambda1))
    anchor_negative, anchor_positive: squared distances |n - a|^2 and |p - a|^2 in feature space

    >>> best_share(9.0, 0.3, lambda1=1.0, lambda2=1.0, margin=0.2)
    0.3333333333333333
    """
    low, high = lambda1 / (1 + lambda1 + factor * lambda2), lambda1 / (1 + lambda1)
    if anchor_negative <= 0:
        return high
    kink: float = (max(anchor_positive + margin, 0.0) / anchor_negative) ** 0.5
    return min(max(kink, low), high)


def _length(settings: GenerationSettings, differences: Tensor) -> Tensor:
    """Squared lengths of rows, or lengths whose slope at 0 is 0."""
    squares = differences.square().sum(1)
    return squares if settings.squared else squares.clamp(min=FLOOR).sqrt()


def _mean(settings: GenerationSettings, values: Tensor) -> Tensor:
    return values.sum() / (1 if settings.reduction == "sum" else max(len(values), 1))
