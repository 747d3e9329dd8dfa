"""What an estimator fitted to embeddings, as a module: a centred linear map."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from nearkin.core import InputError, integer


class LinearMap(nn.Module):
    """x -> L (x - mean) in float64, (B, inputs) -> (B, outputs).

    >>> LinearMap.of([1.0, 1.0], [[2.0, 0.0]])(torch.tensor([[3.0, 5.0]]))
    tensor([[4.]], dtype=torch.float64)
    """

    mean: Tensor
    factor: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.inputs, self.outputs = integer("inputs", inputs, minimum=1), integer("outputs", outputs, minimum=1)
        self.register_buffer("mean", torch.zeros(self.inputs, dtype=torch.float64))
        self.register_buffer("factor", torch.eye(self.outputs, self.inputs, dtype=torch.float64))

    @classmethod
    def of(cls, mean: ArrayLike, factor: ArrayLike) -> LinearMap:
        """The map of a mean (inputs,) and an L (outputs, inputs)."""
        centre, rows = (torch.as_tensor(each, dtype=torch.float64) for each in (mean, factor))
        if rows.ndim != 2 or centre.shape != rows.shape[1:]:
            raise InputError(f"a factor (outputs, inputs) and a mean (inputs,) must fit, got {tuple(rows.shape)}, {tuple(centre.shape)}")
        made = cls(rows.shape[1], rows.shape[0])
        made.mean.copy_(centre)
        made.factor.copy_(rows)
        return made

    def forward(self, rows: Tensor) -> Tensor:
        return (rows.flatten(1).double() - self.mean) @ self.factor.T

    def configuration(self) -> dict[str, Any]:
        """What builds it again with `LinearMap(**configuration)`: plain values, fit for JSON; no weights."""
        return {"inputs": self.inputs, "outputs": self.outputs}
