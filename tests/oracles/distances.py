"""Distances between two vectors, entry by entry [EUC, COS, DOT, SNR, MAH]; row = anchor, smaller = nearer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oracles.arithmetic import Number, real, root, square

Vector = Sequence[Number]
Matrix = list[list[Number]]


def squared_euclidean(x: Vector, z: Vector) -> Number:
    """sum_m (x_m - z_m)^2 [EUC-2]."""
    return sum(square(a - b) for a, b in zip(x, z, strict=True))


def euclidean(x: Vector, z: Vector) -> Number:
    """sqrt(sum_m (x_m - z_m)^2), 0 with derivative 0 between equal vectors [EUC-1]."""
    return root(squared_euclidean(x, z))


def unit(x: Vector) -> list[Number]:
    """x / max(|x|, 1e-12); the floor passes no gradient, and a zero row is a constant."""
    length = root(sum(square(a) for a in x))
    return [a / length for a in x] if real(length) > 1e-12 else [real(a) / 1e-12 for a in x]


def cosine(x: Vector, z: Vector) -> Number:
    """1 - u(x)'u(z) [COS-1]."""
    return 1.0 - sum(a * b for a, b in zip(unit(x), unit(z), strict=True))


def near_cosine(x: Vector, z: Vector) -> Number:
    """|u(x) - u(z)|^2 / 2: the same for two non-zero vectors, and accurate where they almost agree."""
    return squared_euclidean(unit(x), unit(z)) / 2.0


def inner_product(x: Vector, z: Vector) -> Number:
    """-x'z [DOT-1]."""
    return -sum(a * b for a, b in zip(x, z, strict=True))


def variance(x: Vector) -> Number:
    """(1/D) sum_m (x_m - mean)^2 over the components of one vector."""
    mean = sum(x) / len(x)
    return sum(square(a - mean) for a in x) / len(x)


def snr(anchor: Vector, compared: Vector, eps: float = 1e-12) -> Number:
    """Var(compared - anchor) / max(Var(anchor), eps), no gradient through the floor [SNR-1]."""
    noise = [b - a for a, b in zip(anchor, compared, strict=True)]
    signal = variance(anchor)
    return variance(noise) / (signal if real(signal) > eps else eps)


def symmetric_snr(x: Vector, z: Vector, form: str = "mean", eps: float = 1e-12) -> Number:
    """Both directions of SNR-1: their mean, the larger (a tie takes the first), or over pooled variances [SNR-5]."""
    if form == "pooled":
        both = variance(x) + variance(z)
        return 2.0 * variance([b - a for a, b in zip(x, z, strict=True)]) / (both if real(both) > 2 * eps else 2 * eps)
    there, back = snr(x, z, eps), snr(z, x, eps)
    if form == "max":
        return there if real(there) >= real(back) else back
    assert form == "mean", form
    return (there + back) / 2.0


def through(L: Sequence[Vector] | None, x: Vector) -> Vector:
    """L x; without L the vector itself."""
    return x if L is None else [sum(a * b for a, b in zip(row, x, strict=True)) for row in L]


def mahalanobis(x: Vector, z: Vector, L: Sequence[Vector] | None = None, squared: bool = False) -> Number:
    """|L (x - z)|, or its square [MAH-1]."""
    apart = through(L, [a - b for a, b in zip(x, z, strict=True)])
    return sum(square(a) for a in apart) if squared else root(sum(square(a) for a in apart))


def relative_mahalanobis(
    anchor: Vector,
    compared: Vector,
    L: Sequence[Vector] | None = None,
    center: bool = False,
    power: int = 2,
    eps: float = 1e-12,
) -> Number:
    """|L (compared - anchor)|^2 / max(|L anchor|^2, eps), no gradient through the floor [MAH-2]."""
    if center:
        anchor, compared = ([a - sum(x) / len(x) for a in x] for x in (anchor, compared))
    length = sum(square(a) for a in through(L, anchor))
    ratio = mahalanobis(anchor, compared, L, squared=True) / (length if real(length) > eps else eps)
    return ratio if power == 2 else root(ratio)


PAIR: dict[str, Callable[[Vector, Vector], Number]] = {
    "euclidean": euclidean,
    "squared-euclidean": squared_euclidean,
    "cosine": cosine,
    "inner-product": inner_product,
    "snr": snr,
    "snr-symmetric": symmetric_snr,
    "mahalanobis": mahalanobis,
    "relative-mahalanobis": relative_mahalanobis,
}
"""By name alone: learned distances as they start, L the identity."""

LEARNED = {"mahalanobis": mahalanobis, "relative-mahalanobis": relative_mahalanobis}
"""Distances with a third argument, L (rank, D)."""


def matrix(
    name: str | Callable[[Vector, Vector], Number], anchors: Sequence[Vector], references: Sequence[Vector]
) -> Matrix:
    """d[i][j] from anchor i to reference j, every entry by the formula."""
    pair = PAIR[name] if isinstance(name, str) else name
    return [[pair(anchor, reference) for reference in references] for anchor in anchors]


def self_matrix(name: str | Callable[[Vector, Vector], Number], rows: Sequence[Vector]) -> Matrix:
    """d[i][j] within one set; the self entries are 0 by index, but for the inner product."""
    d = matrix(name, rows, rows)
    if name != "inner-product":
        for i in range(len(rows)):
            d[i][i] = 0.0
    return d


def with_own(
    name: str | Callable[[Vector, Vector], Number],
    d: Matrix,
    anchors: Sequence[Vector],
    own: Sequence[Sequence[Vector]],
) -> Matrix:
    """d with the distances of anchor i to its own vectors own[i] appended to row i."""
    pair = PAIR[name] if isinstance(name, str) else name
    return [
        row + [pair(anchor, vector) for vector in vectors] for row, anchor, vectors in zip(d, anchors, own, strict=True)
    ]
