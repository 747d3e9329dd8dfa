"""Which triplets count: all of them (counted, never listed), or the choice of a miner."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nearkin.core import InputTypeError, pick
from nearkin.mining.all_triplets import TripletSums, all_triplets
from nearkin.mining.batch_hard import BatchHard
from nearkin.mining.choice import Chosen, Miner, positive_table
from nearkin.mining.counts import TripletCounts, count_triplets
from nearkin.mining.random import Random
from nearkin.mining.semi_hard import SemiHard

__all__ = [
    "MINERS",
    "BatchHard",
    "Chosen",
    "Miner",
    "Random",
    "SemiHard",
    "TripletCounts",
    "TripletSums",
    "all_triplets",
    "count_triplets",
    "make_miner",
    "positive_table",
]

MINERS: Mapping[str, type[Miner]] = MappingProxyType(
    {
        "batch-hard": BatchHard,
        "random": Random,
        "semi-hard": SemiHard,
    }
)
"""Miners by name. The triplet loss also knows "all" and "semi-hard-set", which are counted and need no choice."""


def make_miner(miner: Miner | str, **options: object) -> Miner:
    """The miner itself, or the one of that name with `options` for its constructor.

    >>> make_miner("semi-hard", fallback="skip")
    SemiHard(fallback='skip')
    """
    if isinstance(miner, Miner):
        return miner
    if not isinstance(miner, str):
        raise InputTypeError(f"mining must be a name or a Miner, got {type(miner).__name__}")
    return pick("miner", MINERS, miner)(**options)
