"""Judging a few-shot split: the asking images of known classes, and of novel classes that are enrolled without training.

Columns, one number an asking image (nothing where it has none), and scores, their means:

    top-1, top-5                by the method's own answer: its classifier's where its loss has one, else by kNN
    knn-top-1, knn-top-5        by the vote of the k nearest known images, weighted by 1/distance; k chosen by folds of those,
                                for top-5 among 5, 7 and 9
    means-top-1, means-top-5    by the nearest mean of the known images of a class
    all-classes-top-1, ...-5    by the same vote, the novel classes enrolled too: of every asking image, and apart
                                (all-classes-known, all-classes-novel) of those of known and of novel classes
    novel-top-1, novel-top-5    the novel ones among the novel classes alone

Scores of a run without columns: train-top-1, train-top-5 (own answer) and train-knn-... of the known images, each left out of
its own search; train-knn-top-1-in-index is what comes of not leaving it out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.comparison.classifying import with_classifier
from nearkin.comparison.few_shot_answers import (
    TOPS,
    Labels,
    Right,
    Rows,
    Searched,
    Side,
    Voters,
    right_by_classifier,
    right_by_knn,
    right_by_means,
    voters_for_five,
)
from nearkin.comparison.questions import Questions, over_all
from nearkin.data import Split
from nearkin.decision import Space
from nearkin.decision.choosing import choose_k
from nearkin.evaluation import Evaluation

SCORES = tuple(f"{kind}top-{top}" for kind in ("", "knn-", "means-") for top in TOPS)
"""What may decide: it can be measured on validation images too."""

FOLDS = 5

Retrieval = Callable[[Rows, Labels, NDArray[np.bool_]], Evaluation]


def judged(
    split: Split,
    labels: Labels,
    embeddings: Rows,
    embed: Callable[[NDArray[np.int64]], Rows],
    retrieval: Retrieval,
    searched: Searched,
    loss: Any,
    seed: int,
) -> Evaluation:
    """All scores of a few-shot split.

    embeddings: of the test images; `embed` makes those of others
    retrieval:  (known rows, their classes, which test images are of known classes) -> the other scores of those
    """
    answering = np.concatenate([split.train, split.validation])
    known, asked = (embed(answering), labels[answering]), labels[split.test]
    of_known = np.isin(asked, known[1])
    tested = embeddings[of_known], asked[of_known]
    found = with_classifier(retrieval(*known, of_known), loss, *tested, np.unique(known[1]))
    columns, voters, words = known_answers(searched, loss, tested, known, seed)
    columns = {name: spread(column, of_known) for name, column in columns.items()}
    if len(split.enrolled):
        enrolled = searched.side(embed(split.enrolled), labels[split.enrolled])
        columns |= novel_columns(searched.space, searched.side(embeddings, asked), searched.side(*known), enrolled, voters)
    return with_answers(over_known(found, of_known), columns, training_scores(searched, loss, known, voters), (words,))


def known_answers(
    searched: Searched, loss: Any, tested: tuple[Rows, Labels], known: tuple[Rows, Labels], seed: int
) -> tuple[Right, Voters, str]:
    """Columns of the asking images of known classes, how many neighbours vote, and a sentence about it.

    tested, known: embeddings (not projected) and classes. The own answer of a loss with a classifier is the classifier's,
                   of everything else the vote of the k nearest known images.
    """
    asked, answering = searched.side(*tested), searched.side(*known)
    voters, words = _chosen(searched.space, answering, seed)
    by_knn = right_by_knn(searched.space, asked, answering, voters)
    own = right_by_classifier(loss, *tested, np.unique(known[1])) or by_knn
    answers = {"": own, "knn-": by_knn, "means-": right_by_means(searched.space, asked, answering)}
    columns = {f"{kind}top-{top}": right[top] for kind, right in answers.items() for top in TOPS}
    return columns, voters, words


def _chosen(space: Space, known: Side, seed: int) -> tuple[Voters, str]:
    """How many neighbours vote, and that in words: for top-1 as many as answer best in stratified folds of the known images, no
    more folds than images of a class; for top-5 see `voters_for_five`."""
    five = voters_for_five(space, known)
    folds = min(FOLDS, int(np.unique(known.labels, return_counts=True)[1].min()))
    if folds < 2:
        return {"1": 1, "5": five}, f"kNN with k = 1: there is one known image a class; {five} vote for top-5"
    found = choose_k(space, known.rows, known.labels, folds=folds, seed=seed)
    shares = ", ".join(f"{k}: {share:.4f}" for k, share in found.accuracy.items())
    words = f"kNN with k = {found.k}, weighted by distance, chosen by {folds} folds of the known images ({shares})"
    return {"1": found.k, "5": five}, f"{words}; {five} vote for top-5, chosen on known images left out one by one"


def training_scores(searched: Searched, loss: Any, known: tuple[Rows, Labels], voters: Voters) -> dict[str, float]:
    """Scores on the known images themselves: each left out of its own search, and, named, with itself in the index."""
    side, own_place = searched.side(*known), np.arange(len(known[1]))
    left_out = right_by_knn(searched.space, side, side, voters, groups=(own_place, own_place))
    own = right_by_classifier(loss, *known, np.unique(known[1])) or left_out
    scores = {f"train-top-{top}": float(own[top].mean()) for top in TOPS}
    scores |= {f"train-knn-top-{top}": float(left_out[top].mean()) for top in TOPS}
    return scores | {"train-knn-top-1-in-index": float(right_by_knn(searched.space, side, side, voters)["1"].mean())}


def novel_columns(space: Space, asked: Side, known: Side, enrolled: Side, voters: Voters) -> Right:
    """Columns of all asking images with the novel classes enrolled beside the known, and of novel ones among themselves."""
    new = np.isin(asked.labels, enrolled.labels)
    everything = right_by_knn(space, asked, known.beside(enrolled), voters)
    among = right_by_knn(space, asked.where(new), enrolled, voters)
    columns: Right = {}
    for top in TOPS:
        columns[f"all-classes-top-{top}"] = everything[top]
        columns[f"all-classes-known-top-{top}"] = np.where(new, np.nan, everything[top])
        columns[f"all-classes-novel-top-{top}"] = np.where(new, everything[top], np.nan)
        columns[f"novel-top-{top}"] = spread(among[top], new)
    return columns


def spread(values: NDArray[np.float64], places: NDArray[np.bool_]) -> NDArray[np.float64]:
    """`values` at the chosen places, nothing (NaN) elsewhere."""
    found: NDArray[np.float64] = np.full(len(places), np.nan)
    found[places] = values
    return found


def with_answers(found: Evaluation, columns: Right, more: dict[str, float], notes: tuple[str, ...]) -> Evaluation:
    """`found` with columns for each asking image, whose means are scores, and with scores of a run as a whole."""
    means = {name: float(np.nanmean(column)) for name, column in columns.items()}
    return replace(
        found,
        scores={**means, **found.scores, **more},
        queries={**columns, **found.queries},
        notes=(*found.notes, *notes),
    )


def over_known(found: Evaluation, known: NDArray[np.bool_]) -> Evaluation:
    """The records of the asking images of known classes as records of all asking images: nothing stands for the novel ones."""
    if known.all():
        return found
    places = np.flatnonzero(known)
    words = f"retrieval, clusters and knn@k are of the {len(places):,} images of known classes, of {len(known):,} that ask"
    return replace(over_all(found, Questions(places, places, len(known))), notes=(*found.notes, words))

