"""Document 004's figure of the SNR distance against correlation, with the relation that it prints and the one that holds."""

from __future__ import annotations

import numpy as np

from nearkin.comparison.real_pairs import RealRows, real_pairs
from nearkin.comparison.snr_figures import DIMENSIONS, PAIRS, SNR, Facts
from nearkin.comparison.snr_relations import Measured, exact_correlation, measured, printed_correlation, uncorrelated
from nearkin.report.numerals import significant

UNCORRELATED = "noise exactly uncorrelated"
R: Facts = {"name": "correlation r of the pair", "unit": "Pearson", "scale": "linear"}


def snr_correlation(rng: np.random.Generator, real: RealRows | None = None) -> Facts:
    """The printed relation of SNR distance and correlation beside the one that holds for every pair.

    Equation:  printed r = 1/sqrt(1 + d), for noise uncorrelated with the anchor only; corrected
               r = (1 + rho^2 - d)/(2 rho), rho = sd(z)/sd(h)  [SNR-4]
    """
    anchors = rng.standard_normal((PAIRS, DIMENSIONS))
    noise = rng.standard_normal((PAIRS, DIMENSIONS)) * np.sqrt(rng.uniform(0.02, 3, (PAIRS, 1)))
    parts = {
        "noise drawn independently": measured(anchors, anchors + noise),
        UNCORRELATED: measured(anchors, anchors + uncorrelated(noise, anchors)),
    }
    panels = [_against_printed(f"Printed relation, simulated pairs, {DIMENSIONS} components", parts)]
    if real is not None and (found := real_pairs(real, PAIRS, rng)):
        panels.append(_against_printed(f"Printed relation, test images: {real.words}", found))
        parts |= found
    panels.append(
        {
            "title": "Corrected relation, all of these pairs",
            "x": {"name": "(1 + ρ² − d) / (2ρ)", "unit": "ρ = sd(z) / sd(h)", "scale": "linear"},
            "y": dict(R),
            "series": [
                {"name": "equal", "kind": "line", "label": "equal", "x": [_lowest(parts), 1.0], "y": [_lowest(parts), 1.0]},
                *(
                    {"name": name, "kind": "points", "x": exact_correlation(part.snr, part.ratio), "y": part.correlation}
                    for name, part in parts.items()
                ),
            ],
        }
    )
    rows = [(name, len(part.snr), *deviations(part)) for name, part in parts.items()]
    exact = next(row[2] for row in rows if row[0] == UNCORRELATED)
    worst, corrected = max(row[2] for row in rows), max(row[3] for row in rows)
    return {
        "says": (
            "The printed relation needs noise that is uncorrelated with the anchor. There it is exact (largest deviation "
            f"{significant(exact)}), elsewhere it is wrong by up to {worst:.2f}; the corrected relation holds for every pair "
            f"(largest deviation {significant(corrected)}). At one ρ a larger distance means a smaller correlation; "
            "between pairs of different ρ it need not."
        ),
        "panels": panels,
        "table": {"heads": ["Pairs", "Number", "Printed, largest deviation", "Corrected, largest deviation"], "rows": rows},
    }


def deviations(pairs: Measured) -> tuple[float, float]:
    """The largest deviations of r from the printed and from the corrected relation."""
    printed = np.abs(printed_correlation(pairs.snr) - pairs.correlation).max()
    corrected = np.abs(exact_correlation(pairs.snr, pairs.ratio) - pairs.correlation).max()
    return float(printed), float(corrected)


def _against_printed(title: str, parts: dict[str, Measured]) -> Facts:
    end = max(float(part.snr.max()) for part in parts.values())
    d = np.linspace(0, end, 120)
    return {
        "title": title,
        "x": {**SNR, "low": 0.0},
        "y": dict(R),
        "series": [
            *({"name": name, "kind": "points", "x": part.snr, "y": part.correlation} for name, part in parts.items()),
            {"name": "printed: 1/√(1 + d)", "kind": "line", "x": d, "y": printed_correlation(d)},
            *_at_one_ratio(_lowest(parts), end),
        ],
    }


def _at_one_ratio(lowest: float, end: float) -> list[Facts]:
    """The corrected relation at three ratios, as far as it lies inside the panel: straight lines."""
    lines = []
    for ratio in (0.5, 1.0, 2.0):
        d = np.array([max(0.0, (1 - ratio) ** 2), min(end, 1 + ratio**2 - 2 * ratio * lowest)])
        if d[1] > d[0]:
            name = f"ρ = {ratio:g}"
            lines.append({"name": "corrected, at one ρ", "kind": "line", "label": name, "x": d, "y": exact_correlation(d, ratio)})
    return lines


def _lowest(parts: dict[str, Measured]) -> float:
    """The lowest correlation of all, or 0 where all are above."""
    return float(min(0.0, *(part.correlation.min() for part in parts.values())))
