"""Embeddings and labels to open-set scores: are queries of classes that nobody enrolled told from the others? [EVA-6]"""

from __future__ import annotations

import numpy as np

from nearkin.core import InputError, integer
from nearkin.decision.open_set import OpenSet, open_set
from nearkin.decision.votes import class_scores, predicted
from nearkin.distances import Distance, make_distance
from nearkin.evaluation.exclusions import Exclusions
from nearkin.evaluation.inputs import Array, Rows, Side, as_array, side
from nearkin.evaluation.space import Space
from nearkin.evaluation.sweep import Nearest, nearest_references
from nearkin.evaluation.task import same_width


def open_set_scores(
    embeddings: Rows,
    labels: object,
    *,
    unknown: object = None,
    support: Rows | None = None,
    support_labels: object = None,
    distance: Distance | str = "euclidean",
    k: int = 1,
) -> OpenSet:
    """Judge how well the distance to the answered class tells known queries from unknown ones.

    Enrolled:  `support`; queries whose label it has are known, all others unknown. Without it the rows themselves: those
               whose label is among `unknown` are unknown queries and nobody's neighbours, the others answer each other,
               each but itself
    Answer:    the class that the k nearest enrolled rows vote for, each with one vote (k = 1: the nearest row's)
    Score:     minus the distance to the nearest of them that is of that class
    Shapes:    embeddings (N, D), labels (N,) whole numbers; support (S, D), support_labels (S,); unknown, labels
    Errors:    InputError where there are no known or no unknown queries, and as `evaluate`

    >>> import torch
    >>> x = torch.tensor([[0.0], [0.1], [1.0], [1.2], [9.0]])
    >>> open_set_scores(x, [0, 0, 1, 1, 2], unknown=[2]).scores
    {'auroc': 1.0, 'fpr@95tpr': 0.0, 'oscr': 1.0, 'known-accuracy': 1.0}
    """
    queries = side("embeddings", "", embeddings, labels)
    if (support is None) != (support_labels is None):
        raise InputError("give support and support_labels together, or neither")
    if (support is None) == (unknown is None):
        raise InputError("say which queries are unknown: by support (labels that it lacks) or by unknown=[labels]")
    if support is None:
        enrolled, exclusions, is_unknown = _among_themselves(queries, unknown)
    else:
        enrolled, exclusions = side("support", "support_", support, support_labels), Exclusions()
        is_unknown = ~np.isin(queries.labels, enrolled.labels)
        same_width(queries, enrolled)
    count = min(integer("k", k, minimum=1), len(enrolled))
    space = Space(make_distance(distance), queries.rows, enrolled.rows)
    answers, scores = _answers(nearest_references(space, count, exclusions=exclusions), enrolled.labels)
    right = (answers == queries.labels)[~is_unknown]
    return open_set(right, scores[~is_unknown], scores[is_unknown])


def _among_themselves(queries: Side, unknown: object) -> tuple[Side, Exclusions, Array]:
    """The known rows as those who answer, nobody themselves; and who is unknown."""
    names = np.unique(as_array(unknown))
    if names.size and names.dtype.kind not in "iu":
        raise InputError(f"unknown must be labels, whole numbers, got {names.dtype}")
    missing = names[~np.isin(names, queries.labels)]
    if len(missing):
        raise InputError(f"no row has the label {missing[0]}, which is to be unknown")
    is_unknown = np.isin(queries.labels, names)
    known = np.flatnonzero(~is_unknown)
    if len(known) < 2:
        raise InputError("an open set needs two known rows or more; fewer labels may be unknown")
    rows = Side("embeddings", queries.rows[known], queries.labels[known], None, None)
    return rows, Exclusions((np.arange(len(queries)), known)), is_unknown


def _answers(nearest: Nearest, labels: Array) -> tuple[Array, Array]:
    """The class (Q,) that the neighbours vote for, and minus the distance (Q,) to the nearest of it."""
    classes, codes = np.unique(labels, return_inverse=True)
    votes = np.where(nearest.rows >= 0, codes[nearest.rows], -1)
    answers = predicted(class_scores(nearest.distances, votes, len(classes)))
    distance = np.where(votes == answers[:, None], nearest.distances, np.inf).min(1)
    return classes[answers], -distance
