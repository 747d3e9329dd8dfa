"""What losses that classify by proxies share: a row is a cross-entropy over classes, on directions."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import positive
from nearkin.core.tensors import Block, Terms, added, log1p_exp, masked_sum
from nearkin.losses.engine import RowLoss
from nearkin.losses.proxies import Proxies


class ClassRows(RowLoss):
    """Rows of a cross-entropy over classes whose logits are scaled cosines of embedding and proxy.

    Equation:  log(1 + sum_{c != y} e^{scale (m(d_y) - d_c)}), d = 1 - cosine, averaged over embeddings. m(d) = d is the
               cross-entropy of scale * cosine; a margin is an m(d) above d. Written so, a cost near 0 keeps its digits
    Columns:   `per_class` proxies of a class beside each other, every class once
    Override:  `widened` m(d), the own class's distance after the margin; `near`, a class's distance out of its proxies';
               `cost` of z = log sum_{c != y} e^{..}, log(1 + e^z) here
    """

    def __init__(
        self,
        scale: float,
        *,
        per_class: int = 1,
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__("cosine", reduction=reduction, block_size=block_size)
        self.scale, self.per_class = positive("scale", scale), per_class

    def near(self, distances: Tensor) -> Tensor:
        """Distances to classes (b, C) out of those to proxies (b, C, K): to the nearest."""
        return distances.squeeze(2) if self.per_class == 1 else distances.min(2).values

    def widened(self, distance: Tensor) -> Tensor:
        """m(d): the distance to the own class (b,), after the margin."""
        return distance

    def cost(self, z: Tensor) -> Tensor:
        """The cost of a row (b,)."""
        return log1p_exp(z)

    def rows(self, block: Block) -> Terms:
        own = block.positives.unflatten(1, (-1, self.per_class))[:, :, 0]
        distances = self.near(block.distances.unflatten(1, (-1, self.per_class)))
        crowd = (-self.scale * distances).masked_fill(own, -torch.inf).logsumexp(1)
        costs = self.cost(crowd + self.scale * self.widened(masked_sum(distances, own)))
        return Terms(added(costs), added(torch.ones_like(costs).detach()))

    def extra_repr(self) -> str:
        """The settings, as they stand in the equation."""
        return f"scale={self.scale:g}, {super().extra_repr()}"


class ClassLoss(Proxies):
    """A cross-entropy over classes with proxies of its own; `classify` answers its logits, without the margin."""

    loss: ClassRows

    def __init__(
        self, rows: ClassRows, classes: int | None, dimensions: int | None, *, seed: int | None
    ) -> None:
        super().__init__(rows, classes, dimensions, per_class=rows.per_class, seed=seed)

    def classify(self, embeddings: Tensor) -> Tensor:
        """Logits (N, classes), scale times the cosine of embedding and class; no margin is in them."""
        return super().classify(embeddings)

    def scores(self, distances: Tensor) -> Tensor:
        return self.loss.scale * (1 - self.loss.near(distances))
