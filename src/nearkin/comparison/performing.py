"""A run, made: train, embed, judge, write. `run.json` comes last, so a run that was stopped anywhere is simply made on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from nearkin.comparison.building import build_loss, build_network, build_plan
from nearkin.comparison.fitting import fit, write_fitted
from nearkin.comparison.judging import Trained, drawn_rows, embeddings_of, judge, validation_of, validation_score
from nearkin.comparison.judging_episodes import episodes_of, write_episodes
from nearkin.comparison.planning import SEEDLESS
from nearkin.comparison.progress import Listener, Step
from nearkin.comparison.run_files import write_embeddings, write_record, write_records
from nearkin.comparison.runs import Run
from nearkin.comparison.study import Study
from nearkin.comparison.tables import write_tables
from nearkin.comparison.unknowns import unknowns, write_unknowns
from nearkin.comparison.verifying import verified, write_verification
from nearkin.core import InputError, derived_seed
from nearkin.generation import Adversarial
from nearkin.training import History, StepReport, TrainingFailed, train


def perform(study: Study, run: Run, listener: Listener) -> None:
    """Make a run of the table and write all its files. A run whose loss stops being finite is written down as failed."""
    try:
        trained = _made(study, run, listener)
    except TrainingFailed as error:
        write_record(run.folder, {**_identity(study, run), "status": "failed", "reason": str(error)})
        listener.finished(run.name, f"failed: {error}")
        return
    split = study.splits[run.protocol]
    embeddings = embeddings_of(study, run, trained, split.test)
    found = judge(study, run, trained, embeddings)
    rows = drawn_rows(run, trained, embeddings)
    write_embeddings(run.folder, rows, study.images, split.test, csv=run.method.kind not in SEEDLESS)
    write_records(run.folder, found, study.images, split.test)
    drawn = episodes_of(study, run, trained, embeddings)
    write_episodes(run.folder, drawn)
    write_tables(run.folder)
    means = {name: each.accuracy for name, each in drawn.items()}
    told_apart = write_unknowns(run.folder, unknowns(study, run, trained, embeddings))
    everything = {**found.scores, **means, **told_apart, **_pair_scores(study, run, trained, embeddings)}
    scores = {name: score for name, score in everything.items() if np.isfinite(score)}
    notes = [*_notes(trained), *found.notes, *(f"{name}: {note}" for name, each in drawn.items() for note in each.notes)]
    outcome = {"status": "done", "scores": scores, "notes": notes}
    write_record(run.folder, {**_identity(study, run), **outcome, **_course(study, run, trained)})
    shown = study.recipe.primary if study.recipe.primary in scores else next(iter(scores))
    listener.finished(run.name, f"{shown} {scores[shown]:.3f}")


def _pair_scores(study: Study, run: Run, trained: Trained | None, embeddings: np.ndarray) -> dict[str, float]:
    """Scores of pairs, and `verification.json`, where the recipe asks for them."""
    if not study.recipe.evaluation.get("verification"):
        return {}
    facts = verified(study, run, trained, embeddings)
    write_verification(run.folder, facts)
    found: dict[str, float] = facts["scores"]
    return found


def perform_trial(study: Study, run: Run, listener: Listener) -> None:
    """Make a trial: train, and write down its best score on the validation images. The test images are not opened."""
    try:
        course = _course(study, run, _made(study, run, listener))
        reason = "there was no validation"
    except TrainingFailed as error:
        course, reason = _course(study, run, None), str(error)
    score = course["best_validation"]
    status = {"status": "failed", "reason": reason} if score is None else {"status": "done", "validation": score}
    write_record(run.folder, {**_identity(study, run), "trial": run.trial, **status, **course})
    listener.finished(run.name, f"failed: {reason}" if score is None else f"validation {score:.3f}")


def _made(study: Study, run: Run, listener: Listener) -> Trained | None:
    """What a run trains, then what it fits to that; None for what is compared as it is. Errors: TrainingFailed."""
    trained = None if run.method.kind in SEEDLESS else train_run(study, run, listener)
    if not run.method.estimator:
        return trained
    rows = embeddings_of(study, run, trained, study.splits[run.protocol].train)
    try:
        found = fit(run.method.estimator, rows, study.training_labels(run.protocol), derived_seed(run.seed, "estimator"))
    except InputError as error:
        raise TrainingFailed(f"the estimator cannot be fitted: {error}") from None
    write_fitted(run.folder, found)
    return replace(trained or Trained(), fitted=found)


def train_run(study: Study, run: Run, listener: Listener) -> Trained:
    """The network of a run: with its first weights, or trained on the training images and chosen on the validation ones."""
    images, split, recipe = study.images, study.splits[run.protocol], study.recipe
    scale = study.scale(run.protocol)
    network = build_network(recipe, run.method, study.inputs.shape, run.seed, scale, study.axes(run.protocol))
    if run.method.kind == "untrained":
        return Trained(network)
    plan, labels = build_plan(recipe, run.method, run.seed), study.training_labels(run.protocol)
    loss = build_loss(
        run.method.loss,
        dimensions=recipe.network["embedding_size"],
        classes=len(np.unique(plan.labels_of(labels))),
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
        labels,
        plan,
        validate=validation_of(study, run, loss),
        folder=run.folder,
        data=f"{images.data_hash} {study.split_hash(run.protocol)}",
        on_step=report,
    )
    return Trained(network, loss, history)


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
        "distance_options": run.method.distance_options(),
        "data": study.images.data_hash,
        "split": study.split_hash(run.protocol),
        "fingerprint": run.fingerprint,
    }


def _notes(trained: Trained | None) -> list[str]:
    """What training and fitting noticed."""
    history, fitted = (trained.history, trained.fitted) if trained else (None, None)
    return [*(history.notes if history else ()), *(fitted.notes if fitted else ())]


def _course(study: Study, run: Run, trained: Trained | None) -> dict[str, Any]:
    """How a run went; behind an estimator the validation score is that of its rows."""
    course = _training_course(trained.history if trained else None)
    if trained is None or trained.fitted is None:
        return course
    seconds = round(course["seconds"] + trained.fitted.seconds, 3)
    return {**course, "seconds": seconds, "best_validation": validation_score(study, run, trained)}


def _training_course(history: History | None) -> dict[str, Any]:
    if history is None:
        return {"seconds": 0.0, "best_step": 0, "best_validation": None, "steps": 0, "shares": {}}
    return {
        "seconds": round(history.seconds, 3),
        "best_step": history.best_step,
        "best_validation": history.best_validation,
        "steps": history.steps,
        "shares": dict(history.shares),
        **({} if history.unfrozen_at is None else {"unfrozen_at": history.unfrozen_at}),
    }
