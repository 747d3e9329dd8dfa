"""Neighbourhood component analysis on proxies: ProxyNCA and ProxyNCA++."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import positive
from nearkin.losses.class_rows import ClassLoss, ClassRows


class ProxyNCARows(ClassRows):
    """The own class is left out of the sum, so the cost is z itself."""

    closed = ClassRows.closed

    def cost(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return z, torch.ones_like(z)


class ProxyNCA(ClassLoss):
    """ProxyNCA: an embedding near the proxy of its class, compared with all other proxies [PNC-1].

    Equation:  d^2(x, p_y) / T + log sum_{c != y} e^{-d^2(x, p_c) / T}, averaged over embeddings; d^2 between directions,
               2 - 2 cos. The own proxy is not in the sum, so the loss is not bounded below by 0
    temperature: T, default 1, the paper's equation; smaller is sharper
    classes, dimensions: of the proxies, which are trained like weights; a recipe fills them in. Labels are 0..classes-1
    seed:      of the first proxies, default 0
    Errors:    InputError for a single class: nothing would be left to compare with
    Source:    Movshovitz-Attias et al. 2017 eq 7. pytorch-metric-learning's ProxyNCALoss has the own proxy in the sum:
               that is `ProxyNCAPlusPlus`
    """

    def __init__(
        self,
        classes: int | None = None,
        dimensions: int | None = None,
        *,
        temperature: float = 1.0,
        seed: int | None = None,
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        rows = ProxyNCARows(2 / positive("temperature", temperature), reduction=reduction, block_size=block_size)
        super().__init__(rows, classes, dimensions, seed=seed)


class ProxyNCAPlusPlus(ClassLoss):
    """ProxyNCA++: the probability of one's own proxy among all proxies, at a low temperature [PNC-2].

    Equation:  -log(e^{-d^2(x, p_y) / T} / sum_c e^{-d^2(x, p_c) / T}), averaged over embeddings; d^2 between directions,
               2 - 2 cos. This is `NormalizedSoftmax` at temperature T / 2
    temperature: T, default 1/9, the paper's
    classes, dimensions: of the proxies, which are trained like weights; a recipe fills them in. Labels are 0..classes-1
    seed:      of the first proxies, default 0
    Rate:      the paper lets proxies learn many times faster than the network: `loss_learning_rate` in a recipe
    Source:    Teh et al. 2020
    """

    def __init__(
        self,
        classes: int | None = None,
        dimensions: int | None = None,
        *,
        temperature: float = 1 / 9,
        seed: int | None = None,
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        rows = ClassRows(2 / positive("temperature", temperature), reduction=reduction, block_size=block_size)
        super().__init__(rows, classes, dimensions, seed=seed)
