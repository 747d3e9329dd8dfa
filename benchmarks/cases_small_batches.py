"""Every loss of the library's table at B=64, against its counterpart where there is one; some on classes of unlike sizes, some
on longer rows, and those on proxies with more of these."""

from __future__ import annotations

from functools import partial
from typing import Any

from batches import Batch, unit_rows, unlike_rows
from contenders import forward_backward, our_loss, ours, pml
from counterparts import COUNTERPARTS, DIMENSIONS, Counterpart
from harness import PML, Answer, Case, Setup, Target
from torch import Tensor

from nearkin.losses import LOSSES

COUNT = 64


PROMISED = Target("error", 1e-6)

UNLIKE = (
    "angular", "circle", "contrastive", "fast-ap", "generalized-lifted", "margin", "multi-similarity", "nca", "ranked-list", "supcon",
    "triplet",
)  # fmt: skip
"""Losses that are also measured on classes of unlike sizes."""

LONG = (
    "angular", "circle", "contrastive", "generalized-lifted", "margin", "multi-similarity", "n-pair", "nca", "ranked-list", "supcon",
)  # fmt: skip
"""Losses that are also measured with 128 rows of 512 numbers; triplets and rankings have nothing left to mend there."""

PROXIES = (
    "arcface", "cosface", "normalized-softmax", "proxy-anchor", "proxy-nca++", "soft-triple", "sub-center-arcface",
)  # fmt: skip
"""Losses that are also measured with 384 embeddings and 96 classes."""


def _loss(
    small: bool, *, name: str, count: int = COUNT, per_class: int | None = None, dimensions: int = DIMENSIONS, unlike: bool = False
) -> Setup:
    counterpart = COUNTERPARTS.get(name, Counterpart())
    batch = unlike_rows(count) if unlike else unit_rows(count, per_class or counterpart.per_class, dimensions)
    classes = int(batch.labels.max()) + 1
    loss = our_loss(name, **counterpart.options(classes))
    call = _WithMemory(loss, counterpart.per_class) if counterpart.remembers else loss
    contenders, notes = [ours(call, batch)], []
    if counterpart.theirs is not None:
        make = counterpart.theirs
        contenders += pml(batch, lambda library: make(library, loss, classes), unlike=bool(counterpart.differs))
    if counterpart.differs:
        notes.append(f"{PML} answers otherwise ({counterpart.differs}): only its time is compared")
    if counterpart.truth is not None:
        return Setup(contenders, partial(counterpart.truth, batch), notes)
    peers = [one for one in contenders if one.name == PML and not one.unlike and counterpart.check == "peer"]
    notes.append(f"checked against {'the peer' if peers else 'itself'} in float64")
    theirs = counterpart.theirs if peers else None
    return Setup(contenders, partial(_in_double, batch, call, theirs, classes), notes)


class _WithMemory:
    """A loss that finds the same memory at each call, of three other batches."""

    def __init__(self, loss: Any, per_class: int) -> None:
        self.loss = loss
        for seed in (1, 2, 3):
            other = unit_rows(COUNT, per_class, seed=seed)
            loss(other.rows, other.labels)
        self.held = [each.clone() for each in loss.buffers()]

    def __call__(self, rows: Tensor, labels: Tensor) -> Tensor:
        for buffer, held in zip(self.loss.buffers(), self.held, strict=True):
            buffer.copy_(held)
        return self.loss(rows, labels)  # type: ignore[no-any-return]

    def double(self) -> _WithMemory:
        self.loss.double()
        return self


def _in_double(batch: Batch, loss: object, theirs: object, classes: int) -> Answer:
    """The peer's answer in float64, or our own without its closed form."""
    import copy

    wide = Batch(batch.rows.detach().double().requires_grad_(), batch.labels)
    ours_wide = copy.deepcopy(loss).double()  # type: ignore[attr-defined]
    if theirs is None:
        return forward_backward(ours_wide, wide)()
    import pytorch_metric_learning

    call = theirs(pytorch_metric_learning, ours_wide, classes)  # type: ignore[operator]
    return forward_backward(call.double() if hasattr(call, "double") else call, wide)()


def _case(name: str) -> Case:
    counterpart = COUNTERPARTS.get(name)
    targets = [Target("faster", 1, PML), PROMISED] if counterpart and counterpart.theirs else [PROMISED]
    return Case(f"small/{name} B={COUNT}", partial(_loss, name=name), targets, weighed=False)


CASES = [_case(name) for name in sorted({*LOSSES, *COUNTERPARTS})]
CASES += [
    Case(f"unlike/{name} B={COUNT}", partial(_loss, name=name, unlike=True), [PROMISED], weighed=False) for name in UNLIKE
]
CASES += [
    Case(
        f"long/{name} B=128, D=512", partial(_loss, name=name, count=128, dimensions=512), [Target("faster", 1, PML), PROMISED],
        weighed=False,
    )
    for name in LONG
]  # fmt: skip
CASES += [
    Case(f"proxies/{name} B=384, C=96", partial(_loss, name=name, count=384, per_class=4), [PROMISED], weighed=False)
    for name in PROXIES
]
