"""An embedding head: from features to embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize as to_unit_length

from nearkin.core import InputError, InputTypeError, derived_seed, flag, integer
from nearkin.networks.layers import FcLayer, linear


class EmbeddingHead(nn.Module):
    """Fully connected layers with ReLU, then a linear embedding.

    >>> EmbeddingHead(1280, 64)(torch.zeros(2, 1280)).shape
    torch.Size([2, 64])

    Equation:  x <- ReLU(W x + b) for each of `hidden`; embedding = W x + b, or that / max(‖.‖, 1e-12) with `normalize`
    Shapes:    features (B, inputs), floating -> (B, embedding_size)
    Units:     features are standardised first, x <- (x - mean) / deviation, where `standardise` was told how
    Weights:   as in `Network`: hidden layers He normal (variance 2 / fan-in), output Glorot normal (variance
               2 / (fan-in + fan-out)), biases 0, from streams of `seed`; global random state is neither read nor moved
    Defaults:  no hidden layer, the usual head on pretrained features; normalize False, because a distance or loss
               that wants unit length takes care of it itself
    Errors:    features of another shape or kind: an InputError
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        inputs: int,
        embedding_size: int,
        *,
        hidden: Sequence[int] = (),
        normalize: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.inputs = integer("inputs", inputs, minimum=1)
        self.embedding_size = integer("embedding_size", embedding_size, minimum=1)
        self.normalize = flag("normalize", normalize)
        self.seed = integer("seed", seed)
        self.register_buffer("mean", torch.zeros(self.inputs))
        self.register_buffer("deviation", torch.ones(self.inputs))
        sizes = [self.inputs, *(integer("hidden", units, minimum=1) for units in hidden)]
        self.hidden = nn.Sequential(
            *(FcLayer(sizes[i], sizes[i + 1], generator=self._stream("hidden", i)) for i in range(len(sizes) - 1))
        )
        deviation = (2.0 / (sizes[-1] + self.embedding_size)) ** 0.5
        self.output = linear(sizes[-1], self.embedding_size, deviation, generator=self._stream("output"))

    def forward(self, features: Tensor) -> Tensor:
        if not isinstance(features, Tensor) or not features.is_floating_point():
            raise InputTypeError(
                f"features must be a floating tensor of shape (B, {self.inputs}), got {_kind(features)}"
            )
        if features.ndim != 2 or features.shape[1] != self.inputs:
            raise InputError(f"features must have the shape (B, {self.inputs}), got {tuple(features.shape)}")
        x = (features.to(self.mean.dtype) - self.mean) / self.deviation
        embeddings: Tensor = self.output(self.hidden(x))
        return to_unit_length(embeddings, dim=1, eps=1e-12) if self.normalize else embeddings

    def standardise(self, mean: Sequence[float], deviation: Sequence[float]) -> EmbeddingHead:
        """Set what is subtracted from and divided out of each feature; buffers, so a saved head knows them. Returns itself."""
        if len(mean) != self.inputs or len(deviation) != self.inputs or not min(deviation) > 0:
            raise InputError(f"mean and deviation need {self.inputs} numbers each, the deviations above 0")
        self.mean.copy_(torch.tensor(mean))
        self.deviation.copy_(torch.tensor(deviation))
        return self

    def start_at(self, axes: Tensor) -> EmbeddingHead:
        """Begin as the projection on the rows of `axes` (embedding_size, inputs), principal axes for one. Returns itself.

        What training then adds to the features is seen from the first step: the start already is as good as they are.
        """
        if len(self.hidden):
            raise InputError("a head with hidden layers has no projection to start at; leave hidden empty")
        if tuple(axes.shape) != tuple(self.output.weight.shape):
            raise InputError(f"axes must have shape {tuple(self.output.weight.shape)}, got {tuple(axes.shape)}")
        with torch.no_grad():
            self.output.weight.copy_(axes)
        return self

    def configuration(self) -> dict[str, Any]:
        """What builds it again with `EmbeddingHead(**configuration)`: plain values, fit for JSON; no weights."""
        return {
            "inputs": self.inputs,
            "embedding_size": self.embedding_size,
            "hidden": [layer.units for layer in self.hidden],
            "normalize": self.normalize,
            "seed": self.seed,
        }

    def extra_repr(self) -> str:
        return f"inputs={self.inputs}, embedding_size={self.embedding_size}, normalize={self.normalize}"

    def _stream(self, *names: str | int) -> torch.Generator:
        return torch.Generator().manual_seed(derived_seed(self.seed, "head", *names))


def _kind(features: object) -> str:
    return str(features.dtype) if isinstance(features, Tensor) else type(features).__name__
