"""Generators: a small network from three features to one, or no network at all."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from nearkin.core import choice, derived_seed, integer, within
from nearkin.generation.settings import GENERATORS
from nearkin.networks.layers import linear

PUBLISHED_DEVIATION = 0.02
"""Deviation of the first weights in both published codes."""


class Generator(nn.Module):
    """A hard example from an anchor, a positive and a negative [DML-1, DML-2].

    Equation:  h = A2 relu(A1 [a; q; n] + c1) + c2;  form "plain": g = h; "plain-relu": g = relu(h);
               "residual" (default): o = x + h, g = o |x| / max(|o|, 1e-12), which has the length of x: x is n for
               negatives, p for positives
    Shapes:    features (R, d) each -> (R, d)
    Start:     plain forms normal with deviation 0.02, biases 0, as published; residual He normal, last layer 0, so
               that g = x before anything is learned: label and scale are right from the first step
    Default:   hidden = d, as published
    Source:    DAML (Duan et al. 2018) and document 003, both by their authors' code. Differs: the residual form is ours;
               the closing ReLU cannot make the negative coordinates that normalised features have
    """

    def __init__(self, dimensions: int, *, hidden: int | None = None, form: str = "residual", seed: int = 0) -> None:
        super().__init__()
        self.dimensions = integer("dimensions", dimensions, minimum=1)
        self.hidden = self.dimensions if hidden is None else integer("hidden", hidden, minimum=1)
        self.form = choice("form", form, GENERATORS[:3])
        residual = self.form == "residual"
        first = (2 / (3 * self.dimensions)) ** 0.5 if residual else PUBLISHED_DEVIATION
        stream = torch.Generator().manual_seed(derived_seed(seed, "generator"))
        self.inner = linear(3 * self.dimensions, self.hidden, first, generator=stream)
        self.outer = linear(self.hidden, self.dimensions, 0 if residual else PUBLISHED_DEVIATION, generator=stream)

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor, base: Tensor) -> Tensor:
        """g for every row; `base` is x: the negative for G-, the positive for G+."""
        made: Tensor = self.outer(torch.relu(self.inner(torch.cat([anchor, positive, negative], 1))))
        if self.form == "plain-relu":
            return torch.relu(made)
        if self.form == "plain":
            return made
        length: Tensor = base.norm(dim=1, keepdim=True)
        return normalize(base + made, dim=1, eps=1e-12) * length

    def extra_repr(self) -> str:
        """The settings."""
        return f"form={self.form!r}"


class SegmentGenerator(nn.Module):
    """The point a + t (n - a) between anchor and negative, without a network [DML-8.5]: (R, d) each -> (R, d)."""

    def __init__(self, t: float = 0.5) -> None:
        super().__init__()
        self.t = within("t", t, 0, 1)

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor, base: Tensor) -> Tensor:
        """The point; the positive plays no part, and `base` is the negative."""
        return anchor + self.t * (base - anchor)

    def extra_repr(self) -> str:
        """The setting."""
        return f"t={self.t:g}"


def make_generator(
    form: str, dimensions: int, *, hidden: int | None = None, t: float = 0.5, seed: int = 0
) -> nn.Module:
    """The generator of that form: a network, or the segment."""
    if form == "segment":
        return SegmentGenerator(t)
    return Generator(dimensions, hidden=hidden, form=form, seed=seed)
