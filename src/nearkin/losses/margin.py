"""Margin loss with a learned border between near and far."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nearkin.core import InputError, flag, integer, non_negative, positive
from nearkin.core.tensors import Block, Terms, added, traced
from nearkin.distances import Distance, root, wide
from nearkin.losses.closed import Closed, Sums, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.terms import positive_weights, weighted_terms


class Margin(RowLoss):
    """Margin loss: positives nearer than a border, negatives farther, and the border is learned [MRG-1].

    Equation:  [m + l_ij (d_ij - beta)]_+ over ordered pairs, l = 1 for the same class and -1 for different ones, with
               d = |u(x) - u(z)| between normalised embeddings; beta is one number, or one for each class of the anchor.
               Plus nu times the mean of beta over the anchors that have a pair
    margin:    m, default 0.2: the least distance of a pair from the border. d lies within 0..2
    beta:      where the border starts, default 1.2; a parameter of the loss (`loss.parameters()` belong to the
               optimiser; in a recipe training.loss_learning_rate is its rate, which should be far above the network's)
    per_class: False (default): one border for all; True: one a class, as in the paper, for labels 0..classes-1
    classes:   how many borders there are with per_class; a recipe fills it in
    nu:        weight of the mean of beta, default 0; above 0 it draws the border towards 0
    distance:  "cosine", whose rows are the normalised embeddings; d = sqrt(2 cosine distance)
    reduction: "mean_nonzero" (default, as in the paper: pairs at rest do not count), "mean" or "sum"
    Errors:    InputError for labels outside of 0..classes-1, or a border a class where labels are no class indices
    Batches of one class only pull, batches without a positive pair only push. `measure` takes the part of nu for active
    Source:    Wu et al. 2017 eq 7. Over pairs; pytorch-metric-learning forms triplets, in which a pair counts
               as often as it has partners
    """

    mild = True

    reductions = ("mean_nonzero", "mean", "sum")
    distances = ("cosine",)
    learns = ("beta",)
    beta: nn.Parameter | None

    def __init__(
        self,
        margin: float = 0.2,
        beta: float = 1.2,
        *,
        per_class: bool = False,
        classes: int | None = None,
        nu: float = 0.0,
        distance: Distance | str = "cosine",
        reduction: str = "mean_nonzero",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.margin, self.nu = non_negative("margin", margin), non_negative("nu", nu)
        self.classes = None if classes is None else integer("classes", classes, minimum=1)
        self.per_class = flag("per_class", per_class)
        self.parts = 2 if self.nu else 1
        start = positive("beta", beta)
        shape = () if not self.per_class else None if self.classes is None else (self.classes,)
        self.register_parameter("beta", None if shape is None else nn.Parameter(torch.full(shape, start)))

    def rows(self, block: Block) -> Terms | tuple[Terms, ...]:
        d = root(2 * block.distances)
        border = self._border(block.labels).to(d.dtype)
        beyond = d - border[..., None]
        pairs = torch.relu(self.margin + torch.where(block.positives, beyond, -beyond))
        weights = torch.where(block.negatives, 1, positive_weights(block))
        terms = weighted_terms(pairs, weights, active=True)
        if not self.nu:
            return terms
        some = (block.positives | block.negatives).any(1)
        count = added(some)
        return terms, Terms(added(torch.where(some, self.nu * border, 0)), count, count)

    def closed(self, tile: Tile) -> Closed:
        """The same with its slopes: c moves d = sqrt(2c) by 1/d, and not at all at 0."""
        border = self._border(tile.labels).detach().to(tile.distances.dtype)[..., None]
        d = torch.mul(tile.distances, 2, out=tile.scratch).sqrt_()
        d.view(-1).index_fill_(0, tile.kin, torch.inf)
        push = torch.sub(border, d, out=tile.slope).add_(self.margin).relu_()
        near = tile.positive_distances().mul_(2).sqrt_()
        pull = tile.only_listed((near - border).add_(self.margin).relu_())
        total = added(push.sum(1)) + added(pull)
        pushed, pulled = push.sign_().sum(1), pull.sign_().sum(1)
        terms = Sums(total, tile.counts.positives() + tile.counts.negatives(), added(pushed + pulled))
        far = torch.addcdiv(push.new_zeros(()), push, d, value=-1, out=push).nan_to_num_(0, 0, 0)
        near_slopes = pull.div_(near).nan_to_num_(0, 0, 0)
        moved = self._to_beta(pushed - pulled, tile.labels)
        if not self.nu:
            return Closed(terms, near_slopes, far, learned=(moved[None],))
        some = wide(tile.pulled[:, 0] | (tile.negatives > 0))
        count = tile.counts.moved()
        beside = Sums(added(border[..., 0] * some) * self.nu, count, count)
        return Closed(
            terms, near_slopes, far, beside, (torch.stack([moved, self._to_beta(self.nu * some, tile.labels)]),)
        )

    def _to_beta(self, slopes: Tensor, labels: Tensor | None) -> Tensor:
        """The slope of beta out of those of each anchor's border, (b,)."""
        if self.beta is None or labels is None or not self.per_class:
            return added(slopes)
        return wide(slopes).new_zeros(self.beta.shape).index_add_(0, labels, wide(slopes))

    def _border(self, labels: Tensor | None) -> Tensor:
        """One border, (), or that of each anchor, (b,)."""
        if self.beta is None:
            raise InputError("a border a class needs to know how many: give classes= (a recipe fills it in)")
        if not self.per_class:
            return self.beta
        if labels is None:
            raise InputError(
                "a border a class needs class indices (N,) as labels; for other pairs give per_class=False"
            )
        inside = (labels >= 0) & (labels < len(self.beta))
        if not traced() and not bool(inside.all()):
            raise InputError(
                f"labels of Margin must be class indices 0..{len(self.beta) - 1}, "
                f"got {int(labels.min())}..{int(labels.max())}"
            )
        return self.beta[labels]

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        settings = f"margin={self.margin:g}, per_class={self.per_class}, classes={self.classes}, nu={self.nu:g}"
        return f"{settings}, {super().extra_repr()}"
