"""Which pairs belong together, block by block: same label, a shared label, a function, a matrix."""

from __future__ import annotations

from nearkin.pairs.labels import as_rule, as_values
from nearkin.pairs.rules import FirstTwo, Matrix, PairRule, Related, Relation, SameLabel, SharedLabel

__all__ = [
    "FirstTwo",
    "Matrix",
    "PairRule",
    "Related",
    "Relation",
    "SameLabel",
    "SharedLabel",
    "as_rule",
    "as_values",
]
