"""Where a step's images and labels come from: a source of images, and a sampler whose place can be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor

from nearkin.core import InputError, InputTypeError, derived_seed
from nearkin.networks.embed import as_tensor
from nearkin.training.plan import TrainingPlan
from nearkin.training.turning import TurnedImages

Array: TypeAlias = "np.ndarray[Any, Any]"
ImageSource: TypeAlias = "Array | Tensor | Callable[[Array], Array | Tensor]"


class Sampler(Protocol):
    """Batches as a pure function of the epoch's number, so that a resumed run draws the same ones."""

    def epoch(self, number: int) -> Sequence[Array]:
        """The batches of epoch 0, 1, 2, ...: each an array of positions in the training set."""


class Batches:
    """Images and labels of the positions that a sampler draws, on the device of the run."""

    def __init__(self, images: ImageSource, labels: Array, sampler: Sampler | None, plan: TrainingPlan) -> None:
        given = _checked(labels)
        if not callable(images) and len(images) != len(given):
            raise InputError(f"there are {len(images)} images and {len(given)} labels; each image needs one label")
        self.images = TurnedImages(images, len(given)) if plan.turned_classes else images
        self.labels = plan.labels_of(given)
        self.sampler = _class_balanced(self.labels, plan) if sampler is None else sampler
        self.device = _available(plan.device)

    def after(self, epoch: int, position: int) -> Iterator[tuple[int, int, Array]]:
        """Epoch, place in it and positions of every batch from a place on, without end."""
        while True:
            drawn = self.sampler.epoch(epoch)
            if not len(drawn):
                raise InputError(f"the sampler has no batch in epoch {epoch}")
            for place in range(position, len(drawn)):
                yield epoch, place, np.asarray(drawn[place])
            epoch, position = epoch + 1, 0

    def load(self, positions: Array) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) and labels (B,) at the given positions."""
        images = self.images(positions) if callable(self.images) else self.images[positions]
        if len(images) != len(positions):
            raise InputError(f"the image source gave {len(images)} images for {len(positions)} positions")
        return as_tensor(images).to(self.device), torch.from_numpy(self.labels[positions]).to(self.device)

    def first(self) -> Tensor:
        """The images of the first batch."""
        return self.load(next(self.after(0, 0))[2])[0]


def _available(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device must be cpu, cuda or one of several by number: cuda:1, got {name!r}") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device {name!r} is not there: torch sees {torch.cuda.device_count()} CUDA devices; use 'cpu'"
        )
    return device


def _checked(labels: Array) -> Array:
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
        raise InputTypeError(f"labels must be integers of shape (N,), got {labels.dtype} of shape {labels.shape}")
    return labels.astype(np.int64)


def _class_balanced(labels: Array, plan: TrainingPlan) -> Sampler:
    from nearkin.data import PKSampler

    sampler: Sampler = PKSampler(
        labels, plan.classes_per_batch, plan.images_per_class, seed=derived_seed(plan.seed, "batches")
    )
    return sampler
