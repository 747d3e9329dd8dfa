"""Judging a run on a few-shot split, and its validation."""

from __future__ import annotations

from typing import Any

import numpy as np

from nearkin.comparison.embedded import Trained, classified, embeddings_of, evaluated, own_groups, searched_by
from nearkin.comparison.few_shot import judged, known_answers, with_answers
from nearkin.comparison.few_shot_answers import Searched
from nearkin.comparison.runs import Run
from nearkin.comparison.study import Study
from nearkin.core import derived_seed
from nearkin.evaluation import Evaluation


def few_shot_judged(
    study: Study, run: Run, trained: Trained | None, embeddings: np.ndarray, options: dict[str, Any]
) -> Evaluation:
    """All scores of the test images, of known and of novel classes. options: of `evaluate`, for the other scores."""
    split, labels = study.splits[run.protocol], study.images.labels
    groups = own_groups(study, split.test)

    def retrieval(rows: np.ndarray, classes: np.ndarray, chosen: np.ndarray) -> Evaluation:
        return evaluated(
            embeddings[chosen],
            labels[split.test][chosen],
            groups=None if groups is None else groups[chosen],
            support=rows,
            support_labels=classes,
            **options,
        )

    return judged(
        split,
        labels,
        embeddings,
        lambda indices: embeddings_of(study, run, trained, indices),
        retrieval,
        *_search(run, trained),
        derived_seed(run.seed, "folds"),
    )


def few_shot_validated(
    study: Study, run: Run, trained: Trained, asked: tuple[np.ndarray, np.ndarray]
) -> Evaluation:
    """The validation images of a few-shot split, answered by those that are trained on."""
    train, evaluation = study.splits[run.protocol].train, study.recipe.evaluation
    known = embeddings_of(study, run, trained, train), study.images.labels[train]
    names = {"references": known[0], "reference_labels": known[1]}
    found = evaluated(
        *asked, **names, distance=searched_by(run, trained), at=evaluation["at"], knn=evaluation["knn"], clustering=False
    )
    found = classified(found, trained, *asked, np.unique(known[1]))
    searched, loss = _search(run, trained)
    columns, _, _ = known_answers(searched, loss, asked, known, derived_seed(run.seed, "folds"))
    return with_answers(found, columns, {}, ())


def _search(run: Run, trained: Trained | None) -> tuple[Searched, Any]:
    """By what a few-shot split is searched, and the loss that may have an answer of its own; none behind an estimator."""
    loss = None if trained is None or trained.fitted is not None else trained.loss
    return Searched.by(searched_by(run, trained), run.method.distance_options()), loss
