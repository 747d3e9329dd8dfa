"""From images to a plain array of embeddings, in inference mode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from nearkin.core import InputError, InputTypeError, integer

Images: TypeAlias = "np.ndarray[Any, Any] | Tensor | Iterable[np.ndarray[Any, Any] | Tensor]"


def embed(network: nn.Module, images: Images, *, batch_size: int = 512) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Embeddings of all images, in their order.

    Shapes:   images (N, C, H, W) floating, array or tensor, or an iterable of such batches (for images that do not
              fit in memory) -> (N, D) float32
    State:    modules are put in evaluation mode and back as they were, each one; no gradient is kept. Batches of
              an array have `batch_size` images and go to the device of the network's parameters. Another batch
              size may change the last bit of a result.
    Errors:   no images at all (an InputError: D would be unknown); what the network refuses
    """
    device = next((tensor.device for tensor in network.parameters()), torch.device("cpu"))
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.inference_mode():
            rows = [
                _as_numpy(network(batch.to(device)))
                for batch in _batches(images, integer("batch_size", batch_size, minimum=1))
            ]
    finally:
        for module, training in modes:
            module.training = training
    if not rows:
        raise InputError("there are no images to embed")
    return np.concatenate(rows)


def as_tensor(images: np.ndarray[Any, Any] | Tensor) -> Tensor:
    """`images` as a tensor; a read-only array (a memory map) is copied, any other shares its memory."""
    if isinstance(images, Tensor):
        return images
    if not isinstance(images, np.ndarray):
        raise InputTypeError(f"images must be a numpy array or a torch tensor, got {type(images).__name__}")
    return torch.from_numpy(images if images.flags.writeable else images.copy())


def _batches(images: Images, size: int) -> Iterator[Tensor]:
    if isinstance(images, np.ndarray | Tensor):
        for start in range(0, len(images), size):
            yield as_tensor(images[start : start + size])
    else:
        for batch in images:
            yield as_tensor(batch)


def _as_numpy(embeddings: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    return embeddings.float().cpu().numpy()
