"""Mahalanobis distance with a learned low-rank map, or that of an inverse covariance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nearkin.core import InputError, InputTypeError, flag
from nearkin.distances.base import root
from nearkin.distances.covariance import inverse_root_of_covariance
from nearkin.distances.forms import Form, Root, Scaled
from nearkin.distances.learned import LearnedDistance


class Mahalanobis(LearnedDistance):
    """Mahalanobis distance of rank r [MAH-1], d = |L (x - z)| with a learned L (r, D); M = L'L is never formed.

    Range:     [0, inf); a pseudometric: 0 between rows that differ only where L sees nothing
    rank:      rows of L, all D by default. A smaller rank learns in fewer directions and searches in fewer numbers
    squared:   d = (x - z)'M(x - z) instead
    Gradient:  reaches L and both rows, 0 where d = 0. Weight decay would shrink L; `nearkin.train` puts none on it
    Accuracy:  value and gradients of rows as of the Euclidean distance. The gradient of L is as exact for unit rows with
               near-duplicates (1e-7 in float32); rows that all lie within 1e-5 of one point cost it three digits
    Differs:   documents 000 to 004 fix no initial L; ours is the first rows of the identity, so training begins at the
               Euclidean distance of the first r numbers
    Source:    document 004 (cited); Weinberger and Saul 2009. Two-stage learning of L: `nearkin.estimators.LMNN`

    See `LearnedDistance` for `dimensions` and for when L gets its shape.

    >>> Mahalanobis(rank=1)(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    tensor([[0., 3.],
            [3., 0.]], grad_fn=<_MatrixBackward>)
    """

    def __init__(self, dimensions: int | None = None, rank: int | None = None, squared: bool = False) -> None:
        super().__init__(dimensions, rank)
        self.squared = flag("squared", squared)

    @classmethod
    def from_factor(cls, factor: Any, *, squared: bool = False, learned: bool = False) -> Mahalanobis:
        """The distance of a ready L (rank, D), a tensor or an array; fixed unless `learned`."""
        weight = torch.as_tensor(factor).detach().clone()
        if weight.dim() != 2 or not weight.is_floating_point() or 0 in weight.shape:
            raise InputTypeError(
                f"a factor must be floating of shape (rank, dimensions), got {weight.dtype} of shape {tuple(weight.shape)}"
            )
        if not bool(weight.isfinite().all()):
            raise InputError("the factor holds NaN or infinity")
        made = cls(squared=squared)
        made.weight = nn.Parameter(weight, requires_grad=flag("learned", learned))
        return made

    @classmethod
    def from_covariance(
        cls, features: Any, labels: Any = None, *, kind: str = "global", shrinkage: float = 0.1, squared: bool = False
    ) -> Mahalanobis:
        """The classical distance, M the inverse of a covariance of training features [MAH-3]; fixed, not learned.

        Equation:  global  S = 1/N sum_i (x_i - mu)(x_i - mu)'
                   within  S = 1/(N - C) sum_c sum_{i in c} (x_i - mu_c)(x_i - mu_c)', pooled over the C classes
                   M = ((1 - g) S + g tr(S)/D I)^-1 = L'L, L = R^-1 of the Cholesky factor R
        Shapes:    features (N, D), a tensor or an array; labels (N,) whole numbers, needed by "within"
        shrinkage: g in [0, 1], 0.1 by default: a covariance of few features in many dimensions has no inverse
        Dtype:     L in float64 for features in float64, else in float32; made in float64
        Errors:    InputError where S has no inverse (too few features without shrinkage, no spread at all), for "within"
                   where every class has one member, for NaN

        Estimate it on training features only. `distance.requires_grad_()` lets it be learned on from there.
        """
        return cls.from_factor(inverse_root_of_covariance(features, labels, kind, shrinkage), squared=squared)

    def link(self, squared: Tensor, anchor_norm: Tensor, reference_norm: Tensor) -> Tensor:
        return squared if self.squared else root(squared)

    def closed_form(self) -> Form:
        return Scaled() if self.squared else Root()

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, squared={self.squared}"
