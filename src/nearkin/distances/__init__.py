"""How far: distances of embeddings. Row = anchor = query, smaller = nearer, and symmetry is never assumed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nearkin.core import InputTypeError, pick
from nearkin.distances.base import Distance, Euclidean, SquaredEuclidean, root
from nearkin.distances.cosine import Cosine
from nearkin.distances.forms import Back, Form
from nearkin.distances.in_place import BlockDistances, largest_norm
from nearkin.distances.inner_product import InnerProduct
from nearkin.distances.learned import LearnedDistance, is_shapeless, materialise
from nearkin.distances.mahalanobis import Mahalanobis
from nearkin.distances.relative_mahalanobis import RelativeMahalanobis
from nearkin.distances.rows import Rows
from nearkin.distances.snr import SNR
from nearkin.distances.squared import SquaredKernel, compute_dtype, cut, squared_distances, wide
from nearkin.distances.symmetric_snr import SymmetricSNR

__all__ = [
    "DISTANCES",
    "SNR",
    "Back",
    "BlockDistances",
    "Cosine",
    "Distance",
    "Euclidean",
    "Form",
    "InnerProduct",
    "LearnedDistance",
    "Mahalanobis",
    "RelativeMahalanobis",
    "Rows",
    "SquaredEuclidean",
    "SquaredKernel",
    "SymmetricSNR",
    "compute_dtype",
    "cut",
    "is_shapeless",
    "largest_norm",
    "make_distance",
    "materialise",
    "root",
    "squared_distances",
    "wide",
]

DISTANCES: Mapping[str, type[Distance]] = MappingProxyType(
    {
        "cosine": Cosine,
        "euclidean": Euclidean,
        "inner-product": InnerProduct,
        "mahalanobis": Mahalanobis,
        "relative-mahalanobis": RelativeMahalanobis,
        "snr": SNR,
        "snr-symmetric": SymmetricSNR,
        "squared-euclidean": SquaredEuclidean,
    }
)
"""Distances by name."""


def make_distance(distance: Distance | str, **options: object) -> Distance:
    """The distance itself, or the one of that name with `options` for its constructor.

    >>> make_distance("snr", eps=1e-6)
    SNR(eps=1e-06)
    """
    if isinstance(distance, Distance):
        return distance
    if not isinstance(distance, str):
        raise InputTypeError(f"distance must be a name or a Distance, got {type(distance).__name__}")
    return pick("distance", DISTANCES, distance)(**options)
