"""Which references may not answer a query: the query itself, by identity, and its own group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nearkin.evaluation.inputs import Array, shared_codes


@dataclass(frozen=True)
class _Matches:
    """References that share a query's value: those of code c are order[start[c] : start[c + 1]]."""

    query: Array
    order: Array
    start: Array

    def pairs(self, rows: Array) -> tuple[Array, Array]:
        """(row within `rows`, reference) of every match."""
        first = self.start[self.query[rows]]
        number = self.start[self.query[rows] + 1] - first
        row = np.repeat(np.arange(len(rows)), number)
        place = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
        return row, self.order[first[row] + place]


def _matches(queries: Array, references: Array) -> _Matches:
    query, reference, values = shared_codes(queries, references)
    start = np.concatenate([[0], np.cumsum(np.bincount(reference, minlength=len(values)))])
    return _Matches(query, np.argsort(reference, kind="stable"), start)


class Exclusions:
    """Pairs (query, reference) that do not count, found without an array of all pairs."""

    def __init__(self, *named: tuple[Array, Array]) -> None:
        """`named` holds (names of queries, names of references): equal names exclude a pair."""
        self._all = [_matches(queries, references) for queries, references in named]

    def pairs(self, rows: Array) -> tuple[Array, Array]:
        """(row within `rows`, reference) of every excluded pair, without repetition, in order."""
        found = [matches.pairs(rows) for matches in self._all]
        if not found:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        row, column = (np.concatenate(part) for part in zip(*found))
        if len(found) > 1 and len(column):
            width = int(column.max()) + 1
            both = np.unique(row * width + column)
            row, column = both // width, both % width
        return row, column
