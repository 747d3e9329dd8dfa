"""Batches to sweep over: rules of pairs x forms of input, each with the kin that an oracle reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nearkin.core.tensors import Own
from nearkin.distances import DISTANCES, LearnedDistance
from nearkin.losses import RowLoss
from nearkin.pairs import Matrix, Related
from oracles.kin import Kin, by_ids, by_position, first_two, kin, nobody, same_label, shared_label
from sweeps.variants import Variant

DIMENSIONS = 3
LABELS = [0, 1, 0, 2, 1, 0, 3, 2, 0]  # unequal classes, one of a single member
REFERENCE_LABELS = [1, 0, 4, 2, 2, 0, 1]  # one class without anchors, none of class 3
AGES, REFERENCE_AGES = [3, 9, 4, 30, 8, 2, 60, 31, 5], [9, 3, 90, 29, 30, 6, 10]


@dataclass(frozen=True)
class Rule:
    """Who is kin, as a user says it and as an oracle asks it: `labels(references)` and `grade(references)`."""

    name: str
    labels: Callable[[bool], Any]
    reference_labels: Any
    grade: Callable[[bool], Callable[[int, int], float]]
    stranger: Callable[[int, int], bool] | None = None
    among: Callable[[int, int], float] | None = None  # the grade of two references


def _drawn(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape)


MULTI = (_drawn((len(LABELS), 5), 1) < 0.35).astype(int)
MULTI[6] = 0  # a sample without labels has no kin
REFERENCE_MULTI = (_drawn((len(REFERENCE_LABELS), 5), 2) < 0.35).astype(int)
GRADES = np.where(_drawn((9, 9), 3) < 0.4, _drawn((9, 9), 4).round(2) + 0.25, 0.0)
NARROW = _drawn((9, 9), 5) < 0.5


def _near(anchors: Any, references: Any) -> Any:
    return abs(anchors - references) <= 2


def _nearness(anchors: Any, references: Any) -> Any:
    return (6 - abs(anchors - references)).clip(0) / 4


def _columns(references: bool) -> int:
    return len(REFERENCE_LABELS) if references else len(LABELS)


def _table(values: np.ndarray, references: bool) -> np.ndarray:
    return values[:, : _columns(references)]


def _ages(function: Callable[[Any, Any], Any]) -> Callable[[bool], Callable[[int, int], float]]:
    return lambda references: (
        lambda i, j: float(function(np.array(AGES[i]), np.array((REFERENCE_AGES if references else AGES)[j])))
    )


def _matrix(values: np.ndarray) -> Callable[[bool], Callable[[int, int], float]]:
    return lambda references: lambda i, j: float(values[i, j])


RULES = [
    Rule(
        "labels",
        lambda references: torch.tensor(LABELS),
        torch.tensor(REFERENCE_LABELS),
        lambda references: same_label(LABELS, REFERENCE_LABELS if references else None),
        among=same_label(REFERENCE_LABELS),
    ),
    Rule(
        "multi-label",
        lambda references: torch.tensor(MULTI),
        torch.tensor(REFERENCE_MULTI),
        lambda references: shared_label(MULTI, REFERENCE_MULTI if references else None),
        among=shared_label(REFERENCE_MULTI),
    ),
    Rule(
        "function",
        lambda references: Related(lambda a, r: _near(a[:, None], r[None]), torch.tensor(AGES)),
        torch.tensor(REFERENCE_AGES),
        _ages(_near),
        among=lambda i, j: float(_near(np.array(REFERENCE_AGES[i]), np.array(REFERENCE_AGES[j]))),
    ),
    Rule(
        "graded function",
        lambda references: Related(lambda a, r: _nearness(a[:, None], r[None]), torch.tensor(AGES).double()),
        torch.tensor(REFERENCE_AGES).double(),
        _ages(_nearness),
        among=lambda i, j: float(_nearness(np.array(REFERENCE_AGES[i]), np.array(REFERENCE_AGES[j]))),
    ),
    Rule("matrix", lambda references: Matrix(torch.tensor(_table(GRADES > 0, references))), None, _matrix(GRADES > 0)),
    Rule(
        "matrix with negatives",
        lambda references: Matrix(
            torch.tensor(_table(GRADES > 0, references)), torch.tensor(_table(NARROW, references))
        ),
        None,
        _matrix(GRADES > 0),
        lambda i, j: bool(NARROW[i, j]),
    ),
    Rule("graded matrix", lambda references: Matrix(torch.tensor(_table(GRADES, references))), None, _matrix(GRADES)),
]
BY_NAME = {rule.name: rule for rule in RULES}


@dataclass(frozen=True)
class Batch:
    """Arrays that carry gradients, how the loss is called on them, and what an oracle must know."""

    title: str
    arrays: dict[str, np.ndarray]
    call: Callable[..., Tensor]  # (loss, **tensors) -> value
    kin: Callable[[Variant], Kin]
    gather: Callable[..., tuple[Any, Any]]  # (**lists) -> anchors, and the columns of each row
    rows: int
    among: Kin | None = None  # kin of the shared columns among themselves; None: they are the batch, or nobody says
    shared: int = 0  # how many columns belong to all rows

    def noise(self, variant: Variant) -> Tensor | None:
        uniforms = variant.made.uniforms
        return torch.tensor(_drawn((self.rows, uniforms), 9)) if uniforms else None

    def loss(self, loss: RowLoss, variant: Variant, **tensors: Tensor) -> Tensor:
        noise = self.noise(variant)
        return self.call(loss, **tensors, **({} if noise is None else {"noise": noise}))

    def oracle(self, variant: Variant, pair: Callable[[Any, Any], Any]) -> Callable[..., Any]:
        relation, noise = self.kin(variant), self.noise(variant)
        listed = None if noise is None else noise.tolist()

        def value(**lists: Any) -> Any:
            anchors, columns = self.gather(**lists)
            d = [
                [apart(i, j, anchor, column) for j, column in enumerate(row)]
                for i, (anchor, row) in enumerate(zip(anchors, columns, strict=True))
            ]
            if not variant.ends:
                return variant.oracle(d, relation, anchors, columns, listed)

            def other_end(j: int) -> list[Any]:
                """Distances of the negatives of column j, seen as an anchor; an own column has none."""
                if j >= self.shared:
                    return []
                if self.among is None:
                    return [d[j][k] for k in relation.negatives[j]]
                return [pair(columns[0][j], columns[0][k]) for k in self.among.negatives[j]]

            return variant.oracle(d, relation, anchors, columns, listed, other_end)

        known: dict[tuple[int, int], Any] = {}

        def apart(i: int, j: int, anchor: Any, column: Any) -> Any:
            """A distance of two vectors that carry no derivative is made once."""
            if any(type(a) is complex for a in anchor) or any(type(a) is complex for a in column):
                return pair(anchor, column)
            if (i, j) not in known:
                known[i, j] = pair(anchor, column)
            return known[i, j]

        return value


FACTOR = np.array([[0.75, -0.5, 1.25], [0.25, 1.0, -0.375]])
"""L of a learned distance: two rows, three dimensions, every number held by bfloat16."""


def learned_distance(name: str, dtype: torch.dtype) -> LearnedDistance:
    """The distance of that name with L = FACTOR; a narrow L is float32, as a trained one is."""
    distance = DISTANCES[name]()
    assert isinstance(distance, LearnedDistance)
    distance.to(torch.float64 if dtype == torch.float64 else torch.float32)
    distance.load_state_dict({"weight": torch.tensor(FACTOR)})
    return distance


def with_factor(batch: Batch, variant: Variant, pair: Callable[..., Any]) -> Callable[..., Any]:
    """The batch's oracle with L as one more argument; distances are kept only while L carries no derivative."""
    kept = batch.oracle(variant, lambda x, z: pair(x, z, FACTOR.tolist()))

    def value(L: Any, **lists: Any) -> Any:
        moved = any(type(entry) is complex for row in L for entry in row)
        return (batch.oracle(variant, lambda x, z: pair(x, z, L)) if moved else kept)(**lists)

    return value


def normal(rows: int, seed: int, *more: int) -> np.ndarray:
    """Normal numbers that bfloat16 holds exactly, so that one oracle serves every dtype."""
    values = np.random.default_rng(seed).normal(size=(rows, *more, DIMENSIONS))
    return torch.tensor(values).bfloat16().double().numpy()


def batch_alone(rule: Rule, embeddings: np.ndarray | None = None, title: str = "batch") -> Batch:
    """No references: the batch is compared with itself, self excluded by position."""
    x = normal(len(LABELS), 11) if embeddings is None else embeddings

    def relation(variant: Variant) -> Kin:
        if variant.tuples:
            return first_two(LABELS)
        return kin(rule.grade(False), by_position, len(x), len(x), rule.stranger)

    return Batch(
        f"{title}, {rule.name}",
        {"embeddings": x},
        lambda loss, embeddings, **more: loss(embeddings, rule.labels(False), **more),
        relation,
        lambda embeddings: (embeddings, [embeddings] * len(embeddings)),
        len(x),
        shared=len(x),
    )


def with_references(rule: Rule) -> Batch:
    """Other columns, nobody of them in the batch."""
    x, z = normal(len(LABELS), 11), normal(len(REFERENCE_LABELS), 12)
    return Batch(
        f"references, {rule.name}",
        {"embeddings": x, "references": z},
        lambda loss, embeddings, references, **more: loss(embeddings, rule.labels(True), references, rule.reference_labels, **more),
        lambda variant: kin(rule.grade(True), nobody, len(x), len(z), rule.stranger),
        lambda embeddings, references: (embeddings, [references] * len(embeddings)),
        len(x),
        among=None if rule.among is None else kin(rule.among, by_position, len(z), len(z)),
        shared=len(z),
    )  # fmt: skip


def with_ids(rule: Rule) -> Batch:
    """References that hold some samples of the batch: ids say which."""
    plain = with_references(rule)
    x, z = plain.arrays["embeddings"], plain.arrays["references"].copy()
    ids, reference_ids = [40, 41, 42, 43, 44, 45, 46, 47, 48], [44, 7, 40, 47, 8, 48, 9]
    for j, name in enumerate(reference_ids):
        if name in ids:
            z[j] = x[ids.index(name)]
    more_ids = {"ids": torch.tensor(ids), "reference_ids": torch.tensor(reference_ids)}
    return replace(
        plain,
        title=f"ids, {rule.name}",
        arrays={"embeddings": x, "references": z},
        call=lambda loss, **keywords: plain.call(loss, **keywords, **more_ids),
        kin=lambda variant: kin(rule.grade(True), by_ids(ids, reference_ids), len(x), len(z), rule.stranger),
    )


OWN_POSITIVES = [[True, False, False], [False, False, True], [False, False, False]] * 3
OWN_NEGATIVES = [[False, True, False], [True, True, False], [False, False, True]] * 3


def with_own(rule: Rule) -> Batch:
    """Columns of one row alone beside the batch; those in neither mask are padding."""
    plain = batch_alone(rule)
    vectors, count = normal(len(LABELS), 13, 3), len(LABELS)

    def call(loss: RowLoss, own: Tensor, **keywords: Any) -> Tensor:
        return plain.call(loss, **keywords, own=_own(own))

    return replace(
        plain,
        title=f"own columns, {rule.name}",
        arrays={**plain.arrays, "own": vectors},
        call=call,
        kin=lambda variant: plain.kin(variant).with_own(count, OWN_POSITIVES, OWN_NEGATIVES),
        gather=lambda embeddings, own: (embeddings, [embeddings + mine for mine in own]),
    )


def own_alone() -> Batch:
    """No labels at all: every row has only its own columns."""
    x, vectors = normal(len(LABELS), 11), normal(len(LABELS), 13, 3)
    nothing = Kin([[] for _ in x], [[] for _ in x], [{} for _ in x])
    return Batch(
        "own columns alone",
        {"embeddings": x, "own": vectors},
        lambda loss, embeddings, own, **more: loss(embeddings, own=_own(own), **more),
        lambda variant: nothing.with_own(0, OWN_POSITIVES, OWN_NEGATIVES),
        lambda embeddings, own: (embeddings, own),
        len(x),
    )


def _own(vectors: Tensor) -> Own:
    return Own(vectors, torch.tensor(OWN_POSITIVES), torch.tensor(OWN_NEGATIVES))


TRIPLETS = [(0, 2, 1), (0, 5, 3), (4, 1, 6), (7, 3, 0), (0, 2, 1), (8, 0, 7), (2, 2, 3)]


def ready_triplets() -> Batch:
    """Index triples into the batch, in any number and order, one twice and one with its anchor as positive."""
    x = normal(len(LABELS), 11)
    return Batch(
        "triplets",
        {"embeddings": x},
        lambda loss, embeddings, **more: loss(embeddings, triplets=torch.tensor(TRIPLETS), **more),
        lambda variant: _one_positive_one_negative(),
        lambda embeddings: _triples(embeddings, embeddings),
        len(TRIPLETS),
    )


def triplets_into_references() -> Batch:
    """Index triples whose positives and negatives are references."""
    x, z = normal(len(LABELS), 11), normal(8, 12)
    parts = torch.tensor(TRIPLETS).unbind(1)
    return Batch(
        "triplets into references",
        {"embeddings": x, "references": z},
        lambda loss, embeddings, references, **more: loss(embeddings, references=references, triplets=parts, **more),
        lambda variant: _one_positive_one_negative(),
        lambda embeddings, references: _triples(embeddings, references),
        len(TRIPLETS),
    )


def _one_positive_one_negative() -> Kin:
    return Kin([[0] for _ in TRIPLETS], [[1] for _ in TRIPLETS], [{} for _ in TRIPLETS])


def _triples(anchors: Sequence[Any], others: Sequence[Any]) -> tuple[Any, Any]:
    return [anchors[a] for a, _, _ in TRIPLETS], [[others[p], others[n]] for _, p, n in TRIPLETS]


FORMS: list[Batch] = [
    *(batch_alone(rule) for rule in RULES[1:]),
    *(with_references(rule) for rule in RULES),
    *(with_ids(rule) for rule in RULES),
    with_own(BY_NAME["labels"]),
    with_own(BY_NAME["graded matrix"]),
    own_alone(),
    ready_triplets(),
    triplets_into_references(),
]
"""Every rule of pairs in every form of input, but for class labels in a batch alone."""


def needs_labels(batch: Batch) -> bool:
    """N-pair input out of a batch is made of class labels."""
    return batch.title.startswith(("batch", "own columns,")) and not batch.title.endswith(", labels")


def hides_its_references(batch: Batch) -> bool:
    """A matrix of pairs does not say which references belong together, which a loss of both ends of a pair asks."""
    return batch.title.startswith(("references", "ids")) and "matrix" in batch.title


GRID = np.array([[0, 0, 0], [1, 0, 2], [0, 0, 0], [2, 1, 1], [1, 0, 2], [0, 1, 0], [1, 1, 1], [2, 2, 0]], dtype=float)
"""Small integers in eight rows (their mean is exact): many ties, duplicates within and across classes, a zero row."""
GRID_LABELS = [0, 1, 0, 2, 0, 1, 1, 0]


def on_a_grid() -> Batch:
    labels = torch.tensor(GRID_LABELS)
    return Batch(
        "grid",
        {"embeddings": GRID},
        lambda loss, embeddings, **more: loss(embeddings, labels, **more),
        lambda variant: first_two(GRID_LABELS) if variant.tuples else kin(same_label(GRID_LABELS), by_position, 8, 8),
        lambda embeddings: (embeddings, [embeddings] * 8),
        8,
        shared=8,
    )


def with_duplicates() -> Batch:
    """A zero row, a row of another class twice, a row of the same class twice, and a constant row."""
    x = normal(len(LABELS), 14)
    x[3], x[1], x[2], x[6] = 0.0, x[0], x[0], 0.5
    return batch_alone(BY_NAME["labels"], x, "duplicates")
