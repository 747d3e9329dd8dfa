"""The descriptor from its formula, pixel by pixel in float64."""

from __future__ import annotations

import math

import numpy as np

SIDE, CELLS, COLOUR_CELLS = 64, 6, 4


def gaussian(apart, deviation):
    """A window's weight before it is normalised."""
    return math.exp(-0.5 * (apart / deviation) ** 2)


def spread(values, centres, weight):
    """Weighted means of a square map around all pairs of centres."""
    found = np.zeros((len(centres), len(centres)))
    side = len(values)
    kernels = []
    for centre in centres:
        weights = [weight(pixel + 0.5 - centre) for pixel in range(side)]
        kernels.append([each / sum(weights) for each in weights])
    for row, down in enumerate(kernels):
        for column, across in enumerate(kernels):
            found[row, column] = sum(down[i] * np.dot(across, values[i]) for i in range(side))
    return found


def describe_one(image):
    """(320,) of an image (3, 64, 64) in [0, 1]."""
    red, green, blue = np.asarray(image, np.float64)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    smooth = spread(grey, [i + 0.5 for i in range(SIDE)], lambda apart: gaussian(apart, 1.0))
    counts = np.zeros((8, SIDE, SIDE))
    for i in range(SIDE):
        for j in range(SIDE):
            across = smooth[i, j + 1] - smooth[i, j - 1] if 0 < j < SIDE - 1 else 0.0
            down = smooth[i + 1, j] - smooth[i - 1, j] if 0 < i < SIDE - 1 else 0.0
            length = math.hypot(across, down)
            for k in range(8):
                angle = math.atan2(down, across) - k * math.pi / 4
                counts[k, i, j] = max(0.0, length - 1e-5) * max(0.0, math.cos(angle)) ** 8
    centres = [(i + 0.5) * SIDE / CELLS for i in range(CELLS)]
    cells = np.stack([spread(each, centres, lambda apart: gaussian(apart, 0.75 * SIDE / CELLS)) for each in counts])
    energy = cells.sum(0)
    around = spread(energy, [i + 0.5 for i in range(CELLS)], lambda apart: gaussian(apart, 1.0))
    edges = np.sqrt(cells / (around + 0.005 + 0.1 * energy.mean())).ravel()
    edges = edges / max(np.linalg.norm(edges), 0.5)
    corners = [(i + 0.5) * SIDE / COLOUR_CELLS for i in range(COLOUR_CELLS)]
    triangle = lambda apart: max(0.0, 1 - abs(apart) * COLOUR_CELLS / SIDE)  # noqa: E731
    colours = [spread(each, corners, triangle).ravel() for each in (red - green, (red + green) / 2 - blue)]
    row = np.concatenate([edges, *(0.3 * each for each in colours)])
    return row / max(np.linalg.norm(row), 0.5)
