"""Triplets over an N-tuple."""

from __future__ import annotations

from torch import Tensor

from nearkin.core import choice, non_negative
from nearkin.core.tensors import Block, Terms
from nearkin.distances import Distance
from nearkin.losses.engine import RowLoss
from nearkin.losses.triplet import Triplet
from nearkin.losses.triplet_network import TripletNetwork
from nearkin.mining import all_triplets


class TupleTriplet(RowLoss):
    """The N (N - 1) triplets of an N-tuple: anchors y_i, their positives y_i+, negatives y_j+ of the others [TUP-1].

    Equation:  mean over i != j of f(d(y_i, y_i+) - d(y_i, y_j+)), f of `inner`: "triplet-network" (Hoffer-Ailon,
               default) or "triplet" (hinge with `margin`)
    Input:     a labelled batch (the first two members of each class), or loss(anchors, labels, references=positives)
    Source:    document 001, "90 triplets per 20 images": 10 classes x 2 images give 10 x 9. Each positive occurs in 18
               of the 90, so they are strongly dependent
    """

    tuples = True

    def __init__(
        self,
        inner: str = "triplet-network",
        *,
        margin: float = 1.0,
        distance: Distance | str = "euclidean",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.inner = choice("inner", inner, ("triplet-network", "triplet"))
        self.margin = non_negative("margin", margin)
        loss = TripletNetwork() if self.inner == "triplet-network" else Triplet(self.margin)
        self._term = loss.term

    def term(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """f(z) and its slope, z = d(y_i, y_i+) - d(y_i, y_j+)."""
        return self._term(z)

    def rows(self, block: Block) -> Terms:
        total, count, active = all_triplets(block.distances, block.positives, block.negatives, self.term, block.weights)
        return Terms(total, count, active if self.inner == "triplet" else None)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"inner={self.inner!r}, margin={self.margin:g}, {super().extra_repr()}"
