"""What a page, a terminal table and the result files say: plain facts, every number ready.

`summarise` makes a `Summary` and holds all arithmetic; `to_html`, `to_table` and `results` write it down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearkin.report.class_distances import ClassDistances
from nearkin.report.confusion import Confusion
from nearkin.report.curves import Curve
from nearkin.report.figures import Figure
from nearkin.report.mistakes import Mistakes, Pictured
from nearkin.report.separation import Separation
from nearkin.report.sprite import Sprite
from nearkin.report.study import Method, Split, Study
from nearkin.report.trials import Trials
from nearkin.report.unknowns import Unknowns
from nearkin.report.verification import Verified
from nearkin.statistics import Difference, Interval


@dataclass(frozen=True)
class Row:
    """A method in a result table.

    scores      score name -> mean over seeds and its interval
    runs        seed -> score name -> value, as each run measured it
    classes     class name -> mean primary score of its images over the seeds
    difference  to the baseline in the primary score; None for the baseline itself and where `verdict` says why
    verdict     "better" or "worse" (claimed after Holm's correction), "equal" (no difference seen), "unclear" (the
                interval leaves out 0, but the claim does not stand after the correction), "not tested" (one seed),
                "unfinished" or "baseline"
    detail      one sentence on the verdict
    seconds     mean duration of a run
    chosen      the seed that maps, histograms and neighbours show: the run with the median primary score
    """

    method: Method
    seeds: tuple[int, ...]
    scores: Mapping[str, Interval]
    runs: Mapping[int, Mapping[str, float]]
    classes: Mapping[str, float]
    difference: Difference | None
    verdict: str
    detail: str
    seconds: float
    chosen: int


@dataclass(frozen=True)
class Points:
    """Test images shown in every map of a protocol.

    All test images have a number in an order of which every beginning is a fair share of the classes. The first P are
    points of the maps. The first ones, points or neighbours of points, have a thumbnail in `sprite`.

    place      (P,) places of the points within the split's test images
    label      (P,) their classes, as indices into the protocol's `classes`
    image_ids  their ids
    """

    place: NDArray[np.int64]
    label: NDArray[np.int64]
    image_ids: tuple[str, ...]
    sprite: Sprite | None


@dataclass(frozen=True)
class Map:
    """Where one run put the points: `xy` (P, 2) in a square of 65,536 steps; `neighbours` (P, K) as numbers of
    images and `neighbour_labels` (P, K) as indices into `classes`; -1 where there is none."""

    method: str
    seed: int
    distance: str
    how: str
    kept: float | None
    xy: NDArray[np.uint16]
    neighbours: NDArray[np.int64]
    neighbour_labels: NDArray[np.int64]


@dataclass(frozen=True)
class ProtocolSummary:
    """Everything about one protocol.

    image_ids, labels   of the test images; labels are indices into `classes`
    rows        trained methods by their primary score, best first, then the references (untrained, raw pixels)
    scores      names of all scores, the primary one first
    pairs       every two methods with simultaneous intervals; empty where there are fewer than three to compare
    best        the method with the highest primary score
    level       the methods, the baseline aside, that `pairs` cannot tell from the best
    detectable  the smallest and the largest of the rows' smallest detectable differences to the baseline, or None
    missing     (method, seed) of the runs that are not finished
    trials      of each method whose settings were searched for; empty where nothing was tuned
    mistakes    the worst of each method, whose thumbnails are in `pictured`
    """

    split: Split
    image_ids: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    class_sizes: tuple[int, ...]
    rows: tuple[Row, ...]
    scores: tuple[str, ...]
    pairs: tuple[Difference, ...]
    best: str
    level: tuple[str, ...]
    detectable: tuple[float, float] | None
    missing: tuple[tuple[str, int], ...]
    points: Points
    maps: tuple[Map, ...]
    separations: tuple[Separation, ...]
    confusions: tuple[Confusion, ...]
    curves: tuple[Curve, ...]
    trials: tuple[Trials, ...]
    class_distances: tuple[ClassDistances, ...]
    mistakes: tuple[Mistakes, ...]
    pictured: Pictured
    verified: tuple[Verified, ...]
    unknowns: tuple[Unknowns, ...]


@dataclass(frozen=True)
class Summary:
    """The whole study. `shared`: the settings that all trained methods have in common; `own`: what is left of each;
    `figures`: those of its figures that are made."""

    study: Study
    protocols: tuple[ProtocolSummary, ...]
    shared: Mapping[str, str]
    own: Mapping[str, Mapping[str, str]]
    figures: tuple[Figure, ...] = ()
