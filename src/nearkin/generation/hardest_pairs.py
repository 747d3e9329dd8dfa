"""A base loss over pairs of a class, each standing for a set of points: the nearest two points of two sets count."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nearkin.core import InputError
from nearkin.core.tensors import Block
from nearkin.distances import compute_dtype, wide
from nearkin.generation.measured import measured
from nearkin.generation.rows import checked_labels, first_two, kin_and_strangers
from nearkin.losses import Measure, RowLoss
from nearkin.losses.angular import Angular

Synthesise = Callable[[Tensor, Tensor], Tensor]
"""Ends of pairs, (M, D) each -> points of every pair, both ends among them, (M, S, D)."""


def check_base(base: RowLoss) -> None:
    """Refuse a base that computes from the vectors themselves: it would not see that synthetic points are nearer."""
    if isinstance(base, Angular):
        raise InputError(
            "Angular reads the embeddings, not their distances, and so cannot see sets of points; use another"
        )


def over_hardest_pairs(
    base: RowLoss,
    embeddings: Tensor,
    labels: Tensor,
    synthesise: Synthesise,
    generator: torch.Generator | None = None,
) -> Measure:
    """The base loss of M pairs (a_i, p_i) of one class each, with synthetic points among the negatives [DML-16].

    Equation:  row i has the positive distance d(a_i, p_i), real, and for every pair j of another class the negative
               distance min over u in S_i, v in S_j of d(u, v), S_i the points of pair i
    Pairs:     a loss of N-pair input: the first two of every class; any other: all pairs of a class (K images give
               K (K - 1)/2)
    Complexity: (S M)^2 distances at once
    Errors:    InputError for a distance that is not symmetric, or a random miner without `generator`
    """
    labels = checked_labels(embeddings, labels)
    if not base.distance.symmetric:
        raise InputError(f"sets of points need a symmetric distance, not {type(base.distance).__name__}")
    pairs = first_two(labels) if base.tuples else _all_pairs(labels)
    anchors, partners = embeddings[pairs[:, 0]], embeddings[pairs[:, 1]]
    if not len(pairs):
        return Measure(embeddings.sum() * 0, None, math.nan, math.nan)
    distance, dtype = base.distance, compute_dtype(embeddings)
    points = synthesise(anchors, partners)
    each = points.shape[1]
    projected = distance.project(wide(points.flatten(0, 1)))
    apart = distance.between(projected, projected, dtype)
    nearest = apart.unflatten(1, (-1, each)).amin(2).unflatten(0, (-1, each)).amin(1)
    ends, references = distance.project(wide(anchors)), distance.project(wide(partners))
    real = distance.between(ends, references[:, None], dtype)
    classes = labels[pairs[:, 0]]
    own = torch.eye(len(pairs), dtype=torch.bool, device=labels.device)
    block = Block(
        torch.where(own, real, nearest), own, classes[:, None] != classes, None, classes,
        ends.to(dtype), references.to(dtype), None, _noise(base, len(pairs), labels.device, generator), None, None,
    )  # fmt: skip
    if base.prepare is not None:
        crowd = base.prepare(block)
        block = block._replace(row=crowd, column=crowd)  # sets are symmetric, so both ends see the same
    distances = block.distances.detach()
    positive, negative = (float(distances[mask].mean()) for mask in (block.positives, block.negatives))
    return measured(base, base.rows(block), positive, negative, dtype)


def _all_pairs(labels: Tensor) -> Tensor:
    """Positions of every unordered pair of one class, (M, 2), the earlier first."""
    return kin_and_strangers(labels)[0].triu().nonzero()


def _noise(base: RowLoss, count: int, device: torch.device, generator: torch.Generator | None) -> Tensor | None:
    if not base.uniforms:
        return None
    if generator is None:
        raise InputError("random mining draws numbers: pass generator=torch.Generator().manual_seed(...)")
    return torch.rand(count, base.uniforms, generator=generator, device=generator.device).to(device)
