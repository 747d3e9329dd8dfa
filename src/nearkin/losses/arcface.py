"""Softmax classification on angles with a margin, with one or several centres a class."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nearkin.core import within
from nearkin.distances import root
from nearkin.losses.class_rows import ClassLoss, ClassRows


class ArcFaceRows(ClassRows):
    """The angle to the own class is widened by a margin.

    cos(t + m) = cos t cos m - sin t sin m, with sin t = sqrt(d (2 - d)) of d = 1 - cos t: no arccos, whose slope is
    infinite where an embedding lies on its proxy. There sin t has slope 0, by convention.
    """

    closed = ClassRows.closed

    def __init__(
        self, margin: float, scale: float, *, per_class: int = 1, reduction: str, block_size: int | str | None
    ) -> None:
        super().__init__(scale, per_class=per_class, reduction=reduction, block_size=block_size)
        self.margin = within("margin", margin, 0, math.pi)

    def widened(self, distance: Tensor) -> tuple[Tensor, Tensor]:
        cos, sin = math.cos(self.margin), math.sin(self.margin)
        height = root(distance * (2 - distance))
        turned = 1 - (1 - distance) * cos + height * sin
        slope = cos + (1 - distance) * (sin / height).nan_to_num(posinf=0)
        beyond = distance > 1 + cos  # t > pi - m, where cos(t + m) would rise again
        return torch.where(beyond, distance + self.margin * sin, turned), torch.where(beyond, 1, slope)

    def extra_repr(self) -> str:
        """The settings, as they stand in the equation."""
        return f"margin={self.margin:g}, {super().extra_repr()}"


class ArcFace(ClassLoss):
    """ArcFace: softmax on cosines where the angle to the own class is widened by a margin [ARC-1].

    Equation:  cross-entropy of a cos t_c, for the own class of a cos(t_y + m), and of a (cos t_y - m sin m) where
               t_y > pi - m, so that a larger angle never costs less; t the angle of embedding and proxy; averaged over
               embeddings
    margin:    m in radians, default 0.5 (28.65 degrees); scale: a, default 64, both the paper's for tens of thousands of
               classes. With few classes 64 is too large: take 16 to 30
    classes, dimensions: of the proxies, which are trained like weights; a recipe fills them in. Labels are 0..classes-1
    seed:      of the first proxies, default 0
    Gradient:  finite everywhere, also where an embedding lies on its proxy (arccos there has none)
    Errors:    InputError for a single class, and for a margin beyond 0..pi: degrees, perhaps
    Source:    Deng et al. 2019 eq 3; the form beyond pi - m is the authors' code. pytorch-metric-learning takes the
               margin in degrees, and its gradient is NaN on a proxy
    """

    def __init__(
        self,
        classes: int | None = None,
        dimensions: int | None = None,
        *,
        margin: float = 0.5,
        scale: float = 64.0,
        seed: int | None = None,
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        rows = ArcFaceRows(margin, scale, reduction=reduction, block_size=block_size)
        super().__init__(rows, classes, dimensions, seed=seed)


class SubCenterArcFace(ClassLoss):
    """Sub-center ArcFace: ArcFace where a class has several centres, and the nearest one speaks for it [SUB-1].

    Equation:  cos t_c = max_k cos t_ck over the centres k of class c, then as `ArcFace`; a tie goes to the lowest k
    per_class: centres a class, default 3, the paper's; more give unclean samples a centre of their own
    margin:    in radians, default 0.5; scale: default 64, less for few classes (see `ArcFace`)
    classes, dimensions: of the proxies, which are trained like weights; a recipe fills them in. Labels are 0..classes-1
    proxies:   (classes * per_class, dimensions), row c * per_class + k is centre k of class c
    seed:      of the first proxies, default 0
    Source:    Deng et al. 2020
    """

    def __init__(
        self,
        classes: int | None = None,
        dimensions: int | None = None,
        *,
        per_class: int = 3,
        margin: float = 0.5,
        scale: float = 64.0,
        seed: int | None = None,
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        rows = ArcFaceRows(margin, scale, per_class=per_class, reduction=reduction, block_size=block_size)
        super().__init__(rows, classes, dimensions, seed=seed)
