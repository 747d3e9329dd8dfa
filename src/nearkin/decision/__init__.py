"""From neighbours to an answer: exact search, votes, prototypes, thresholds, probability, "unknown". numpy, no torch."""

from nearkin.decision.links import LINKS, Space
from nearkin.decision.nearest import Nearest, nearest
from nearkin.decision.open_set import OpenSet, open_set
from nearkin.decision.otsu import otsu
from nearkin.decision.pair_sweep import pair_distances, paired_distances
from nearkin.decision.pairs import PairDistances, given_pairs
from nearkin.decision.roc import Det, Rates, Roc, det
from nearkin.decision.rules import THRESHOLDS
from nearkin.decision.thresholds import Threshold, calibrate_threshold
from nearkin.decision.verification import Verification, verification
from nearkin.decision.votes import class_scores, predicted, ranking, right_within

__all__ = [
    "LINKS",
    "THRESHOLDS",
    "Det",
    "Nearest",
    "OpenSet",
    "PairDistances",
    "Rates",
    "Roc",
    "Space",
    "Threshold",
    "Verification",
    "calibrate_threshold",
    "class_scores",
    "det",
    "given_pairs",
    "nearest",
    "open_set",
    "otsu",
    "pair_distances",
    "paired_distances",
    "predicted",
    "ranking",
    "right_within",
    "verification",
]
