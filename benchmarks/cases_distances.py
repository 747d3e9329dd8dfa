"""Accuracy of the distance matrix on hard data, with its cost; the signal-to-noise distance."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import exact
import exact_dense as dense
import torch
from batches import Batch, near_rows, unit_rows
from contenders import distance_floors, our_loss, ours, pml
from harness import OURS, PML, Answer, Case, Contender, Setup, Target
from placement import here, placed
from torch import Tensor

from nearkin.distances import Euclidean

COUNT, DIMENSIONS = 1024, 128
FLOOR = "distance matrix"


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def _unit() -> Tensor:
    return torch.nn.functional.normalize(torch.randn(COUNT, DIMENSIONS, generator=_generator()))


def _groups(spread: float, size: int) -> Tensor:
    """Unit rows in groups of `size` within `spread`."""
    centres = _unit()[: COUNT // size].repeat_interleave(size, 0)
    return centres + spread * torch.randn(COUNT, DIMENSIONS, generator=_generator()) / math.sqrt(DIMENSIONS)


def _collapsed(spread: float) -> Tensor:
    return _groups(spread, COUNT)


def _offset() -> Tensor:
    return 100 + torch.randn(COUNT, DIMENSIONS, generator=_generator())


DATA: dict[str, Callable[[], Tensor]] = {
    "unit, random": _unit,
    "unit, groups of 4 within 1e-3": partial(_groups, 1e-3, 4),
    "unit, groups of 4 within 1e-5": partial(_groups, 1e-5, 4),
    "collapsed within 1e-3": partial(_collapsed, 1e-3),
    "collapsed within 1e-5": partial(_collapsed, 1e-5),
    "offset 100": _offset,
    "32 clusters of 32 within 1e-3": partial(_groups, 1e-3, 32),
}


def _accuracy(small: bool, *, data: Callable[[], Tensor]) -> Setup:
    batch = Batch(placed(data()[: 64 if small else COUNT].requires_grad_()), torch.arange(COUNT, device=here()))
    upstream = placed(torch.rand(len(batch.rows), len(batch.rows), generator=torch.Generator().manual_seed(1)))
    contenders = [Contender(OURS, partial(_with_gradient, Euclidean(), batch.rows, upstream), "ours", peak=True)]
    contenders += [Contender(PML, partial(_with_gradient, one, batch.rows, upstream)) for one in _pml_distance()]
    right = partial(_with_gradient, exact.euclidean, batch.rows.detach().double().requires_grad_(), upstream.double())
    return Setup([*contenders, *distance_floors(batch)], right)


def _pml_distance() -> list[Any]:
    try:
        from pytorch_metric_learning.distances import LpDistance
    except ImportError:
        return []
    return [LpDistance(normalize_embeddings=False)]


def _with_gradient(distance: Callable[[Tensor], Tensor], rows: Tensor, upstream: Tensor) -> Answer:
    rows.grad = None
    matrix = distance(rows)
    matrix.backward(upstream)
    return {"each distance": off_diagonal(matrix), "gradient": rows.grad if rows.grad is not None else rows}


def off_diagonal(matrix: Tensor) -> Tensor:
    """The entries (n - 1, n) off the diagonal, as a view: the clock runs here too."""
    count = len(matrix)
    return matrix.detach().flatten()[1:].view(count - 1, count + 1)[:, :-1]


def _snr(small: bool, *, spread: float | None, margin: float) -> Setup:
    count, dimensions = (64, 32) if small else (1024, 512)
    batch = unit_rows(count, 4, dimensions) if spread is None else near_rows(count, 4, dimensions, spread)
    loss = our_loss("contrastive", margin=margin, form="linear", distance="snr")

    def theirs(library: Any) -> Any:
        noise = library.distances.SNRDistance(normalize_embeddings=False)
        return library.losses.SignalToNoiseRatioContrastiveLoss(pos_margin=0, neg_margin=margin, distance=noise)

    contenders = [ours(loss, batch), *pml(batch, theirs, peak=True), *distance_floors(batch)]
    return Setup(contenders, partial(exact.whole, batch, dense.contrastive(0, margin, dense.snr)))


CASES = [
    *(
        Case(
            f"distances/{title}",
            partial(_accuracy, data=data),
            [Target("error", 1e-6)],
            agree=math.inf,
            weighed=False,
        )
        for title, data in DATA.items()
    ),
    Case(
        "distances/SNR loss B=1024, D=512",
        partial(_snr, spread=None, margin=1.8),
        [Target("faster", 300, PML), Target("error", 1e-6)],
    ),
    Case(
        "distances/SNR loss B=1024, D=512, spread 1e-5",
        partial(_snr, spread=1e-5, margin=4e-10),
        [Target("faster", 300, PML), Target("error", 1e-6)],
        agree=math.inf,
        weighed=False,
    ),
]
