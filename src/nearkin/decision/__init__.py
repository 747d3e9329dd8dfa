"""From neighbours to an answer: exact search, votes, prototypes, thresholds, probability, "unknown". numpy, no torch."""

from nearkin.decision.answering import Answering, calibrate_answers
from nearkin.decision.choosing import ChosenK, choose_k
from nearkin.decision.given_pairs import given_pairs
from nearkin.decision.growth import Growth, Size, outgrown
from nearkin.decision.leaving_out import LeftOut, left_out, left_out_prototypes
from nearkin.decision.links import LINKS, Space
from nearkin.decision.nearest import Nearest, nearest
from nearkin.decision.open_set import OpenSet, open_set
from nearkin.decision.otsu import otsu
from nearkin.decision.pair_sweep import pair_distances, paired_distances
from nearkin.decision.pairs import PairDistances
from nearkin.decision.probability import Probability, fit_probability
from nearkin.decision.promise import Promise, promise
from nearkin.decision.prototypes import class_means
from nearkin.decision.reliability import Reliability, brier_of_classes, reliability
from nearkin.decision.roc import Det, Rates, Roc, det
from nearkin.decision.rules import THRESHOLDS
from nearkin.decision.support import smallest_rate
from nearkin.decision.thresholds import Threshold, calibrate_threshold
from nearkin.decision.unknowns import left_out_distances, pair_rate
from nearkin.decision.verification import Verification, verification
from nearkin.decision.votes import class_scores, predicted, ranking, right_within

__all__ = [
    "LINKS",
    "THRESHOLDS",
    "Answering",
    "ChosenK",
    "Det",
    "Growth",
    "LeftOut",
    "Nearest",
    "OpenSet",
    "PairDistances",
    "Probability",
    "Promise",
    "Rates",
    "Reliability",
    "Roc",
    "Size",
    "Space",
    "Threshold",
    "Verification",
    "brier_of_classes",
    "calibrate_answers",
    "calibrate_threshold",
    "choose_k",
    "class_means",
    "class_scores",
    "det",
    "fit_probability",
    "given_pairs",
    "left_out",
    "left_out_distances",
    "left_out_prototypes",
    "nearest",
    "open_set",
    "otsu",
    "outgrown",
    "pair_distances",
    "pair_rate",
    "paired_distances",
    "predicted",
    "promise",
    "ranking",
    "reliability",
    "right_within",
    "smallest_rate",
    "verification",
]
