"""Losses of ranked lists, anchor by anchor: FastAP [FAP-1], Smooth-AP [SAP-1], the Recall@k surrogate [RKS-1]."""

from __future__ import annotations

from collections.abc import Sequence

from oracles.arithmetic import Number, hinge, real, reduced, sigmoid
from oracles.distances import Matrix
from oracles.kin import Kin


def fast_ap(cosines: Matrix, kin: Kin, bins: int = 10, reduction: str = "mean") -> Number:
    """1 - (1/|P|) sum_z h+_z H+_z / H_z over soft histograms of |u - u|^2 = 2 (1 - cos), triangles around 4 z / L."""
    terms = []
    for i in kin.rows:
        width = 4.0 / bins
        total = sum(kin.weight(i, j) for j in kin.positives[i])
        below: Number = 0.0
        near: Number = 0.0
        precision: Number = 0.0
        for z in range(bins + 1):
            kernels = {j: triangle(2 * cosines[i][j] - z * width, width) for j in kin.positives[i]}
            near += sum(kernels.values())
            below += sum(kernels.values()) + sum(
                triangle(2 * cosines[i][k] - z * width, width) for k in kin.negatives[i]
            )
            if real(below) > 0:
                precision += sum(kin.weight(i, j) * kernel for j, kernel in kernels.items()) * near / below
        if kin.positives[i]:
            terms.append((1 - precision / total, 1.0))
    return reduced(terms, reduction)


def triangle(apart: Number, width: float) -> Number:
    """[1 - |apart| / width]_+, with derivative 0 at its three corners."""
    size = apart if real(apart) > 0 else -apart if real(apart) < 0 else 0.0
    return hinge(1 - size / width)


def smooth_ap(d: Matrix, kin: Kin, tau: float = 0.01, reduction: str = "mean") -> Number:
    """1 - weighted mean over positives of (1 + positives before it) / (1 + columns before it), softly."""
    terms = []
    for i in kin.rows:
        precision: Number = 0.0
        for j in kin.positives[i]:
            among = sum(sigmoid((d[i][j] - d[i][k]) / tau) for k in kin.positives[i] if k != j)
            against = sum(sigmoid((d[i][j] - d[i][k]) / tau) for k in kin.negatives[i])
            precision += kin.weight(i, j) * (1 + among) / (1 + among + against)
        if kin.positives[i]:
            terms.append((1 - precision / sum(kin.weight(i, j) for j in kin.positives[i]), 1.0))
    return reduced(terms, reduction)


def recall_at_k(
    d: Matrix, kin: Kin, ks: Sequence[int] = (1, 2, 4, 8, 16), t1: float = 1.0, t2: float = 0.01,
    divisor: str = "min", reduction: str = "mean",
) -> Number:  # fmt: skip
    """Mean over k of 1 - min(R, k) / min(k, |P|), or of 1 - R / |P|; R = weighted positives whose soft rank is below k."""
    terms = []
    for i in kin.rows:
        positives, columns = kin.positives[i], kin.positives[i] + kin.negatives[i]
        total = sum(kin.weight(i, j) for j in positives)
        missed: Number = 0.0
        for k in ks if positives else ():
            found: Number = 0.0
            for j in positives:
                rank = sum(sigmoid((d[i][j] - d[i][z]) / t2) for z in columns if z != j)
                found += kin.weight(i, j) * len(positives) / total * sigmoid((k - 1 - rank) / t1)
            if divisor == "positives":
                missed += 1 - found / len(positives)
            else:
                missed += 1 - (found if real(found) < k else k) / min(k, len(positives))
        if positives:
            terms.append((missed / len(ks), 1.0))
    return reduced(terms, reduction)
