"""The question put to a set of embeddings: who asks, who answers, who may not, and how many would be right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nearkin.core import InputError
from nearkin.distances import Distance
from nearkin.evaluation.exclusions import Exclusions
from nearkin.evaluation.inputs import Array, Side, shared_codes
from nearkin.evaluation.neighbours import rows_of_a_block
from nearkin.evaluation.space import Space


@dataclass(frozen=True)
class Task:
    """Queries against references, with what is known before any distance is made.

    `relevant` (Q,) is R_q, the number of references of the query's class that may answer it; `available` (Q,) the
    number of all references that may. Class codes are shared by both sides.
    """

    space: Space
    exclusions: Exclusions
    query_codes: Array
    reference_codes: Array
    relevant: Array
    available: Array

    @property
    def lone(self) -> Array:
        """(Q,) True for queries without a relevant reference."""
        alone: Array = self.relevant == 0
        return alone


def make_task(distance: Distance, queries: Side, references: Side | None) -> Task:
    """Queries against `references`, or against each other, each excluded from its own references."""
    gallery = queries if references is None else references
    _check(queries, references)
    query_codes, reference_codes, classes = shared_codes(queries.labels, gallery.labels)
    exclusions = Exclusions(*_names(queries, references))
    size = np.bincount(reference_codes, minlength=len(classes))
    relevant, available = size[query_codes], np.full(len(queries), len(gallery))
    step = rows_of_a_block(len(gallery))
    for start in range(0, len(queries), step):
        rows = np.arange(start, min(start + step, len(queries)))
        row, column = exclusions.pairs(rows)
        kin = query_codes[rows[row]] == reference_codes[column]
        relevant[rows] -= np.bincount(row[kin], minlength=len(rows))
        available[rows] -= np.bincount(row, minlength=len(rows))
    _check_answerable(relevant, available, gallery)
    space = Space(distance, queries.rows, None if references is None else references.rows)
    return Task(space, exclusions, query_codes, reference_codes, relevant, available)


def same_width(queries: Side, others: Side) -> None:
    """Refuse rows that another network made."""
    if queries.rows.shape[1] != others.rows.shape[1]:
        raise InputError(
            f"embeddings have {queries.rows.shape[1]} dimensions and {others.name} {others.rows.shape[1]}; "
            "they must come from the same network"
        )


def _names(queries: Side, references: Side | None) -> list[tuple[Array, Array]]:
    """Names that exclude a pair where they agree: identities (positions, where rows answer each other) and groups."""
    if references is None:
        own = np.arange(len(queries)) if queries.ids is None else queries.ids
        named = [(own, own)]
        return named if queries.groups is None else [*named, (queries.groups, queries.groups)]
    pairs = ((queries.ids, references.ids), (queries.groups, references.groups))
    return [(mine, theirs) for mine, theirs in pairs if mine is not None and theirs is not None]


def _check(queries: Side, references: Side | None) -> None:
    if references is None:
        return
    same_width(queries, references)
    for what, mine, theirs in (("ids", queries.ids, references.ids), ("groups", queries.groups, references.groups)):
        if (mine is None) != (theirs is None):
            raise InputError(f"{what} and reference_{what} go together: give both or neither")


def _check_answerable(relevant: Array, available: Array, gallery: Side) -> None:
    if (gallery.labels == gallery.labels[0]).all():
        raise InputError(
            f"all {len(gallery)} rows that could answer are of one class ({gallery.labels[0]}); "
            "scores need at least two classes"
        )
    if not available.all():
        raise InputError(
            f"query {int(np.argmin(available))} has nothing to be compared with: every reference is itself or of its group"
        )
    if not relevant.any():
        raise InputError(
            "no query has a relevant reference: every class has one row only (or one group); nothing to find"
        )
