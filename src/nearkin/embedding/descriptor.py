"""The embedding that needs no training, no weights and no torch: where in an image edges run, and in which direction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 64
"""Images are seen at 64 x 64, in colour."""

CELLS = 6
"""Edges are counted in 6 x 6 cells that overlap."""

DIRECTIONS = 8
COLOUR_CELLS = 4
DIMENSION = DIRECTIONS * CELLS**2 + 2 * COLOUR_CELLS**2

Rows = NDArray[np.float32]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_CELL_WIDTH = 0.75  # deviation of a cell's Gaussian window, in cells
_SMOOTH = 1.0  # deviation of the smoothing before differences are taken, in pixels
_FLOOR, _SHARE = 0.005, 0.1  # of contrast: absolute, and as a share of the image's own, added to what cells are divided by
_NO_EDGE = 1e-5  # a difference of grey that rounding may have made
_SHORTEST = 0.5  # a row that is shorter is not stretched to length 1: there is too little to see
_COLOUR_WEIGHT = 0.3


def describe(images: Rows) -> Rows:
    """Unit rows (B, 320) of images (B, 3, 64, 64) in [0, 1].

    Equation:  grey image smoothed (Gaussian, 1 pixel); central differences g with length |g| and direction; a pixel counts
               |g| max(0, cos(angle to direction k))^8 for each of 8 directions (dark to bright, so that opposite ones
               differ; lengths less 1e-5); summed in 6 x 6 overlapping Gaussian windows; divided by the energy of the
               window's neighbourhood, so that light and contrast matter little; square root; length 1. Behind that 0.3
               times the mean of red - green and of yellow - blue in 4 x 4 triangular windows; length 1 over all.
    Units:     none: distances between rows are Euclidean, 0 to 2. A row is stretched to length 1 from 0.5 up; a blank grey
               image is a row of zeros.
    Exact:     float32 sums and matrix products of fixed order; another processor may change the last bits
    Source:    histograms of oriented gradients (Dalal and Triggs 2005) with smooth instead of counted directions; the
               square root of such histograms is that of Arandjelovic and Zisserman 2012. Numbers were chosen by measuring
               (docs: models)
    """
    red, green, blue = images.swapaxes(0, 1)
    grey = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue  # no product of the whole batch, whose sums depend on its size
    edges = _unit(_edges(grey))
    rows = np.concatenate([edges, np.float32(_COLOUR_WEIGHT) * _colours(images)], axis=1)
    return _unit(rows)


def _edges(grey: Rows) -> Rows:
    """(B, 8 * 36), not yet of length 1."""
    smooth = _BLUR @ grey @ _BLUR.T
    across, down = np.zeros_like(smooth), np.zeros_like(smooth)
    np.subtract(smooth[:, :, 2:], smooth[:, :, :-2], out=across[:, :, 1:-1])
    np.subtract(smooth[:, 2:], smooth[:, :-2], out=down[:, 1:-1])
    length = np.sqrt(across * across + down * down)
    scale = 1 / np.maximum(length, np.float32(_NO_EDGE))
    length = np.maximum(length - np.float32(_NO_EDGE), 0)
    across *= scale
    down *= scale
    half = np.sqrt(np.float32(0.5))
    cells = np.empty((DIRECTIONS, len(grey), CELLS, CELLS), np.float32)
    for place, cosine in enumerate((across, (across + down) * half, down, (down - across) * half)):
        for side, one in enumerate((np.maximum(cosine, 0), np.maximum(-cosine, 0))):
            for _ in range(3):  # to the power of 8
                one *= one
            one *= length
            cells[place + 4 * side] = _WINDOWS @ one @ _WINDOWS.T
    energy = cells.sum(0)
    around = _NEIGHBOURS @ energy @ _NEIGHBOURS.T
    floor = np.float32(_FLOOR) + np.float32(_SHARE) * energy.mean((1, 2), keepdims=True)
    even: Rows = np.sqrt(cells / (around + floor)).transpose(1, 0, 2, 3).reshape(len(grey), DIRECTIONS * CELLS**2)
    return even


def _colours(images: Rows) -> Rows:
    """Mean opponent colours in each cell, (B, 32)."""
    red, green, blue = images[:, 0], images[:, 1], images[:, 2]
    opponents = np.stack([red - green, (red + green) / 2 - blue], axis=1)
    cells: Rows = _COLOUR_WINDOWS @ opponents @ _COLOUR_WINDOWS.T
    return cells.reshape(len(images), 2 * COLOUR_CELLS**2)


def _unit(rows: Rows) -> Rows:
    length = np.sqrt(np.square(rows).sum(1, keepdims=True))
    found: Rows = rows / np.maximum(length, np.float32(_SHORTEST))
    return found


def _gaussian(outputs: int, inputs: int, deviation: float) -> Rows:
    """Windows (outputs, inputs) around evenly spaced centres, each of sum 1; `deviation` in pixels."""
    return _windows(outputs, inputs, lambda apart: np.exp(-0.5 * (apart / deviation) ** 2))


def _windows(outputs: int, inputs: int, weight: Any) -> Rows:
    centres = (np.arange(outputs) + 0.5) * inputs / outputs
    weights = weight(np.arange(inputs) + 0.5 - centres[:, None])
    found: Rows = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return found


_BLUR = _gaussian(SIDE, SIDE, _SMOOTH)
_WINDOWS = _gaussian(CELLS, SIDE, _CELL_WIDTH * SIDE / CELLS)
_NEIGHBOURS = _gaussian(CELLS, CELLS, 1.0)
_COLOUR_WINDOWS = _windows(
    COLOUR_CELLS, SIDE, lambda apart: np.maximum(0, 1 - np.abs(apart) * COLOUR_CELLS / SIDE)
)
