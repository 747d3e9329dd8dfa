"""Judging a run: from a network to embeddings, and from embeddings to scores."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from nearkin.comparison.classifying import with_classifier
from nearkin.comparison.few_shot import judged, known_answers, with_answers
from nearkin.comparison.few_shot_answers import Searched
from nearkin.comparison.fitting import Fitted
from nearkin.comparison.inputs import Pixels
from nearkin.comparison.questions import over_all, questions, sides
from nearkin.comparison.runs import Run
from nearkin.comparison.study import Study
from nearkin.core import derived_seed
from nearkin.data.protocols import FEW_SHOT
from nearkin.distances import DISTANCES, Distance
from nearkin.evaluation import Evaluation, evaluate
from nearkin.networks import embed
from nearkin.training import History

CLUSTERED = ("nmi", "ami", "pairwise-f1")


@dataclass(frozen=True)
class Trained:
    """A network and a loss with the weights of a run; without loss and history it was not trained.

    fitted: the map of the method's estimator, behind the network, or behind its inputs where there is no network
    """

    network: nn.Module | None = None
    loss: Any = None
    history: History | None = None
    fitted: Fitted | None = None


def embeddings_of(study: Study, run: Run, trained: Trained | None, indices: np.ndarray) -> np.ndarray:
    """Embeddings (n, D) of the images at `indices`; without a network their features, or their pixels, as rows."""
    if trained is None or trained.network is None:
        inputs = Pixels(study.images) if run.method.kind == "pixels" else study.inputs
        rows: np.ndarray = inputs(indices).reshape(len(indices), -1)
    else:
        size = max(1, min(512, 2**24 // int(np.prod(study.inputs.shape))))
        batches = (study.inputs(indices[start : start + size]) for start in range(0, len(indices), size))
        rows = embed(trained.network, batches)
    return rows if trained is None or trained.fitted is None else trained.fitted(rows)


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
        return _few_shot_validated(study, run, trained, (embeddings, labels)).scores[metric]
    found = _evaluated(
        embeddings,
        labels,
        distance=searched_by(run, trained),
        groups=_groups(study, split.validation),
        at=recipe.evaluation["at"],
        knn=recipe.evaluation["knn"],
        clustering=metric in CLUSTERED,
    )
    classes = np.unique(images.labels[split.train])
    return _with_classifier(found, trained, embeddings, labels, classes).scores[metric]


def _few_shot_validated(
    study: Study, run: Run, trained: Trained, asked: tuple[np.ndarray, np.ndarray]
) -> Evaluation:
    """The validation images of a few-shot split, answered by those that are trained on."""
    train, evaluation = study.splits[run.protocol].train, study.recipe.evaluation
    known = embeddings_of(study, run, trained, train), study.images.labels[train]
    names = {"references": known[0], "reference_labels": known[1]}
    found = _evaluated(
        *asked, **names, distance=searched_by(run, trained), at=evaluation["at"], knn=evaluation["knn"], clustering=False
    )
    found = _with_classifier(found, trained, *asked, np.unique(known[1]))
    searched, loss = _few_shot_search(run, trained)
    columns, _, _ = known_answers(searched, loss, asked, known, derived_seed(run.seed, "folds"))
    return with_answers(found, columns, {}, ())


def _few_shot_search(run: Run, trained: Trained | None) -> tuple[Searched, Any]:
    """By what a few-shot split is searched, and the loss that may have an answer of its own; none behind an estimator."""
    loss = None if trained is None or trained.fitted is not None else trained.loss
    return Searched.by(searched_by(run, trained), run.method.distance_options()), loss


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
    groups = _groups(study, split.test)
    if split.protocol == FEW_SHOT:
        return _few_shot_judged(study, run, trained, embeddings, options)
    asked = questions(study.images, split.test)
    if asked is not None:
        queries, references = sides(asked, embeddings, labels[split.test], split.test, groups)
        return over_all(_evaluated(*queries, **references, **options), asked)
    shared = np.isin(labels[split.test], labels[split.train]).all()
    support = embeddings_of(study, run, trained, split.train) if shared else None
    support_labels = labels[split.train] if shared else None
    found = _evaluated(
        embeddings, labels[split.test], groups=groups, support=support, support_labels=support_labels, **options
    )
    classes = np.unique(labels[split.train])
    return _with_classifier(found, trained, embeddings, labels[split.test], classes) if shared else found


def _few_shot_judged(
    study: Study, run: Run, trained: Trained | None, embeddings: np.ndarray, options: dict[str, Any]
) -> Evaluation:
    split, labels = study.splits[run.protocol], study.images.labels
    groups = _groups(study, split.test)

    def retrieval(rows: np.ndarray, classes: np.ndarray, chosen: np.ndarray) -> Evaluation:
        return _evaluated(
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
        *_few_shot_search(run, trained),
        derived_seed(run.seed, "folds"),
    )


def _with_classifier(
    found: Evaluation, trained: Trained | None, embeddings: np.ndarray, labels: np.ndarray, classes: np.ndarray
) -> Evaluation:
    """With what the loss's classifier answers; it reads embeddings, not the rows of an estimator behind them."""
    if trained is None or trained.fitted is not None:
        return found
    return with_classifier(found, trained.loss, embeddings, labels, classes)


def searched_by(run: Run, trained: Trained | None) -> Distance | str:
    """By which distance embeddings are searched: the loss's own, with what it learned, where the name means that one.

    Behind an estimator, whose rows are in a space of their own, it is the one of that name.
    """
    name: str = run.method.evaluation["distance"]
    own = None if trained is None or trained.fitted is not None else getattr(trained.loss, "distance", None)
    return own if isinstance(own, Distance) and type(own) is DISTANCES[name] else name


def drawn_rows(run: Run, trained: Trained | None, embeddings: np.ndarray) -> np.ndarray:
    """The embeddings that are written: after the projection of a distance with learned parameters, else as they are."""
    distance = searched_by(run, trained)
    if isinstance(distance, str) or not any(True for _ in distance.parameters()):
        return embeddings
    with torch.inference_mode():
        at = next(distance.parameters()).device
        rows: np.ndarray = distance.project(torch.from_numpy(embeddings).to(at, torch.float64)).float().cpu().numpy()
    return rows


def _evaluated(*arguments: Any, **options: Any) -> Evaluation:
    """`evaluate`, whose warnings stand in its notes as well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return evaluate(*arguments, **options)


def _groups(study: Study, indices: np.ndarray) -> np.ndarray | None:
    if study.images.groups is None or not study.recipe.evaluation["ignore_own_group"]:
        return None
    groups: np.ndarray = study.images.groups[indices]
    return groups
