"""Softmax classification on directions: without a margin, and with one on the cosine."""

from __future__ import annotations

from torch import Tensor

from nearkin.core import positive, within
from nearkin.losses.class_rows import ClassLoss, ClassRows


class NormalizedSoftmax(ClassLoss):
    """Normalised softmax: cross-entropy of cosines to the classes' proxies, over a temperature [NSM-1].

    Equation:  -log(e^{s_y / tau} / sum_c e^{s_c / tau}), s_c = cosine of embedding and proxy, averaged over embeddings;
               both are normalised, and there is no bias
    temperature: tau, default 0.05, the paper's
    classes, dimensions: of the proxies, which are trained like weights; a recipe fills them in. Labels are 0..classes-1
    seed:      of the first proxies, default 0
    Errors:    InputError for a single class, whose loss would always be 0
    Source:    Zhai and Wu 2019
    """

    def __init__(
        self,
        classes: int | None = None,
        dimensions: int | None = None,
        *,
        temperature: float = 0.05,
        seed: int | None = None,
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        rows = ClassRows(1 / positive("temperature", temperature), reduction=reduction, block_size=block_size)
        super().__init__(rows, classes, dimensions, seed=seed)


class CosFaceRows(ClassRows):
    """The own class's cosine loses a margin."""

    closed = ClassRows.closed

    def __init__(self, margin: float, scale: float, *, reduction: str, block_size: int | str | None) -> None:
        super().__init__(scale, reduction=reduction, block_size=block_size)
        self.margin = within("margin", margin, 0, 2)

    def widened(self, distance: Tensor) -> tuple[Tensor, float]:
        return distance + self.margin, 1.0

    def extra_repr(self) -> str:
        """The settings, as they stand in the equation."""
        return f"margin={self.margin:g}, {super().extra_repr()}"


class CosFace(ClassLoss):
    """CosFace: softmax on cosines where the own class must be nearer by a margin on the cosine [CSF-1].

    Equation:  cross-entropy of a s_c, for the own class of a (s_y - m); s the cosine of embedding and proxy; averaged
               over embeddings
    margin:    m, default 0.35; scale: a, default 64, both the paper's for tens of thousands of classes. With few classes
               64 is too large: take 16 to 30
    classes, dimensions: of the proxies, which are trained like weights; a recipe fills them in. Labels are 0..classes-1
    seed:      of the first proxies, default 0
    Errors:    InputError for a single class, and for a margin beyond 0..2, the range of a difference of cosines
    Source:    Wang et al. 2018 eq 4
    """

    def __init__(
        self,
        classes: int | None = None,
        dimensions: int | None = None,
        *,
        margin: float = 0.35,
        scale: float = 64.0,
        seed: int | None = None,
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        rows = CosFaceRows(margin, scale, reduction=reduction, block_size=block_size)
        super().__init__(rows, classes, dimensions, seed=seed)
