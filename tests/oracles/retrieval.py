"""Retrieval scores of one query after another, rank by rank [EVA-1]."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Excluded = Callable[[int, int], bool]


def ranked(distances: Sequence[float], allowed: Sequence[int]) -> list[int]:
    """The allowed references by (distance, lowest index)."""
    return sorted(allowed, key=lambda j: (distances[j], j))


def best_and_worst(
    distances: Sequence[float], allowed: Sequence[int], relevant: set[int]
) -> tuple[list[int], list[int]]:
    """The same with relevant references first, and last, among equal distances."""
    best = sorted(allowed, key=lambda j: (distances[j], j not in relevant))
    worst = sorted(allowed, key=lambda j: (distances[j], j in relevant))
    return best, worst


def scores_of_order(order: Sequence[int], relevant: set[int], ks: Sequence[int]) -> dict[str, float]:
    """Hits at K, R-precision and AP@R of one ranking; a query without relevant references scores 0."""
    scores = {f"hit@{k}": float(any(j in relevant for j in order[:k])) for k in ks}
    found, precision_sum = 0, 0.0
    for rank, j in enumerate(order, start=1):
        if rank > len(relevant):
            break
        if j in relevant:
            found += 1
            precision_sum += found / rank
    scores["r-precision"] = found / len(relevant) if relevant else 0.0
    scores["ap@r"] = precision_sum / len(relevant) if relevant else 0.0
    return scores


class Oracle:
    """Every query's scores (`scores`, `low`, `high`), order, and number of relevant references."""

    def __init__(
        self,
        distances: Sequence[Sequence[float]],
        query_labels: Sequence[int],
        reference_labels: Sequence[int],
        excluded: Excluded = lambda i, j: i == j,
        ks: Sequence[int] = (1, 2, 4, 8),
    ) -> None:
        self.scores, self.low, self.high, self.orders, self.relevant = [], [], [], [], []
        self.labels = list(query_labels)
        for i, label in enumerate(query_labels):
            allowed = [j for j in range(len(reference_labels)) if not excluded(i, j)]
            relevant = {j for j in allowed if reference_labels[j] == label}
            order = ranked(distances[i], allowed)
            best, worst = best_and_worst(distances[i], allowed, relevant)
            self.orders.append(order)
            self.relevant.append(len(relevant))
            self.scores.append(scores_of_order(order, relevant, ks))
            self.low.append(scores_of_order(worst, relevant, ks))
            self.high.append(scores_of_order(best, relevant, ks))

    def mean(
        self, name: str, rows: Sequence[dict[str, float]] | None = None, lone: str = "exclude", macro: bool = False
    ) -> float:
        """Mean of a score over queries with a relevant reference, or over all (`miss`); by class first with `macro`."""
        rows = self.scores if rows is None else rows
        counted = [i for i in range(len(rows)) if self.relevant[i] or lone == "miss"]
        if not macro:
            return sum(rows[i][name] for i in counted) / len(counted)
        means = []
        for label in sorted({self.labels[i] for i in counted}):
            own = [rows[i][name] for i in counted if self.labels[i] == label]
            means.append(sum(own) / len(own))
        return sum(means) / len(means)
