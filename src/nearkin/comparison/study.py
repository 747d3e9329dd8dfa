"""A study: a completed recipe, its images and its splits, checked to fit together before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nearkin.comparison.building import build_network, build_plan
from nearkin.comparison.default_network import default_network
from nearkin.comparison.episode_sizes import drawn, score_name
from nearkin.comparison.fitting import check_width
from nearkin.comparison.frozen import build_backbone, open_features
from nearkin.comparison.inputs import Features, Inputs, Pixels
from nearkin.comparison.questions import can_be_asked, questions
from nearkin.comparison.recipe import Recipe
from nearkin.core import InputError, content_hash
from nearkin.data import ImageSet, PKSampler, Split, Standardisation, load_images, make_split
from nearkin.data.protocols import FEW_SHOT

LARGEST_PIXEL_ROW = 64 * 64 * 3
"""Images of at most so many values are compared as raw pixels too."""


@dataclass(frozen=True)
class Study:
    """An open study. `splits` has one split a protocol; every run of a protocol has the same one."""

    folder: Path
    recipe: Recipe
    images: ImageSet
    splits: Mapping[str, Split]
    _scales: dict[str, Standardisation] = field(default_factory=dict)
    _axes: dict[str, np.ndarray] = field(default_factory=dict)
    _opened: dict[str, Any] = field(default_factory=dict)

    @property
    def pixels(self) -> bool:
        """Whether raw pixels are a row of the table."""
        return has_pixel_row(self.images)

    @property
    def inputs(self) -> Inputs:
        """What networks see: pixels, or the features of the recipe's frozen backbone (`open_inputs`)."""
        return self.open_inputs()

    @property
    def inputs_hash(self) -> str:
        """The key of the features that networks see; empty for pixels."""
        self.open_inputs()
        return str(self._opened["key"])

    def open_inputs(self, on_progress: Callable[[int, int], object] | None = None) -> Inputs:
        """The inputs; a frozen backbone's features are computed now where they are not kept yet."""
        if "inputs" not in self._opened:
            inputs, key = (
                open_features(self.recipe.network["backbone"], self.images, on_progress)
                if self.recipe.frozen
                else (Pixels(self.images), "")
            )
            self._opened.update(inputs=inputs, key=key)
        opened: Inputs = self._opened["inputs"]
        return opened

    def scale(self, protocol: str) -> Standardisation:
        """Mean and deviation of the training images' inputs under a protocol."""
        if protocol not in self._scales:
            self._scales[protocol] = self.inputs.standardisation(self.splits[protocol].train)
        return self._scales[protocol]

    def axes(self, protocol: str) -> np.ndarray | None:
        """The principal axes at which heads on frozen features start; None where they start at random."""
        if self.recipe.network.get("start") != "principal" or not isinstance(self.inputs, Features):
            return None
        if protocol not in self._axes:
            scale, size = self.scale(protocol), self.recipe.network["embedding_size"]
            self._axes[protocol] = self.inputs.principal_axes(self.splits[protocol].train, scale, size)
        return self._axes[protocol]

    def training_labels(self, protocol: str) -> np.ndarray:
        """Class indices of the training images, 0 to one less than the number of training classes."""
        labels: np.ndarray = np.unique(self.images.labels[self.splits[protocol].train], return_inverse=True)[1]
        return labels

    def split_hash(self, protocol: str) -> str:
        """A hash of which images are in which part."""
        return split_hash(self.splits[protocol])


def has_pixel_row(images: ImageSet) -> bool:
    """Whether images are small enough to be compared as raw pixels."""
    channels, height, width = images.image_shape
    return channels * height * width <= LARGEST_PIXEL_ROW


def split_hash(split: Split) -> str:
    """A hash of which images are in which part."""
    parts = [split.train, split.validation, split.test, *([split.enrolled] if len(split.enrolled) else [])]
    return content_hash(*(part.astype("<i8").tobytes() for part in parts))[:16]


def prepare(recipe: Recipe, images: ImageSet | None = None) -> tuple[Recipe, ImageSet, dict[str, Split]]:
    """The recipe completed for its images, the images, and a split for each protocol, checked for leaks.

    Errors:  InputError for data that cannot be opened, a protocol that they do not allow, a split that leaks, a part
             with nothing to find in it, a network or a batch that does not fit
    """
    if images is None:
        options = dict(recipe.data)
        images = load_images(options.pop("name"), **options)
    if not recipe.network:
        recipe = replace(recipe, network=default_network(images.image_shape))
    splits = {protocol: make_split(images, protocol, **_split_options(recipe, protocol)) for protocol in recipe.protocols}
    for split in splits.values():
        check_judgeable(images, split)
        _check_episodes(recipe, images, split)
        _check_fit(recipe, images, split)
    return recipe, images, splits


def input_shape(recipe: Recipe, images: ImageSet) -> tuple[int, ...]:
    """Of one image as networks see it: (C, H, W), or (F,) where a frozen backbone gives features."""
    return (build_backbone(recipe.network["backbone"]).features_size,) if recipe.frozen else images.image_shape


def _split_options(recipe: Recipe, protocol: str) -> dict[str, Any]:
    """The official split brings its own test part; leaks are dropped only there, and elsewhere never made. A few-shot split
    goes by numbers of its own."""
    options = dict(recipe.split)
    few_shot = options.pop("few_shot", None)
    if protocol == FEW_SHOT:
        return {"seed": options["seed"], "few_shot": few_shot}
    return {**options, "test_share": None} if protocol == "official" else {**options, "drop_leaks": False}


def check_judgeable(images: ImageSet, split: Split) -> None:
    """Raise an InputError where a part that is judged has no two images of one class: there is nothing to find then."""
    if questions(images, split.test) is not None and not can_be_asked(images, split.test):
        raise InputError(
            f"{split.protocol}: no test image that asks (query) has another of its class that may answer (gallery), so there "
            "is nothing to find; set the flags of the images' table so that some have"
        )
    parts = [("validation", split.validation), ("test", split.test)]
    for part, indices in parts[split.protocol == FEW_SHOT :]:  # validation images of a few-shot split ask the training ones
        if len(indices) and np.bincount(images.labels[indices]).max() < 2:
            raise InputError(
                f"{split.protocol}: no class has two images in the {part} part, so no image has another to find there; "
                f"raise split.{part}_share, or take images with more of each class"
            )


def _check_episodes(recipe: Recipe, images: ImageSet, split: Split) -> None:
    """Raise an InputError where a part has too few classes or images for the episodes that it is judged by."""
    deciding = (recipe.primary, recipe.tuning.get("metric"))
    for size in recipe.evaluation.get("episodes", ()):
        parts = {"test": split.test, "validation": split.validation if score_name(size) in deciding else split.validation[:0]}
        for part, indices in parts.items():
            try:
                if len(indices):
                    drawn({**size, "episodes": 1}, images, indices, recipe.split["seed"])
            except InputError as error:
                raise InputError(f"{split.protocol}, {part} images: {error}") from None


def _check_fit(recipe: Recipe, images: ImageSet, split: Split) -> None:
    """Build what every run builds, so that what does not fit is said before anything is written."""
    if recipe.tuned and not len(split.validation):
        raise InputError(f"{split.protocol}: tuning needs validation images; set split.validation_share above 0")
    shape = input_shape(recipe, images)
    plain = Standardisation((0.0,) * shape[0], (1.0,) * shape[0])
    for method in recipe.methods:
        if method.estimator:
            check_width(method.estimator, recipe.network["embedding_size"] if method.loss else int(np.prod(shape)), method.name)
        build_network(recipe, method, shape, 0, plain)
        plan = build_plan(recipe, method, 0)
        PKSampler(plan.labels_of(images.labels[split.train]), plan.classes_per_batch, plan.images_per_class, seed=0)
