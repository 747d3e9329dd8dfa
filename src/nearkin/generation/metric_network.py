"""The metric network W, from features to embeddings, and a features network F with it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from nearkin.core import InputError, flag, integer


class MetricNetwork(nn.Module):
    """Two linear layers with a ReLU between, started at the identity [DML-2].

    Equation:  y = W2 relu(W1 x + b1) + b2, with `normalize` y / max(|y|, 1e-12)
    Shapes:    (B, dimensions) -> (B, outputs)
    Start:     hidden = 2 d (default): W1 = [I; -I], W2 = [I, -I], so that y = x exactly. hidden = d: both the identity,
               as in both published codes, where y = relu(x) and negative coordinates are lost at once. Biases 0;
               what the identity leaves over is 0
    Source:    DAML and document 003, by their authors' code. Differs: the exact start
    """

    def __init__(
        self, dimensions: int, *, hidden: int | None = None, outputs: int | None = None, normalize: bool = True
    ) -> None:
        super().__init__()
        self.dimensions = integer("dimensions", dimensions, minimum=1)
        self.hidden = 2 * self.dimensions if hidden is None else integer("hidden", hidden, minimum=self.dimensions)
        self.outputs = self.dimensions if outputs is None else integer("outputs", outputs, minimum=1)
        self.normalize = flag("normalize", normalize)
        self.inner = _linear(self.dimensions, self.hidden)
        self.outer = _linear(self.hidden, self.outputs)
        one, width = torch.eye(self.dimensions), self.dimensions
        signs = (1, -1) if self.hidden >= 2 * width else (1,)
        with torch.no_grad():
            for i, sign in enumerate(signs):
                self.inner.weight[i * width : (i + 1) * width] = sign * one
                self.outer.weight[:, i * width : (i + 1) * width] = sign * torch.eye(self.outputs, width)

    def forward(self, features: Tensor) -> Tensor:
        """Embeddings of features."""
        embeddings: Tensor = self.outer(torch.relu(self.inner(features)))
        return normalize(embeddings, dim=1, eps=1e-12) if self.normalize else embeddings

    def extra_repr(self) -> str:
        """The setting."""
        return f"normalize={self.normalize}"


class WithMetricNetwork(nn.Module):
    """A features network F followed by a metric network W: images -> W(F(images)) [DML-1].

    `.features(images)` are F's, of length 1 where `normalize_features`; `.metric(features)` embeds them; a call does both,
    and it alone is used at test time.

    features_network: images -> (B, dimensions); a whole network, or a small head on cached features
    """

    def __init__(
        self,
        features_network: nn.Module,
        dimensions: int,
        *,
        hidden: int | None = None,
        normalize_features: bool = True,
        normalize_embeddings: bool = True,
    ) -> None:
        super().__init__()
        self.features_network = features_network
        self.normalize_features = flag("normalize_features", normalize_features)
        self.metric = MetricNetwork(dimensions, hidden=hidden, normalize=normalize_embeddings)

    @property
    def dimensions(self) -> int:
        """Size of features and of embeddings."""
        return self.metric.dimensions

    def features(self, images: Tensor) -> Tensor:
        """Features (B, dimensions)."""
        features: Tensor = self.features_network(images)
        if features.dim() != 2 or features.shape[1] != self.dimensions:
            raise InputError(
                f"the features network gives shape {tuple(features.shape)}; the metric network was made for "
                f"(images, {self.dimensions})"
            )
        return normalize(features, dim=1, eps=1e-12) if self.normalize_features else features

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings (B, dimensions)."""
        embeddings: Tensor = self.metric(self.features(images))
        return embeddings

    def extra_repr(self) -> str:
        """The setting."""
        return f"normalize_features={self.normalize_features}"


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer: nn.Linear = torch.nn.utils.skip_init(nn.Linear, inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
