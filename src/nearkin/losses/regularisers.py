"""Regularisers: small terms beside a loss, as members of a `Sum`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nearkin.core import flag
from nearkin.core.tensors import Terms, added
from nearkin.distances import Cosine, Distance, squared_distances, wide
from nearkin.losses.outside import BatchLoss


class ZeroMean(BatchLoss):
    """Zero-mean regulariser of the signal-to-noise distance [SNR-3].

    Equation:  mean over samples of |sum_m h_im|; relative: |sum_m h_im| / (sqrt(D) |h_i|), within 0..1, 0 for a zero row
    relative:  default False, the published form. It is homogeneous, SNR is not: shrinking all embeddings lowers it and
               costs nothing, so prefer relative=True where nothing else bounds their size
    Use:       `Sum([Triplet(distance="snr"), (ZeroMean(), 0.005)])`; 0.005 is usual. Labels are not read
    What for:  SNR subtracts each row's mean, so it is right without this; only its reading as a ratio of Euclidean
               distances (document 004 eq 10) needs rows of mean zero
    Source:    announced in document 004 section 4.3, not printed; Yuan et al. 2019
    """

    needs_labels = False

    def __init__(self, relative: bool = False, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.relative = flag("relative", relative)

    def terms(self, rows: Tensor, labels: Tensor | None) -> Terms:
        sizes = wide(rows).sum(1).abs()
        if self.relative:
            squared = wide(rows).square().sum(1)
            lengths = torch.where(squared > 0, squared, 1).sqrt() * math.sqrt(rows.shape[1])
            sizes = sizes / lengths
        return Terms(added(sizes), added(torch.ones_like(sizes).detach()))

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"relative={self.relative}, {super().extra_repr()}"


class EnergyConfusion(BatchLoss):
    """Energy confusion: the mean squared distance between classes, which is *reduced* [ECA-1].

    Equation:  mean over unordered pairs of classes of the mean |u(x) - u(z)|^2 over members x of one, z of the other;
               "sum" adds over pairs of classes. Within 0..4. Needs two classes
    Use:       added to a loss, `Sum([loss, (EnergyConfusion(), 0.01)])`: it draws classes together, so that features
               do not fit the training classes alone. Alone it collapses everything
    Differs:   the paper lets it move the feature extractor only and not the embedding layer; here it moves what the
               loss moves. Its weights are not given; 0.01 is ours
    Memory:    N x N. Outside the engine: a term is a pair of classes, not a row
    Source:    Chen and Deng 2019
    """

    @property
    def distance(self) -> Distance:
        """Cosine: only directions are read."""
        return Cosine()

    def terms(self, rows: Tensor, labels: Tensor | None) -> Terms:
        if labels is None:
            raise RuntimeError("labels are asked for before")
        directions = Cosine().project(wide(rows))
        squared = squared_distances(directions, directions, rows.dtype)
        same = labels[:, None] == labels[None]
        sizes = same.sum(1).to(torch.float64 if rows.device.type != "mps" else torch.float32)
        shares = torch.where(same, 0, 1 / (sizes[:, None] * sizes[None]))  # sums to ordered pairs of classes
        return Terms(added(squared * shares) / 2, added(shares) / 2)
