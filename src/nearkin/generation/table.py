"""Methods that make negatives, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import nn

from nearkin.core import InputError, pick
from nearkin.generation.adversarial import Adversarial
from nearkin.generation.embedding_expansion import EmbeddingExpansion
from nearkin.generation.segment import Segment
from nearkin.generation.symmetrical_synthesis import SymmetricalSynthesis
from nearkin.losses import RowLoss, make_loss


class GenerationEntry(NamedTuple):
    """A method of the table: its class, the ids of its formulas, where it comes from, whether it has networks of its own.

    learned: the training network must be `loss.network(features_network, dimensions)`; else the method is a plain loss
    """

    make: Callable[..., nn.Module]
    formulas: tuple[str, ...]
    source: str
    learned: bool = False


GENERATION: Mapping[str, GenerationEntry] = MappingProxyType(
    {
        "adversarial": GenerationEntry(
            Adversarial,
            ("DML-2", "DML-3", "DML-4", "DML-9", "DML-10", "DML-11"),
            "document 003; Duan et al. 2018",
            learned=True,
        ),
        "embedding-expansion": GenerationEntry(EmbeddingExpansion, ("DML-16",), "Ko and Gu 2020"),
        "segment": GenerationEntry(Segment, ("DML-8",), "the control of learned generators"),
        "symmetrical-synthesis": GenerationEntry(SymmetricalSynthesis, ("DML-16",), "Gu and Ko 2020"),
    }
)
"""Methods by name; each wraps a base loss of rows."""


def make_generation(name: str, base: RowLoss | str | Mapping[str, Any], **options: object) -> nn.Module:
    """The method of that name over a base loss: an object, a name, or a section with a name and options.

    >>> make_generation("segment", {"name": "triplet", "margin": 0.3}, weight=0.25).base.margin
    0.3
    """
    entry = pick("generation", GENERATION, name)
    if isinstance(base, Mapping):
        if "name" not in base:
            raise InputError(f"base must have the name of a loss, got {dict(base)!r}")
        base = make_loss(base["name"], **{key: value for key, value in base.items() if key != "name"})
    elif isinstance(base, str):
        base = make_loss(base)
    return entry.make(base, **options)
