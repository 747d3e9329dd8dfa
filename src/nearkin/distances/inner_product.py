"""Negative inner product."""

from __future__ import annotations

from torch import Tensor

from nearkin.distances.base import Distance
from nearkin.distances.forms import Form, Product


class InnerProduct(Distance):
    """Negative inner product [DOT-1], d = -x'z.

    Range:     all reals; smaller = nearer = larger product. The self entry is -|x|^2, not 0
    Search:    the order for a fixed query is not Euclidean (maximum inner product search)
    """

    order_is_euclidean = False
    self_is_zero = False

    def link(self, squared: Tensor, anchor_norm: Tensor, reference_norm: Tensor) -> Tensor:
        return (squared - anchor_norm - reference_norm) / 2

    def closed_form(self) -> Form:
        return Product()
