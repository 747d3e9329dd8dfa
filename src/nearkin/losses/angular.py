"""Angular loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nearkin.core import InputError, choice
from nearkin.core.tensors import LOG2E, Block, Terms, added, log1p_exp, masked_logsumexp
from nearkin.distances import Distance
from nearkin.losses.closed import Closed, Sums, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.shares import FITTING
from nearkin.losses.terms import positive_weights, weighted_terms
from nearkin.mining import positive_table

CHUNK = 1 << 19
"""Numbers of a few rows held at a time while slopes are made by hand."""


class Angular(RowLoss):
    """Angular loss: the angle at the negative of the triangle anchor, positive, negative is bounded [ANG-1].

    Equation:  log(1 + sum_{k in N(i)} e^{f_ijk}), f_ijk = 4 t (x_i + x_j)'x_k - 2 (1 + t) x_i'x_j, t = tan^2(alpha), all
               x normalised, averaged over ordered positive pairs (i, j) with a negative
    form:      "batch" (default): every positive pair of the batch against all negatives of i;
               "tuples": N-pair input, the first two members of each class in the batch (or references=positives), as in
               the paper's eq 8;
               "triplet": [|x_i - x_j|^2 - 4 t |x_k - (x_i + x_j)/2|^2]_+ over all triplets (the paper's eq 6)
    alpha_deg: the bound, in degrees, above 0 and below 90; default 45 (the paper: 36 to 55)
    distance:  "cosine": embeddings are normalised here, negatives too
    With N-pair [ANG-2]: `Sum([NPair(), (Angular(form="tuples"), 2.0)])`, the N-pair part on raw embeddings
    Memory:    O(block x columns x positives of a row)
    Source:    document 003; Wang et al. 2017 eq 6 and 8. Between the two, the paper drops the constant 2 - 6 t, which
               inside the logarithm is another loss and no offset; the paper is followed. pytorch-metric-learning does
               not normalise negatives
    """

    distances = ("cosine",)
    reductions = ("mean", "sum")

    def __init__(
        self,
        alpha_deg: float = 45.0,
        *,
        form: str = "batch",
        distance: Distance | str = "cosine",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        if isinstance(alpha_deg, bool) or not isinstance(alpha_deg, int | float) or not 0 < alpha_deg < 90:
            raise InputError(f"alpha_deg must be a number of degrees above 0 and below 90, got {alpha_deg!r}")
        self.alpha_deg = float(alpha_deg)
        self.form = choice("form", form, ("batch", "tuples", "triplet"))
        self.tuples = self.form == "tuples"
        if self.form != "batch" or 8 * self._steepness() > FITTING:
            self.closed = None  # type: ignore[assignment, method-assign]

    def _steepness(self) -> float:
        """t = tan^2(alpha)."""
        return math.tan(math.radians(self.alpha_deg)) ** 2

    def rows(self, block: Block) -> Terms:
        if not block.distances.shape[1]:  # no column to pair with
            nothing = added(block.distances)
            return Terms(nothing, nothing, nothing if self.form == "triplet" else None)
        index, listed = positive_table(block.positives)
        to_positive = 1 - block.distances.gather(1, index)  # (b, P) x_i'x_j
        crossed = (1 - block.distances)[:, None] + _cross(block, index)  # (b, P, C) (x_i + x_j)'x_k
        weights = torch.where(listed, positive_weights(block).gather(1, index), 0)
        if self.form == "triplet":
            return self._triplets(block, index, to_positive, crossed, weights)
        t = self._steepness()
        some = block.negatives.any(1, keepdim=True)
        everybody = block.negatives[:, None].expand_as(crossed)
        crowd = masked_logsumexp((4 * t * crossed).flatten(0, 1), everybody.flatten(0, 1)).view_as(to_positive)
        f = torch.where(some, crowd, 0) - 2 * (1 + t) * to_positive
        return weighted_terms(log1p_exp(f), weights * some, active=False)

    def _triplets(self, block: Block, index: Tensor, to_positive: Tensor, crossed: Tensor, weights: Tensor) -> Terms:
        t = self._steepness()
        lengths = block.anchors.square().sum(1, keepdim=True), _lengths(block)  # 1, or 0 for a zero row
        both = lengths[0] + lengths[1].gather(1, index)
        to_centre = lengths[1][:, None] - crossed + ((both + 2 * to_positive) / 4)[:, :, None]
        z = (both - 2 * to_positive)[:, :, None] - 4 * t * to_centre
        valid = weights[:, :, None] * block.negatives[:, None]
        return weighted_terms(torch.relu(z).flatten(1), valid.flatten(1), active=True)

    closed_whole = True

    def closed(self, tile: Tile) -> Closed:
        """The rows with their slopes made by hand: with E = e^{4 t S} at negatives, sum_k e^{4 t (x_i + x_j)'x_k} is a
        product of the rows i and j of E, and so are its slopes."""
        t = self._steepness()
        bits = LOG2E * 4 * t
        powers = torch.sub(tile.distances.new_full((), bits), tile.distances, alpha=bits, out=tile.slope).exp2_()
        powers.view(-1).index_fill_(0, tile.kin, 0)
        to_positive = 1 - tile.positive_distances()
        pull, towards = torch.zeros_like(to_positive), tile.scratch.zero_()
        total = added(tile.distances[:0])
        rows = max(1, CHUNK // max(tile.distances.shape[1], 1))
        for start in range(0, len(powers), rows):
            part = slice(start, start + rows)
            for p in range(tile.index.shape[1]):
                other = powers[tile.index[part, p]]
                crowd = torch.linalg.vecdot(powers[part], other)
                valid = tile.listed[part, p] & (crowd > 0)
                f = torch.where(valid, crowd.log() - 2 * (1 + t) * to_positive[part, p], -torch.inf)
                total = total + added(log1p_exp(f))
                pull[part, p] = torch.sigmoid(f)
                towards[part].addcmul_(other, torch.where(valid, pull[part, p] / crowd, 0)[:, None])
        push = powers.mul_(towards).mul_(-8 * t)  # both rows of a pair see it, and both pairs of two rows
        return Closed(Sums(total, tile.counts.pairs()), 2 * (1 + t) * pull, push)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"alpha_deg={self.alpha_deg:g}, form={self.form!r}, {super().extra_repr()}"


def _cross(block: Block, index: Tensor) -> Tensor:
    """x_j'x_k of the positives j at `index` (b, P) with every column k: (b, P, C)."""
    shared = len(block.references)
    if block.own is None:
        return block.references[index] @ block.references.T
    columns = torch.cat([block.references.expand(len(index), -1, -1), block.own], 1) if shared else block.own
    chosen = columns.gather(1, index[:, :, None].expand(-1, -1, columns.shape[2]))
    return chosen @ columns.transpose(1, 2)


def _lengths(block: Block) -> Tensor:
    """Squared lengths of every row's columns, (b, C)."""
    shared = block.references.square().sum(1).expand(len(block.anchors), -1)
    return shared if block.own is None else torch.cat([shared, block.own.square().sum(2)], 1)
