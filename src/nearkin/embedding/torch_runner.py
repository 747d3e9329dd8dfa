"""A model run by torch, on the GPU where there is one."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from nearkin.embedding.torch_model import Chain


class TorchRunner:
    """Images (B, C, H, W) of float32 in [0, 1] to projected embeddings (B, D)."""

    name = "torch"

    def __init__(self, chain: Chain) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.chain = chain.to(self._device).eval()

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embeddings of one batch."""
        with torch.inference_mode():
            rows: NDArray[np.float32] = self.chain(torch.from_numpy(images).to(self._device)).cpu().numpy()
        return rows
