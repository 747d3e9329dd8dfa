"""The records of paired differences: from score tables to numbers and words, before any correction for their number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nearkin.core import InputError
from nearkin.statistics.cells import Array, Cells, cells_over, check_bounds, score_rows
from nearkin.statistics.levels import checked_confidence, checked_power
from nearkin.statistics.planning import detectable
from nearkin.statistics.records import Difference
from nearkin.statistics.scope import scope
from nearkin.statistics.twoway import Spread, spread_of
from nearkin.statistics.widths import half_width, two_sided_p

BOUNDS = (0.0, 1.0)


@dataclass(frozen=True)
class Design:
    """What the differences of one family share. `simultaneous` divides the error of each interval."""

    comparisons: int
    simultaneous: int
    confidence: float
    power: float
    over: str
    bounds: tuple[float, float] | None
    seedless: bool

    def __post_init__(self) -> None:
        checked_confidence(self.confidence)
        checked_power(self.power)

    @property
    def span(self) -> float:
        """The largest difference that the bounds allow."""
        return math.inf if self.bounds is None else self.bounds[1] - self.bounds[0]


def differences_of(
    methods: Mapping[str, ArrayLike], pairs: Sequence[tuple[str, str]], classes: ArrayLike | None, design: Design
) -> list[Difference]:
    """One record a pair (first minus second), `p_adjusted` still None and nothing claimed."""
    tables = _aligned(methods, one_number=classes is None)
    for table in tables:
        check_bounds(table, design.bounds)
    cells = cells_over(tables, classes, design.over)
    place = {name: index for index, name in enumerate(methods)}
    apart = cells.totals[[place[a] for a, _ in pairs]] - cells.totals[[place[b] for _, b in pairs]]
    spread = spread_of(Cells(apart, cells.sizes))
    over = "runs" if classes is None else design.over
    half = half_width(spread, (1 - design.confidence) / design.simultaneous)
    seen = detectable(spread.at_least_residual(), (1 - design.confidence) / design.comparisons, design.power, design.span)
    numbers = zip(pairs, half, two_sided_p(spread), seen, strict=True)
    return [
        _record(spread.at(index), pair, float(width), float(p), float(visible), cells.queries, over, design)
        for index, (pair, width, p, visible) in enumerate(numbers)
    ]


def _record(
    spread: Spread,
    names: tuple[str, str],
    half: float,
    p: float,
    visible: float,
    queries: int,
    over: str,
    design: Design,
) -> Difference:
    words, note = scope(spread, over)
    known = (spread.units > 1 or spread.seeds > 1) and math.isfinite(min(half, design.span))
    refused = spread.seeds == 1 and not (design.seedless and spread.units > 1)
    if refused:
        note += "; no difference is claimed from one seed"
    elif spread.seeds == 1:
        note = ""
    estimate = float(spread.mean)
    if estimate != 0 and spread.variance == 0 and not refused:
        note = "exactly the same difference everywhere: judged by the sign test"
    components = None if refused else spread.components()
    cell = 0.0 if components is None else math.sqrt(components.seed + components.unit + components.residual)
    return Difference(
        a=names[0],
        b=names[1],
        estimate=estimate,
        low=max(estimate - half, -design.span) if known else None,
        high=min(estimate + half, design.span) if known else None,
        p=None if refused else p,
        p_adjusted=None,
        claimed=False,
        confidence=design.confidence,
        standard_error=math.sqrt(float(spread.variance)) if known else None,
        standardised=estimate / cell if cell > 0 else None,
        components=components,
        detectable=None if refused or math.isnan(visible) else visible,
        power=design.power,
        comparisons=design.comparisons,
        over=words,
        seeds=spread.seeds,
        units=spread.units,
        queries=queries,
        note=note,
    )


def _aligned(methods: Mapping[str, ArrayLike], *, one_number: bool) -> list[Array]:
    """All score tables as (S, Q); vectors beside tables are repeated for every seed, or are (S, 1) with one number a run."""
    tables = [score_rows(f"the scores of {name!r}", values) for name, values in methods.items()]
    told = ", ".join(f"{name!r} {np.shape(values)}" for name, values in methods.items())
    if one_number:
        if any(np.ndim(values) != 1 for values in methods.values()) or len({table.shape for table in tables}) > 1:
            raise InputError(f"without classes each method needs one number a run, (seeds,), the same seeds each; got {told}")
        return [table.T for table in tables]
    shapes = {table.shape for table, values in zip(tables, methods.values()) if np.ndim(values) == 2} or {tables[0].shape}
    if len(shapes) > 1 or len({table.shape[1] for table in tables}) > 1:
        raise InputError(f"methods must share seeds and queries, (seeds, queries) each; got {told}")
    return [np.broadcast_to(table, next(iter(shapes))) for table in tables]
