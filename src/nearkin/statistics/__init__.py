"""Result records, intervals, paired tests and plans for comparisons over seeds and classes. No torch, no global randomness."""

from nearkin.statistics.differences import against_baseline, all_pairs, difference
from nearkin.statistics.intervals import episode_interval, interval, seed_interval
from nearkin.statistics.multiplicity import holm
from nearkin.statistics.planning import planned_components, smallest_detectable
from nearkin.statistics.proportions import mcnemar, mcnemar_statistic, wilson
from nearkin.statistics.records import Components, Difference, Interval
from nearkin.statistics.resampling import resample
from nearkin.statistics.words import promise, spoken, verdict

__all__ = [
    "Components",
    "Difference",
    "Interval",
    "against_baseline",
    "all_pairs",
    "difference",
    "episode_interval",
    "holm",
    "interval",
    "mcnemar",
    "mcnemar_statistic",
    "planned_components",
    "promise",
    "resample",
    "seed_interval",
    "smallest_detectable",
    "spoken",
    "verdict",
    "wilson",
]
