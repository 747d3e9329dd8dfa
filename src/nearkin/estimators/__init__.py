"""Scikit-learn's face: estimators that learn on features. Each is imported when it is first used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nearkin.estimators.impostors import lmnn_objective
    from nearkin.estimators.inverse_covariance import InverseCovariance
    from nearkin.estimators.lmnn import LMNN
    from nearkin.estimators.neighbour_classifier import NeighbourClassifier
    from nearkin.estimators.targets import target_neighbours
    from nearkin.estimators.verifier import Verifier

    ESTIMATORS: Mapping[str, type[LMNN] | type[InverseCovariance]]
    """Estimators by the names that recipes know: each has `fit(features, classes)`, and then `components_`, its map L."""

__all__ = [
    "ESTIMATORS",
    "LMNN",
    "InverseCovariance",
    "NeighbourClassifier",
    "Verifier",
    "lmnn_objective",
    "target_neighbours",
]

_HOME = {
    "InverseCovariance": "inverse_covariance",
    "LMNN": "lmnn",
    "NeighbourClassifier": "neighbour_classifier",
    "Verifier": "verifier",
    "lmnn_objective": "impostors",
    "target_neighbours": "targets",
}

_MAPS = {"inverse-covariance": "InverseCovariance", "lmnn": "LMNN"}


def __getattr__(name: str) -> Any:
    if name == "ESTIMATORS":
        value: Any = MappingProxyType({key: __getattr__(of) for key, of in _MAPS.items()})
    elif name in _HOME:
        value = getattr(import_module(f"nearkin.estimators.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module 'nearkin.estimators' has no attribute {name!r}")
    globals()[name] = value
    return value
