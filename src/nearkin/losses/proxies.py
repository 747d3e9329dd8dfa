"""Learned proxies of the classes as the columns of a row loss, in place of the batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nearkin.core import InputError, InputTypeError, derived_seed, integer
from nearkin.core.tensors import traced
from nearkin.distances import Distance, compute_dtype, wide
from nearkin.losses.centers import check_classes
from nearkin.losses.cosine_matrix import CosineMatrix, Slopes
from nearkin.losses.engine import Measure, RowLoss
from nearkin.losses.given import check_rows
from nearkin.losses.group import Group, as_group
from nearkin.losses.outside import OutsideLoss, class_labels


class Proxies(OutsideLoss):
    """Any row loss in its proxy form: embeddings against learned proxies of the classes, not against each other.

    Equation:  loss(embeddings, labels, references=proxies, reference_labels=classes), so a class always has a positive
               and negatives of every other class, whoever is in the batch
    loss:      a row loss; its distance, reduction and block_size hold
    proxies:   (classes * per_class, dimensions), trained like weights; row c * per_class + k is the k-th of class c
    per_class: proxies a class, default 1
    classes, dimensions: a recipe fills them in. Labels are 0..classes-1, and there are at least two classes: with one,
               no proxy is a negative
    seed:      of the first proxies, default 0: normal with variance 1 / dimensions, about as long as unit vectors
    Measure:   mean distances of embeddings to proxies of their own class, and to those of the others
    Several processes: each holds all proxies, which must be the same there, and gives its share of the classes as
               columns, so that every proxy is a column once
    Memory:    rows go in blocks, so it does not grow with batch x proxies; some copies of the proxies remain
    Errors:    InputError for one class, labels out of range, embeddings of other dimensions; InputTypeError for a loss
               that is not made of rows
    Source:    Movshovitz-Attias et al. 2017 for the idea of a proxy in place of the samples of a class

    >>> loss = Proxies(RowLoss("cosine"), classes=3, dimensions=4, per_class=2)
    >>> loss.proxies.shape
    torch.Size([6, 4])
    """

    proxies: nn.Parameter | None

    def __init__(
        self,
        loss: RowLoss,
        classes: int | None = None,
        dimensions: int | None = None,
        *,
        per_class: int = 1,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(loss, RowLoss):
            raise InputTypeError(f"proxies are columns of a loss made of rows, got {type(loss).__name__}")
        self.loss, self.uniforms = loss, loss.uniforms
        self.classes = None if classes is None else integer("classes", classes, minimum=1)
        if self.classes == 1:
            raise InputError(
                f"{type(self).__name__} compares with the proxies of other classes: it needs at least 2 classes, got 1"
            )
        self.dimensions = None if dimensions is None else integer("dimensions", dimensions, minimum=1)
        self.per_class = integer("per_class", per_class, minimum=1)
        self.seed = integer("seed", 0 if seed is None else seed)
        drawn = self._drawn()
        self.register_parameter("proxies", None if drawn is None else nn.Parameter(drawn))

    def _drawn(self) -> Tensor | None:
        if self.classes is None or self.dimensions is None:
            return None
        generator = torch.Generator().manual_seed(derived_seed(self.seed, "proxies"))
        rows = torch.randn(self.classes * self.per_class, self.dimensions, generator=generator)
        return rows / math.sqrt(self.dimensions)

    @property
    def distance(self) -> Distance:
        """That of the row loss."""
        return self.loss.distance

    def forward(
        self,
        embeddings: Tensor,
        labels: Any = None,
        *,
        ids: Tensor | None = None,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
        group: Any = None,
    ) -> Tensor:
        shared = as_group(group)
        known, proxies = self.checked(embeddings, labels)
        matrix = self._matrix(embeddings, known, proxies, shared)
        if matrix is not None:
            return self.whole(matrix.value)
        rows = self.arranged(embeddings, known, proxies, shared)
        return self.whole(self.loss(*rows, noise=noise, generator=generator, group=shared))

    def measure(
        self,
        embeddings: Tensor,
        labels: Any = None,
        *,
        ids: Tensor | None = None,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
        group: Any = None,
    ) -> Measure:
        """As the call; mean distances are those between embeddings and proxies."""
        shared = as_group(group)
        known, proxies = self.checked(embeddings, labels)
        matrix = self._matrix(embeddings, known, proxies, shared, measured=True)
        if matrix is not None:
            return Measure(self.whole(matrix.value), None, *matrix.means)
        rows = self.arranged(embeddings, known, proxies, shared)
        found = self.loss.measure(*rows, noise=noise, generator=generator, group=shared)
        return found._replace(value=self.whole(found.value))

    def classify(self, embeddings: Tensor) -> Tensor:
        """Scores of the classes (N, classes), larger is likelier: minus the distance to a class's nearest proxy.

        Made in float64, since a large scale times the rounding of float32 shows in small logits
        """
        check_rows("embeddings", embeddings)
        proxies = check_classes(self, self.proxies, embeddings, None, self.per_class)
        with torch.autocast(embeddings.device.type, enabled=False):
            distances = self.distance(wide(embeddings), wide(proxies))
            return self.scores(distances.unflatten(1, (-1, self.per_class))).to(compute_dtype(embeddings))

    def scores(self, distances: Tensor) -> Tensor:
        """Scores (N, classes) out of distances to all proxies (N, classes, per_class)."""
        return -distances.min(2).values

    @property
    def slopes(self) -> Slopes | None:
        """The loss of a small batch of cosines with its slopes by hand; None: there is no such form."""
        return None

    def _matrix(
        self, embeddings: Tensor, labels: Tensor, proxies: Tensor, group: Group | None, *, measured: bool = False
    ) -> CosineMatrix | None:
        """A small batch as one matrix; None where the engine is to do it."""
        slopes = None if group is not None or traced() or self.loss.block_size not in (None, "auto") else self.slopes
        if slopes is None or not CosineMatrix.fits(embeddings, proxies, self.per_class):
            return None
        per_class = self.per_class if measured else 0
        found = CosineMatrix(embeddings, proxies, labels, slopes, self._again(labels), per_class=per_class)
        return found if found.finite else None

    def _again(self, labels: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda rows, proxies: self.loss(*self.arranged(rows, labels, proxies, None))

    def arranged(
        self, embeddings: Tensor, labels: Tensor, proxies: Tensor, group: Group | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Anchors with their classes and references with theirs: what the row loss is called on."""
        columns, classes = self.share(proxies, group)
        return embeddings, labels, columns, classes

    def whole(self, value: Tensor) -> Tensor:
        """The loss out of the value of its rows: where a term on the proxies alone is added."""
        return value

    def checked(self, embeddings: Tensor, labels: Any) -> tuple[Tensor, Tensor]:
        """Labels and proxies, after a look at all that must fit."""
        known = class_labels(embeddings, labels)
        return known, check_classes(self, self.proxies, embeddings, known, self.per_class)

    def share(self, proxies: Tensor, group: Group | None) -> tuple[Tensor, Tensor]:
        """The proxies that this process brings and their classes; those of one class stay beside each other."""
        mine = slice(None) if group is None else slice(group.rank, None, group.size)
        numbers = torch.arange(len(proxies) // self.per_class, device=proxies.device)[mine]
        share = proxies if group is None else proxies.unflatten(0, (-1, self.per_class))[mine].flatten(0, 1)
        return share, numbers.repeat_interleave(self.per_class)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"classes={self.classes}, dimensions={self.dimensions}, per_class={self.per_class}, seed={self.seed}"
