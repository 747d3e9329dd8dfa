"""A model run by torch, on the GPU where there is one."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from nearkin.embedding.torch_model import Chain


def gpu() -> torch.device | None:
    """The device that torch computes on where it can use a GPU, else None."""
    return torch.device("cuda") if torch.cuda.is_available() else None


class TorchRunner:
    """Images (B, C, H, W) of float32 in [0, 1] to projected embeddings (B, D).

    On a GPU, too, in float32 throughout: cuDNN's default of 10 bits (TF32) changes distances in the third digit, and with
    them decisions.
    """

    name = "torch"

    def __init__(self, chain: Chain) -> None:
        self._device = gpu() or torch.device("cpu")
        self.chain = chain.to(self._device).eval()

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embeddings of one batch."""
        full = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), full:
            rows: NDArray[np.float32] = self.chain(torch.from_numpy(images).to(self._device)).cpu().numpy()
        return rows
