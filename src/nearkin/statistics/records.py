"""What the room answers with: small frozen records that become JSON by `as_dict`.

None stands where a number cannot be had (a p-value from one seed); NaN and infinity never appear, for they are not JSON.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


class _Record:
    """Gives every record its JSON form."""

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, nested records as dictionaries: ready for `json.dumps(..., allow_nan=False)`."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True)
class Components(_Record):
    """Variance components of a score, or of a difference of scores, per (seed, class) cell.

    Model:  y[s, c] = mean + a[s] + b[c] + e[s, c], independent, with variances `seed`, `unit` and `residual`
    Units:  score squared; never negative
    """

    seed: float
    unit: float
    residual: float

    def variance(self, seeds: int, units: int) -> float:
        """Variance of the mean over `seeds` x `units`:  seed/S + unit/C + residual/(S C)."""
        return self.seed / seeds + self.unit / units + self.residual / (seeds * units)


@dataclass(frozen=True)
class Interval(_Record):
    """A mean with its interval, and over what the interval speaks.

    `over` says in words what was treated as a sample: "classes and seeds" ("groups and seeds", "queries and seeds", "episodes and seeds"),
    "classes", "seeds", "queries", "episodes", or "nothing". `units` counts the classes, groups, queries or episodes. `note`
    is empty, or one sentence that a reader must see beside the number.
    """

    estimate: float
    low: float | None
    high: float | None
    confidence: float
    standard_error: float | None
    over: str
    seeds: int
    units: int
    queries: int
    note: str = ""


@dataclass(frozen=True)
class Difference(_Record):
    """Method a minus method b on the same queries and seeds: larger than 0 means that a scored higher.

    `p` is two-sided and agrees with the interval: the interval at confidence 1 - p touches 0. `p_adjusted` is `p` after
    the family's correction (Holm or Bonferroni; equal to `p` for a difference on its own), and `claimed` is
    p_adjusted <= 1 - confidence. Where `p` is None a claim is refused, and `note` says why.
    `standardised` is the estimate over sqrt(seed + unit + residual), the spread of one class in one run; so it does not
    shrink or grow with the number of seeds and classes. `detectable` is the smallest true difference that this design
    would have claimed with probability `power`; None where nothing within the bounds would have been.
    """

    a: str
    b: str
    estimate: float
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None
    claimed: bool
    confidence: float
    standard_error: float | None
    standardised: float | None
    components: Components | None
    detectable: float | None
    power: float
    comparisons: int
    over: str
    seeds: int
    units: int
    queries: int
    note: str = ""
