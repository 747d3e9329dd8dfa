"""`evaluate`: embeddings and labels to scores, in one blocked pass over the queries [EVA-1, EVA-2, EVA-3]."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from nearkin.core import InputError, InputTypeError, choice, flag, integer
from nearkin.distances import Distance, LearnedDistance, make_distance
from nearkin.evaluation.averages import Average
from nearkin.evaluation.clustering import cluster
from nearkin.evaluation.inputs import Rows, Side, side
from nearkin.evaluation.neighbours import Progress
from nearkin.evaluation.result import Clustering, Evaluation
from nearkin.evaluation.retrieval import Columns
from nearkin.evaluation.space import Space
from nearkin.evaluation.sweep import Nearest, Swept, nearest_references, score_name, sweep
from nearkin.evaluation.task import Task, make_task, same_width
from nearkin.evaluation.ties import find_ties, note_of, warning_of
from nearkin.evaluation.voting import vote_columns

RECORDED = 10
"""Nearest references kept in the records of every query."""


def evaluate(
    embeddings: Rows,
    labels: object,
    *,
    distance: Distance | str = "euclidean",
    references: Rows | None = None,
    reference_labels: object = None,
    ids: object = None,
    reference_ids: object = None,
    groups: object = None,
    reference_groups: object = None,
    support: Rows | None = None,
    support_labels: object = None,
    at: Sequence[int] = (1, 2, 4, 8),
    knn: Sequence[int] = (1, 5),
    clustering: bool = True,
    restarts: int = 10,
    lone: str = "exclude",
    macro: bool = False,
    seed: int | np.random.Generator = 0,
    block: int | None = None,
    records: bool = True,
    on_progress: Progress | None = None,
) -> Evaluation:
    """Judge embeddings by retrieval, kNN and clustering.

    Every row of `embeddings` is a query. The other rows answer it, itself excluded by position; or `references` do.
    Rows with equal `ids` are one sample and never answer each other. With `groups` (slide, patient, session) a query
    ignores its own group. kNN votes come from `support` (the training set of a closed-set protocol) where given, else
    from the same references, leave-one-out.

    Equations:  `retrieval` (Recall@K, R-precision, MAP@R: divisor R), `votes` (kNN), `partitions` (NMI, AMI, F1)
    Distance:   a name, or the object with what it learned (`loss.distance`)
    Order:      by (distance, lowest index); an asymmetric distance takes the query as its anchor. Distances are made in
                float64 and compared to 11 decimal digits, so that rounding makes no order (`space`).
                `Evaluation.ties` bounds the retrieval scores over all orders of equal distances, and a warning says
                when more than 1 % of the queries have a tie at the cut: the index decides, and the score says little
    Shapes:     embeddings (Q, D), labels (Q,) whole numbers, compared exactly; references (R, D), support (S, D)
    Lone:       queries without a relevant reference stay among the references; `exclude` leaves them out of the means
                of retrieval, `miss` counts them as 0. kNN counts every query
    Macro:      mean over the queries of a class, then over classes, instead of over queries
    Defaults:   `at` the K of Recall@K; `knn` the k of kNN, clipped to the number of references with a warning;
                `restarts` of k-means, the lowest inertia counts; `seed` of k-means, the only chance in here; `block`
                queries at a time where all keys of a query are made, by default as many as make 8 million (64 MB)
    Speed:      where the order is Euclidean and classes have at most 127 others, products in float32 with proved error
                bounds find candidates (each pair once, where rows answer each other), and float64 decides among them;
                what bounds leave open is looked up in full. The result is the same. Retrieval scores alone, at half the
                cost of a matrix product of all rows: knn=(), clustering=False, records=False
    Threads:    torch.get_num_threads() of them share the work on a CPU, each with kernels that run in it alone. Results
                are the same bits for any number; a distance without parameters has `project` called by several at a time
    Records:    `records=False` keeps no nearest references of the queries
    Progress:   `on_progress` is called with the share of queries that are answered, up to 1
    Memory:     O(Q) beside the embeddings, by candidates; O(block x R) and the embeddings in float64 where a query is
                looked up in full
    Errors:     InputError for NaN, infinity, empty input, lengths that differ, labels that are no whole numbers, one
                class only, no query with a relevant reference

    >>> import torch
    >>> x = torch.tensor([[0.0], [0.1], [1.0], [1.1]])
    >>> evaluate(x, [0, 0, 1, 1], at=(1,), knn=(1,)).scores["map@r"]
    1.0
    """
    ranks, votes = _ranks("at", at), _ranks("knn", knn)
    size = None if block is None else integer("block", block, minimum=1)
    missed = choice("lone", lone, ("exclude", "miss")) == "miss"
    macro, clustering, records = flag("macro", macro), flag("clustering", clustering), flag("records", records)
    queries = side("embeddings", "", embeddings, labels, ids, groups)
    gallery = _other("references", "reference_", references, reference_labels, reference_ids, reference_groups)
    voters = _other("support", "support_", support, support_labels)
    task = make_task(make_distance(distance), queries, gallery)
    notes = [*_about_first_map(distance, task.space.distance), *_about_lone(task, missed)]

    votes_here = max(votes, default=0) if voters is None else 0
    kept = max(RECORDED if records else 0, votes_here)
    swept = sweep(task, at=tuple(sorted({1, *ranks})), neighbours=kept, block=size, on_progress=on_progress)
    voted = _voted(task, queries, gallery, voters, swept.nearest, votes, size, notes)
    counted = np.arange(len(queries)) if missed else np.flatnonzero(~task.lone)
    average = Average(queries.labels, counted, macro=macro)
    ties = find_ties(swept, average)
    notes += [note_of(ties, len(counted))] if ties.queries else []
    if words := warning_of(ties, len(counted)):
        warnings.warn(words, stacklevel=2)
    found = _clustered(task.space, queries, restarts, seed, notes) if clustering else None

    over_all = Average(queries.labels, np.arange(len(queries)), macro=macro)
    scores = _retrieval_scores(swept.scores, average, ranks)
    scores |= {name: over_all(values) for name, values in voted.items() if name.startswith("knn@")}
    scores |= found.scores if found else {}
    return Evaluation(
        scores=scores,
        queries=_records(task, swept, voted, ranks, missed) | (_nearest(swept) if records else {}),
        ties=ties,
        clustering=found,
        lone=int(task.lone.sum()),
        notes=tuple(notes),
    )


def _ranks(name: str, values: object) -> tuple[int, ...]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise InputTypeError(f"{name} must be a list of whole numbers above 0, got {values!r}")
    return tuple(dict.fromkeys(integer(f"every number of {name}", value, minimum=1) for value in values))


def _other(
    name: str, prefix: str, rows: Rows | None, labels: object, ids: object = None, groups: object = None
) -> Side | None:
    """References or support, if rows were given; nothing else may have been given without them."""
    if rows is None:
        for what, values in (("labels", labels), ("ids", ids), ("groups", groups)):
            if values is not None:
                raise InputError(f"{prefix}{what} came without {name}; give the rows that they belong to")
        return None
    if labels is None:
        raise InputError(f"{name} came without {prefix}labels; give one label for each row")
    return side(name, prefix, rows, labels, ids, groups)


def _about_first_map(given: Distance | str, made: Distance) -> list[str]:
    if isinstance(given, str) and isinstance(made, LearnedDistance):
        return [
            f"{given} by its name alone has learned nothing: its L is the identity; give the distance that was trained"
        ]
    return []


def _about_lone(task: Task, missed: bool) -> list[str]:
    lone = int(task.lone.sum())
    if not lone:
        return []
    treated = "counted as misses" if missed else "left out of the retrieval scores"
    return [f"{lone} of {len(task.lone)} queries have no relevant reference and are {treated}"]


def _voted(
    task: Task,
    queries: Side,
    gallery: Side | None,
    voters: Side | None,
    nearest: Nearest,
    ks: tuple[int, ...],
    block: int | None,
    notes: list[str],
) -> Columns:
    """kNN columns from the support, or from the references that retrieval found nearest already."""
    if not ks:
        return {}
    available = int(task.available.max()) if voters is None else len(voters)
    for k in ks:
        if k > available:
            notes.append(f"knn@{k} uses the {available} references that there are")
            warnings.warn(f"k = {k} of kNN is more than the {available} references; it is clipped", stacklevel=3)
    if voters is not None:
        same_width(queries, voters)
        nearest = nearest_references(Space(task.space.distance, queries.rows, voters.rows), max(ks), block)
    labels = (voters or gallery or queries).labels
    columns = vote_columns(nearest, labels, queries.labels, ks)
    if f"knn@{ks[0]}-weighted" not in columns:
        notes.append("distance-weighted kNN is left out: this distance goes below 0")
    return columns


def _clustered(
    space: Space, queries: Side, restarts: int, seed: int | np.random.Generator, notes: list[str]
) -> Clustering | None:
    if (queries.labels == queries.labels[0]).all():
        notes.append("not clustered: the queries are of one class")
        return None
    same = space.distance.keeps_space
    what = "the embeddings" if same else f"the embeddings as {space.distance!r} projects them"
    what += "" if space.distance.order_is_euclidean else " (k-means is Euclidean there, the distance is not)"
    found = cluster(space.queries.all, queries.labels, restarts=restarts, seed=seed, what=what)
    notes.append(found.what)
    return found


def _retrieval_scores(columns: Columns, average: Average, ranks: tuple[int, ...]) -> dict[str, float]:
    scores = {f"recall@{k}": average(columns[f"hit@{k}"]) for k in ranks}
    scores["precision@1"] = average(columns["hit@1"])
    return scores | {score_name(name): average(columns[name]) for name in ("r-precision", "ap@r")}


def _records(task: Task, swept: Swept, voted: Columns, ranks: tuple[int, ...], missed: bool) -> Columns:
    names = [*(f"hit@{k}" for k in ranks), "r-precision", "ap@r"]
    scored = {name: swept.scores[name] if missed else np.where(task.lone, np.nan, swept.scores[name]) for name in names}
    return scored | voted | {"relevant": task.relevant}


def _nearest(swept: Swept) -> Columns:
    return {"neighbours": swept.nearest.rows[:, :RECORDED], "distances": swept.nearest.distances[:, :RECORDED]}
