"""Which column is positive and which negative for which row, decided one pair at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kin:
    """For every row its positive columns and its negative columns, and the weight of each positive pair."""

    positives: list[list[int]]
    negatives: list[list[int]]
    weights: list[dict[int, float]]

    @property
    def rows(self) -> range:
        return range(len(self.positives))

    def weight(self, row: int, column: int) -> float:
        return self.weights[row].get(column, 1.0)

    def with_own(self, first: int, positives: Sequence[Sequence[bool]], negatives: Sequence[Sequence[bool]]) -> Kin:
        """Row i gets own columns, the first of them column `first`, as the masks say; their pairs weigh 1."""

        def marked(columns: list[list[int]], masks: Sequence[Sequence[bool]]) -> list[list[int]]:
            return [
                some + [first + k for k, on in enumerate(mask) if on] for some, mask in zip(columns, masks, strict=True)
            ]

        return Kin(marked(self.positives, positives), marked(self.negatives, negatives), self.weights)


def kin(
    grade: Callable[[int, int], float],
    is_self: Callable[[int, int], bool],
    rows: int,
    columns: int,
    stranger: Callable[[int, int], bool] | None = None,
) -> Kin:
    """Kin from a grade of each pair: above 0 positive (with this weight), 0 negative; nobody is kin of itself.

    `stranger` narrows the negatives: a pair that is neither kin nor strangers takes no part.
    """
    positives: list[list[int]] = [[] for _ in range(rows)]
    negatives: list[list[int]] = [[] for _ in range(rows)]
    weights: list[dict[int, float]] = [{} for _ in range(rows)]
    for i in range(rows):
        for j in range(columns):
            if is_self(i, j):
                continue
            related = float(grade(i, j))
            if related > 0:
                positives[i].append(j)
                weights[i][j] = related
            elif stranger is None or stranger(i, j):
                negatives[i].append(j)
    return Kin(positives, negatives, weights)


def by_position(i: int, j: int) -> bool:
    """Without references, row i is column i."""
    return i == j


def nobody(i: int, j: int) -> bool:
    """References without ids: every column is somebody else."""
    return False


def by_ids(ids: Sequence[int], reference_ids: Sequence[int]) -> Callable[[int, int], bool]:
    """References with ids: the column with the row's id is the row itself."""
    return lambda i, j: ids[i] == reference_ids[j]


def same_label(labels: Sequence[Any], reference_labels: Sequence[Any] | None = None) -> Callable[[int, int], bool]:
    others = labels if reference_labels is None else reference_labels
    return lambda i, j: labels[i] == others[j]


def shared_label(
    labels: Sequence[Sequence[int]], reference_labels: Sequence[Sequence[int]] | None = None
) -> Callable[[int, int], bool]:
    """Rows of 0 and 1: related if some label is 1 in both."""
    others = labels if reference_labels is None else reference_labels
    return lambda i, j: any(a == 1 and b == 1 for a, b in zip(labels[i], others[j], strict=True))


def first_two(labels: Sequence[Any]) -> Kin:
    """N-pair tuples out of a labelled batch: of each class with two members or more the first is anchor, the second its
    positive, and the second members of the other classes are negatives. The other rows are no anchors."""
    members: dict[Any, list[int]] = {}
    for position, label in enumerate(labels):
        members.setdefault(label, []).append(position)
    pairs = {group[0]: group[1] for group in members.values() if len(group) >= 2}
    rows = range(len(labels))
    return Kin(
        [[pairs[i]] if i in pairs else [] for i in rows],
        [[second for first, second in pairs.items() if first != i] if i in pairs else [] for i in rows],
        [{} for _ in rows],
    )
