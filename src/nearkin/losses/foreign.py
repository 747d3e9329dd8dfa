"""A loss of another library behind this library's face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from nearkin.core import InputError, InputTypeError
from nearkin.core.tensors import added
from nearkin.distances import SNR, Cosine, Distance, Euclidean, InnerProduct, compute_dtype, make_distance
from nearkin.losses.outside import OutsideLoss, class_labels


class Foreign(OutsideLoss):
    """Any callable `loss(embeddings, labels) -> scalar`, such as pytorch-metric-learning's, with `measure` and a state.

    loss:      the callable; where it is a module its parameters are trained and its state is kept
    distance:  in which its embeddings are searched and watched; by default its own where that can be told (the distance
               of a nearkin loss, or of pytorch-metric-learning: cosine where it normalises), else Euclidean
    Call:      embeddings (N, D) float32 or float64 and integer labels (N,), checked as everywhere. The value must be one
               number; a value that is not in the graph is given a zero gradient
    Measure:   the value and mean distances of pairs; the share of active terms is not known
    Several processes: refused: what a loss of another library does with a part of the batch is not known here
    """

    def __init__(self, loss: Callable[..., Any], distance: Distance | str | None = None) -> None:
        super().__init__()
        if not callable(loss):
            raise InputTypeError(f"a loss must be callable as loss(embeddings, labels), got {type(loss).__name__}")
        self.loss = loss
        self._distance = None if distance is None else make_distance(distance)

    @property
    def distance(self) -> Distance:
        """The distance given, or that of the loss."""
        return _distance_of(self.loss) if self._distance is None else self._distance

    def _seen(self, embeddings: Tensor, labels: Any, group: Any) -> tuple[Tensor, Tensor, Tensor | None]:
        if group is not None:
            raise InputError(
                f"{self._name()} is another library's loss and works on one process only: leave out group="
            )
        known = class_labels(embeddings, labels)
        rows = embeddings.to(compute_dtype(embeddings))
        value = self.loss(rows, known)
        if not isinstance(value, Tensor) or value.numel() != 1:
            shape = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise InputError(f"{self._name()} must answer loss(embeddings, labels) with one number, got {shape}")
        return (value.reshape(()) + added(rows[:0])).to(rows.dtype), rows, known

    def _name(self) -> str:
        return getattr(self.loss, "__name__", type(self.loss).__name__)

    def extra_repr(self) -> str:
        """The loss where it is no module, and the distance."""
        inner = "" if isinstance(self.loss, nn.Module) else f"{self._name()}, "
        return f"{inner}distance={self.distance!r}"


def _distance_of(loss: object) -> Distance:
    theirs = getattr(loss, "distance", None)
    if isinstance(theirs, Distance):
        return theirs
    if getattr(theirs, "normalize_embeddings", False):
        return Cosine()
    known = {"CosineSimilarity": Cosine, "DotProductSimilarity": InnerProduct, "SNRDistance": SNR}
    return known.get(type(theirs).__name__, Euclidean)()
