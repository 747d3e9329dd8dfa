"""What runs on the simulated device, beside the same on the CPU; run by `test_device` in a process of its own."""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from device.simulated import DEVICE, Far, Mixed, Simulated
from nearkin.core.tensors import Own
from nearkin.distances import DISTANCES
from nearkin.evaluation import episodes, evaluate, open_set_scores, verification_scores
from nearkin.generation import make_generation
from nearkin.losses import LOSSES, Contrastive, Triplet, make_loss
from nearkin.mining import MINERS
from sweeps.combinations import COMPOSITIONS

CLASSES, EACH = 4, 6
DIMENSIONS = 3

Call = Callable[[Any, Tensor, Tensor, Tensor], Tensor]
"""(loss, embeddings, references, labels) -> value."""


def losses() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every loss of the table, every miner, every distance."""
    for name, entry in LOSSES.items():
        known = {"classes": CLASSES, "dimensions": DIMENSIONS}
        options = {key: value for key, value in known.items() if key in inspect.signature(entry.make).parameters}
        if name not in COMPOSITIONS:
            yield name, lambda name=name, options=options: make_loss(name, **options)
    for name, compose in COMPOSITIONS.items():
        yield name, lambda compose=compose: compose("euclidean", torch.float32)
    for name in (*MINERS, "semi-hard-set"):
        yield f"triplet by {name}", lambda name=name: Triplet(mining=name)
    for name in DISTANCES:
        options = {"dimensions": DIMENSIONS} if "dimensions" in inspect.signature(DISTANCES[name]).parameters else {}
        yield (
            f"contrastive, {name}",
            lambda name=name, options=options: Contrastive(distance=DISTANCES[name](**options)),
        )
    for name in ("segment", "embedding-expansion", "symmetrical-synthesis"):
        yield name, lambda name=name: make_generation(name, Triplet())


FORMS: dict[str, Call] = {
    "batch": lambda loss, x, z, y: loss(x, y),
    "references": lambda loss, x, z, y: loss(x, y, z, y.tolist()),
    "ids": lambda loss, x, z, y: loss(x, y, x.detach(), y, ids=torch.arange(len(x), device=x.device), reference_ids=np.arange(len(x))),
    "own columns": lambda loss, x, z, y: loss(x, own=Own.triplets(z, z.flip(0))),
    "triplets": lambda loss, x, z, y: loss(x, triplets=np.array([[0, 1, 9], [4, 5, 2]])),
    "measure": lambda loss, x, z, y: loss.measure(x, y).value,
    "per anchor": lambda loss, x, z, y: loss.per_anchor(x, y).sum(),
}  # fmt: skip
"""How a loss that takes all of them is called."""


def slopes(make: Callable[[], Any], call: Call, device: torch.device | str, each: int = EACH) -> list[Tensor]:
    """Value and gradients, brought back to the CPU."""
    drawn = torch.Generator().manual_seed(2)
    x, z = (torch.randn(CLASSES * each, DIMENSIONS, generator=drawn).to(device).requires_grad_() for _ in range(2))
    loss = make().to(device)
    value = call(loss, x, z, (torch.arange(CLASSES * each) // each).to(device))
    learned = [one for one in loss.parameters() if one.requires_grad]
    found = torch.autograd.grad(value, [x, z, *learned], allow_unused=True)
    return [value.detach().cpu(), *(one.cpu() for one in found if one is not None)]


def batch(loss: Any, x: Tensor, _: Tensor, y: Tensor) -> Tensor:
    """The plain call, with a generator where numbers are drawn."""
    return loss(x, y, generator=torch.Generator().manual_seed(5))


def in_twos(loss: Any, x: Tensor, z: Tensor, y: Tensor) -> Tensor:
    """Classes of two: one positive among many columns."""
    return loss(x, torch.arange(len(x), device=x.device) // 2)


def scores(device: torch.device | str) -> list[Any]:
    """Retrieval by candidates and in full, k-means, open sets, verification, episodes."""
    rng = np.random.default_rng(3)
    y = torch.tensor(rng.permutation(np.arange(400) % 40))
    x = (torch.tensor(rng.normal(size=(40, 8)))[y] + 0.6 * torch.tensor(rng.normal(size=(400, 8)))).float()
    rows, labels = x.to(device), y.to(device)
    found = [evaluate(rows, labels, distance=each, restarts=1).scores for each in ("euclidean", "snr")]
    found.append(evaluate(rows.round(), labels, clustering=False).scores)  # distances tie
    found.append(open_set_scores(rows, labels, unknown=[0, 1]).scores)
    return [*found, verification_scores(rows, labels).auc, episodes(rows, labels, ways=5, episodes=20).accuracy]


def multiplies_plainly(device: torch.device) -> bool:
    """What a GPU answers that has no short products switched on."""
    return True


def refuses() -> None:
    """The device takes what CUDA takes, and nothing else."""
    near, far = torch.ones(2, 2), torch.ones(2, 2, device=DEVICE)
    assert isinstance(far + torch.tensor(1.0), Far) and isinstance(far[torch.tensor([0])], Far)
    row = torch.tensor([0])
    for wrong in (
        lambda: far + near, lambda: near[row.to(DEVICE)], lambda: torch.cat([far, near]), lambda: far.index_select(0, row),
        lambda: near.add_(far), lambda: torch.mm(far, far, out=near), lambda: far.clamp(min=torch.tensor(0.0)),
    ):  # fmt: skip
        try:
            wrong()
        except Mixed:
            continue
        raise AssertionError(f"{inspect.getsource(wrong)} was let through")
    try:
        far.numpy()
    except TypeError:
        return
    raise AssertionError("numpy works on the device")


def run() -> None:
    warnings.filterwarnings("ignore", ".*no valid term")
    with Simulated():
        refuses()
        for name, make in losses():
            same(name, slopes(make, batch, "cpu"), slopes(make, batch, DEVICE))
        few = lambda: Triplet(mining="batch-hard")  # noqa: E731
        same("slopes of few pairs", slopes(few, in_twos, "cpu", 40), slopes(few, in_twos, DEVICE, 40))
        for name, call in FORMS.items():
            for block_size in (None, 5):
                made = lambda block_size=block_size: Triplet(block_size=block_size)  # noqa: E731
                same(f"{name}, blocks of {block_size}", slopes(made, call, "cpu"), slopes(made, call, DEVICE))
        with (
            patch("nearkin.evaluation.neighbours.are_plain", multiplies_plainly),
            patch("nearkin.evaluation.centred.are_plain", multiplies_plainly),
        ):
            np.testing.assert_equal(scores(DEVICE), scores("cpu"))
        x = torch.randn(CLASSES * EACH, 64, generator=torch.Generator().manual_seed(1)).to(DEVICE).requires_grad_()
        y = (torch.arange(CLASSES * EACH) % CLASSES).to(DEVICE)
        Simulated.waits = 0
        Contrastive()(x, y).backward()
        print(f"waits of a step: {Simulated.waits}")


def same(name: str, wanted: list[Tensor], got: list[Tensor]) -> None:
    assert len(wanted) == len(got), name
    for a, b in zip(wanted, got):
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-6, msg=lambda m: f"{name}: {m}")


if __name__ == "__main__":
    run()
    sys.stdout.flush()
    os._exit(0)  # torch's threads of the made-up device do not always survive an orderly end
