"""Every loss of the library's table at B=64, against its counterpart where there is one."""

from __future__ import annotations

from functools import partial
from typing import Any

from batches import Batch, unit_rows
from contenders import forward_backward, our_loss, ours, pml
from counterparts import COUNTERPARTS, Counterpart
from harness import PML, Answer, Case, Setup, Target
from torch import Tensor

from nearkin.losses import LOSSES

COUNT = 64


PROMISED = Target("error", 1e-6)


def _loss(small: bool, *, name: str) -> Setup:
    counterpart = COUNTERPARTS.get(name, Counterpart())
    batch = unit_rows(COUNT, counterpart.per_class)
    classes = COUNT // counterpart.per_class
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
