"""Which (anchor, positive, negative) of a labelled batch negatives are generated for [DML-4, DML-6]."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nearkin.core import InputError, InputTypeError
from nearkin.core.tensors import Block
from nearkin.distances import compute_dtype, wide
from nearkin.losses import RowLoss
from nearkin.losses.lifted import Lifted
from nearkin.mining import Miner


class Rows(NamedTuple):
    """Positions in the batch, each (E, M, K): M pairs, K negatives of each, E = 2 where both members are anchors."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor

    def flat(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Anchors, positives, negatives of `rows` (B, d), each (E M K, d)."""
        anchor, positive, negative = (rows[index.reshape(-1)] for index in self)
        return anchor, positive, negative

    def __bool__(self) -> bool:
        return bool(self.anchor.numel())


def has_two_ends(base: RowLoss) -> bool:
    """Whether a pair's loss reads the negatives of both its members (the lifted structured loss)."""
    return isinstance(base, Lifted)


def select_rows(
    base: RowLoss,
    embeddings: Tensor,
    labels: Tensor,
    *,
    generator: torch.Generator | None = None,
    max_generated: int | None = None,
) -> Rows:
    """The rows of a batch, as the base loss pairs it; detached.

    - A loss of N-pair input: the first two members of every class are a pair, its negatives the positives of the other
      pairs; lifted: both members of the other pairs, for both members.
    - A loss with a miner: the triplets that the miner chooses among the embeddings (B, D).
    - Any other: every ordered positive pair, with one negative drawn at random.

    generator:      draws negatives, a random miner's numbers, and what `max_generated` keeps
    Errors:         InputError for labels that are not integers (B,), or a missing generator
    """
    labels = checked_labels(embeddings, labels)
    with torch.no_grad():
        if base.tuples or has_two_ends(base):
            rows = _tuples(labels, both=has_two_ends(base))
        else:
            miner = getattr(base, "mining", None)
            if isinstance(miner, Miner):
                rows = _mined(base, miner, embeddings.detach(), labels, generator)
            else:
                rows = _random(labels, generator)
        return rows if max_generated is None else _capped(rows, max_generated, generator)


def first_two(labels: Tensor) -> Tensor:
    """Positions of the first two members of each class that has two, in order of the label: (M, 2).

    >>> first_two(torch.tensor([7, 3, 7, 3, 3, 9])).tolist()
    [[1, 3], [0, 2]]
    """
    order = labels.argsort(stable=True)
    ordered = labels[order]
    start = torch.searchsorted(ordered, ordered) == torch.arange(len(labels), device=labels.device)
    start[:-1] &= ordered[:-1] == ordered[1:]
    start[-1:] = False
    at = start.nonzero()[:, 0]
    return torch.stack([order[at], order[at + 1]], 1)


def _tuples(labels: Tensor, both: bool) -> Rows:
    pairs = first_two(labels)
    count = len(pairs)
    others = torch.arange(count, device=labels.device).repeat(count, 1)
    others = others[~torch.eye(count, dtype=torch.bool, device=labels.device)].reshape(count, max(count - 1, 0))
    members = pairs[others].flatten(1) if both else pairs[others][..., 1]
    ends = [pairs, pairs.flip(1)] if both else [pairs]
    shape = members.shape
    return Rows(
        torch.stack([end[:, :1].expand(shape) for end in ends]),
        torch.stack([end[:, 1:].expand(shape) for end in ends]),
        torch.stack([members] * len(ends)),
    )


def _mined(base: RowLoss, miner: Miner, embeddings: Tensor, labels: Tensor, generator: torch.Generator | None) -> Rows:
    projected = base.distance.project(wide(embeddings))
    distances = base.distance.between(projected, projected, compute_dtype(embeddings))
    positives, negatives = kin_and_strangers(labels)
    noise = _uniforms((len(labels), miner.uniforms), labels.device, generator) if miner.uniforms else None
    rows = projected.to(distances.dtype)
    block = Block(distances, positives, negatives, None, labels, rows, rows, None, noise, None, None)
    chosen = miner.choose_in(block)
    anchor, place = chosen.valid.nonzero(as_tuple=True)
    return _single(anchor, chosen.positive[anchor, place], chosen.negative[anchor, place])


def _random(labels: Tensor, generator: torch.Generator | None) -> Rows:
    positives, negatives = kin_and_strangers(labels)
    anchor, positive = (positives & negatives.any(1, keepdim=True)).nonzero(as_tuple=True)
    ordered = negatives.int().argsort(dim=1, descending=True, stable=True)
    counts = negatives.sum(1)[anchor]
    rank = (_uniforms((len(anchor),), labels.device, generator) * counts).long()
    return _single(anchor, positive, ordered[anchor, torch.minimum(rank, counts - 1)])


def kin_and_strangers(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Positives and negatives within a batch, (B, B) each; a sample is in neither of its own."""
    same = labels[:, None] == labels
    return same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same


def _single(anchor: Tensor, positive: Tensor, negative: Tensor) -> Rows:
    return Rows(anchor[None, :, None], positive[None, :, None], negative[None, :, None])


def _capped(rows: Rows, most: int, generator: torch.Generator | None) -> Rows:
    """At most about `most` rows: fewer negatives a pair, the same for both ends, or where there is one fewer pairs."""
    ends, pairs, each = rows.anchor.shape
    if rows.anchor.numel() <= most:
        return rows
    if each == 1:
        kept = _uniforms((pairs,), rows.anchor.device, generator).argsort()[:most].sort().values
        return Rows(*(index[:, kept] for index in rows))
    wanted = min(each, max(1, most // (ends * pairs)))
    kept = (
        _uniforms((pairs, each), rows.anchor.device, generator).argsort(dim=1)[:, :wanted].expand(ends, pairs, wanted)
    )
    return Rows(*(index.gather(2, kept) for index in rows))


def _uniforms(shape: tuple[int, ...], device: torch.device, generator: torch.Generator | None) -> Tensor:
    if generator is None:
        raise InputError("negatives are drawn at random: pass generator=torch.Generator().manual_seed(...)")
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64).to(device)


def checked_labels(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Integer labels (B,), where the embeddings (B, D) are."""
    if not isinstance(labels, Tensor) or labels.dtype.is_floating_point or labels.shape != (len(embeddings),):
        given = (
            f"{labels.dtype} of shape {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        )
        raise InputTypeError(f"labels must be integers of shape ({len(embeddings)},), got {given}")
    return labels.to(embeddings.device)
