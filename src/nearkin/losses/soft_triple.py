"""SoftTriple loss: softmax over classes that have several centres each, weighted softly."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import non_negative, positive, within
from nearkin.core.tensors import LOG2E, added
from nearkin.distances import Cosine, root, wide
from nearkin.losses.class_rows import ClassLoss, ClassRows
from nearkin.losses.shares import FITTING

ONE_PLACE = 1e-14
"""Squared distance of two directions below which they count as the same one: float32 tells none apart there."""


class SoftTripleRows(ClassRows):
    """The distance to a class is that to its centres, weighted by nearness; the own one is widened by a margin."""

    closed = ClassRows.closed

    def __init__(
        self, temperature: float, margin: float, scale: float, *, per_class: int, reduction: str, block_size: int | str | None
    ) -> None:  # fmt: skip
        super().__init__(scale, per_class=per_class, reduction=reduction, block_size=block_size)
        self.temperature, self.margin = positive("temperature", temperature), within("margin", margin, 0, 2)

    def narrow_near(self, distances: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        least = distances.amin(2, keepdim=True)
        further, slopes = self.near((distances - least).to(dtype))
        return further + least[:, :, 0], slopes

    def near(self, distances: Tensor) -> tuple[Tensor, Tensor]:
        powers = distances * (-LOG2E / self.temperature)
        if 2 / self.temperature > FITTING:
            powers = powers - powers.detach().amax(2, keepdim=True)
        powers = powers.exp2()
        shares = powers / powers.sum(2, keepdim=True)  # torch.softmax takes three times as long over so few
        near = torch.linalg.vecdot(shares, distances)
        return near, torch.addcmul(shares, shares, near[:, :, None] - distances, value=1 / self.temperature)

    def widened(self, distance: Tensor) -> tuple[Tensor, float]:
        return distance + self.margin, 1.0

    def extra_repr(self) -> str:
        """The settings, as they stand in the equation."""
        return f"temperature={self.temperature:g}, margin={self.margin:g}, {super().extra_repr()}"


class SoftTriple(ClassLoss):
    """SoftTriple: softmax over classes with several centres, each class as near as its nearby centres [STP-1].

    Equation:  cross-entropy of a S_c, for the own class of a (S_y - m), S_c = sum_k q_k s_ck, q = softmax_k(s_ck / g),
               s the cosine of embedding and centre; averaged over embeddings;
               + r sum_c sum_{k < l} |w_ck - w_cl| / (C K (K - 1)) over normalised centres, which merges centres that are
               not needed; 0 for one centre a class
    per_class: centres K, default 10; temperature: g, default 0.1; scale: a, default 20; margin: m, default 0.01;
               regularizer: r, default 0.2. All are the paper's
    classes, dimensions: of the centres, which are trained like weights; a recipe fills them in. Labels are 0..classes-1
    proxies:   (classes * per_class, dimensions), row c * per_class + k is centre k of class c
    seed:      of the first centres, default 0
    reduction: of the cross-entropy, "mean" or "sum"; the regulariser is added once either way
    Gradient:  of |w_k - w_l| is 0 where two centres agree to 1e-7
    Source:    Qian et al. 2019 eq 5-8. pytorch-metric-learning's SoftTripleLoss has no such regulariser, and its layout
               is (dimensions, classes * K)
    """

    def __init__(
        self,
        classes: int | None = None,
        dimensions: int | None = None,
        *,
        per_class: int = 10,
        temperature: float = 0.1,
        scale: float = 20.0,
        margin: float = 0.01,
        regularizer: float = 0.2,
        seed: int | None = None,
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        options = {"per_class": per_class, "reduction": reduction, "block_size": block_size}
        rows = SoftTripleRows(temperature, margin, scale, **options)  # type: ignore[arg-type]
        super().__init__(rows, classes, dimensions, seed=seed)
        self.regularizer = non_negative("regularizer", regularizer)

    def whole(self, value: Tensor) -> Tensor:
        if not self.regularizer or self.per_class == 1:
            return value
        return value + self.regularizer * self.spread().to(value.dtype)

    def spread(self) -> Tensor:
        """Mean distance of two centres of one class, halved: sum_c sum_{k < l} |w_ck - w_cl| / (C K (K - 1))."""
        if self.proxies is None:
            raise RuntimeError("proxies are asked for before")
        centers = Cosine().project(wide(self.proxies)).unflatten(0, (-1, self.per_class))
        products = centers @ centers.mT
        lengths = products.diagonal(dim1=1, dim2=2)
        squared = lengths[:, :, None] + lengths[:, None] - 2 * products
        distances = root(torch.where(squared > ONE_PLACE, squared, 0)).triu(1)
        return added(distances) / (len(centers) * self.per_class * (self.per_class - 1))

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"regularizer={self.regularizer:g}, {super().extra_repr()}"
