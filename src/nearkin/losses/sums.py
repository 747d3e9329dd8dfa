"""Several losses as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nearkin.core import InputError, InputTypeError, non_negative
from nearkin.core.tensors import Own
from nearkin.distances import Distance
from nearkin.losses.engine import Measure, RowLoss
from nearkin.losses.outside import Loss, OutsideLoss


class Sum(OutsideLoss):
    """A weighted sum of losses on the same embeddings.

    Equation:  sum_l w_l loss_l
    losses:    losses, or (loss, weight) pairs; a weight is at least 0, 1 where none is given. At least one loss
    Examples:  document 003's baseline `Sum([Triplet(), NPair()])`; angular with N-pair [ANG-2]
               `Sum([NPair(), (Angular(form="tuples"), 2.0)])`; SNR with its regulariser
               `Sum([Triplet(distance="snr"), (ZeroMean(), 0.005)])`
    In a recipe: `loss: {name: sum, losses: [{name: triplet, margin: 0.2}, {name: n-pair, weight: 0.5}]}`; a loss that
               has a weight of its own is written `{loss: {name: joint, weight: 0.3}, weight: 2}`
    Call:      as a row loss; references, own columns and triplets go to the members that know them, the others see
               embeddings and labels. Random miners draw one after the other
    Measure:   mean distances of the first member; active is the largest share of a member, None where one has none
    Distance:  that of the first member
    """

    takes_columns = True

    def __init__(self, losses: Sequence[Loss | tuple[Loss, float]]) -> None:
        super().__init__()
        pairs = [one if isinstance(one, tuple | list) else (one, 1.0) for one in losses]
        if not pairs:
            raise InputError("a sum needs at least one loss")
        for loss, _ in pairs:
            if not isinstance(loss, RowLoss | OutsideLoss):
                raise InputTypeError(f"a sum is made of losses or (loss, weight), got {type(loss).__name__}")
        self.losses = nn.ModuleList(loss for loss, _ in pairs)
        self.weights = [non_negative("weight", weight) for _, weight in pairs]
        self.uniforms = sum(loss.uniforms for loss, _ in pairs)
        self.tuples = any(loss.tuples for loss, _ in pairs)

    @property
    def distance(self) -> Distance:
        """That of the first member."""
        return self.losses[0].distance  # type: ignore[return-value]

    def forward(
        self,
        embeddings: Tensor,
        labels: Any = None,
        references: Tensor | None = None,
        reference_labels: Any = None,
        *,
        ids: Tensor | None = None,
        reference_ids: Tensor | None = None,
        own: Own | None = None,
        triplets: Any = None,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
        group: Any = None,
    ) -> Tensor:
        columns = (references, reference_labels, reference_ids, own, triplets)
        calls = self._calls(columns, ids=ids, noise=noise, generator=generator, group=group)
        values = [weight * loss(embeddings, labels, **more) for loss, weight, more in calls]
        return torch.stack(values).sum()

    def measure(
        self,
        embeddings: Tensor,
        labels: Any = None,
        references: Tensor | None = None,
        reference_labels: Any = None,
        *,
        ids: Tensor | None = None,
        reference_ids: Tensor | None = None,
        own: Own | None = None,
        triplets: Any = None,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
        group: Any = None,
    ) -> Measure:
        columns = (references, reference_labels, reference_ids, own, triplets)
        calls = self._calls(columns, ids=ids, noise=noise, generator=generator, group=group)
        found = [(weight, loss.measure(embeddings, labels, **more)) for loss, weight, more in calls]
        value = torch.stack([weight * one.value for weight, one in found]).sum()
        shares = [one.active for _, one in found]
        active = None if None in shares else max(share for share in shares if share is not None)
        return Measure(value, active, found[0][1].positive, found[0][1].negative)

    def _calls(
        self, columns: tuple[Any, ...], *, noise: Tensor | None, **more: Any
    ) -> Iterator[tuple[Any, float, dict[str, Any]]]:
        """Each loss, its weight, and what its call is given."""
        names = ("references", "reference_labels", "reference_ids", "own", "triplets")
        start = 0
        for loss, weight in zip(self.losses, self.weights, strict=True):
            given = dict(more)
            if isinstance(loss, RowLoss) or loss.takes_columns:
                given |= dict(zip(names, columns, strict=True))
                if noise is not None and loss.uniforms:
                    uniforms = int(loss.uniforms)  # type: ignore[arg-type]
                    given["noise"] = noise[:, start : start + uniforms]
                    start += uniforms
            yield loss, weight, given

    def extra_repr(self) -> str:
        """The weights of the losses."""
        return f"weights={self.weights}"
