"""The shape of a learned distance that was given by name alone: that of the network's embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nearkin.distances import materialise


def give_shapes(network: nn.Module, loss: nn.Module, images: Tensor) -> None:
    """Materialise the loss's learned distances by one embedding of `images` (B, ...), before an optimiser asks for them.

    The network looks at one image in evaluation mode, so that no statistics move; torch's global stream stays.
    """
    training = network.training
    network.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        size = network(images[:1]).shape[1]
    network.train(training)
    materialise(loss, size)
