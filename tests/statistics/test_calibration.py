"""What the numbers promise, held against simulated studies. The larger study is benchmarks/studies/calibration.py."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from nearkin.statistics import Components, against_baseline, all_pairs, interval, smallest_detectable
from nearkin.statistics.cells import Cells
from nearkin.statistics.planning import expected_spread
from nearkin.statistics.twoway import spread_of
from nearkin.statistics.widths import half_width, two_sided_p

STUDIES = 4000
NONE, SEEDS, CLASSES, BOTH = Components(0, 0, 1), Components(0.5, 0, 1), Components(0, 2.0, 1), Components(0.3, 1.0, 1)
DESIGNS = [(2, 10), (3, 2), (3, 10), (3, 100), (5, 5), (5, 50), (10, 10)]


def drawn(truth: Components, seeds: int, classes: int, shift: float = 0.0, seed: int = 0) -> Cells:
    """Means of cells of many studies of normal differences, all classes of one query."""
    rng = np.random.default_rng([seed, seeds, classes])
    normal = rng.standard_normal
    totals = np.sqrt(truth.residual) * normal((STUDIES, seeds, classes)) + shift
    totals += np.sqrt(truth.seed) * normal((STUDIES, seeds, 1)) + np.sqrt(truth.unit) * normal((STUDIES, 1, classes))
    return Cells(totals, np.ones(classes))


def at_most(share: float) -> float:
    """The share plus four standard errors of counting it."""
    return share + 4 * np.sqrt(share * (1 - share) / STUDIES)


@pytest.mark.parametrize("truth", [NONE, SEEDS, CLASSES, BOTH])
@pytest.mark.parametrize(("seeds", "classes"), DESIGNS)
def test_intervals_cover_whether_seeds_or_classes_matter(truth, seeds, classes):
    spread = spread_of(drawn(truth, seeds, classes))
    for level in (0.05, 0.05 / 14):
        missed = (np.abs(spread.mean) > half_width(spread, level)).mean()
        assert missed <= at_most(level)


def test_p_values_are_small_no_more_often_than_they_say():
    p = two_sided_p(spread_of(drawn(BOTH, 3, 10)))
    for level in (0.001, 0.01, 0.05, 0.2):
        assert (p <= level).mean() <= at_most(level)


def test_the_simulation_sees_intervals_that_are_too_narrow():
    spread = spread_of(drawn(SEEDS, 3, 10))
    assert (np.abs(spread.mean) > 1.96 * np.sqrt(spread.variance)).mean() > 0.1


@pytest.mark.parametrize("truth", [NONE, SEEDS, BOTH])
@pytest.mark.parametrize(("seeds", "classes"), [(3, 10), (5, 10), (5, 100), (10, 20)])
@pytest.mark.parametrize("comparisons", [1, 8])
def test_the_smallest_detectable_difference_is_claimed_four_times_in_five(truth, seeds, classes, comparisons):
    delta = smallest_detectable(truth, seeds=seeds, units=classes, comparisons=comparisons, span=100.0)
    spread = spread_of(drawn(truth, seeds, classes, delta, seed=1))
    claimed = (spread.mean > half_width(spread, 0.05 / comparisons)).mean()
    assert claimed == pytest.approx(0.8, abs=0.04)


def test_expected_parts_are_those_of_many_studies():
    spread = spread_of(drawn(BOTH, 5, 10))
    wanted = expected_spread(BOTH, 5, 10)
    for part in ("by_seeds", "by_units", "by_both"):
        assert getattr(spread, part).mean() == pytest.approx(float(getattr(wanted, part)), rel=0.05)
    assert wanted.variance == pytest.approx(BOTH.variance(5, 10))
    assert spread.mean.var() == pytest.approx(BOTH.variance(5, 10), rel=0.1)


def one_method_under_many_names(
    rng: np.random.Generator, names: int, seeds: int, classes: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Hits of a method that is trained anew for each name and seed: images and classes are hard or easy for all alike."""
    labels = np.repeat(np.arange(classes), rng.integers(5, 30, classes))
    normal = rng.standard_normal
    seed_effect, class_effect, both = rng.uniform(0, [0.4, 0.5, 0.3])
    z = rng.uniform(0.5, 2.5) + 0.5 * normal(classes)[labels] + normal(len(labels))
    z = z + seed_effect * normal((names, seeds, 1)) + normal((names, seeds, len(labels)))
    z = z + (class_effect * normal((names, 1, classes)) + both * normal((names, seeds, classes)))[..., labels]
    return {f"name {place}": (scores > 0).astype(float) for place, scores in enumerate(z)}, labels


def test_one_method_under_15_names_is_told_apart_in_at_most_5_of_100_studies():
    rng = np.random.default_rng(0)
    claimed = 0
    for _ in range(100):
        seeds, classes = rng.choice([2, 3, 5, 10]), rng.choice([5, 10, 25])
        methods, labels = one_method_under_many_names(rng, 15, seeds, classes)
        found = against_baseline(methods, labels, baseline="name 0")
        claimed += any(one.claimed for one in found.values())
    assert claimed <= 5


def test_all_pairs_of_one_method_are_told_apart_in_at_most_5_of_100_studies():
    rng = np.random.default_rng(1)
    claimed = 0
    for _ in range(100):
        methods, labels = one_method_under_many_names(rng, 6, 3, 10)
        claimed += any(one.claimed for one in all_pairs(methods, labels).values())
    assert claimed <= 5


def test_a_better_method_is_found():
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(20):
        methods, labels = one_method_under_many_names(rng, 5, 5, 25)
        methods["name 4"] = np.maximum(methods["name 4"], rng.random(methods["name 4"].shape) < 0.8)
        answer = against_baseline(methods, labels, baseline="name 0")
        found += answer["name 4"].claimed and answer["name 4"].estimate > 0
    assert found >= 15


def test_the_interval_of_a_score_covers_the_mean_over_all_classes_and_seeds():
    rng = np.random.default_rng(3)
    truth = float(special.ndtr(1.3 / np.sqrt(1 + 0.5**2 + 0.3**2)))
    labels = np.repeat(np.arange(20), 15)
    missed = 0
    for _ in range(1000):
        z = 1.3 + 0.5 * rng.normal(size=20)[labels] + 0.3 * rng.normal(size=(4, 1)) + rng.normal(size=(4, 300))
        found = interval((z > 0).astype(float), labels)
        missed += not found.low <= truth <= found.high
    assert missed / 1000 <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 1000)
