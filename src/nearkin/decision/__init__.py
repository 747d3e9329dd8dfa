"""From neighbours to an answer: exact search, votes, prototypes, thresholds, probability, "unknown". numpy, no torch."""

from nearkin.decision.links import LINKS, Space
from nearkin.decision.nearest import Nearest, nearest
from nearkin.decision.votes import class_scores, predicted, ranking, right_within

__all__ = ["LINKS", "Nearest", "Space", "class_scores", "nearest", "predicted", "ranking", "right_within"]
