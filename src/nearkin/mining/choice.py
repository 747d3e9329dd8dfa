"""What a mining rule is, what a miner answers, and the table of positives that miners and counting walk over."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from nearkin.core.tensors import Block, traced
from nearkin.mining.directions import unit_distances
from nearkin.mining.doubts import Exact


class Chosen(NamedTuple):
    """T triplets an anchor, as columns of the block; where `valid` is False there is none.

    positive, negative: (b, T) int64 column indices;  valid: (b, T) bool
    """

    positive: Tensor
    negative: Tensor
    valid: Tensor


class Picked(NamedTuple):
    """T triplets an anchor out of a table of its positives.

    slot: (b, T) int64 columns of the table;  negative: (b, T) int64 columns of the block
    z:    (b, T) d_ap - d_an; -inf where there is no triplet
    """

    slot: Tensor
    negative: Tensor
    z: Tensor


class Sight(NamedTuple):
    """Who sees more than the rounding of distances: for a rule whose choice between two that are nearly alike should be exact.

    exact:     rows (m,), columns (m,) of the block -> their distances in float64
    positives: (b, P) columns of the positives
    """

    exact: Exact
    positives: Tensor

    def of_positives(self, rows: Tensor, slots: Tensor) -> Tensor:
        """The same of single numbers of the table of positives."""
        return self.exact(rows, self.positives[rows, slots])


class MiningRule:
    """A rule which triplets count: a Miner, that chooses some, or a TripletFilter, that keeps some of all.

    uniforms:   numbers an anchor that the rule draws
    directions: whether it looks at normalised embeddings, whatever the distance of the loss is
    """

    uniforms: ClassVar[int] = 0
    directions: ClassVar[bool] = False

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"


class Miner(MiningRule):
    """A rule that chooses triplets of a block. Selection is detached; the chosen distances carry the gradient."""

    def choose(self, distances: Tensor, positives: Tensor, negatives: Tensor, noise: Tensor | None) -> Chosen:
        """Triplets out of distances (b, C) and masks (b, C); `noise` (b, uniforms) where the rule draws.

        The distances are those of the loss; of a rule with `directions` those between normalised embeddings.
        """
        raise NotImplementedError

    def choose_in(self, block: Block) -> Chosen:
        """The same out of a block of the engine."""
        distances = unit_distances(block) if self.directions else block.distances.detach()
        return self.choose(distances, block.positives, block.negatives, block.noise)


def positive_table(positives: Tensor) -> tuple[Tensor, Tensor]:
    """Columns of each row's positives, padded to the longest row: indices (b, P) and which of them count (b, P).

    >>> positive_table(torch.tensor([[True, False, True], [False, False, True]]))[0]
    tensor([[0, 2],
            [2, 0]])
    """
    counts = positives.sum(1)
    if traced():
        order = torch.arange(positives.shape[1], device=positives.device).expand(positives.shape)
        return order, positives
    width = int(counts.max()) if len(counts) else 0
    rows, columns = positives.nonzero(as_tuple=True)
    slots = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
    index = torch.zeros(len(positives), width, dtype=torch.int64, device=positives.device)
    index[rows, slots] = columns
    return index, torch.arange(width, device=rows.device) < counts[:, None]
