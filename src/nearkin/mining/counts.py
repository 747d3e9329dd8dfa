"""How many triplets are easy, semi-hard and hard."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nearkin.mining.choice import positive_table


class TripletCounts(NamedTuple):
    """A partition of all valid triplets (document 002) [TRI-COUNT].

    easy:      d_an >= d_ap + margin (hinge loss 0)
    semi_hard: d_ap <= d_an < d_ap + margin
    hard:      d_an < d_ap
    """

    easy: int
    semi_hard: int
    hard: int

    @property
    def total(self) -> int:
        """All valid triplets, sum over anchors of |P| |N|."""
        return self.easy + self.semi_hard + self.hard


def count_triplets(distances: Tensor, positives: Tensor, negatives: Tensor, margin: float) -> TripletCounts:
    """Count the triplets of distances (b, C) under masks (b, C), without listing them."""
    index, valid = positive_table(positives)
    near = distances.gather(1, index)
    counts = torch.zeros(3, dtype=torch.int64)
    for k in range(index.shape[1]):
        positive, mask = near[:, k : k + 1], negatives & valid[:, k : k + 1]
        hard = mask & (distances < positive)
        easy = mask & (distances >= positive + margin)
        counts += torch.stack([easy.sum(), (mask & ~hard & ~easy).sum(), hard.sum()]).cpu()
    return TripletCounts(*counts.tolist())
