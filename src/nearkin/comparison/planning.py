"""Which runs a study has: every method under every protocol with every seed, each named by all that defines it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from nearkin.comparison.building import build_loss
from nearkin.comparison.design import canonical, key_of
from nearkin.comparison.fingerprint import PROBE_CLASSES, distance_fingerprint, loss_fingerprint, probe, probe_labels
from nearkin.comparison.fitting import estimator_fingerprint
from nearkin.comparison.gradient_check import check_gradients
from nearkin.comparison.recipe import Method
from nearkin.comparison.runs import Run
from nearkin.comparison.study import Study
from nearkin.comparison.yaml_text import parse_yaml
from nearkin.core import derived_seed


def table_runs(study: Study, chosen: dict[tuple[str, str], Method] | None = None) -> list[Run]:
    """The runs of the table, seeds outermost, so that a part of a study is already a comparison.

    `chosen` has the tuned form of a method for (name, protocol); what knows no seed (`SEEDLESS`) has one run a protocol.
    """
    recipe = study.recipe
    return [
        make_run(study, (chosen or {}).get((method.name, protocol), method), protocol, seed)
        for seed in recipe.seeds
        for protocol in recipe.protocols
        for method in recipe.rows(pixels=study.pixels)
        if method.kind not in SEEDLESS or seed == recipe.seeds[0]
    ]


def make_run(study: Study, method: Method, protocol: str, seed: int, *, trial: int | None = None) -> Run:
    """The run, its folder named by a hash over recipe part, data, split, seed and the behaviour of loss and distance."""
    recipe = study.recipe
    fingerprint = behaviour(method, recipe.network["embedding_size"])
    parts: list[Any] = [method.name, method.kind, method.settings(), protocol, seed, fingerprint]
    parts += [study.images.data_hash, study.split_hash(protocol), recipe.data_options(), recipe.evaluation]
    if method.kind != "pixels":
        parts += [recipe.network, *([study.inputs_hash] if study.inputs_hash else [])]
    if method.kind in ("trained", "fitted"):
        parts += [recipe.training] if method.kind == "trained" else []
        parts += [recipe.primary, trial, recipe.tuning.get("metric") if trial is not None else None]
    place = study.folder / ("runs" if trial is None else "trials") / key_of(*parts)
    return Run(folder=place, method=method, protocol=protocol, seed=seed, fingerprint=fingerprint, trial=trial)


def behaviour(method: Method, embedding_size: int) -> str:
    """The fingerprint of a method's loss, with its distance and miner, of the distance by which it is searched, and of its
    estimator."""
    found = _behaviour(canonical(dict(method.loss)), method.evaluation["distance"], embedding_size)
    return f"{found}-{_estimated(canonical(dict(method.estimator)), embedding_size)}" if method.estimator else found


SEEDLESS = ("features", "pixels", "fitted")


@lru_cache(maxsize=1024)
def _behaviour(loss: str, distance: str, embedding_size: int) -> str:
    searched = distance_fingerprint(distance, embedding_size)
    section = parse_yaml(loss)
    if not section:
        return searched
    check_gradients(section, embedding_size)
    made = build_loss(section, dimensions=embedding_size, classes=PROBE_CLASSES, anyway=True)
    return f"{loss_fingerprint(made, embedding_size)}-{searched}"


@lru_cache(maxsize=1024)
def _estimated(estimator: str, embedding_size: int) -> str:
    return estimator_fingerprint(parse_yaml(estimator), probe(embedding_size).numpy(), probe_labels().numpy())


def trial_seed(study: Study, protocol: str) -> int:
    """The seed of every trial under a protocol: the same first weights and batches for all, and none of the table's."""
    return derived_seed(study.recipe.tuning["seed"], "tuning", protocol)
