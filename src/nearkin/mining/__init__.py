"""Which triplets count: all of them (counted, never listed), those that a filter keeps, or the choice of a miner."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nearkin.core import InputTypeError, pick
from nearkin.mining.all_triplets import TripletSums, all_triplets
from nearkin.mining.angular import AngularMiner
from nearkin.mining.batch_hard import BatchHard
from nearkin.mining.choice import Chosen, Miner, MiningRule, positive_table
from nearkin.mining.counts import TripletCounts, count_triplets
from nearkin.mining.directions import Directions, UnitRows, unit_distances, unit_rows
from nearkin.mining.distance_weighted import DistanceWeighted
from nearkin.mining.easy_positive import EasyPositive
from nearkin.mining.multi_similarity import MultiSimilarityMiner, surviving_pairs
from nearkin.mining.random import Random
from nearkin.mining.semi_hard import SemiHard
from nearkin.mining.triplet_filter import Keep, TripletFilter, kept_triplets

__all__ = [
    "MINERS",
    "AngularMiner",
    "BatchHard",
    "Chosen",
    "Directions",
    "DistanceWeighted",
    "EasyPositive",
    "Keep",
    "Miner",
    "MiningRule",
    "MultiSimilarityMiner",
    "Random",
    "SemiHard",
    "TripletCounts",
    "TripletFilter",
    "TripletSums",
    "UnitRows",
    "all_triplets",
    "count_triplets",
    "kept_triplets",
    "make_miner",
    "positive_table",
    "surviving_pairs",
    "unit_distances",
    "unit_rows",
]

MINERS: Mapping[str, type[MiningRule]] = MappingProxyType(
    {
        "angular": AngularMiner,
        "batch-hard": BatchHard,
        "distance-weighted": DistanceWeighted,
        "easy-positive": EasyPositive,
        "multi-similarity": MultiSimilarityMiner,
        "random": Random,
        "semi-hard": SemiHard,
    }
)
"""Miners by name. The triplet loss also knows "all" and "semi-hard-set", which are counted and need no choice."""


def make_miner(miner: MiningRule | str, **options: object) -> MiningRule:
    """The miner itself, or the one of that name with `options` for its constructor.

    >>> make_miner("semi-hard", fallback="skip")
    SemiHard(fallback='skip')
    """
    if isinstance(miner, MiningRule):
        return miner
    if not isinstance(miner, str):
        raise InputTypeError(f"mining must be a name or a Miner, got {type(miner).__name__}")
    return pick("miner", MINERS, miner)(**options)
