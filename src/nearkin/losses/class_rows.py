"""What losses that classify by proxies share: a row is a cross-entropy over classes, on directions."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import positive
from nearkin.core.tensors import Block, Terms, added, log1p_exp, masked_sum
from nearkin.losses.closed import Closed, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.proxies import Proxies
from nearkin.losses.shares import crowd


class ClassRows(RowLoss):
    """Rows of a cross-entropy over classes whose logits are scaled cosines of embedding and proxy.

    Equation:  log(1 + sum_{c != y} e^{scale (m(d_y) - d_c)}), d = 1 - cosine, averaged over embeddings. m(d) = d is the
               cross-entropy of scale * cosine; a margin is an m(d) above d. Written so, a cost near 0 keeps its digits
    Columns:   `per_class` proxies of a class beside each other, every class once
    Override:  `widened` m(d), the own class's distance after the margin, and its slope `widening`; `near`, a class's
               distance out of its proxies', and its slopes `nearing`; `cost` of z = log sum_{c != y} e^{..}, log(1 + e^z)
               here. Beside one of them, say `closed = ClassRows.closed` again
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

    def widening(self, distance: Tensor) -> Tensor | float:
        """dm / dd (b,)."""
        return 1.0

    def nearing(self, distances: Tensor, near: Tensor) -> Tensor:
        """Slopes of distances to classes (b, C) towards those to proxies (b, C, K)."""
        return torch.zeros_like(distances).scatter_(2, distances.min(2, keepdim=True).indices, 1)

    def cost(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The cost of a row and its slope (b,)."""
        return log1p_exp(z), torch.sigmoid(z)

    def rows(self, block: Block) -> Terms:
        own = block.positives.unflatten(1, (-1, self.per_class))[:, :, 0]
        distances = self.near(block.distances.unflatten(1, (-1, self.per_class)))
        others = (-self.scale * distances).masked_fill(own, -torch.inf).logsumexp(1)
        costs, _ = self.cost(others + self.scale * self.widened(masked_sum(distances, own)))
        return _terms(costs)

    def closed(self, tile: Tile) -> Closed:
        """The rows with their slopes made by hand."""
        if self.per_class > 1:
            return self._closed_by_class(tile)
        near = torch.where(tile.listed, tile.positive_distances(), 0).sum(1)
        others, factor = crowd(tile, self.scale)
        costs, slope = self.cost(others[:, 0] + self.scale * self.widened(near))
        pull = (self.scale * slope * self.widening(near))[:, None].expand_as(tile.index)
        return Closed(_terms(costs), pull, tile.slope.mul_(factor.mul_((-self.scale * slope)[:, None])))

    def _closed_by_class(self, tile: Tile) -> Closed:
        """The same where a class's distance is made of those to its proxies, and its slope goes back to them."""
        distances, slopes = (rows.unflatten(1, (-1, self.per_class)) for rows in (tile.distances, tile.slope))
        near = self.near(distances)
        own = tile.index[:, :1].reshape(len(near), 1) // self.per_class  # one class, so one group of columns
        others = torch.mul(near, -self.scale).scatter_(1, own, -torch.inf)
        z = others.logsumexp(1, keepdim=True)
        mine = near.gather(1, own)
        costs, slope = self.cost(z + self.scale * self.widened(mine))
        by_class = others.sub_(z).exp_().mul_(-self.scale * slope).scatter_(1, own, self.scale * slope * self.widening(mine))
        torch.mul(self.nearing(distances, near), by_class[:, :, None], out=slopes)
        pull = tile.slope.gather(1, tile.index)
        tile.slope.view(-1).index_fill_(0, tile.kin, 0)
        return Closed(_terms(costs), pull, tile.slope)

    def extra_repr(self) -> str:
        """The settings, as they stand in the equation."""
        return f"scale={self.scale:g}, {super().extra_repr()}"


def _terms(costs: Tensor) -> Terms:
    return Terms(added(costs), added(torch.ones_like(costs.detach())))


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
