"""A recipe: what is compared, on which images, how it is trained and how it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

UNTRAINED = "untrained"
PIXELS = "pixels"
FEATURES = "features"
OWN = "own"
"""The evaluation distance that means: each method by the distance it was trained with."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """One row of the table: a trained loss, an estimator, the untrained network, features of a frozen backbone, raw pixels.

    `kind` is "trained", "fitted" (an estimator and no loss), "untrained", "features" or "pixels". A trained method may
    have an estimator as well, fitted to its embeddings.
    """

    name: str
    kind: str = "trained"
    loss: Mapping[str, Any] = field(default_factory=dict)
    estimator: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""

    def settings(self) -> dict[str, Any]:
        """What decides its results, without its name: all that differs between it and another method."""
        parts = ("loss", "estimator", "network", "training", "evaluation")
        return {part: dict(getattr(self, part)) for part in parts if getattr(self, part)}

    def distance_options(self) -> dict[str, Any]:
        """The options of the distance by which its embeddings are searched, where that is the loss's own and it has any."""
        own = self.loss.get("distance")
        if self.estimator or not isinstance(own, Mapping) or own["name"] != self.evaluation["distance"]:
            return {}
        return {key: value for key, value in own.items() if key != "name"}

    def as_section(self) -> dict[str, Any]:
        """The method as a recipe writes it."""
        section: dict[str, Any] = {"name": self.name}
        if self.description:
            section["description"] = self.description
        section |= self.settings()
        if self.search:
            section["search"] = dict(self.search)
        return section


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A checked recipe with every default filled in; `network` is empty until the images are known."""

    name: str
    description: str
    data: Mapping[str, Any]
    split: Mapping[str, Any]
    protocols: tuple[str, ...]
    network: Mapping[str, Any]
    training: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    methods: tuple[Method, ...]
    baseline: str
    primary: str
    seeds: tuple[int, ...]
    tuning: Mapping[str, Any]
    figures: tuple[str, ...] = ()

    @property
    def frozen(self) -> bool:
        """Whether a pretrained backbone gives the inputs and only a head on its features is trained."""
        return bool(self.network.get("backbone", {}).get("frozen"))

    @property
    def tuned(self) -> bool:
        """Whether settings are searched for on validation data."""
        return bool(self.tuning)

    def data_options(self) -> dict[str, Any]:
        """How the images are loaded, without where from."""
        return {key: value for key, value in self.data.items() if key != "name"}

    def rows(self, *, pixels: bool) -> tuple[Method, ...]:
        """Every row of the table: the untrained network, the features of a frozen backbone, raw pixels where asked for,
        and the trained methods."""
        chosen = self.evaluation.get("distance", OWN)
        plain = {"evaluation": {"distance": "euclidean" if chosen == OWN else chosen}}
        untrained = Method(name=UNTRAINED, kind="untrained", description="the network with its first weights", **plain)
        raw = Method(name=PIXELS, kind="pixels", description="the images' own values", **plain)
        backbone = self.network["backbone"]["name"] if self.frozen else ""
        features = Method(
            name=FEATURES,
            kind="features",
            description=f"what the frozen backbone {backbone} gives, without training",
            evaluation={"distance": "cosine"},
        )
        return (untrained, *((features,) if self.frozen else ()), *((raw,) if pixels else ()), *self.methods)

    def as_section(self) -> dict[str, Any]:
        """The whole recipe as YAML's values; reading it again gives the same recipe."""
        section: dict[str, Any] = {"name": self.name}
        if self.description:
            section["description"] = self.description
        section |= {
            "data": dict(self.data),
            "protocols": list(self.protocols),
            "split": dict(self.split),
            "network": dict(self.network),
            "training": dict(self.training),
            "evaluation": dict(self.evaluation),
            "methods": [method.as_section() for method in self.methods],
            "baseline": self.baseline,
            "primary": self.primary,
            "seeds": list(self.seeds),
        }
        if self.tuning:
            section["tuning"] = dict(self.tuning)
        if self.figures:
            section["figures"] = list(self.figures)
        return section
