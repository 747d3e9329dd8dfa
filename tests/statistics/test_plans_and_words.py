"""Plans before any run, and verdicts in plain words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nearkin.core import InputError
from nearkin.statistics import (
    Components,
    difference,
    interval,
    planned_components,
    promise,
    smallest_detectable,
    spoken,
    verdict,
)

PARTS = Components(1e-4, 4e-4, 4e-3)


def test_planned_components_by_hand():
    found = planned_components(queries_per_unit=20, score=0.9, correlation=0.25, seed_deviation=0.02, unit_deviation=0.03)
    assert found.residual == pytest.approx(2 * 0.75 * 0.9 * 0.1 / 20)
    assert found.seed == pytest.approx(2 * 0.75 * 0.0004)
    assert found.unit == pytest.approx(0.0009)


def test_more_of_anything_sees_smaller_differences():
    def seen(**change):
        return smallest_detectable(PARTS, **({"seeds": 5, "units": 20} | change))

    assert seen(seeds=10) < seen() < seen(seeds=3)
    assert seen(units=80) < seen() < seen(units=5)
    assert seen(comparisons=14) > seen()
    assert seen(power=0.9) > seen()
    assert seen(confidence=0.99) > seen()


def test_what_cannot_be_seen_is_none():
    assert smallest_detectable(PARTS, seeds=1, units=100) is None
    assert smallest_detectable(PARTS, seeds=2, units=2, comparisons=14) is None
    assert smallest_detectable(PARTS, seeds=2, units=2, comparisons=14, span=1000.0) > 1
    assert smallest_detectable(Components(0, 0, 0), seeds=3, units=3) is None


def test_many_seeds_and_classes_come_near_the_textbook():
    parts = Components(0.0, 1.0, 1e-6)
    found = smallest_detectable(parts, seeds=50, units=5000)
    assert found == pytest.approx((1.959964 + 0.841621) / np.sqrt(5000), rel=0.01)


def test_the_record_says_what_its_components_say():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(8), 5)
    for _ in range(10):
        found = difference(rng.random((4, 40)), rng.random((4, 40)), labels, comparisons=3)
        wanted = smallest_detectable(found.components, seeds=4, units=8, comparisons=3)
        assert found.detectable == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    "change",
    [{"seeds": 0}, {"units": 0}, {"comparisons": 0}, {"power": 0.0}, {"confidence": 0.4}, {"span": 0.0}, {"seeds": 2.0}],
)
def test_plans_that_are_none_are_refused(change):
    with pytest.raises(InputError):
        smallest_detectable(PARTS, **({"seeds": 3, "units": 3} | change))


def test_impossible_assumptions_are_refused():
    for wrong in ({"score": 1.2}, {"correlation": -2}, {"queries_per_unit": 0}, {"seed_deviation": -1}):
        with pytest.raises(InputError):
            planned_components(**({"queries_per_unit": 5} | wrong))
    with pytest.raises(InputError):
        smallest_detectable(Components(-1, 0, 0), seeds=3, units=3)


FOUND = replace(
    difference(np.eye(3, 4), np.eye(3, 4)[::-1], [0, 0, 1, 1], names=("triplet", "untrained")),
    estimate=0.031, low=0.012, high=0.050, p=0.004, p_adjusted=0.02, claimed=True, comparisons=5, detectable=0.0213,
)  # fmt: skip


def test_a_claim_in_words():
    assert verdict(FOUND) == "better by 0.031 [0.012, 0.050]"
    assert verdict(replace(FOUND, estimate=-0.031, low=-0.050, high=-0.012)) == "worse by 0.031 [0.012, 0.050]"


def test_no_claim_in_words():
    unseen = replace(FOUND, estimate=0.01, low=-0.009, high=0.029, p=0.3, p_adjusted=1.0, claimed=False)
    assert verdict(unseen) == "no difference seen (+0.010 [-0.009, 0.029]); a difference of 0.021 could have been seen"
    among = replace(FOUND, p=0.03, p_adjusted=0.15, claimed=False)
    assert "too little to claim among 5 comparisons" in verdict(among)
    blind = replace(unseen, detectable=None)
    assert verdict(blind).endswith("this design could have seen no difference at all")


def test_one_seed_in_words():
    one = difference(np.ones((1, 4)), np.zeros((1, 4)), [0, 0, 1, 1])
    assert verdict(one).startswith("no claim: one seed")


def test_the_same_scores_in_words():
    same = difference(np.eye(3, 4), np.eye(3, 4), [0, 0, 1, 1])
    assert verdict(same) == "no difference at all: the same scores"


def test_an_end_near_zero_is_not_rounded_onto_it():
    near = replace(FOUND, estimate=0.015, low=-0.0002, high=0.0302, p=0.053, p_adjusted=0.053, claimed=False)
    assert "[-0.0002, 0.0302]" in verdict(near)


def test_a_score_in_words():
    values = np.random.default_rng(0).random((4, 200))
    found = interval(values, np.repeat(np.arange(20), 10))
    assert spoken(found) == f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]"
    assert spoken(replace(found, low=None, high=None)) == f"{found.estimate:.3f}"


def test_a_plan_in_words():
    assert promise(0.0423, seeds=5, units=10, comparisons=8) == (
        "5 seeds, 10 classes, 8 comparisons: a true difference of 0.042 would be claimed in 4 studies of 5"
    )
    assert "no difference can be claimed" in promise(None, seeds=1, units=10)
    assert "more seeds help most" in promise(None, seeds=2, units=10)
