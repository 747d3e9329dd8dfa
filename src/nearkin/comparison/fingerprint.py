"""What a loss does, as a hash: a changed formula must not be mixed with runs made by the old one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nearkin.core import content_hash, derived_seed
from nearkin.distances import make_distance

PROBE_CLASSES, _IMAGES = 4, 3
_DIGITS = 9


def loss_fingerprint(loss: Any, embedding_size: int) -> str:
    """16 hexadecimal digits of the value and the gradients of `loss` on a fixed batch of 4 classes x 3 embeddings.

    Everything is computed in float64 and rounded to 9 significant digits, so that another processor's last bits do not
    count. The loss takes its distance and its miner with it; a random miner is given a fixed generator. A loss with a
    state is asked a second time: what it remembers counts. Losses with a row a class are made for `PROBE_CLASSES`.
    """
    embeddings = probe(embedding_size).requires_grad_()
    labels, generator = probe_labels(), miner_stream()
    loss = loss.double()
    stateful = any(True for _ in loss.buffers())
    value = loss.measure(embeddings, labels, generator=generator).value
    again = [loss.measure(embeddings, labels, generator=generator).value] if stateful else []
    parameters = [parameter for parameter in loss.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(value, [embeddings, *parameters], allow_unused=True)
    return _digest(value, *again, *(gradient for gradient in gradients if gradient is not None))


def distance_fingerprint(distance: str, embedding_size: int) -> str:
    """The same for a distance alone: all distances within the fixed batch."""
    return _digest(make_distance(distance)(probe(embedding_size)))


def probe(embedding_size: int) -> Tensor:
    """The fixed batch: 12 embeddings of `embedding_size` dimensions, float64."""
    rng = np.random.default_rng(derived_seed(0, "fingerprint", "embeddings"))
    return torch.from_numpy(rng.normal(size=(PROBE_CLASSES * _IMAGES, embedding_size)))


def probe_labels() -> Tensor:
    """The classes of the fixed batch, (12,)."""
    return torch.arange(PROBE_CLASSES).repeat_interleave(_IMAGES)


def miner_stream() -> torch.Generator:
    """The generator from which a random miner draws on the fixed batch."""
    return torch.Generator().manual_seed(derived_seed(0, "fingerprint", "miner"))


def _digest(*tensors: Tensor) -> str:
    numbers = np.concatenate([tensor.detach().double().reshape(-1).numpy() for tensor in tensors])
    numbers[np.abs(numbers) < 1e-12] = 0  # what should be nothing is noise of the last bits
    return content_hash(" ".join(f"{number:.{_DIGITS - 1}e}" for number in numbers))[:16]
