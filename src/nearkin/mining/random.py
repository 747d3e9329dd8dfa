"""Random triplets."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import InputError, integer
from nearkin.mining.choice import Chosen, Miner


class Random(Miner):
    """Random triplets [TRI-6]: t an anchor, p uniform in P(a), n uniform in N(a), with replacement.

    The numbers come as `noise` (b, 2 t) in [0, 1), so that a traced or repeated call draws the same.
    """

    def __init__(self, triplets: int = 1) -> None:
        self.triplets = integer("triplets", triplets, minimum=1)

    @property
    def uniforms(self) -> int:  # type: ignore[override]
        """Numbers an anchor: one for the positive and one for the negative of each triplet."""
        return 2 * self.triplets

    def choose(self, distances: Tensor, positives: Tensor, negatives: Tensor, noise: Tensor | None) -> Chosen:
        if noise is None:
            raise InputError("random mining needs noise (b, 2 t) in [0, 1)")
        positive, has_positive = _drawn(positives, noise[:, : self.triplets])
        negative, has_negative = _drawn(negatives, noise[:, self.triplets :])
        return Chosen(positive, negative, (has_positive & has_negative).expand(positive.shape))


def _drawn(mask: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """A uniform choice of each row's True columns, (b, t), and whether there is one, (b, 1)."""
    counts = mask.sum(1, keepdim=True)
    rank = torch.minimum((noise * counts).long(), counts - 1).clamp(min=0)
    column = torch.searchsorted(mask.long().cumsum(1), rank + 1)
    return column.clamp(max=max(mask.shape[1] - 1, 0)), counts > 0
