"""Figures of the documents that a recipe may ask for: `figures: [...]`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from nearkin.comparison.problems import Problems
from nearkin.comparison.real_pairs import RealRows
from nearkin.comparison.snr_correlation_figure import snr_correlation
from nearkin.comparison.snr_figures import euclidean_snr, snr_noise
from nearkin.core import pick

SCHEMA = 1
DIGITS = 6
"""Significant digits of the numbers of a series."""


@dataclass(frozen=True)
class FigureEntry:
    """A figure: what makes its facts from a generator and real embeddings (or None), what it is called, where it is from.

    `real` says whether it shows real embeddings where there are some.
    """

    make: Callable[[np.random.Generator, RealRows | None], dict[str, Any]]
    title: str
    source: str
    real: bool = True


FIGURES: Mapping[str, FigureEntry] = MappingProxyType({
    "snr-noise": FigureEntry(snr_noise, "SNR distance under Gaussian noise", "document 004, figure 3", real=False),
    "euclidean-snr": FigureEntry(euclidean_snr, "Euclidean distance against SNR distance", "document 004, figure 4"),
    "snr-correlation": FigureEntry(snr_correlation, "SNR distance against correlation", "document 004, figure 6"),
})  # fmt: skip


def check_figures(value: object, problems: Problems) -> list[str] | None:
    """`figures`: one name or a list of them."""
    names = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(names, list):
        problems.add("figures", f"must be a figure's name or a list of them, got {value!r}")
        return None
    for name in names:
        with problems.gathered("figures"):
            pick("figure", FIGURES, name)
    if len(set(map(str, names))) < len(names):
        problems.add("figures", f"one is named twice: {', '.join(map(str, names))}")
    return names


def figure_facts(name: str, seed: int, real: RealRows | None = None) -> dict[str, Any]:
    """All that a figure's file says. Errors: InputError for an unknown name, with the nearest right one."""
    entry: FigureEntry = pick("figure", FIGURES, name)
    facts = entry.make(np.random.default_rng(seed), real)
    for panel in facts["panels"]:
        for series in panel["series"]:
            series.update({axis: [float(f"{value:.{DIGITS}g}") for value in series[axis]] for axis in "xy"})
    origin = dict(real.origin) if entry.real and real is not None else None
    return {"schema": SCHEMA, "name": name, "title": entry.title, "source": entry.source, "seed": seed, "rows": origin, **facts}
