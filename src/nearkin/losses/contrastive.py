"""Contrastive loss of Siamese networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nearkin.core import InputError, choice, finite, positive
from nearkin.core.tensors import Block, Own, Terms, added, unrounded
from nearkin.distances import Distance
from nearkin.losses.closed import Closed, Sums, Tile
from nearkin.losses.engine import RowLoss


class Contrastive(RowLoss):
    """Contrastive loss: pulls same-class pairs together, pushes others apart up to a margin [CON-1..4].

    Equation:  form "hadsell": same 1/2 d^2, different 1/2 ([m - d]_+)^2  (001 eq 1-3, 004 eq 1; Hadsell et al. 2006)
               form "linear":  same [d - m_pos]_+, different [m - d]_+
               averaged over ordered pairs i != j, as `average` says
    average:   "pairs": one mean over all pairs; "sides": mean over positives plus mean over negatives, which keeps the
               few positives from drowning. Default: "pairs" for hadsell, "sides" for linear
    margin:    in units of the distance, default 1; above 0 for hadsell. positive_margin: only for linear, default 0. On
               "inner-product" near pairs lie below 0: margin -0.6 and positive_margin -0.9 ask for products below 0.6
               and above 0.9
    reduction: "mean", "sum", "mean_nonzero" (default of linear), "sum_unordered" (half the sum; symmetric distances)
    distance:  default Euclidean. On "squared-euclidean", linear with average "pairs" and reduction "mean" is CON-3
    Gradient:  of a negative pair -(m - d)(x - z)/d, and 0 at d = 0; a batch of one class only pulls
    Source:    document 001 eq 1 prints S = 1 beside the push: S must mean dissimilar. Document 004 eq 1 lacks the 0 in
               max(0, m - d). Both are corrected here; see `pairs` for labels of pairs with an explicit polarity
    """

    mild = True

    reductions = ("mean", "mean_nonzero", "sum", "sum_unordered")

    def __init__(
        self,
        margin: float = 1.0,
        *,
        positive_margin: float = 0.0,
        form: str = "hadsell",
        average: str | None = None,
        distance: Distance | str = "euclidean",
        reduction: str | None = None,
        block_size: int | str | None = "auto",
    ) -> None:
        self.form = choice("form", form, ("hadsell", "linear"))
        linear = self.form == "linear"
        super().__init__(distance, reduction=reduction or ("mean_nonzero" if linear else "mean"), block_size=block_size)
        self.average = choice("average", average or ("sides" if linear else "pairs"), ("pairs", "sides"))
        self.parts = 1 if self.average == "pairs" else 2
        self.margin = (finite if linear else positive)("margin", margin)
        self.positive_margin = finite("positive_margin", positive_margin)
        if self.positive_margin and not linear:
            raise InputError("positive_margin belongs to form='linear'")
        if self.reduction == "sum_unordered" and not self.distance.symmetric:
            raise InputError(f"sum_unordered needs a symmetric distance, not {type(self.distance).__name__}")

    def rows(self, block: Block) -> Terms | tuple[Terms, ...]:
        push = torch.relu((self.margin - block.distances) + unrounded(self.margin, block.distances.dtype))
        if self.form == "hadsell":
            pull, push = block.distances.square() / 2, push.square() / 2
        else:
            rest = unrounded(self.positive_margin, block.distances.dtype)
            pull = torch.relu((block.distances - self.positive_margin) - rest)
        weights = block.positives if block.weights is None else torch.where(block.positives, block.weights, 0)
        sides = _terms(pull, block.positives, weights), _terms(push, block.negatives, block.negatives)
        return sides if self.average == "sides" else _together(*sides)

    def closed(self, tile: Tile) -> Closed:
        """The rows with their slopes made by hand."""
        gap = torch.clamp(tile.distances, max=self.margin, out=tile.slope).sub_(self.margin)  # -[m - d]_+
        gap.view(-1).index_fill_(0, tile.kin, 0)
        if rest := unrounded(self.margin, gap.dtype):
            gap.add_(torch.sign(gap, out=tile.scratch), alpha=rest)
        near = tile.positive_distances()
        if self.form == "linear":
            if self.positive_margin:
                near.sub_(self.positive_margin).sub_(unrounded(self.positive_margin, near.dtype))
            pull = tile.only_listed(near.relu_())
            slopes = pull.sign(), torch.sign(gap, out=tile.scratch)
            totals = added(pull), -added(gap.sum(1))
        else:
            pull = tile.only_listed(near)
            slopes = pull, gap
            totals = added(pull.square()) / 2, added(torch.linalg.vecdot(gap, gap)) / 2
        sides = (
            Sums(totals[0], tile.counts.positives(), tile.nonzero(pull)),
            Sums(totals[1], tile.counts.negatives(), tile.nonzero(gap)),
        )
        return Closed(sides if self.average == "sides" else _together(*sides), *slopes)

    def combine(self, totals: Tensor, divisors: Tensor) -> Tensor:
        if self.reduction == "sum_unordered":
            return totals.sum() / 2
        return super().combine(totals, divisors)

    def weights(self, divisors: list[float]) -> list[float]:
        return [0.5] * len(divisors) if self.reduction == "sum_unordered" else super().weights(divisors)

    def pairs(
        self, first: Tensor, second: Tensor, *, different: Tensor | None = None, same: Tensor | None = None
    ) -> Tensor:
        """The loss of given pairs [CON-2], with an explicit polarity: exactly one of `different` and `same`.

        Shapes:  first, second (P, D), different or same (P,) of 0 and 1; mean over the pairs
        Source:  documents 001 and 002 write Y = 1 for different, document 004 y = 1 for same
        """
        if (different is None) == (same is None):
            raise InputError("say which polarity the pair labels have: give exactly one of different= and same=")
        given = same if different is None else different
        if given is None or given.shape != (len(first),) or bool(((given != 0) & (given != 1)).any()):
            raise InputError(f"pair labels must be 0 and 1 of shape ({len(first)},)")
        kin = (given != 0) == (different is None)
        return self(first, own=Own(second[:, None], kin[:, None], ~kin[:, None]))  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return (
            f"margin={self.margin:g}, positive_margin={self.positive_margin:g}, form={self.form!r}, "
            f"average={self.average!r}, {super().extra_repr()}"
        )


def _together(pull: Any, push: Any) -> Any:
    """The sums of both sides as one."""
    return type(pull)(*(None if a is None else a + b for a, b in zip(pull, push)))


def _terms(values: Tensor, mask: Tensor, weights: Tensor) -> Terms:
    kept = torch.where(mask, values * weights, 0)
    return Terms(added(kept.sum(1)), added(weights.sum(1)), added(torch.where(kept > 0, weights, 0).sum(1)))
