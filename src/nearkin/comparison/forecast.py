"""`--plan`: what a recipe would do, how long that takes, and the smallest difference it can see. Nothing is trained or written."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nearkin.comparison.building import build_loss, build_network, build_plan
from nearkin.comparison.frozen import image_seconds
from nearkin.comparison.inputs import Features, Inputs, Pixels
from nearkin.comparison.recipe import Method, Recipe
from nearkin.comparison.study import has_pixel_row, input_shape, prepare
from nearkin.data import ImageSet, Split, possible_protocols
from nearkin.evaluation import evaluate
from nearkin.generation import Adversarial
from nearkin.networks import embed
from nearkin.statistics import planned_components, smallest_detectable
from nearkin.training import train

SAMPLE = 512
"""Images that are embedded and judged to time an evaluation."""


@dataclass(frozen=True)
class Forecast:
    """What a recipe would do.

    protocols   name -> None where the images can be split so, or the reason why not
    smallest    protocol -> the smallest difference between two methods that 80 % of such studies would claim, or None
    step        method -> seconds a training step, from two measured steps
    seconds     of everything but what estimators take, on one process
    """

    name: str
    images: str
    classes: int
    groups: int | None
    protocols: dict[str, str | None]
    chosen: dict[str, dict[str, Any]]
    methods: list[str]
    seeds: list[int]
    runs: int
    trials: int
    step: dict[str, float]
    seconds: float
    smallest: dict[str, float | None]
    notes: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))


def forecast(recipe: Recipe, images: ImageSet | None = None) -> Forecast:
    """Work out the `Forecast` of a recipe. Errors: InputError for all that would stop the study itself."""
    recipe, images, splits = prepare(recipe, images)
    channels, height, width = images.image_shape
    pixels = has_pixel_row(images)
    first = next(iter(splits.values()))
    step = {method.name: _step_seconds(recipe, method, images, first) for method in recipe.methods if method.loss}
    others = 1 + pixels + recipe.frozen
    fitted = len(recipe.methods) - len(step)
    trained = len(step) * len(recipe.seeds) * len(splits)
    trials = recipe.tuning.get("trials", 0) * len(recipe.methods) * len(splits)
    runs = trained + len(splits) * (len(recipe.seeds) + pixels + recipe.frozen + fitted)
    share = (trained + trials * len(step) / max(1, len(recipe.methods))) / max(1, len(step))
    training = sum(step.values()) * recipe.training["steps"] * share
    judging = sum(_judging_seconds(recipe, images, split) for split in splits.values()) * (runs + trials) / len(splits)
    backbone = recipe.network.get("backbone")
    features = image_seconds(backbone, images) * len(images) if recipe.frozen and backbone else 0.0
    return Forecast(
        name=recipe.name,
        images=f"{len(images):,} images of {height} x {width} x {channels}",
        classes=len(images.classes),
        groups=None if images.groups is None else len(images.group_names),
        protocols=possible_protocols(images),
        chosen={protocol: _census(images, split) for protocol, split in splits.items()},
        methods=[method.name for method in recipe.rows(pixels=pixels)],
        seeds=list(recipe.seeds),
        runs=runs,
        trials=trials,
        step=step,
        seconds=training + judging + features,
        smallest={name: _smallest(images, split, recipe, others) for name, split in splits.items()},
        notes=list(images.notes),
    )


def _step_seconds(recipe: Recipe, method: Method, images: ImageSet, split: Split) -> float:
    """Seconds a step: the shorter of two measured ones, after one that warms up."""
    seed = recipe.seeds[0]
    plan = replace(build_plan(recipe, method, seed), steps=3, patience=None)
    inputs = _sample_inputs(recipe, images)
    network = build_network(recipe, method, inputs.shape, seed, inputs.standardisation(split.train[:SAMPLE]))
    labels = np.unique(images.labels[split.train], return_inverse=True)[1]
    classes = len(np.unique(plan.labels_of(labels)))
    loss = build_loss(method.loss, dimensions=recipe.network["embedding_size"], classes=classes)
    if isinstance(loss, Adversarial):
        network = loss.network(network, recipe.network["embedding_size"])
    moments: list[float] = []
    train(
        network,
        loss,
        lambda positions: inputs(split.train[positions]),
        labels,
        plan,
        on_step=lambda _: moments.append(time.perf_counter()),
    )
    return min(moments[1] - moments[0], moments[2] - moments[1])


def _sample_inputs(recipe: Recipe, images: ImageSet) -> Inputs:
    """What networks see; in place of a frozen backbone's features, which may not be made yet, rows of their shape."""
    if not recipe.frozen:
        return Pixels(images)
    (size,) = input_shape(recipe, images)
    some = np.random.default_rng(0).random((256, size), dtype=np.float32)
    return Features(some[np.arange(len(images)) % 256])


def _judging_seconds(recipe: Recipe, images: ImageSet, split: Split) -> float:
    """Seconds that a run spends on validations and on its test images, scaled up from a small sample."""
    method, validations = recipe.methods[0], recipe.training["steps"] // recipe.training["validate_every"]
    sample = split.test[:: max(1, len(split.test) // SAMPLE)][:SAMPLE]
    inputs = _sample_inputs(recipe, images)
    network = build_network(recipe, method, inputs.shape, 0, inputs.standardisation(sample))
    start = time.perf_counter()
    rows = embed(network, inputs(sample))
    embedding = (time.perf_counter() - start) / len(sample)
    start = time.perf_counter()
    evaluate(rows, np.arange(len(rows)) % 2, clustering=False, at=(1,), knn=(1,))
    pair = (time.perf_counter() - start) / len(sample) ** 2
    validation, test, train_ = (len(part) for part in (split.validation, split.test, split.train))
    retrieval = pair * (validations * validation**2 + test * (test + train_))
    return float(embedding * (validations * validation + test + train_) + retrieval)


def _census(images: ImageSet, split: Split) -> dict[str, Any]:
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    parts |= {"enrolled": split.enrolled} if len(split.enrolled) else {}
    return {name: {"images": len(part), "classes": len(np.unique(images.labels[part]))} for name, part in parts.items()}


def _smallest(images: ImageSet, split: Split, recipe: Recipe, others: int) -> float | None:
    """By assumptions about the spread, since nothing is measured yet (`planned_components`)."""
    classes = len(np.unique(images.labels[split.test]))
    components = planned_components(queries_per_unit=len(split.test) / classes)
    comparisons = len(recipe.methods) + others - 1
    seen: float | None = smallest_detectable(components, seeds=len(recipe.seeds), units=classes, comparisons=comparisons)
    return seen
