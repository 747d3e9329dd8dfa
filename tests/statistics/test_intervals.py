"""Intervals of one method: closed forms, bounds, and what one seed allows."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from nearkin.core import InputError
from nearkin.statistics import episode_interval, interval, mcnemar, mcnemar_statistic, seed_interval, wilson


def entries(formula: str) -> list[dict]:
    place = os.environ.get("NEARKIN_VECTORS")
    if not place:
        return []
    path = Path(place)
    known = json.loads((path / "vectors.json" if path.is_dir() else path).read_text())["entries"]
    return [entry for entry in known if entry["id"] == formula]


needs_vectors = pytest.mark.skipif(not entries("EVA-7"), reason="needs check values: set NEARKIN_VECTORS to vectors.json")


@needs_vectors
def test_published_intervals_hold():
    by_name = {entry["name"]: entry for entry in entries("EVA-7")}
    for entry in by_name.values():
        if "Wilson" in entry["name"]:
            found = wilson(entry["params"]["k"], entry["params"]["n"])
            assert (found.low, found.high) == pytest.approx((entry["value"]["low"], entry["value"]["high"]), rel=1e-12)
    episodes = by_name["episode interval"]
    found = episode_interval(episodes["inputs"]["episode_accuracy"])
    assert found.estimate == pytest.approx(episodes["value"]["mean"], rel=1e-14)
    assert found.high - found.estimate == pytest.approx(episodes["value"]["half_width_95"], rel=1e-12)


@needs_vectors
def test_published_tests_hold():
    (entry,) = entries("EVA-8")
    counts = entry["params"]["b"], entry["params"]["c"]
    assert mcnemar(*counts) == pytest.approx(entry["value"]["p_two_sided"], rel=1e-12)
    assert mcnemar_statistic(*counts) == pytest.approx(entry["value"]["chi2_corrected"], rel=1e-12)


@pytest.mark.parametrize(("hits", "trials"), [(0, 5), (5, 5), (1, 7), (836, 1000), (2508, 3000)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_equals_scipys(hits, trials, confidence):
    wanted = stats.binomtest(hits, trials).proportion_ci(confidence, method="wilson")
    found = wilson(hits, trials, confidence=confidence)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (3, 3), (0, 6), (40, 22), (22, 40), (1, 300)])
def test_mcnemar_equals_the_binomial_test(b, c):
    wanted = stats.binomtest(min(b, c), b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar(b, c) == pytest.approx(wanted, rel=1e-12)


def test_mcnemar_statistic_is_corrected():
    assert mcnemar_statistic(9, 3) == pytest.approx(25 / 12)
    assert mcnemar_statistic(0, 0) == 0


def test_seeds_give_the_t_interval():
    runs = [0.61, 0.64, 0.60, 0.66]
    found = seed_interval(runs)
    wanted = stats.ttest_1samp(runs, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    assert found.over == "seeds"
    assert found.seeds == 4


def test_seed_interval_is_cut_at_its_bounds():
    found = seed_interval([0.9, 1.0], bounds=(0.0, 1.0))
    assert (found.low, found.high) == (pytest.approx(0.95 - 12.7062 * 0.05, abs=1e-4), 1.0)


@pytest.mark.parametrize("one", [seed_interval, episode_interval])
def test_one_number_has_no_interval_and_says_so(one):
    found = one([0.7])
    assert (found.estimate, found.low, found.high, found.standard_error) == (0.7, None, None, None)
    assert "no interval is possible" in found.note


@pytest.mark.parametrize("one", [seed_interval, episode_interval])
@pytest.mark.parametrize("wrong", [[], [0.5, np.nan], [[0.5], [0.6]], ["a"]])
def test_lists_that_are_none_are_refused(one, wrong):
    with pytest.raises(InputError):
        one(wrong)


def test_an_interval_stays_within_its_bounds_and_is_bent_as_wilsons():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 20)
    for share in (0.001, 0.02, 0.5, 0.98, 0.999):
        values = (rng.random((3, 200)) < share).astype(float)
        found, flat = interval(values, labels), interval(values, labels, bounds=None)
        assert 0 <= found.low <= found.estimate <= found.high <= 1
        half, m = flat.high - flat.estimate, flat.estimate
        for end in (found.low, found.high):
            if 0 < m < 1:
                assert (end - m) ** 2 == pytest.approx(half**2 * end * (1 - end) / (m * (1 - m)), rel=1e-6, abs=1e-12)


def test_a_perfect_score_keeps_a_doubt():
    found = interval(np.ones((3, 50)), np.repeat(np.arange(5), 10))
    assert found.high == 1
    assert found.low == pytest.approx(wilson(50, 50).low)


def test_equal_scores_of_few_classes_say_nothing_about_others():
    few, many = np.full((3, 4), 0.5), np.full((3, 20), 0.5)
    assert (interval(few, [0, 0, 1, 1]).low, interval(few, [0, 0, 1, 1]).high) == (0, 1)
    assert interval(few, [0, 0, 1, 1], bounds=None).low is None
    assert interval(many, np.arange(20)).low == pytest.approx(0.5)


def test_other_bounds_are_scaled():
    rng = np.random.default_rng(0)
    values, labels = rng.random((4, 60)), np.repeat(np.arange(6), 10)
    here, there = interval(values, labels), interval(values * 10 - 5, labels, bounds=(-5, 5))
    assert (there.low, there.high) == pytest.approx((here.low * 10 - 5, here.high * 10 - 5))


def test_one_seed_covers_the_classes_only_and_says_so():
    values, labels = np.random.default_rng(0).random(30), np.repeat(np.arange(6), 5)
    found = interval(values, labels)
    assert found.over == "classes"
    assert "one seed" in found.note
    assert found == interval(values[None], labels)


def test_one_class_covers_the_seeds_only_and_says_so():
    found = interval(np.random.default_rng(0).random((3, 5)), np.zeros(5, dtype=int))
    assert found.over == "seeds"
    assert "one class" in found.note


def test_one_class_and_one_seed_have_no_interval():
    found = interval([0.5, 0.7], ["a", "a"])
    assert (found.low, found.high, found.over) == (None, None, "nothing")


def test_a_method_without_seeds_speaks_of_classes_only():
    found = interval(np.tile(np.random.default_rng(0).random(12), (5, 1)), np.repeat(np.arange(4), 3))
    assert found.over == "classes"


def test_wider_confidence_is_a_wider_interval():
    values, labels = np.random.default_rng(0).random((3, 40)), np.repeat(np.arange(8), 5)
    ends = [interval(values, labels, confidence=level) for level in (0.8, 0.95, 0.99)]
    assert ends[0].low > ends[1].low > ends[2].low
    assert ends[0].high < ends[1].high < ends[2].high


@pytest.mark.parametrize("wrong", [0.5, 1.0, 1.5, 95, float("nan")])
def test_a_confidence_that_is_none_is_refused(wrong):
    with pytest.raises(InputError):
        wilson(1, 2, confidence=wrong)


def test_impossible_counts_are_refused():
    for wrong in ((3, 2), (-1, 2), (0, 0), (1.0, 2)):
        with pytest.raises(InputError):
            wilson(*wrong)
    with pytest.raises(InputError):
        mcnemar(-1, 2)


@pytest.mark.parametrize("found", [wilson(3, 9), episode_interval([0.5, 0.7]), seed_interval([0.7]), interval([0.5, 0.5], [0, 0])])
def test_records_are_json(found):
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["estimate"] == found.estimate
