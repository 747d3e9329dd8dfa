"""Every loss of the tables on every distance that it declares, with every way to mine: what a sweep has to run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nearkin.distances import DISTANCES
from nearkin.losses import LOSSES, Contrastive, Lifted, Triplet, ZeroMean, make_loss
from nearkin.mining import MINERS, MiningRule
from oracles import distances as far
from sweeps import inputs
from sweeps.variants import ROW_LOSSES, VARIANTS

CLASSES = 4

Make = Callable[[Any, torch.dtype], Any]
"""(distance, dtype) -> a loss made of others."""

COMPOSITIONS: dict[str, Make] = {
    "joint": lambda distance, dtype: make_loss(
        "joint", metric=Triplet(1.0, mining="batch-hard", distance=distance), classes=CLASSES, dimensions=inputs.DIMENSIONS
    ),
    "memory-bank": lambda distance, dtype: make_loss("memory-bank", loss=Triplet(1.0, distance=distance), size=12),
    "proxies": lambda distance, dtype: make_loss(
        "proxies", loss=Lifted(distance=distance), classes=CLASSES, dimensions=inputs.DIMENSIONS, per_class=2
    ),
    "sum": lambda distance, dtype: make_loss("sum", losses=[Contrastive(2.0, distance=distance), (ZeroMean(), 0.5)]),
}
"""Losses made of losses: their distance is that of the loss within."""


@dataclass(frozen=True, eq=False)
class Combination:
    """A loss with its options, a distance (empty: it has none), a way to mine (empty: there is nothing to choose)."""

    loss: str
    title: str
    distance: str
    mining: str
    build: Callable[[torch.dtype, Any], Any]
    variant: Any = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What counts as one combination: options beside these three are variants of it."""
        return self.loss, self.distance, self.mining

    def make(self, dtype: torch.dtype = torch.float64, block_size: Any = None) -> Any:
        """A fresh loss for embeddings of a dtype; those without rows know no blocks."""
        return self.build(dtype, block_size).to(torch.float64 if dtype == torch.float64 else torch.float32)

    @property
    def has_rows(self) -> bool:
        """Whether the engine makes it of rows."""
        return self.variant is not None


def combinations() -> list[Combination]:
    """Every variant of every loss on every distance that it works with."""
    return [*_of_rows(), *_of_losses(), *_of_batches()]


def _distance(name: str, dtype: torch.dtype) -> Any:
    return inputs.learned_distance(name, dtype) if name in far.LEARNED else name


def _of_rows() -> Iterator[Combination]:
    for variant in VARIANTS:
        for name in DISTANCES:
            if variant.works_with(name):

                def build(dtype: torch.dtype, block_size: Any, variant: Any = variant, name: str = name) -> Any:
                    return variant.make(_distance(name, dtype), block_size=block_size)

                mining = _named(variant.options.get("mining", _default_mining(variant.name)))
                yield Combination(variant.name, f"{variant.title}, {name}", name, mining, build, variant)


def _of_losses() -> Iterator[Combination]:
    for loss, make in COMPOSITIONS.items():
        for name in DISTANCES:

            def build(dtype: torch.dtype, _: Any, make: Make = make, name: str = name) -> Any:
                return make(_distance(name, dtype), dtype)

            yield Combination(loss, f"{loss}, {name}", name, "", build)


def _of_batches() -> Iterator[Combination]:
    """Losses that see the batch as a whole, or learned proxies: their distance is a part of their equation."""
    for loss, entry in LOSSES.items():
        if entry.kind in ("batch", "proxies"):
            parameters = inspect.signature(entry.make).parameters
            known = {"classes": CLASSES, "dimensions": inputs.DIMENSIONS}
            options = {key: value for key, value in known.items() if key in parameters}

            def build(dtype: torch.dtype, _: Any, loss: str = loss, options: dict[str, Any] = options) -> Any:
                return make_loss(loss, **options)

            yield Combination(loss, loss, "", "", build)


MINING = {"triplet": (*MINERS, "all", "semi-hard-set"), "multi-similarity": ("", "multi-similarity")}
"""Losses that choose among pairs or triplets, and the ways that each may be given."""


def _default_mining(loss: str) -> Any:
    parameter = inspect.signature(LOSSES[loss].make).parameters.get("mining")
    return None if parameter is None else parameter.default


def _named(mining: Any) -> str:
    if isinstance(mining, MiningRule):
        return next(name for name, kind in MINERS.items() if type(mining) is kind)
    return mining or ""


def declared() -> set[tuple[str, str, str]]:
    """What the tables say that there is, found without the variants: loss x distance x mining."""
    found: set[tuple[str, str, str]] = set()
    for name in ROW_LOSSES:
        able = getattr(LOSSES[name].make, "distances", None) or tuple(DISTANCES)
        rules = MINING.get(name, ("",))
        found |= {(name, distance, rule) for distance in able for rule in rules if not refused(rule, distance)}
    found |= {(name, distance, "") for name in COMPOSITIONS for distance in DISTANCES}
    return found | {(name, "", "") for name, entry in LOSSES.items() if entry.kind in ("batch", "proxies")}


def refused(rule: str, distance: str) -> bool:
    """A miner that reads directions needs the embeddings as they are."""
    return rule in MINERS and MINERS[rule].directions and not DISTANCES[distance].keeps_space and distance != "cosine"


def sample(rows: slice = slice(None), dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Nine embeddings of four unequal classes, their labels, and numbers for whatever is drawn."""
    x = torch.tensor(inputs.normal(len(inputs.LABELS), 11), dtype=dtype)[rows]
    noise = torch.rand(len(inputs.LABELS), 64, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    return x, torch.tensor(inputs.LABELS)[rows], noise[rows]


def numbers(loss: Any, noise: Tensor) -> dict[str, Tensor]:
    """The argument for what a loss draws; nothing where it draws nothing."""
    count = getattr(loss, "uniforms", 0)
    return {"noise": noise[:, :count]} if count else {}


def slopes(loss: Any, inputs_: list[Tensor], call: Callable[..., Tensor]) -> list[Tensor]:
    """Value, and gradients to the inputs and to every parameter."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs_]
    value = call(*leaves)
    wanted = [*leaves, *(each for each in loss.parameters() if each.requires_grad)]
    found = torch.autograd.grad(value, wanted, allow_unused=True)
    return [value.detach(), *(torch.zeros_like(w) if g is None else g for w, g in zip(wanted, found))]
