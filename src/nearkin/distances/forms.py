"""Closed forms of a distance's `link`: distances made in a buffer, and slopes turned back, without autograd."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nearkin.distances.rows import Rows

Back = Callable[[Tensor], Tensor]
"""The gradient of rows in a distance's space, which it may use up, as one of the rows that were given."""

Turn = Callable[[Tensor], tuple[Rows, Back] | None]
"""Given rows in the distance's space, and the way back of their gradient; None for rows without this form."""


class Form:
    """`link` by hand. The squared distances of a block become distances in place; slopes go back in place.

    factor:  a number that every slope has to be multiplied with still, left to whoever makes the thin products
    divides: whether `slope` divides by distances, which must not be 0 then
    relative: whether the anchors' squared norms have a part in it; where they have none, nobody makes them
    turn:    makes the rows of the distance's space itself, None: it takes projected rows
    """

    factor: float = 1.0
    divides: bool = False
    relative: bool = False
    turn: Turn | None = None

    def fits(self, rows: Tensor) -> bool:
        """Whether these projected rows may take this form."""
        return True

    def reach(self, largest: float) -> float:
        """No distance is above this in size, where no squared norm is above `largest`."""
        return math.inf

    def link(self, squared: Tensor, norms: Tensor) -> None:
        """Squared distances (b, R) -> distances, in place; norms (b, 1) are those of the anchors."""

    def slope(self, slopes: Tensor, distances: Tensor, norms: Tensor) -> None:
        """Slopes of distances -> slopes of squared distances less `factor`, in place."""

    def norm_slope(self, slopes: Tensor, distances: Tensor, norms: Tensor) -> Tensor | None:
        """The slope of the anchors' squared norms (b,), or None where they have no part in it; may use up distances."""
        return None


class Scaled(Form):
    """d = factor |x - z|^2."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def reach(self, largest: float) -> float:
        return 4 * largest * self.factor

    def link(self, squared: Tensor, norms: Tensor) -> None:
        if self.factor != 1:
            squared.mul_(self.factor)


class OfDirections(Scaled):
    """d = |x - z|^2 / 2 of unit rows; zero rows are no unit rows, and take the general way."""

    def __init__(self, turn: Turn | None = None) -> None:
        super().__init__(0.5)
        self.turn = turn

    def reach(self, largest: float) -> float:
        return 2.0

    def fits(self, rows: Tensor) -> bool:
        return not len(rows) or float(torch.linalg.vector_norm(rows, dim=1).amin()) > 0.5


class Root(Form):
    """d = |x - z|."""

    factor = 0.5
    divides = True

    def reach(self, largest: float) -> float:
        return 2 * math.sqrt(largest)

    def link(self, squared: Tensor, norms: Tensor) -> None:
        squared.sqrt_()

    def slope(self, slopes: Tensor, distances: Tensor, norms: Tensor) -> None:
        slopes.div_(distances)


class Relative(Form):
    """d = |x - z|^2 / max(|x|^2, eps)."""

    relative = True

    def __init__(self, eps: float, turn: Turn | None = None) -> None:
        self.eps, self.turn = eps, turn

    def _unit(self, norms: Tensor) -> Tensor:
        return torch.where(norms > self.eps, norms, self.eps)

    def link(self, squared: Tensor, norms: Tensor) -> None:
        squared.div_(self._unit(norms))

    def slope(self, slopes: Tensor, distances: Tensor, norms: Tensor) -> None:
        slopes.div_(self._unit(norms))

    def norm_slope(self, slopes: Tensor, distances: Tensor, norms: Tensor) -> Tensor | None:
        moved = distances.mul_(slopes).sum(1, keepdim=True) / self._unit(norms)
        return torch.where(norms > self.eps, -moved, 0)[:, 0]


class Product(Form):
    """d = -x'z, which needs no squared distance at all."""

    def reach(self, largest: float) -> float:
        return largest
