"""Proxy-Anchor loss: the proxies are the anchors, the batch is their columns."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import positive, within
from nearkin.core.tensors import LOG2E, Block, Terms, added, cast, log1p_exp, masked_logsumexp
from nearkin.distances import compute_dtype
from nearkin.losses.closed import Closed, Tile
from nearkin.losses.cosine_matrix import Slopes
from nearkin.losses.engine import RowLoss
from nearkin.losses.group import Group
from nearkin.losses.proxies import Proxies
from nearkin.losses.shares import crowd

LARGEST = 300.0
"""Exponents whose powers, and sums of them, fit float64 with room to spare."""


class ProxyAnchorRows(RowLoss):
    """A row is a proxy, a column an embedding of the batch: one mean pulls, another pushes."""

    parts = 2

    def __init__(
        self, margin: float, scale: float, *, reduction: str = "mean", block_size: int | str | None = "auto"
    ) -> None:
        super().__init__("cosine", reduction=reduction, block_size=block_size)
        self.margin, self.scale = within("margin", margin, 0, 2), positive("scale", scale)

    def rows(self, block: Block) -> tuple[Terms, Terms]:
        similarity = 1 - block.distances
        pull, pulled = _side(self.scale * (self.margin - similarity), block.positives)
        push, _ = _side(self.scale * (self.margin + similarity), block.negatives)
        everybody = torch.full_like(push, bool(block.distances.shape[1])).detach()
        return Terms(added(pull), added(pulled)), Terms(added(push), added(everybody))

    def closed(self, tile: Tile) -> Closed:
        """The rows with their slopes made by hand."""
        pulls = self.scale * (self.margin - 1 + tile.positive_distances())
        pulls = pulls.masked_fill_(~tile.listed, -torch.inf)
        pull = log1p_exp(pulls.logsumexp(1))
        others, factor = crowd(tile, self.scale, self.scale * (1 + self.margin))
        push = log1p_exp(others[:, 0])
        everybody = torch.full_like(push, bool(tile.distances.shape[1]))
        slope = tile.slope.mul_(factor * (-self.scale * torch.sigmoid(others)))
        terms = Terms(added(pull), added(tile.listed.any(1))), Terms(added(push), added(everybody))
        return Closed(terms, self.scale * (pulls - pull[:, None]).exp(), slope)

    def by_hand(self, distances: Tensor, labels: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The loss of embeddings (B, C) beside all proxies, a scalar, and its slopes (B, C) in that dtype; exponents up to
        LARGEST."""
        own = labels[:, None]
        pulls = torch.exp(self.scale * (self.margin - 1 + distances.gather(1, own)))
        pull = torch.zeros_like(distances[0]).index_add_(0, labels, pulls[:, 0])
        pushes = torch.exp2(LOG2E * self.scale * (self.margin + 1 - distances)).scatter_(1, own, 0)
        push = pushes.sum(0)
        pulled, pushed = ((pull > 0).sum(dtype=pull.dtype), len(push)) if self.reduction == "mean" else (1, 1)
        value = pull.log1p().sum() / pulled + push.log1p().sum() / pushed
        pulls.mul_(self.scale / pulled).div_((1 + pull)[own])
        return value, cast(pushes.mul_(-self.scale / pushed / (1 + push)).scatter_(1, own, pulls), dtype)

    def extra_repr(self) -> str:
        """The settings, as they stand in the equation."""
        return f"margin={self.margin:g}, scale={self.scale:g}, {super().extra_repr()}"


def _side(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """log(1 + sum e^value) of each row over the mask (b,), 0 without an entry, and which rows have one (b,)."""
    some = mask.any(1)
    crowd = torch.where(some, masked_logsumexp(values, mask), 0)
    return torch.where(some, log1p_exp(crowd), 0), some


class ProxyAnchor(Proxies):
    """Proxy-Anchor: each proxy is an anchor that pulls its own class's embeddings, the farthest most [PAN-1].

    Equation:  1/|Q+| sum_{q in Q+} log(1 + sum_{x in q} e^{-a (s(x, q) - m)})
               + 1/|Q| sum_{q in Q} log(1 + sum_{x not in q} e^{a (s(x, q) + m)});
               s the cosine, Q all proxies, Q+ those of classes in the batch. The sums are over samples, the means over
               proxies
    margin:    m, default 0.1; scale: a, default 32, both the paper's
    classes, dimensions: of the proxies, which are trained like weights; a recipe fills them in. Labels are 0..classes-1
    seed:      of the first proxies, default 0
    Blocks:    of proxies, so the memory grows with neither; two means are swept twice
    Several processes: each brings its share of the proxies as anchors; the columns are the joint batch
    Rate:      the authors let proxies learn a hundred times faster than the network: `loss_learning_rate` in a recipe
    Errors:    InputError for a single class
    Source:    Kim et al. 2020 eq 4. Agrees with pytorch-metric-learning's ProxyAnchorLoss
    """

    loss: ProxyAnchorRows
    def __init__(
        self,
        classes: int | None = None,
        dimensions: int | None = None,
        *,
        margin: float = 0.1,
        scale: float = 32.0,
        seed: int | None = None,
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        rows = ProxyAnchorRows(margin, scale, reduction=reduction, block_size=block_size)
        super().__init__(rows, classes, dimensions, seed=seed)

    @property
    def slopes(self) -> Slopes | None:
        rows = self.loss
        known = type(rows).closed is ProxyAnchorRows.closed and rows.closed is not None
        return rows.by_hand if known and rows.scale * (1 + rows.margin) <= LARGEST else None

    def arranged(
        self, embeddings: Tensor, labels: Tensor, proxies: Tensor, group: Group | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        columns, classes = self.share(proxies, group)
        return columns.to(compute_dtype(embeddings)), classes, embeddings, labels
