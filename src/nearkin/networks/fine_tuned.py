"""A backbone and a head as one network, for training end to end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from nearkin.core import InputError
from nearkin.networks.backbones import Backbone
from nearkin.networks.heads import EmbeddingHead


class FineTuned(nn.Module):
    """embeddings = head(backbone(images)): images (B, 1 or 3, H, W) in [0, 1] -> (B, embedding_size).

    The backbone keeps its own rules while training: batch-norm statistics stay (see `Backbone`), and a frozen one is
    not trained at all: the head is trained first, and `backbone.unfreeze()` begins the second stage.

    Errors:  an InputError where the head's inputs are not the backbone's features
    """

    def __init__(self, backbone: Backbone, head: EmbeddingHead) -> None:
        super().__init__()
        if head.inputs != backbone.features_size:
            raise InputError(
                f"the head takes {head.inputs} features and {backbone.name} gives {backbone.features_size}; "
                f"build it with EmbeddingHead({backbone.features_size}, ...)"
            )
        self.backbone = backbone
        self.head = head

    @property
    def embedding_size(self) -> int:
        """Size of the embeddings."""
        return self.head.embedding_size

    def features(self, images: Tensor) -> Tensor:
        """The backbone's pooled features, (B, features_size)."""
        pooled: Tensor = self.backbone(images)
        return pooled

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.head(self.features(images))
        return embeddings

    def configuration(self) -> dict[str, Any]:
        """What builds it again with `FineTuned.from_configuration`: plain values, fit for JSON; no weights."""
        return {"backbone": self.backbone.configuration(), "head": self.head.configuration()}

    @classmethod
    def from_configuration(cls, configuration: Mapping[str, Any]) -> FineTuned:
        """The network that `configuration()` described, to be given its weights by `load_state_dict`; none are read."""
        return cls(Backbone.from_configuration(configuration["backbone"]), EmbeddingHead(**configuration["head"]))
