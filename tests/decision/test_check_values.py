"""Published check values of verification, thresholds and open sets [EVA-4, EVA-5, EVA-6].

NEARKIN_VECTORS names `vectors.json` or a folder with it. Both the library and the scalar loops must give every value.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from check_values import entries
from nearkin.decision import calibrate_threshold, given_pairs, open_set, otsu, verification
from oracles import verification as loops

EXACT = {"rel": 1e-9, "abs": 1e-12}


@pytest.mark.parametrize("entry", entries("EVA-4"))
def test_verification(entry):
    positive, negative = (entry["inputs"][f"{kind}_distances"] for kind in ("positive", "negative"))
    wanted = entry["value"]
    found = verification(given_pairs(positive, negative), far=(0.1,))
    curve = list(zip(found.roc.far.tolist(), found.roc.tar.tolist(), found.roc.thresholds.tolist()))
    assert curve[0] == (0, 0, -np.inf)
    for ours, loop, (far, tar, threshold) in zip(
        curve, loops.roc(positive, negative), wanted["roc_far_tar_threshold"], strict=True
    ):
        for each in (ours, loop):
            assert each[:2] == pytest.approx((far, tar), **EXACT)
            assert each[2] == threshold or threshold is None
    assert found.auc == pytest.approx(wanted["auc"], **EXACT)
    assert found.eer == pytest.approx(wanted["eer"], **EXACT)
    assert found.roc.tar_at_far(0.1) == pytest.approx(wanted["tar_at_far_0.1"], **EXACT)
    assert found.tar_at_far == {0.1: None}  # twelve negative pairs say nothing about a rate of 0.1
    assert found.balanced_accuracy == pytest.approx(wanted["best_balanced_accuracy"], **EXACT)
    assert found.balanced_threshold == wanted["best_threshold"]
    assert loops.auc(positive, negative) == pytest.approx(wanted["auc"], **EXACT)
    assert loops.eer(positive, negative)[0] == pytest.approx(wanted["eer"], **EXACT)
    assert loops.tar_at_far(positive, negative, 0.1)[0] == pytest.approx(wanted["tar_at_far_0.1"], **EXACT)
    assert loops.best(positive, negative, loops.balanced) == pytest.approx(
        (wanted["best_balanced_accuracy"], wanted["best_threshold"]), **EXACT
    )


@pytest.mark.parametrize("entry", entries("EVA-5"))
def test_otsu(entry):
    inputs, wanted = entry["inputs"], entry["value"]
    if "distances" in inputs:
        compare(inputs["distances"], [1.0] * len(inputs["distances"]), wanted)
        pairs = given_pairs([], inputs["distances"])
        assert calibrate_threshold(pairs, "otsu").value == pytest.approx(wanted["threshold"], **EXACT)
    elif "positive_distances" in inputs:
        positive, negative = inputs["positive_distances"], inputs["negative_distances"]
        halves = [1 / len(positive)] * len(positive) + [1 / len(negative)] * len(negative)
        compare([*positive, *negative], halves, wanted)
        pairs = given_pairs(positive, negative)
        assert calibrate_threshold(pairs, "otsu-balanced").value == pytest.approx(wanted["threshold"], **EXACT)
    else:
        few, many = NormalDist(0.5, 0.15), NormalDist(1.35, 0.10)
        positive = [few.inv_cdf((i + 0.5) / 9) for i in range(9)]
        negative = [many.inv_cdf((i + 0.5) / 9991) for i in range(9991)]
        pairs = given_pairs(positive, negative)
        for name, rule in (("plain", "otsu"), ("balanced", "otsu-balanced")):
            assert calibrate_threshold(pairs, rule).value == pytest.approx(wanted[name]["threshold"], **EXACT)
        counts = pairs.counts()
        both = {"plain": (1, 1), "balanced": (1 / 9, 1 / 9991)}
        for name, (p, n) in both.items():
            variance = otsu(counts.distances, p * counts.positives + n * counts.negatives)[1]
            assert variance == pytest.approx(wanted[name]["between_variance"], **EXACT)


def compare(values: list[float], weights: list[float], wanted: dict[str, float]) -> None:
    counts = given_pairs([], values).counts()
    summed = [sum(w for v, w in zip(values, weights) if v == distance) for distance in counts.distances]
    for found in (otsu(counts.distances, np.array(summed)), loops.otsu(values, weights)):
        assert found == pytest.approx((wanted["threshold"], wanted["between_variance"]), **EXACT)


@pytest.mark.parametrize("entry", entries("EVA-6"))
def test_open_set(entry):
    inputs = (entry["inputs"][name] for name in ("known_correct", "known_score", "unknown_score"))
    correct, known, unknown = inputs
    found, loop = open_set(correct, known, unknown).scores, loops.open_set(correct, known, unknown)
    for name, value in entry["value"].items():
        assert found[name] == pytest.approx(value, **EXACT)
        assert loop[name] == pytest.approx(value, **EXACT)
