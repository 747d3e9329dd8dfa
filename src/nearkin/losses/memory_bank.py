"""A memory of past embeddings as further columns of a row loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nearkin.core import InputError, InputTypeError, integer
from nearkin.distances import Distance, compute_dtype
from nearkin.losses.engine import Measure, RowLoss
from nearkin.losses.group import Group, as_group, gathered
from nearkin.losses.outside import OutsideLoss, class_labels
from nearkin.pairs import as_values


class MemoryBank(OutsideLoss):
    """A row loss whose anchors, the batch, are compared with the batch and with the last `size` embeddings before it.

    loss:      a row loss (not one that reads N-pair input out of the batch: NPair needs pairs="all")
    size:      embeddings kept, default 1024; older ones are overwritten. They are constants for the gradient, so they
               are a little out of date: a large memory asks for a slowly moving network
    ids:       `loss(embeddings, labels, ids=...)`, integers of at least 0, one a sample (its index in the data set): a
               sample is no pair with its own copies in the memory; `nearkin.train` gives them. Without ids every embedding
               counts as a new sample, so a sample's older copy is a positive
    Update:    the batch is added after the loss is computed, once a call, in training mode only. In the first call the
               memory is empty
    State:     `state_dict` has embeddings, labels, ids and the number ever written: a resumed run goes on exactly
    Several processes: columns are the joint batch and the memory, which is the same on every process
    dimensions: of the embeddings; without it the memory is made at the first batch
    Source:    cross-batch memory, Wang et al. 2020
    """

    embeddings: Tensor
    labels: Tensor
    ids: Tensor
    written: Tensor

    def __init__(self, loss: RowLoss, size: int = 1024, *, dimensions: int | None = None) -> None:
        super().__init__()
        if not isinstance(loss, RowLoss):
            raise InputTypeError(f"a memory bank serves a loss made of rows, got {type(loss).__name__}")
        if loss.tuples:
            raise InputError(
                f"{type(loss).__name__} reads N-pair input out of the batch and has no use for a memory; "
                "where it has one, take pairs='all' or form='batch'"
            )
        self.loss, self.size = loss, integer("size", size, minimum=1)
        width = 0 if dimensions is None else integer("dimensions", dimensions, minimum=1)
        self.uniforms = loss.uniforms
        self.register_buffer("embeddings", torch.zeros(self.size, width))
        self.register_buffer("labels", torch.zeros(self.size, dtype=torch.int64))
        self.register_buffer("ids", torch.zeros(self.size, dtype=torch.int64))
        self.register_buffer("written", torch.zeros((), dtype=torch.int64))

    @property
    def distance(self) -> Distance:
        """That of the loss."""
        return self.loss.distance

    def __len__(self) -> int:
        """Embeddings held now."""
        return min(int(self.written), self.size)

    def clear(self) -> None:
        """Forget everything."""
        self.written.zero_()

    def forward(
        self,
        embeddings: Tensor,
        labels: Any = None,
        *,
        ids: Tensor | None = None,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
        group: Any = None,
    ) -> Tensor:
        batch = _Batch(self, embeddings, labels, ids, as_group(group))
        value: Tensor = self.loss(*batch.rows, **batch.identities, noise=noise, generator=generator, group=batch.group)
        self._remember(batch)
        return value

    def measure(
        self,
        embeddings: Tensor,
        labels: Any = None,
        *,
        ids: Tensor | None = None,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
        group: Any = None,
    ) -> Measure:
        """As the call; mean distances are those of the batch to all its columns."""
        batch = _Batch(self, embeddings, labels, ids, as_group(group))
        found = self.loss.measure(*batch.rows, **batch.identities, noise=noise, generator=generator, group=batch.group)
        self._remember(batch)
        return found

    def _remember(self, batch: _Batch) -> None:
        if not self.training:
            return
        count = len(batch.everybody)
        kept = min(count, self.size)
        start = (batch.written + count - kept) % self.size
        head = min(kept, self.size - start)  # the rest goes to the front
        for memory, seen in (
            (self.embeddings, batch.everybody),
            (self.labels, batch.everybodys_labels),
            (self.ids, batch.everybodys_ids),
        ):
            memory[start : start + head] = seen[count - kept : count - kept + head]
            if head < kept:
                memory[: kept - head] = seen[count - kept + head :]
        self.written += count

    def extra_repr(self) -> str:
        """The settings; what is held is in the state."""
        return f"size={self.size}"

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *more: Any) -> None:
        saved = state_dict.get(f"{prefix}embeddings")
        if isinstance(saved, Tensor) and saved.dim() == 2 and len(saved) == self.size:
            self._make(saved.shape[1], self.embeddings.dtype)
        super()._load_from_state_dict(state_dict, prefix, *more)

    def _make(self, dimensions: int, dtype: torch.dtype) -> None:
        if self.embeddings.shape[1] != dimensions:
            self.embeddings = torch.zeros(self.size, dimensions, dtype=dtype, device=self.embeddings.device)


class _Batch:
    """One call: the batch with its columns, and the joint batch that will be remembered; `written` before it."""

    def __init__(
        self, bank: MemoryBank, embeddings: Tensor, labels: Any, ids: Tensor | None, group: Group | None
    ) -> None:
        known = class_labels(embeddings, labels)
        self.written = int(bank.written)
        held = min(self.written, bank.size)
        if not held:
            bank._make(embeddings.shape[1], compute_dtype(embeddings))
        if embeddings.shape[1] != bank.embeddings.shape[1]:
            raise InputError(
                f"the memory holds embeddings of {bank.embeddings.shape[1]} dimensions, the batch has {embeddings.shape[1]}"
            )
        self.group = group
        self.everybody, start = gathered(embeddings.detach(), group)
        self.everybodys_labels = gathered(known, group)[0]
        mine = _given(ids, embeddings)
        if mine is None:
            latest = -1 - self.written
            self.everybodys_ids = torch.arange(latest, latest - len(self.everybody), -1, device=embeddings.device)
            mine = self.everybodys_ids[start : start + len(embeddings)]
        else:
            self.everybodys_ids = gathered(mine, group)[0]
        share = slice(0, held) if group is None else slice(group.rank, held, group.size)
        columns = torch.cat([embeddings, bank.embeddings[share].to(embeddings.dtype)])
        self.rows = embeddings, known, columns, torch.cat([known, bank.labels[share]])
        self.identities = {"ids": mine, "reference_ids": torch.cat([mine, bank.ids[share]])}


def _given(ids: Tensor | None, embeddings: Tensor) -> Tensor | None:
    if ids is None:
        return None
    given = as_values("ids", ids, len(embeddings), embeddings.device)
    if given.dim() != 1 or bool((given < 0).any()):
        raise InputError(f"ids must be integers of at least 0 of shape ({len(embeddings)},)")
    return given
