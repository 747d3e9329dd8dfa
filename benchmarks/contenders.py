"""Contenders of loss cases: ours by name, the peers', and the bare distance matrix that no loss gets below."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any

import torch
from batches import Batch
from harness import OML, OURS, PML, Answer, Contender, Unavailable
from placement import here, placed
from torch import Tensor

from nearkin.core.vision import vision
from nearkin.losses import LOSSES, make_loss

Call = Callable[[Tensor, Tensor], Tensor]
"""(rows, labels) -> the loss."""


def forward_backward(call: Call, batch: Batch) -> Callable[[], Answer]:
    """A run of a loss: its value and the gradient to the rows."""

    def run() -> Answer:
        batch.rows.grad = None
        value = call(batch.rows, batch.labels)
        value.backward()
        if batch.rows.grad is None:
            raise RuntimeError("the loss has no gradient")
        return {"value": value.detach(), "gradient": batch.rows.grad}

    return run


def our_loss(name: str, **options: Any) -> Any:
    """A loss of the library's table; one that is not there is unavailable."""
    if name not in LOSSES:
        raise Unavailable(f"nearkin has no loss {name!r}")
    return make_loss(name, **options).to(here())


def ours(call: Call, batch: Batch) -> Contender:
    """Ours, whose memory is always of interest."""
    return Contender(OURS, forward_backward(call, batch), "ours", peak=True)


def pml(batch: Batch, make: Callable[[Any], Call], *, peak: bool = False, unlike: bool = False) -> list[Contender]:
    """pytorch-metric-learning's loss, made by `make(pytorch_metric_learning)`; nothing where it is not installed."""
    try:
        import pytorch_metric_learning
        from pytorch_metric_learning import distances, losses, miners, reducers, regularizers  # noqa: F401
    except ImportError:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call = make(pytorch_metric_learning)
        run = forward_backward(call.to(here()) if isinstance(call, torch.nn.Module) else call, batch)
    return [Contender(PML, run, peak=peak, unlike=unlike)]


def oml(batch: Batch, make: Callable[[], Call], *, peak: bool = False) -> list[Contender]:
    """open-metric-learning's loss; nothing where it is not installed."""
    if not has_oml():
        return []
    return [Contender(OML, forward_backward(make(), batch), peak=peak)]


def has_oml() -> bool:
    """Whether open-metric-learning can be imported."""
    repair_torchvision()
    try:
        import oml  # noqa: F401
    except ImportError:
        return False
    return True


def repair_torchvision() -> None:
    """Peers import torchvision, which may be of another build than torch: then `vision` makes it importable."""
    with contextlib.suppress(ImportError):
        vision("torchvision")


def mined(loss: Any, miner: Any) -> Call:
    """A loss of pytorch-metric-learning on what its miner finds."""
    return lambda rows, labels: loss(rows, labels, miner(rows, labels))


def distance_floors(batch: Batch, seed: int = 1) -> list[Contender]:
    """The distance matrix alone, forward and backward from a given upstream gradient, in two forms: the faster counts."""
    count = len(batch.rows)
    upstream = placed(torch.rand(count, count, generator=torch.Generator().manual_seed(seed)))
    return [
        Contender("distance matrix (cdist)", lambda: _cdist(batch.rows, upstream), "floor"),
        Contender("distance matrix (by hand)", lambda: _by_hand(batch.rows.detach(), upstream), "floor"),
    ]


def _cdist(rows: Tensor, upstream: Tensor) -> Answer:
    rows.grad = None
    torch.cdist(rows, rows).backward(upstream)
    return {}


def _by_hand(rows: Tensor, upstream: Tensor) -> Answer:
    norms = rows.square().sum(1)
    distances = torch.mm(rows, rows.T).mul_(-2).add_(norms).add_(norms[:, None]).clamp_(min=0).sqrt_()
    weights = torch.div(upstream, distances, out=distances)
    weights.fill_diagonal_(0)
    gradient = rows * (weights.sum(0) + weights.sum(1))[:, None]
    gradient -= weights @ rows
    gradient -= weights.T @ rows
    return {}
