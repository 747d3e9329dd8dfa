"""What losses that classify by proxies share: a row is a cross-entropy over classes, on directions."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import positive
from nearkin.core.tensors import LOG2E, Block, Terms, added, cast, log1p_exp, masked_sum
from nearkin.losses.closed import Closed, Tile
from nearkin.losses.cosine_matrix import Slopes
from nearkin.losses.engine import RowLoss
from nearkin.losses.proxies import Proxies
from nearkin.losses.shares import FITTING


class ClassRows(RowLoss):
    """Rows of a cross-entropy over classes whose logits are scaled cosines of embedding and proxy.

    Equation:  log(1 + sum_{c != y} e^{scale (m(d_y) - d_c)}), d = 1 - cosine, averaged over embeddings. m(d) = d is the
               cross-entropy of scale * cosine; a margin is an m(d) above d. Written so, a cost near 0 keeps its digits
    Columns:   `per_class` proxies of a class beside each other, every class once
    Override:  any of `near`, a class's distance out of its proxies'; `widened`, m(d); `cost` of z = log sum_{c != y} e^{..},
               log(1 + e^z) here. Each tells its slopes too. Beside one of them, say `closed = ClassRows.closed` again
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

    def near(self, distances: Tensor) -> tuple[Tensor, Tensor]:
        """Distances to classes (b, C) out of those to several proxies each (b, C, K), to the nearest; slopes (b, C, K), or which
        proxy alone has one, (b, C, 1) int64."""
        near, place = distances.min(2, keepdim=True)
        return near.squeeze(2), place

    def narrow_near(self, distances: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The same where slopes of fewer digits than the distances have will do, for speed alone."""
        return self.near(distances)

    def widened(self, distance: Tensor) -> tuple[Tensor, Tensor | float]:
        """m(d), the distance to the own class after the margin, and its slope."""
        return distance, 1.0

    def cost(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The cost of a row and its slope."""
        return log1p_exp(z), torch.sigmoid(z)

    def rows(self, block: Block) -> Terms:
        own = block.positives.unflatten(1, (-1, self.per_class))[:, :, 0]
        distances, _ = self._classes(block.distances, block.distances.dtype)
        others = (-self.scale * distances).masked_fill(own, -torch.inf).logsumexp(1)
        widened, _ = self.widened(masked_sum(distances, own))
        costs, _ = self.cost(others + self.scale * widened)
        return _terms(costs)

    def closed(self, tile: Tile) -> Closed:
        """The rows with their slopes made by hand."""
        own = tile.index[:, :1].reshape(len(tile.index), 1) // self.per_class
        costs = self._costs(tile.distances, own, tile.slope)
        pull = tile.slope.gather(1, tile.index)
        tile.slope.view(-1).index_fill_(0, tile.kin, 0)
        return Closed(_terms(costs), pull, tile.slope)

    def by_hand(self, distances: Tensor, labels: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The loss of all rows (B, R), a scalar, and its slopes (B, R) in that dtype; distances are used up."""
        slopes = torch.empty_like(distances, dtype=dtype)
        share = 1 / len(distances) if self.reduction == "mean" else 1.0
        return self._costs(distances, labels[:, None], slopes, share).sum() * share, slopes

    def _costs(self, distances: Tensor, own: Tensor, slopes: Tensor, share: float = 1.0) -> Tensor:
        """Costs (b, 1) of rows of the classes own (b, 1); `share` times their slopes go into `slopes` (b, R), whose dtype may have
        fewer digits than that of the distances: then these are subtracted first."""
        near, nearing = self._classes(distances, slopes.dtype)
        mine = near.gather(1, own)
        widened, widening = self.widened(mine)
        powers = slopes if nearing is None else torch.empty_like(near, dtype=slopes.dtype)
        if near.dtype != slopes.dtype:
            least = near.scatter_(1, own, torch.inf).amin(1, keepdim=True)
            torch.sub(least, near, out=powers).mul_(LOG2E * self.scale)
            widened = self.scale * (widened - least)
        else:
            torch.mul(near, -LOG2E * self.scale, out=powers).scatter_(1, own, -torch.inf)
            widened = self.scale * widened
            if 2 * self.scale > FITTING:
                peak = powers.amax(1, keepdim=True)
                powers.sub_(peak)
                widened.add_(peak, alpha=1 / LOG2E)
        total = powers.exp2_().sum(1, keepdim=True)
        costs, slope = self.cost(widened.add_(total.log()))
        slope = slope * (self.scale * share)
        powers.mul_(cast(slope.div(total).neg_(), powers.dtype)).scatter_(1, own, cast(slope * widening, powers.dtype))
        if nearing is not None:
            several = slopes.unflatten(1, (-1, self.per_class))
            if nearing.dtype == torch.int64:
                several.zero_().scatter_(2, nearing, powers[:, :, None])
            else:
                torch.mul(nearing, powers[:, :, None], out=several)
        return costs

    def _classes(self, distances: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Distances to classes (b, C) out of those to proxies (b, R), and what `near` says of slopes; None: they are the same."""
        if self.per_class == 1:
            return distances, None
        several = distances.unflatten(1, (-1, self.per_class))
        return self.near(several) if dtype == distances.dtype else self.narrow_near(several, dtype)

    def extra_repr(self) -> str:
        """The settings, as they stand in the equation."""
        return f"scale={self.scale:g}, {super().extra_repr()}"


def _terms(costs: Tensor) -> Terms:
    return Terms(added(costs), added(torch.ones_like(costs.detach())))


class ClassLoss(Proxies):
    """A cross-entropy over classes with proxies of its own; `classify` answers its logits, without the margin."""

    loss: ClassRows

    def __init__(self, rows: ClassRows, classes: int | None, dimensions: int | None, *, seed: int | None) -> None:
        super().__init__(rows, classes, dimensions, per_class=rows.per_class, seed=seed)

    def classify(self, embeddings: Tensor) -> Tensor:
        """Logits (N, classes), scale times the cosine of embedding and class; no margin is in them."""
        return super().classify(embeddings)

    @property
    def slopes(self) -> Slopes | None:
        rows = self.loss
        return rows.by_hand if rows.closed is not None and type(rows).closed is ClassRows.closed else None

    def scores(self, distances: Tensor) -> Tensor:
        return self.loss.scale * (1 - self.loss.near(distances)[0])
