"""A learned linear map in front of a distance: what Mahalanobis distances share."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from nearkin.core import InputError, integer
from nearkin.distances.base import Distance


class LearnedDistance(Distance):
    """A distance in the space of L x, where `weight`, L (rank, D), is learned with whatever is trained.

    L starts as the first `rank` rows of the identity, in float32. Without `dimensions` it has no shape yet: the first
    rows that are projected, or a state_dict, give it one. Until then its state_dict is empty. `nearkin.train`
    materialises it before the optimiser is made; in a loop of your own give `dimensions`, or call `materialise(D)` or
    the loss once before the optimiser is made, and before `torch.compile`.

    Errors:  InputError where rank is above D, and for rows of another number of dimensions
    """

    weight: nn.Parameter

    def __init__(self, dimensions: int | None = None, rank: int | None = None) -> None:
        super().__init__()
        self._rank = None if rank is None else integer("rank", rank, minimum=1)
        self.weight = cast(nn.Parameter, UninitializedParameter())
        if dimensions is not None:
            self.materialise(integer("dimensions", dimensions, minimum=1))

    @property
    def dimensions(self) -> int | None:
        """D, or None as long as nobody has said."""
        return None if isinstance(self.weight, UninitializedParameter) else self.weight.shape[1]

    @property
    def rank(self) -> int | None:
        """Rows of L; None as long as they are to be as many as dimensions that nobody has said."""
        return self._rank if isinstance(self.weight, UninitializedParameter) else self.weight.shape[0]

    def materialise(self, dimensions: int) -> None:
        """Give L its shape and its first rows of the identity; nothing where it has a shape already."""
        if not isinstance(self.weight, UninitializedParameter):
            if self.weight.shape[1] != dimensions:
                raise InputError(
                    f"{type(self).__name__} was made for {self.weight.shape[1]} dimensions and got rows of {dimensions}"
                )
            return
        rank = dimensions if self._rank is None else self._rank
        if rank > dimensions:
            raise InputError(f"rank {rank} is more than the {dimensions} dimensions; give at most rank={dimensions}")
        self.weight.materialize((rank, dimensions))
        with torch.no_grad():
            nn.init.eye_(self.weight)

    def mapped(self, x: Tensor) -> Tensor:
        """L x, in the dtype and on the device of the rows."""
        self.materialise(x.shape[-1])
        return x @ self.weight.to(x).T

    def project(self, x: Tensor) -> Tensor:
        """L x: (N, D) -> (N, rank)."""
        return self.mapped(x)

    def extra_repr(self) -> str:
        """Dimensions and rank, as the constructor takes them."""
        return f"dimensions={self.dimensions}, rank={self.rank}"

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        if self.dimensions is not None:
            super()._save_to_state_dict(destination, prefix, keep_vars)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *more: Any) -> None:
        stored, missing = state_dict.get(f"{prefix}weight"), more[2]
        shapeless = isinstance(self.weight, UninitializedParameter)
        if isinstance(self.weight, UninitializedParameter) and stored is not None and stored.dim() == 2:
            self.weight.materialize((self._rank or stored.shape[0], stored.shape[1]))
        super()._load_from_state_dict(state_dict, prefix, *more)
        if shapeless and stored is None:
            missing.remove(f"{prefix}weight")  # a distance without a shape has nothing to load


def materialise(module: nn.Module, dimensions: int) -> None:
    """Give every learned distance inside `module` its shape."""
    for part in module.modules():
        if isinstance(part, LearnedDistance):
            part.materialise(dimensions)


def is_shapeless(module: nn.Module) -> bool:
    """Whether a learned distance inside `module` waits for its first rows."""
    return any(isinstance(part, LearnedDistance) and part.dimensions is None for part in module.modules())
