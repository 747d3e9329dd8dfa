"""Scikit-learn's face: estimators that learn on features."""

from nearkin.estimators.lmnn import LMNN
from nearkin.estimators.lmnn_objective import lmnn_objective
from nearkin.estimators.targets import target_neighbours

__all__ = ["LMNN", "lmnn_objective", "target_neighbours"]
