"""How well clusters agree with classes: NMI, AMI and pairwise F1 from the contingency table [EVA-2]."""

from __future__ import annotations

import numpy as np

from nearkin.core import InputError
from nearkin.evaluation.inputs import Array, as_array, exact_labels


def contingency(labels: object, clusters: object) -> Array:
    """Number of samples of each class (row) in each cluster (column), int64; empty rows and columns do not exist."""
    size = len(np.atleast_1d(as_array(labels)))
    if size == 0:
        raise InputError("labels is empty; a clustering of nothing has no score")
    classes = exact_labels("labels", labels, size)
    found = exact_labels("clusters", clusters, size)
    rows, row = np.unique(classes, return_inverse=True)
    columns, column = np.unique(found, return_inverse=True)
    table = np.bincount(row * len(columns) + column, minlength=len(rows) * len(columns))
    return table.reshape(len(rows), len(columns)).astype(np.int64)


def normalized_mutual_information(labels: object, clusters: object) -> float:
    """NMI = 2 I / (H(classes) + H(clusters)), the arithmetic mean below [EVA-2].

    Range:   [0, 1]; 1 only for equal partitions, 0 for a single cluster. It grows with the number of clusters: read
             AMI beside it. Geometric and max variants are other numbers
    Edge:    one class in one cluster: 1
    """
    table = contingency(labels, clusters)
    return _ratio(_information(table), _mean_entropy(table), table)


def adjusted_mutual_information(labels: object, clusters: object) -> float:
    """AMI = (I - E I) / ((H(classes) + H(clusters)) / 2 - E I), corrected for chance [EVA-2].

    E I is the expected mutual information of two random partitions with these class and cluster sizes
    (hypergeometric model; Vinh, Epps and Bailey 2010).

    Range:   at most 1; about 0 for a random clustering, below 0 for a worse one
    Edge:    one class in one cluster, or every sample alone in both: 1
    """
    table = contingency(labels, clusters)
    if table.shape[0] == table.shape[1] in (1, table.sum()):
        return 1.0
    expected = _expected_information(table)
    return _ratio(_information(table) - expected, _mean_entropy(table) - expected, table)


def pairwise_f1(labels: object, clusters: object) -> float:
    """F1 = 2 P R / (P + R) over unordered pairs of samples [EVA-2].

    P = same-class pairs among same-cluster pairs, R = same-cluster pairs among same-class pairs, so
    F1 = 2 (pairs together in both) / (pairs in one class + pairs in one cluster), counted in whole numbers.

    Range:   [0, 1]; a single cluster has R = 1 and F1 above 0
    Edge:    no pair together in either partition: 0
    """
    table = contingency(labels, clusters)
    both, classes, clusters_ = (_pairs(part) for part in (table, table.sum(1), table.sum(0)))
    return 2 * both / (classes + clusters_) if classes + clusters_ else 0.0


def _pairs(counts: Array) -> int:
    return sum(n * (n - 1) // 2 for n in counts.ravel().tolist())


def _entropy(counts: Array) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def _mean_entropy(table: Array) -> float:
    return (_entropy(table.sum(1)) + _entropy(table.sum(0))) / 2


def _information(table: Array) -> float:
    """Mutual information in nats, sum p log(p / (p_class p_cluster))."""
    total = int(table.sum())
    row, column = table.nonzero()
    count = table[row, column]
    expected = table.sum(1)[row] * (table.sum(0)[column] / total)
    return max(float((count / total * np.log(count / expected)).sum()), 0.0)


def _ratio(numerator: float, denominator: float, table: Array) -> float:
    if min(table.shape) == 1:
        return 1.0 if max(table.shape) == 1 else 0.0
    tiny = float(np.finfo(np.float64).eps)
    return numerator / (denominator if abs(denominator) > tiny else tiny)


def _expected_information(table: Array) -> float:
    """E I: over class sizes a, cluster sizes b and overlaps n, n/N log(N n / (a b)) times the chance of n.

    Classes of one size and clusters of one size meet the same sum, so each pair of sizes is summed once.
    """
    from scipy.special import gammaln

    total = int(table.sum())
    sizes_a, times_a = np.unique(table.sum(1), return_counts=True)
    sizes_b, times_b = np.unique(table.sum(0), return_counts=True)
    log_factorial = gammaln(np.arange(total + 1) + 1.0)
    expected = 0.0
    for a, times in zip(sizes_a.tolist(), times_a.tolist()):
        for b, again in zip(sizes_b.tolist(), times_b.tolist()):
            n = np.arange(max(1, a + b - total), min(a, b) + 1)
            chance = np.exp(
                log_factorial[a] + log_factorial[b] + log_factorial[total - a] + log_factorial[total - b]
                - log_factorial[total] - log_factorial[n] - log_factorial[a - n] - log_factorial[b - n]
                - log_factorial[total - a - b + n]
            )  # fmt: skip
            expected += times * again * float((n / total * np.log(total * n / (a * b)) * chance).sum())
    return expected
