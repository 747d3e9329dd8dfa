"""The share of a training step that the loss takes: document 001's network, B=128, with every loss of the table.

The network is that of the recipe `toolkit-mnist` with 128 outputs in place of two, which is dearer for the loss.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from batches import unit_rows
from contenders import our_loss, ours
from counterparts import COUNTERPARTS, DIMENSIONS, Counterpart
from harness import Answer, Case, Contender, Setup, Target
from torch import Tensor

from nearkin.losses import LOSSES
from nearkin.networks import Network

COUNT = 128
STEP = "training step"


def _network() -> Network:
    network = Network(28, 28, 1, DIMENSIONS, seed=0)
    return network.add_conv(5, 5, 2, 2, 32).add_conv(5, 5, 2, 2, 64).add_fc(1024).add_fc(256)


def _step(network: Network, optimizer: Any, loss: Any, images: Tensor, labels: Tensor) -> Answer:
    optimizer.zero_grad()
    loss(network(images), labels).backward()
    optimizer.step()
    return {}


def _share(small: bool, *, name: str) -> Setup:
    counterpart = COUNTERPARTS.get(name, Counterpart())
    batch = unit_rows(COUNT, counterpart.per_class)
    options = counterpart.options(COUNT // counterpart.per_class)
    network, images = _network(), torch.rand(COUNT, 1, 28, 28, generator=torch.Generator().manual_seed(2))
    of_step = our_loss(name, **options)
    of_step(batch.rows, batch.labels)  # what is sized by the first batch has its size now
    optimizer = torch.optim.Adam([*network.parameters(), *of_step.parameters()], lr=1e-4)
    step = partial(_step, network, optimizer, of_step, images, batch.labels)
    return Setup([ours(our_loss(name, **options), batch), Contender(STEP, step, "floor")])


CASES = [
    Case(f"training/{name} B={COUNT}", partial(_share, name=name), [Target("cost", 0.04, STEP)], weighed=False)
    for name in sorted({*LOSSES, *COUNTERPARTS})
]
