"""Turned classes: a class turned by 90, 180 or 270 degrees is a class of its own, as is usual for drawings (Vinyals et al. 2016)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nearkin.core import InputError
from nearkin.networks.embed import as_tensor

TURNS = 4


def turned_labels(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels (4 N,) of N images and of their turns: first all as they are, then all turned once, twice, three times.

    >>> turned_labels(np.array([0, 0, 1])).tolist()
    [0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7]
    """
    span = labels.max() - labels.min() + 1
    return np.concatenate([labels + turn * span for turn in range(TURNS)])


class TurnedImages:
    """The images that `turned_labels` names, from a source of N images: position -> image p mod N, turned p div N times.

    Shapes:  positions (B,) in [0, 4 N) -> (B, C, S, S)
    Errors:  InputError for inputs that are no square images
    """

    def __init__(self, images: Any, count: int) -> None:
        self.images, self.count = images, count

    def __call__(self, positions: NDArray[np.int64]) -> Tensor:
        turns, places = np.divmod(positions, self.count)
        found = as_tensor(self.images(places) if callable(self.images) else self.images[places]).clone()
        if found.dim() != 4 or found.shape[2] != found.shape[3]:
            raise InputError(
                f"turned_classes turns square images (B, C, S, S); these inputs have the shape {tuple(found.shape)}. "
                "Give the images as many rows as columns (data.size), or leave turned_classes out"
            )
        for turn in range(1, TURNS):
            chosen = torch.from_numpy(turns == turn)
            found[chosen] = torch.rot90(found[chosen], turn, dims=(2, 3))
        return found
