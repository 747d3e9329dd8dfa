"""Scikit-learn's face: estimators that learn on features."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nearkin.estimators.inverse_covariance import InverseCovariance
from nearkin.estimators.lmnn import LMNN
from nearkin.estimators.lmnn_objective import lmnn_objective
from nearkin.estimators.targets import target_neighbours
from nearkin.estimators.verifier import Verifier

__all__ = ["ESTIMATORS", "LMNN", "InverseCovariance", "Verifier", "lmnn_objective", "target_neighbours"]

ESTIMATORS: Mapping[str, type[LMNN] | type[InverseCovariance]] = MappingProxyType(
    {
        "inverse-covariance": InverseCovariance,
        "lmnn": LMNN,
    }
)
"""Estimators by name: each has `fit(features, classes)`, and then `components_`, its map L."""
