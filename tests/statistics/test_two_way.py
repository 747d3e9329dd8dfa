"""The closed form: against leave-one-out loops, against drawn resamples, and in cases that can be done on paper."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nearkin.core import InputError, InputTypeError
from nearkin.statistics import Components, difference, interval, resample
from nearkin.statistics.cells import cells_of, cells_over
from nearkin.statistics.twoway import spread_of
from oracles import two_way

SHAPES = [(2, [3, 3]), (3, [1, 4, 2]), (1, [2, 5, 3, 1]), (5, [7]), (4, [1, 1, 1, 1, 1, 30]), (10, [2] * 12)]


def study(seeds: int, sizes: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    values = rng.normal(size=(seeds, 1)) + rng.normal(size=len(sizes))[labels] + rng.normal(size=(seeds, len(labels)))
    mixed = rng.permutation(len(labels))
    return values[:, mixed], labels[mixed]


@pytest.mark.parametrize(("seeds", "sizes"), SHAPES)
def test_parts_equal_those_of_leaving_out_each_class(seeds, sizes):
    values, labels = study(seeds, sizes)
    spread = spread_of(cells_of([values], labels))
    wanted = two_way.parts(values.tolist(), labels.tolist())
    assert np.allclose([spread.by_seeds[0], spread.by_units[0], spread.by_both[0]], wanted, rtol=1e-10, atol=1e-15)
    assert spread.mean[0] == pytest.approx(values.mean())


@pytest.mark.parametrize(("seeds", "sizes"), SHAPES)
def test_interval_and_p_value_equal_the_oracle(seeds, sizes):
    values, labels = study(seeds, sizes)
    zero = np.zeros_like(values)
    found = difference(values, zero, labels, bounds=None, seedless=seeds == 1)
    half = two_way.half_width(values.tolist(), labels.tolist(), 0.05)
    assert found.high - found.estimate == pytest.approx(half, rel=1e-9)
    assert found.p == pytest.approx(two_way.p_value(values.tolist(), labels.tolist()), rel=1e-6)


def test_variance_is_that_of_resampling_but_for_the_divisors():
    values, labels = study(4, [5] * 6, seed=3)
    spread = spread_of(cells_of([values], labels)).at(0)
    drawn = resample(values, labels, rng=np.random.default_rng(0), resamples=200_000)
    S, C = 4, 6
    expected = (S - 1) / S * spread.by_seeds + (C - 1) / C * spread.by_units + (S - 1) * (C - 1) / (S * C) * spread.by_both
    assert drawn.var() == pytest.approx(expected, rel=0.02)
    assert drawn.mean() == pytest.approx(values.mean(), abs=4 * drawn.std() / np.sqrt(len(drawn)))


def test_resampling_draws_whole_classes_and_whole_seeds_for_all_methods_together():
    values = np.array([[[0.0, 0.0, 10.0]], [[1.0, 1.0, 11.0]]])
    drawn = resample(values, [0, 0, 1], rng=np.random.default_rng(1), resamples=500)
    assert np.allclose(drawn[1] - drawn[0], 1)
    assert set(np.round(drawn[0], 6)) == {0.0, 10.0, round(10 / 3, 6)}  # both one class, both the other, one of each


def test_one_class_is_the_paired_t_test_over_seeds():
    rng = np.random.default_rng(0)
    a, b = rng.random(6), rng.random(6)
    found = difference(a, b, None)
    wanted = stats.ttest_rel(a, b)
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx(tuple(wanted.confidence_interval()))
    assert found.over == "seeds"
    assert found.seeds == 6


def test_identical_seeds_leave_the_t_interval_over_classes():
    rng = np.random.default_rng(0)
    by_class = rng.normal(size=8)
    values = np.tile(np.repeat(by_class, 3), (4, 1))
    found = difference(values, np.zeros_like(values), np.repeat(np.arange(8), 3), bounds=None)
    wanted = stats.ttest_1samp(by_class, 0)
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-9)
    assert found.over == "classes"
    assert found.components.seed == found.components.residual == 0


def test_components_are_recovered():
    rng = np.random.default_rng(5)
    S, C, truth = 400, 400, Components(0.04, 0.25, 1.0)
    values = 0.2 * rng.normal(size=(S, 1)) + 0.5 * rng.normal(size=C) + rng.normal(size=(S, C))
    found = difference(values, np.zeros_like(values), np.arange(C), bounds=None).components
    assert (found.seed, found.unit, found.residual) == pytest.approx((truth.seed, truth.unit, truth.residual), rel=0.2)
    assert truth.variance(4, 10) == pytest.approx(0.04 / 4 + 0.25 / 10 + 1 / 40)


def test_a_class_weighs_by_its_queries():
    answer = interval([[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]], ["a", "b", "b", "b"])
    assert answer.estimate == 0.25


def test_over_queries_every_query_is_its_own_unit():
    values, labels = study(3, [4, 4, 4])
    by_query = interval(values, labels, over="queries", bounds=None)
    assert by_query == interval(values, np.arange(12), over="queries", bounds=None)
    assert by_query.units == 12
    assert by_query.over == "queries and seeds"


def test_a_query_without_a_score_is_left_out():
    values, labels = study(3, [4, 4, 1])
    lone = labels == 2
    masked = np.where(lone, np.nan, values)
    kept = interval(values[:, ~lone], labels[~lone], bounds=None)
    assert interval(masked, labels, bounds=None) == kept


def test_a_query_scored_in_some_rows_only_is_refused():
    values, labels = study(3, [4, 4])
    values[1, 2] = np.nan
    with pytest.raises(InputError, match="share their queries"):
        interval(values, labels, bounds=None)


@pytest.mark.parametrize(
    ("values", "classes", "words"),
    [
        ([[0.5, 0.5]], [0], "one class a query"),
        ([[0.5, 0.5]], [0.0, 1.0], "integers or names"),
        ([[0.5, np.inf]], [0, 1], "infinite"),
        ([[[0.5]]], [0], "shape"),
        ([[]], [], "at least one"),
        ([["a", "b"]], [0, 1], "must be numbers"),
        ([[0.5, 1.5]], [0, 1], "outside bounds"),
        ([[np.nan, np.nan]], [0, 1], "every one is NaN"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(values, classes, words):
    with pytest.raises(InputError, match=words):
        interval(values, classes)


def test_unknown_units_name_the_right_one():
    with pytest.raises(InputError, match="'classes'"):
        interval([[0.5, 0.5]], [0, 1], over="clases")
    with pytest.raises(InputTypeError):
        interval([[0.5, 0.5]], [0, 1], confidence="high")


def test_totals_do_not_depend_on_the_order_of_queries():
    values, labels = study(2, [3, 2, 5])
    other = np.random.default_rng(0).permutation(len(labels))
    here, there = cells_over([values], labels, "classes"), cells_over([values[:, other]], labels[other], "classes")
    assert np.allclose(here.totals, there.totals)
    assert here.sizes.tolist() == [3, 2, 5]
