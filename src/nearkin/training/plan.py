"""What a training run is told in advance: the budget, the batches, the optimiser, when to look and when to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, InputTypeError, choice, flag, integer, non_negative, positive
from nearkin.training.augmentation import Augmentation
from nearkin.training.turning import turned_labels
from nearkin.training.unfreezing import Unfreezing

OPTIMIZERS = ("adam", "sgd")
SCHEDULES = ("constant", "cosine")
DEVICES = ("cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """The settings of one run; change one with `dataclasses.replace`.

    steps:              optimiser steps, the budget
    classes_per_batch:  P, and images_per_class: K; a batch has P x K images. K = 1 leaves no positive pair
    learning_rate:      of the network, at the first step. 0.001, the usual start for Adam
    loss_learning_rate: of the loss's and the distance's own parameters; None: as the network
    optimizer:          "adam" (decoupled weight decay: AdamW) or "sgd" (Nesterov momentum 0.9)
    weight_decay:       on the network's weights; never on biases, other vectors or the loss's parameters, because
                        losses that ignore the scale of a matrix would shrink it for ever
    schedule:           "constant" or "cosine" (half a cosine from the learning rate to 0 over the budget)
    gradient_clip:      largest norm of the whole gradient; None: as it comes
    validate_every:     steps between two validations; the last step is always validated
    patience:           stop after so many validations without a better one; None: use the whole budget
    turned_classes:     train on every image turned by 90, 180 and 270 degrees too, each turn of a class a class of its own
    augmentation:       random changes of the training images, an `Augmentation` or its settings; None: as they are
    unfreeze:           two stages, an `Unfreezing` or its settings: the network's backbone is frozen until the validation
                        stands still, then trained too. A cosine then begins anew, over the steps that are left, and
                        `patience` counts from there. None: one stage
    seed:               of batches, augmentation and random miners; the network's weights have the network's own seed
    device:             "cpu", "cuda", or one of several by number: "cuda:1"

    Errors: InputError naming the setting, what was given and what is allowed
    """

    steps: int
    classes_per_batch: int
    images_per_class: int
    learning_rate: float = 1e-3
    loss_learning_rate: float | None = None
    optimizer: str = "adam"
    weight_decay: float = 0.0
    schedule: str = "constant"
    gradient_clip: float | None = None
    validate_every: int = 100
    patience: int | None = None
    turned_classes: bool = False
    augmentation: Augmentation | Mapping[str, Any] | None = None
    unfreeze: Unfreezing | Mapping[str, Any] | None = None
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("steps", "classes_per_batch", "images_per_class", "validate_every"):
            integer(name, getattr(self, name), minimum=1)
        positive("learning_rate", self.learning_rate)
        for name in ("loss_learning_rate", "gradient_clip"):
            if getattr(self, name) is not None:
                positive(name, getattr(self, name))
        choice("optimizer", self.optimizer, OPTIMIZERS)
        non_negative("weight_decay", self.weight_decay)
        choice("schedule", self.schedule, SCHEDULES)
        if self.patience is not None:
            integer("patience", self.patience, minimum=1)
        flag("turned_classes", self.turned_classes)
        integer("seed", self.seed)
        if isinstance(self.augmentation, Mapping):
            object.__setattr__(self, "augmentation", Augmentation(**self.augmentation))
        elif not isinstance(self.augmentation, Augmentation | None):
            raise InputTypeError(f"augmentation must be an Augmentation or its settings, got {self.augmentation!r}")
        if isinstance(self.unfreeze, Mapping):
            object.__setattr__(self, "unfreeze", Unfreezing(**self.unfreeze))
        elif not isinstance(self.unfreeze, Unfreezing | None):
            raise InputTypeError(f"unfreeze must be an Unfreezing or its settings, got {self.unfreeze!r}")
        if not isinstance(self.device, str) or self.device.partition(":")[0] not in DEVICES:
            raise InputError(
                f"device {self.device!r} is unknown; allowed: {', '.join(DEVICES)}, or one by number: cuda:1"
            )

    def labels_of(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """What sampler and loss see of the images' labels (N,): the same, or with turned classes those of all turns (4 N,)."""
        return turned_labels(labels) if self.turned_classes else labels

    def rate_factor(self, step: int, since: int = 0) -> float:
        """What the learning rates are multiplied with at `step` = since + 1, ..., steps; a stage begins after `since`.

        >>> TrainingPlan(steps=3, classes_per_batch=2, images_per_class=2, schedule="cosine").rate_factor(1)
        1.0
        """
        if self.schedule == "constant":
            return 1.0
        return 0.5 * (1.0 + math.cos(math.pi * (step - 1 - since) / (self.steps - since)))

    def second_rates(self) -> tuple[float, float]:
        """The learning rates of the second stage: of the network, and of the loss's own parameters."""
        given = self.unfreeze.learning_rate if isinstance(self.unfreeze, Unfreezing) else None
        rate = self.learning_rate / 10 if given is None else given
        return rate, rate if self.loss_learning_rate is None else self.loss_learning_rate

    def settings(self) -> dict[str, Any]:
        """All settings as plain values, fit for JSON; turned classes, an augmentation and a second stage only where there are."""
        unsaid = {"turned_classes": False, "augmentation": None, "unfreeze": None}
        settings = {name: value for name, value in asdict(self).items() if name not in unsaid or value != unsaid[name]}
        return settings | (
            {"augmentation": self.augmentation.settings()} if isinstance(self.augmentation, Augmentation) else {}
        )
