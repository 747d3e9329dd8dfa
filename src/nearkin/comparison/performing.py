"""A run, made: train, embed, judge, write. `run.json` comes last, so a run that was stopped anywhere is simply made on."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from nearkin.comparison.building import build_loss, build_network, build_plan
from nearkin.comparison.classifying import with_classifier
from nearkin.comparison.inputs import Pixels
from nearkin.comparison.planning import SEEDLESS
from nearkin.comparison.progress import Listener, Step
from nearkin.comparison.questions import over_all, questions, sides
from nearkin.comparison.run_files import write_embeddings, write_record, write_records
from nearkin.comparison.runs import Run
from nearkin.comparison.study import Study
from nearkin.comparison.tables import write_tables
from nearkin.core import derived_seed
from nearkin.data import Split
from nearkin.distances import DISTANCES, Distance
from nearkin.evaluation import Evaluation, evaluate
from nearkin.generation import Adversarial
from nearkin.networks import embed
from nearkin.training import History, StepReport, TrainingFailed, train

CLUSTERED = ("nmi", "ami", "pairwise-f1")


@dataclass(frozen=True)
class Trained:
    """A network and a loss with the weights of a run; without loss and history it was not trained."""

    network: nn.Module
    loss: Any = None
    history: History | None = None


def perform(study: Study, run: Run, listener: Listener) -> None:
    """Make a run of the table and write all its files. A run whose loss stops being finite is written down as failed."""
    try:
        trained = None if run.method.kind in SEEDLESS else train_run(study, run, listener)
    except TrainingFailed as error:
        write_record(run.folder, {**_identity(study, run), "status": "failed", "reason": str(error)})
        listener.finished(run.name, f"failed: {error}")
        return
    split = study.splits[run.protocol]
    embeddings = _embeddings(study, run, trained, split.test)
    found = _judge(study, run, trained, split, embeddings)
    rows = _drawn(run, trained, embeddings)
    write_embeddings(run.folder, rows, study.images, split.test, csv=run.method.kind not in SEEDLESS)
    write_records(run.folder, found, study.images, split.test)
    write_tables(run.folder)
    history = None if trained is None else trained.history
    scores = {name: score for name, score in found.scores.items() if np.isfinite(score)}
    outcome = {"status": "done", "scores": scores, "notes": [*(history.notes if history else ()), *found.notes]}
    write_record(run.folder, {**_identity(study, run), **outcome, **_course(history)})
    shown = study.recipe.primary if study.recipe.primary in found.scores else next(iter(found.scores))
    listener.finished(run.name, f"{shown} {found.scores[shown]:.3f}")


def perform_trial(study: Study, run: Run, listener: Listener) -> None:
    """Make a trial: train, and write down its best score on the validation images. The test images are not opened."""
    try:
        history = train_run(study, run, listener).history
        score = None if history is None else history.best_validation
        reason = "" if score is not None else "there was no validation"
    except TrainingFailed as error:
        history, score, reason = None, None, str(error)
    status = {"status": "failed", "reason": reason} if score is None else {"status": "done", "validation": score}
    write_record(run.folder, {**_identity(study, run), "trial": run.trial, **status, **_course(history)})
    listener.finished(run.name, f"failed: {reason}" if score is None else f"validation {score:.3f}")


def train_run(study: Study, run: Run, listener: Listener) -> Trained:
    """The network of a run: with its first weights, or trained on the training images and chosen on the validation ones."""
    images, split, recipe = study.images, study.splits[run.protocol], study.recipe
    scale = study.scale(run.protocol)
    network = build_network(recipe, run.method, study.inputs.shape, run.seed, scale, study.axes(run.protocol))
    if run.method.kind == "untrained":
        return Trained(network)
    loss = build_loss(
        run.method.loss,
        dimensions=recipe.network["embedding_size"],
        classes=len(np.unique(images.labels[split.train])),
        seed=derived_seed(run.seed, "loss"),
    )
    if isinstance(loss, Adversarial):
        network = loss.network(network, recipe.network["embedding_size"])

    def report(step: StepReport) -> None:
        listener.step(Step(run.name, step.step, step.steps, step.loss, step.active, step.seconds_left))
        for note in step.notes:
            listener.note(f"{run.name}: {note}")

    history = train(
        network,
        loss,
        lambda positions: study.inputs(split.train[positions]),
        study.training_labels(run.protocol),
        build_plan(recipe, run.method, run.seed),
        validate=_validation(study, run, split, loss),
        folder=run.folder,
        data=f"{images.data_hash} {study.split_hash(run.protocol)}",
        on_step=report,
    )
    return Trained(network, loss, history)


def _validation(study: Study, run: Run, split: Split, loss: Any) -> Any:
    """The score by which the best weights of a run are chosen: the study's primary one, among the validation images."""
    if not len(split.validation):
        return None
    recipe, images = study.recipe, study.images
    metric = (recipe.tuning.get("metric") if run.trial is not None else None) or recipe.primary

    classes = np.unique(images.labels[split.train])

    def validate(network: nn.Module) -> float:
        embeddings = _embeddings(study, run, Trained(network), split.validation)
        labels = images.labels[split.validation]
        found = _evaluated(
            embeddings,
            labels,
            distance=_searched(run, loss),
            groups=_groups(study, split.validation),
            at=recipe.evaluation["at"],
            knn=recipe.evaluation["knn"],
            clustering=metric in CLUSTERED,
        )
        return with_classifier(found, loss, embeddings, labels, classes).scores[metric]

    return validate


def _judge(study: Study, run: Run, trained: Trained | None, split: Split, embeddings: np.ndarray) -> Evaluation:
    """Scores of the test images. Where training and test share classes, the training images vote in kNN.

    Where the images say who asks and who answers, they alone do, in kNN too.
    """
    labels, evaluation = study.images.labels, study.recipe.evaluation
    options = {
        "distance": _searched(run, trained.loss if trained else None),
        "at": evaluation["at"],
        "knn": evaluation["knn"],
        "clustering": evaluation["clustering"],
        "seed": derived_seed(run.seed, "clustering") % 2**32,
    }
    groups = _groups(study, split.test)
    asked = questions(study.images, split.test)
    if asked is not None:
        queries, references = sides(asked, embeddings, labels[split.test], split.test, groups)
        return over_all(_evaluated(*queries, **references, **options), asked)
    shared = np.isin(labels[split.test], labels[split.train]).all()
    support = _embeddings(study, run, trained, split.train) if shared else None
    support_labels = labels[split.train] if shared else None
    found = _evaluated(
        embeddings, labels[split.test], groups=groups, support=support, support_labels=support_labels, **options
    )
    loss = trained.loss if trained else None
    return with_classifier(found, loss, embeddings, labels[split.test], np.unique(labels[split.train])) if shared else found


def _searched(run: Run, loss: Any) -> Distance | str:
    """By which distance embeddings are searched: the loss's own, with what it learned, where the name means that one."""
    name: str = run.method.evaluation["distance"]
    own = getattr(loss, "distance", None)
    return own if isinstance(own, Distance) and type(own) is DISTANCES[name] else name


def _drawn(run: Run, trained: Trained | None, embeddings: np.ndarray) -> np.ndarray:
    """The embeddings that are written: after the projection of a distance with learned parameters, else as they are."""
    distance = _searched(run, trained.loss if trained else None)
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


def _embeddings(study: Study, run: Run, trained: Trained | None, indices: np.ndarray) -> np.ndarray:
    """Embeddings (n, D) of the images at `indices`; without a network their features, or their pixels, as rows."""
    if trained is None:
        inputs = study.inputs if run.method.kind == "features" else Pixels(study.images)
        return inputs(indices).reshape(len(indices), -1)
    size = max(1, min(512, 2**24 // int(np.prod(study.inputs.shape))))
    batches = (study.inputs(indices[start : start + size]) for start in range(0, len(indices), size))
    return embed(trained.network, batches)


def _identity(study: Study, run: Run) -> dict[str, Any]:
    return {
        "schema": 1,
        "key": run.key,
        "method": run.method.name,
        "kind": run.method.kind,
        "protocol": run.protocol,
        "seed": run.seed,
        "recipe": run.method.settings(),
        "distance": run.method.evaluation["distance"],
        "data": study.images.data_hash,
        "split": study.split_hash(run.protocol),
        "fingerprint": run.fingerprint,
    }


def _course(history: History | None) -> dict[str, Any]:
    if history is None:
        return {"seconds": 0.0, "best_step": 0, "best_validation": None, "steps": 0}
    return {
        "seconds": round(history.seconds, 3),
        "best_step": history.best_step,
        "best_validation": history.best_validation,
        "steps": history.steps,
    }
