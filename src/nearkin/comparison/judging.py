"""Judging a run: from a network to embeddings, and from embeddings to scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from nearkin.comparison.embedded import (
    Trained,
    classified,
    drawn_rows,
    embeddings_of,
    evaluated,
    own_groups,
    searched_by,
)
from nearkin.comparison.episode_sizes import score_name
from nearkin.comparison.judging_episodes import validation_episodes
from nearkin.comparison.judging_few_shot import few_shot_judged, few_shot_validated
from nearkin.comparison.questions import over_all, questions, sides
from nearkin.comparison.runs import Run
from nearkin.comparison.study import Study
from nearkin.core import derived_seed
from nearkin.data.protocols import FEW_SHOT
from nearkin.evaluation import Evaluation

CLUSTERED = ("nmi", "ami", "pairwise-f1")


def validation_of(study: Study, run: Run, loss: Any) -> Callable[[nn.Module], float] | None:
    """The score by which the best weights of a run are chosen: the study's primary one, among the validation images.

    An estimator has no part in it: it is fitted once, to what the best weights give.
    """
    if not len(study.splits[run.protocol].validation):
        return None
    return lambda network: _validated(study, run, Trained(network, loss))


def validation_score(study: Study, run: Run, trained: Trained) -> float | None:
    """The same score of what a run has made, its estimator included; None without validation images."""
    return _validated(study, run, trained) if len(study.splits[run.protocol].validation) else None


def _validated(study: Study, run: Run, trained: Trained) -> float:
    split, recipe, images = study.splits[run.protocol], study.recipe, study.images
    metric = (recipe.tuning.get("metric") if run.trial is not None else None) or recipe.primary
    embeddings = embeddings_of(study, run, trained, split.validation)
    labels = images.labels[split.validation]
    if split.protocol == FEW_SHOT:
        return few_shot_validated(study, run, trained, (embeddings, labels)).scores[metric]
    for size in recipe.evaluation.get("episodes", ()):
        if score_name(size) == metric:
            return validation_episodes(study, run, trained, embeddings, size)
    found = evaluated(
        embeddings,
        labels,
        distance=searched_by(run, trained),
        groups=own_groups(study, split.validation),
        at=recipe.evaluation["at"],
        knn=recipe.evaluation["knn"],
        clustering=metric in CLUSTERED,
    )
    classes = np.unique(images.labels[split.train])
    return classified(found, trained, embeddings, labels, classes).scores[metric]


def judge(study: Study, run: Run, trained: Trained | None, embeddings: np.ndarray) -> Evaluation:
    """Scores of the test images. Where training and test share classes, the training images vote in kNN.

    Where the images say who asks and who answers, they alone do, in kNN too.
    """
    labels, evaluation, split = study.images.labels, study.recipe.evaluation, study.splits[run.protocol]
    options = {
        "distance": searched_by(run, trained),
        "at": evaluation["at"],
        "knn": evaluation["knn"],
        "clustering": evaluation["clustering"],
        "seed": derived_seed(run.seed, "clustering") % 2**32,
    }
    groups = own_groups(study, split.test)
    if split.protocol == FEW_SHOT:
        return few_shot_judged(study, run, trained, embeddings, options)
    asked = questions(study.images, split.test)
    if asked is not None:
        queries, references = sides(asked, embeddings, labels[split.test], split.test, groups)
        return over_all(evaluated(*queries, **references, **options), asked)
    shared = np.isin(labels[split.test], labels[split.train]).all()
    support = embeddings_of(study, run, trained, split.train) if shared else None
    support_labels = labels[split.train] if shared else None
    found = evaluated(
        embeddings, labels[split.test], groups=groups, support=support, support_labels=support_labels, **options
    )
    classes = np.unique(labels[split.train])
    return classified(found, trained, embeddings, labels[split.test], classes) if shared else found


__all__ = ["Trained", "drawn_rows", "embeddings_of", "judge", "searched_by", "validation_of", "validation_score"]
