"""Every distance without torch: its `link`, elementwise on squared Euclidean distances of projected rows.

A network that was exported ends in its distance's `project`; what is left for whoever answers is the link. The tests hold
each one equal to the `link` of the distance of the same name in `nearkin.distances`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, pick

Array: TypeAlias = NDArray[np.float64]

BLOCK = 1 << 22
"""Numbers of a block of differences held at a time."""


class Link(NamedTuple):
    """`make(squared, query_norm, reference_norm, **options)`, its options with defaults, and what is true of its order."""

    make: Callable[..., Array]
    options: Mapping[str, Any]
    order_is_euclidean: bool = True
    symmetric: bool = True


def _euclidean(squared: Array, query: Array, reference: Array) -> Array:
    return np.sqrt(squared)


def _squared(squared: Array, query: Array, reference: Array) -> Array:
    return squared


def _cosine(squared: Array, query: Array, reference: Array) -> Array:
    lacking = np.where(query < 0.5, 1 - query, 0) + np.where(reference < 0.5, 1 - reference, 0)  # rows of zeros
    found: Array = (squared + lacking) / 2
    return found


def _inner_product(squared: Array, query: Array, reference: Array) -> Array:
    return (squared - query - reference) / 2


def _relative(squared: Array, query: Array, reference: Array, *, eps: float, power: int = 2) -> Array:
    ratio = squared / np.maximum(query, eps)
    return ratio if power == 2 else np.sqrt(ratio)


def _symmetric_snr(squared: Array, query: Array, reference: Array, *, form: str, eps: float) -> Array:
    if form == "pooled":
        return 2 * squared / np.maximum(query + reference, 2 * eps)
    first, second = np.maximum(query, eps), np.maximum(reference, eps)
    if form == "max":
        return squared / np.minimum(first, second)
    return (squared / first + squared / second) / 2


LINKS: Mapping[str, Link] = MappingProxyType(
    {
        "cosine": Link(_cosine, {}),
        "euclidean": Link(_euclidean, {}),
        "inner-product": Link(_inner_product, {}, order_is_euclidean=False),
        "mahalanobis": Link(_euclidean, {}),
        "relative-mahalanobis": Link(_relative, {"eps": 1e-12, "power": 2}, symmetric=False),
        "snr": Link(_relative, {"eps": 1e-12}, symmetric=False),
        "snr-symmetric": Link(_symmetric_snr, {"form": "mean", "eps": 1e-12}, order_is_euclidean=False),
        "squared-euclidean": Link(_squared, {}),
    }
)
"""Links by the names of `nearkin.distances.DISTANCES`."""


@dataclass(frozen=True)
class Space:
    """The distance of projected rows, by name: row = query, smaller = nearer.

    >>> Space("euclidean").distances([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]])
    array([[5., 1.]])

    options: those of the distance that its link reads (`eps`, `power`, `form`); others it may have are in the projection
    Errors:  InputError for an unknown name or option
    """

    name: str = "euclidean"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = pick("distance", LINKS, self.name).options
        for key in self.options:
            if key not in known:
                words = f"its options are {', '.join(known)}" if known else "it has none"
                raise InputError(f"the link of {self.name} has no option {key!r}; {words}")

    @property
    def order_is_euclidean(self) -> bool:
        """Whether references lie, for one query, in the order of their Euclidean distances."""
        return LINKS[self.name].order_is_euclidean

    @property
    def symmetric(self) -> bool:
        """Whether d(a, b) = d(b, a)."""
        return LINKS[self.name].symmetric

    def link(self, squared: ArrayLike, query_norm: ArrayLike, reference_norm: ArrayLike) -> Array:
        """The distance, elementwise and broadcasting; norms are squared norms of projected rows."""
        link = LINKS[self.name]
        values = (np.asarray(each, dtype=np.float64) for each in (squared, query_norm, reference_norm))
        return link.make(*values, **{**link.options, **self.options})

    def paired(self, queries: ArrayLike, references: ArrayLike) -> Array:
        """Distances row by row, (N, D), (N, D) -> (N,), from differences in float64: equal rows are exactly 0 apart."""
        first, second = _rows(queries), _rows(references)
        squared = np.square(first - second).sum(-1)
        return self.link(squared, np.square(first).sum(-1), np.square(second).sum(-1))

    def distances(self, queries: ArrayLike, references: ArrayLike) -> Array:
        """Distances of all pairs, (A, D), (R, D) -> (A, R), from differences in float64."""
        first, second = _rows(queries), _rows(references)
        found = np.empty((len(first), len(second)))
        step = max(1, BLOCK // max(1, second.size))
        for start in range(0, len(first), step):
            part = first[start : start + step]
            squared = np.square(part[:, None] - second[None]).sum(-1)
            found[start : start + step] = self.link(
                squared, np.square(part).sum(-1)[:, None], np.square(second).sum(-1)[None]
            )
        return found

    def as_section(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {"name": self.name, "options": dict(self.options)}

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> Space:
        """The space that `as_section` described."""
        return cls(str(section["name"]), dict(section.get("options") or {}))


def _rows(rows: ArrayLike) -> Array:
    return np.asarray(rows, dtype=np.float64)
