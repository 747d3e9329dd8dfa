"""What a distance is: `project`, run once a set, and `link`, elementwise on squared Euclidean distances there."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from nearkin.core import InputError, InputTypeError
from nearkin.core.tensors import cast, traced
from nearkin.distances.forms import Form, Root, Scaled
from nearkin.distances.matrix import distance_matrix
from nearkin.distances.squared import compute_dtype, squared_distances, wide


class Distance(nn.Module):
    """A distance d(x, z) = link(|p(x) - p(z)|^2, |p(x)|^2, |p(z)|^2); row = anchor = query, smaller = nearer.

    A distance of your own is a subclass with two methods and three facts:

    - `project(x)`: (N, D) -> (N, P), where learned parameters live; the identity by default. It runs once a set, on
      float64 rows, so that near-duplicates keep their digits.
    - `link(squared, anchor_norm, reference_norm)`: elementwise and broadcasting; norms are *squared* norms of projected
      rows. Its gradient must be finite at `squared` = 0.
    - `order_is_euclidean`: for a fixed query, references order by d as by the Euclidean distance of projected rows.
    - `symmetric`: d(x, z) = d(z, x).
    - `self_is_zero`: d(x, x) = 0 for every x.

    >>> Euclidean()(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    tensor([[0., 5.],
            [5., 0.]])
    """

    order_is_euclidean: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    self_is_zero: ClassVar[bool] = True
    keeps_space: ClassVar[bool] = True
    """`project` is the identity: norms in the distance's space are norms of the embeddings. Found out, not declared."""
    widens: ClassVar[bool] = False
    """`project` takes rows of any dtype and makes float64 of them itself."""

    def __init_subclass__(cls, **keywords: object) -> None:
        super().__init_subclass__(**keywords)
        cls.keeps_space = cls.project is Distance.project
        if "project" in vars(cls) and "widens" not in vars(cls):
            cls.widens = False
        if "link" in vars(cls) and "closed_form" not in vars(cls):
            cls.closed_form = Distance.closed_form  # type: ignore[method-assign]

    def project(self, x: Tensor) -> Tensor:
        """Rows in the space where squared Euclidean distances are taken."""
        return x

    def projected(self, x: Tensor) -> Tensor:
        """`project` of rows of any dtype, in float64 where that keeps digits: the identity has none to lose."""
        if self.keeps_space:
            return cast(x, compute_dtype(x))
        return self.project(x if self.widens else wide(x))

    def link(self, squared: Tensor, anchor_norm: Tensor, reference_norm: Tensor) -> Tensor:
        """The distance, elementwise, from the squared distance and the squared norms in the projected space."""
        raise NotImplementedError(f"{type(self).__name__} needs a link(squared, anchor_norm, reference_norm)")

    def between(self, anchors: Tensor, references: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Distances of *projected* rows: (A, P), (R, P) -> (A, R), or row by row (A, P), (A, K, P) -> (A, K)."""
        dtype = dtype or anchors.dtype
        squared = squared_distances(anchors, references, dtype)
        anchor_norm = anchors.square().sum(1, keepdim=True).to(dtype)
        reference_norm = references.square().sum(-1).to(dtype)
        return self.link(squared, anchor_norm, reference_norm if references.dim() == 3 else reference_norm[None])

    def closed_form(self) -> Form | None:
        """`link` by hand, for losses that make their gradient by hand; None: there is none, autograd does it."""
        return None

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """Distances of all pairs, (A, D), (R, D) -> (A, R); without `z` those within `x`, self exactly 0 where defined.

        Errors:  InputError where shapes or kinds do not fit
        """
        for name, rows in (("x", x), ("z", z)):
            if rows is not None and not (isinstance(rows, Tensor) and rows.dim() == 2 and rows.is_floating_point()):
                raise InputTypeError(f"{name} must be a floating tensor of shape (rows, dimensions), got {_kind(rows)}")
        if z is not None and x.shape[1] != z.shape[1]:
            raise InputError(f"x has {x.shape[1]} dimensions and z has {z.shape[1]}; they must agree")
        anchors, dtype = self.projected(x), compute_dtype(x)
        references = anchors if z is None else self.projected(z)
        form = None if traced() else self.closed_form()
        if form is not None and form.fits(anchors.detach()) and (z is None or form.fits(references.detach())):
            return distance_matrix(form, anchors, references, dtype, partial(self.between, dtype=dtype))
        distances = self.between(anchors, references, dtype)
        if z is None and self.self_is_zero:
            distances = distances.masked_fill(torch.eye(len(x), dtype=torch.bool, device=x.device), 0)
        return distances


def root(squared: Tensor) -> Tensor:
    """Square root with value 0 and derivative 0 at 0, where plain `sqrt` has an infinite slope.

    >>> root(torch.tensor([0.0, 9.0]))
    tensor([0., 3.])
    """
    apart = squared > 0
    return torch.where(apart, torch.where(apart, squared, 1).sqrt(), 0)


def _kind(value: object) -> str:
    return f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


class Euclidean(Distance):
    """Euclidean distance [EUC-1], d = sqrt(sum_m (x_m - z_m)^2).

    Range:     [0, inf); a metric
    Gradient:  (x - z) / d, and 0 where d = 0
    """

    def link(self, squared: Tensor, anchor_norm: Tensor, reference_norm: Tensor) -> Tensor:
        return root(squared)

    def closed_form(self) -> Form:
        return Root()


class SquaredEuclidean(Distance):
    """Squared Euclidean distance [EUC-2], d = sum_m (x_m - z_m)^2.

    Range:     [0, inf); not a metric (no triangle inequality). A margin on it is not a margin on the Euclidean one
    Gradient:  2 (x - z)
    """

    def link(self, squared: Tensor, anchor_norm: Tensor, reference_norm: Tensor) -> Tensor:
        return squared

    def closed_form(self) -> Form:
        return Scaled()
