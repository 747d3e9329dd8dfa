"""The figures of document 004 on the SNR distance, as plain facts: axes, series of numbers, a table, one sentence.

A figure is a function of a generator and of real embeddings (or None); it draws nothing itself.

    panels   each with a title, axes x and y (name, unit, scale "linear" or "log", limits where they are fixed) and
             series (name, kind "points", "line" or "steps", x, y; `of`: in the colour of another; `label`: named beside it),
             marks (points with a letter) and verticals (values of x with a name). Of "steps" x has the edges, one more than y
    table    heads, and rows of texts and numbers
    says     what is seen, with the numbers
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nearkin.comparison.real_pairs import RealRows, real_pairs
from nearkin.comparison.snr_relations import (
    equal_but_different,
    measured,
    noise_density,
    rank_correlation,
)

Facts = dict[str, Any]

DIMENSIONS = 32
VARIANCES = (0.2, 0.5, 1.0)
DRAWN = 30_000
"""Simulated pairs of a distribution."""
PAIRS = 400
"""Pairs of a cloud of points."""

NO_PAIRS: list[list[Any]] = [[None, None], [None, None]]
EQUAL_EUCLIDEAN = "Pairs of one Euclidean distance have many SNR distances, since the anchor’s own variance divides."
SNR: Facts = {"name": "SNR distance d", "unit": "ratio of variances", "scale": "linear"}


def snr_noise(rng: np.random.Generator, real: RealRows | None = None) -> Facts:
    """How the SNR distance of a vector to itself plus noise is distributed: about the variance of the noise.

    Equation:  d(h, h + n), h ~ N(0, 1), n ~ N(0, s^2), D = 32 components, s^2 in {0.2, 0.5, 1.0}  [SNR-1]
    """
    edges = np.linspace(0, 3.2, 129)
    fine = np.linspace(0.02, 3.2, 160)
    series, rows = [], []
    for variance in VARIANCES:
        anchors = rng.standard_normal((DRAWN, DIMENSIONS))
        noise = rng.standard_normal((DRAWN, DIMENSIONS)) * np.sqrt(variance)
        d = measured(anchors, anchors + noise).snr
        share = np.histogram(d, edges)[0] / (DRAWN * np.diff(edges))
        name = f"s² = {variance}"
        series += [
            {"name": name, "kind": "steps", "x": edges, "y": share},
            {"name": "exact density", "kind": "line", "of": name, "x": fine, "y": noise_density(fine, variance, DIMENSIONS)},
        ]
        expected = variance * (DIMENSIONS - 1) / (DIMENSIONS - 3)
        rows.append([variance, float(np.median(d)), float(d.mean()), expected, *map(float, np.quantile(d, (0.05, 0.95)))])
    medians, means = (_listed(row[column] for row in rows) for column in (1, 2))
    return {
        "says": (
            f"The distance lies around the variance of the noise: for s² = {_listed(VARIANCES)} its median is {medians}. Its mean "
            f"is {means}, above s² by the factor (D − 1)/(D − 3) = {31 / 29:.3f}, since it is a ratio whose divisor varies too."
        ),
        "panels": [
            {
                "title": f"h against h + n, {DIMENSIONS} components, {DRAWN:,} pairs each",
                "x": {**SNR, "low": 0.0, "high": 3.2},
                "y": {"name": "density", "unit": "per unit of d", "scale": "linear", "low": 0.0},
                "series": series,
                "verticals": [{"name": f"s² = {variance}", "x": variance} for variance in VARIANCES],
            }
        ],
        "table": {"heads": ["s²", "Median", "Mean", "Mean, exact", "5 % below", "95 % below"], "rows": rows},
    }


def euclidean_snr(rng: np.random.Generator, real: RealRows | None = None) -> Facts:
    """Pairs of equal Euclidean distance lie at different SNR distances: the anchor's own variance decides.

    Equation:  ‖z - h‖ [EUC-1] against Var(z - h)/Var(h) [SNR-1]; simulated h ~ N(0, a^2), z - h ~ N(0, b^2) with a and b
               log-uniform in [0.5, 2] and [0.2, 1]
    """
    anchors = rng.standard_normal((PAIRS, DIMENSIONS)) * np.exp(rng.uniform(np.log(0.5), np.log(2), (PAIRS, 1)))
    noise = rng.standard_normal((PAIRS, DIMENSIONS)) * np.exp(rng.uniform(np.log(0.2), np.log(1), (PAIRS, 1)))
    clouds = [("simulated pairs", f"Simulated pairs, {DIMENSIONS} components", {"simulated pairs": measured(anchors, anchors + noise)})]
    if real is not None and (found := real_pairs(real, PAIRS, rng)):
        clouds.append((f"test images, {real.words}", f"Test images: {real.words}", found))
    panels: list[Facts] = []
    rows: list[list[Any]] = []
    said: list[str] = []
    for subject, title, parts in clouds:
        euclidean, snr = (np.concatenate([getattr(part, field) for part in parts.values()]) for field in ("euclidean", "snr"))
        agreement = rank_correlation(euclidean, snr)
        two = equal_but_different(euclidean, snr)
        marked = [[float(euclidean[place]), float(snr[place])] for place in two or ()]
        panels.append(
            {
                "title": title,
                "x": {"name": "Euclidean distance", "unit": "units of the embedding", "scale": "linear"},
                "y": {**SNR, "scale": "log"},
                "series": [
                    {"name": name, "kind": "points", "x": part.euclidean, "y": part.snr} for name, part in parts.items()
                ],
                "marks": [{"name": letter, "x": x, "y": y} for letter, (x, y) in zip("AB", marked)],
            }
        )
        rows.append([subject, len(snr), agreement, *(value for pair in marked or NO_PAIRS for value in pair)])
        said.append(f"{subject}: {order_in_words(agreement)} (rank correlation {agreement:.2f})")
        if two:
            said[-1] += f"; A and B, both at Euclidean distance {marked[0][0]:.3g}, have SNR distances {marked[0][1]:.2g} and {marked[1][1]:.2g}"
    return {
        "says": f"{EQUAL_EUCLIDEAN} " + ". ".join(text[0].upper() + text[1:] for text in said) + ".",
        "panels": panels,
        "table": {
            "heads": ["Pairs", "Number", "Rank correlation", "A, Euclidean", "A, SNR", "B, Euclidean", "B, SNR"],
            "rows": rows,
        },
    }


def order_in_words(agreement: float) -> str:
    """A rank correlation in words.

    >>> order_in_words(0.95), order_in_words(0.3)
    ('nearly the same order', 'hardly the same order')
    """
    words = ((0.9, "nearly the same order"), (0.7, "much the same order"), (0.4, "loosely the same order"), (0.1, "hardly the same order"))
    return next((said for least, said in words if agreement >= least), "no common order" if agreement > -0.1 else "an opposite order")


def _listed(values: Any) -> str:
    *most, last = (f"{value:.3g}" for value in values)
    return f"{', '.join(most)} and {last}" if most else last
