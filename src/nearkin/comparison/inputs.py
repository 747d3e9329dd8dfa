"""What the network of a run sees of an image: its pixels, or the features that a frozen backbone made of it once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nearkin.data import ImageSet, Standardisation

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


class Inputs(Protocol):
    """Rows of a network's input, by position in the image set."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image: (C, H, W), or (F,) for features."""

    def __call__(self, indices: Indices) -> Floats:
        """The inputs of the images at `indices`, (n, *shape)."""

    def standardisation(self, indices: Indices) -> Standardisation:
        """Mean and deviation over the images at `indices`, of each channel or each feature."""


@dataclass(frozen=True)
class Pixels:
    """Images as they are, scaled to [0, 1]."""

    images: ImageSet

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return self.images.image_shape

    def __call__(self, indices: Indices) -> Floats:
        """Pixels (n, C, H, W)."""
        return self.images.scaled(indices)

    def standardisation(self, indices: Indices) -> Standardisation:
        """Of each channel."""
        return Standardisation.of(self.images, indices)


@dataclass(frozen=True)
class Features:
    """Rows of features (N, F), one an image."""

    rows: Floats

    @property
    def shape(self) -> tuple[int, ...]:
        """(F,)."""
        return (self.rows.shape[1],)

    def __call__(self, indices: Indices) -> Floats:
        """Features (n, F)."""
        return np.ascontiguousarray(self.rows[indices], dtype=np.float32)

    def standardisation(self, indices: Indices) -> Standardisation:
        """Of each feature; one that never changes is only centred."""
        chosen = self.rows[indices].astype(np.float64)
        deviation = chosen.std(0)
        deviation[deviation < 1e-6] = 1.0
        return Standardisation(tuple(chosen.mean(0).tolist()), tuple(deviation.tolist()))

    def principal_axes(self, indices: Indices, scale: Standardisation, count: int) -> NDArray[np.float64]:
        """The first `count` principal axes (count, F) of the standardised features at `indices`.

        Scaled so that projected rows have length 1 on average (as a root of the mean square). Each axis points to where
        its largest entry is positive. Beyond the rank of the features axes are 0.
        """
        rows = (self.rows[indices].astype(np.float64) - np.array(scale.mean)) / np.array(scale.deviation)
        spread, axes = np.linalg.eigh(rows.T @ rows / len(rows))
        spread, axes = spread[::-1][:count], axes[:, ::-1][:, :count].T
        kept = spread > 1e-9 * spread[0]
        axes = np.where(kept[:, None], axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None], 0)
        found: NDArray[np.float64] = np.zeros((count, rows.shape[1]))
        found[: len(axes)] = axes / np.sqrt(spread[kept].sum())
        return found
