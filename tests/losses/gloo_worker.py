"""One of several real processes: its share of the joint batch, through the losses below, over gloo.

Run as `python gloo_worker.py RANK SIZE FOLDER`: writes value and gradients of every case to FOLDER/RANK.pt.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from nearkin.core.tensors import Own
from nearkin.distances import Distance, root
from nearkin.losses import (
    DDML,
    Angular,
    ArcFace,
    Center,
    CombinedNegatives,
    Contrastive,
    ContrastiveCenter,
    EnergyConfusion,
    GeneralizedLifted,
    Joint,
    Lifted,
    Loss,
    Margin,
    MemoryBank,
    NormalizedSoftmax,
    NPair,
    Proxies,
    ProxyAnchor,
    ProxyNCA,
    RankedList,
    SoftTriple,
    SubCenterArcFace,
    Sum,
    Triplet,
    TripletNetwork,
    TupleTriplet,
    ZeroMean,
)

BATCH = 23
FIRST = 9  # rows of the first of two processes; the second has the other 14


class Projected(Distance):
    """Euclidean distance behind a learned projection, for gradients to a distance's own parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 15, dtype=torch.float64).reshape(3, 5))

    def project(self, x: Tensor) -> Tensor:
        return x @ self.weight.to(x.dtype).T

    def link(self, squared: Tensor, anchor_norm: Tensor, reference_norm: Tensor) -> Tensor:
        return root(squared)


class LearnedLifted(Lifted):
    """The lifted structured loss with a learned margin, for gradients to a parameter of the first sweep."""

    def __init__(self, margin: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        del self.margin
        self.margin = nn.Parameter(torch.tensor(margin, dtype=torch.float64))

    def extra_repr(self) -> str:
        return ""


def cases() -> dict[str, Loss]:
    """The losses, each in a mode of its own."""
    return {
        "contrastive": Contrastive(2.0, distance=Projected()),
        "contrastive, two means": Contrastive(2.0, form="linear", distance="snr", block_size=4),
        "triplet": Triplet(1.0, reduction="mean_nonzero"),
        "triplet, blocked": Triplet(1.0, mining="semi-hard", distance=Projected(), block_size=4),
        "triplet, batch-hard": Triplet(1.0, mining="batch-hard", distance="cosine"),
        "triplet, sum": Triplet(1.0, reduction="sum"),
        "triplet, random": Triplet(1.0, mining="random"),
        "triplet network": TripletNetwork(block_size=3),
        "n-pair with l2": NPair(0.02, block_size=5),
        "n-pair, all": NPair(pairs="all", distance="squared-euclidean"),
        "tuple triplet": TupleTriplet(),
        "combined negatives": CombinedNegatives(),
        "lifted": LearnedLifted(),
        "lifted, blocked": LearnedLifted(block_size=4, distance=Projected()),
        "generalized lifted": GeneralizedLifted(block_size=4),
        "ddml": DDML(distance=Projected()),
        "ranked list": RankedList(),
        "ranked list, blocked": RankedList(detach=False, block_size=4),
        "margin": Margin(nu=0.3).double(),
        "margin, a border a class": Margin(per_class=True, classes=5, nu=0.3, block_size=4).double(),
        "margin, sum": Margin(per_class=True, classes=5, reduction="sum").double(),
        "angular": Angular(block_size=5),
        "angular, tuples": Angular(form="tuples"),
    }


def outside() -> dict[str, Loss]:
    """Losses without columns of their own."""
    return {
        "center": Center(5, 5),
        "center, rule": Center(5, 5, update="rule"),
        "contrastive-center": ContrastiveCenter(5, 5),
        "proxies": Proxies(Triplet(1.0, distance=Projected(), block_size=4), 5, 5, per_class=2),
        "proxies, crowds": Proxies(LearnedLifted(), 5, 5),
        "proxy-anchor": ProxyAnchor(5, 5, scale=4.0),
        "proxy-anchor, blocked": ProxyAnchor(5, 5, scale=4.0, block_size=2),
        "proxy-nca": ProxyNCA(5, 5),
        "normalized softmax": NormalizedSoftmax(5, 5, temperature=0.5, block_size=4),
        "arcface": ArcFace(5, 5, scale=4.0),
        "sub-center arcface": SubCenterArcFace(5, 5, scale=4.0, block_size=4),
        "soft-triple": SoftTriple(5, 5, per_class=3),
        "energy confusion": EnergyConfusion(),
        "joint": Joint(Triplet(1.0, mining="batch-hard", distance=Projected()), 5, 5),
        "memory bank": MemoryBank(Triplet(1.0, distance=Projected()), size=12),
        "sum": Sum([Contrastive(2.0, distance=Projected()), (ContrastiveCenter(5, 5), 0.5), (ZeroMean(True), 0.3)]),
        "zero mean": ZeroMean(),
    }


def batch() -> dict[str, Tensor]:
    """The joint batch, with references, own columns and the noise of a random miner."""
    generator = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    labels = torch.randint(0, 5, (BATCH,), generator=generator)
    return {
        "x": normal(BATCH, 5),
        "y": labels,
        "z": normal(BATCH, 5),
        "zy": torch.randint(0, 5, (BATCH,), generator=generator),
        "own": normal(BATCH, 2, 5),
        "noise": torch.rand(BATCH, 2, generator=generator, dtype=torch.float64),
    }


def run(rows: slice, group: Any) -> dict[str, list[Tensor]]:
    """Value and gradients (embeddings, references, own columns, parameters) of every case and input form."""
    found: dict[str, list[Tensor]] = {}
    for name, loss in cases().items():
        data = {key: value[rows] for key, value in batch().items()}
        noise = {"noise": data["noise"]} if loss.uniforms else {}
        found[name] = _slopes(loss, [data["x"]], lambda x: loss(x, data["y"], group=group, **noise))
        found[name + " | references"] = _slopes(
            loss, [data["x"], data["z"]], lambda x, z: loss(x, data["y"], z, data["zy"], group=group, **noise)
        )
        first = torch.tensor([True, False]).expand(len(data["x"]), 2)
        found[name + " | own"] = _slopes(
            loss,
            [data["x"], data["own"]],
            lambda x, own: loss(x, data["y"], own=Own(own, first, ~first), group=group, **noise),
        )
    for name, loss in outside().items():
        data = {key: value[rows] for key, value in batch().items()}
        loss.double()
        for step, key in enumerate(("x", "z", "x")):  # a state that moved is used in the next call
            found[f"{name} | call {step}"] = _slopes(loss, [data[key]], lambda x: loss(x, data["y"], group=group))
        found[f"{name} | state"] = [torch.ones(()), *(buffer.double() for buffer in loss.buffers())]
    return found


def _slopes(loss: Any, inputs: list[Tensor], call: Any) -> list[Tensor]:
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    value = call(*leaves)
    wanted = [*leaves, *loss.parameters()]
    gradients = torch.autograd.grad(value, wanted, allow_unused=True)
    return [value.detach(), *(torch.zeros_like(w) if g is None else g for w, g in zip(wanted, gradients))]


def main(rank: int, size: int, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=size)
    rows = (slice(0, FIRST), slice(FIRST, BATCH))[rank]
    torch.save(run(rows, dist.group.WORLD), folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
