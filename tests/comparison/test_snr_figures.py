"""The numbers of document 004's figures, against scalar loops and against what is known of them exactly."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from scipy import stats

from nearkin.comparison.figures import FIGURES, figure_facts
from nearkin.comparison.real_pairs import ONE_CLASS, TWO_CLASSES, RealRows, real_pairs
from nearkin.comparison.snr_correlation_figure import deviations
from nearkin.comparison.snr_figures import PAIRS, VARIANCES
from nearkin.comparison.snr_relations import (
    equal_but_different,
    exact_correlation,
    measured,
    noise_density,
    printed_correlation,
    rank_correlation,
    uncorrelated,
)
from nearkin.core import InputError
from nearkin.distances import make_distance

D = 7


def pairs_of_rows(seed: int, count: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Anchors and compared rows of many scales and means."""
    rng = np.random.default_rng(seed)
    scales = np.exp(rng.uniform(-1, 1, (2, count, 1)))
    anchors, compared = rng.standard_normal((2, count, D)) * scales + rng.normal(0, 2, (2, count, 1))
    return anchors, compared


def by_loops(h: list[float], z: list[float]) -> tuple[float, float, float, float]:
    """Euclidean, SNR, ratio of deviations, correlation of one pair, number by number."""

    def mean(values: list[float]) -> float:
        return math.fsum(values) / len(values)

    def covariance(a: list[float], b: list[float]) -> float:
        return mean([(x - mean(a)) * (y - mean(b)) for x, y in zip(a, b)])

    n = [y - x for x, y in zip(h, z)]
    euclidean = math.sqrt(math.fsum(value**2 for value in n))
    correlation = covariance(h, z) / math.sqrt(covariance(h, h) * covariance(z, z))
    return euclidean, covariance(n, n) / covariance(h, h), math.sqrt(covariance(z, z) / covariance(h, h)), correlation


def real_rows(classes: int = 4, each: int = 6, seed: int = 0) -> RealRows:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(classes), each))
    rows = rng.standard_normal((classes, D))[labels] + 0.5 * rng.standard_normal((len(labels), D))
    return RealRows(rows, labels, "features", {"method": "features"})


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_measured_as_scalar_loops_measure_them(seed: int) -> None:
    anchors, compared = pairs_of_rows(seed)
    found = measured(anchors, compared)
    wanted = [by_loops(h, z) for h, z in zip(anchors.tolist(), compared.tolist())]
    columns = np.array([found.euclidean, found.snr, found.ratio, found.correlation]).T
    np.testing.assert_allclose(columns, wanted, rtol=1e-12, atol=1e-13)


def test_the_distances_are_those_of_the_library() -> None:
    anchors, compared = pairs_of_rows(1)
    found = measured(anchors, compared)
    for name, values in (("snr", found.snr), ("euclidean", found.euclidean)):
        matrix = make_distance(name)(torch.from_numpy(anchors), torch.from_numpy(compared)).numpy()
        np.testing.assert_allclose(values, np.diagonal(matrix), rtol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_the_corrected_relation_holds_for_every_pair(seed: int) -> None:
    found = measured(*pairs_of_rows(seed))
    np.testing.assert_allclose(exact_correlation(found.snr, found.ratio), found.correlation, atol=1e-12, rtol=0)
    assert np.abs(printed_correlation(found.snr) - found.correlation).max() > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_the_printed_relation_holds_where_the_noise_is_uncorrelated(seed: int) -> None:
    anchors, noise = pairs_of_rows(seed)
    clean = uncorrelated(noise, anchors)
    for h, n in zip(anchors, clean):
        assert abs(np.cov(h, n)[0, 1]) < 1e-12
    found = measured(anchors, anchors + clean)
    np.testing.assert_allclose(printed_correlation(found.snr), found.correlation, atol=1e-12, rtol=0)
    np.testing.assert_allclose(found.ratio**2, 1 + found.snr, atol=0, rtol=1e-12)
    assert max(deviations(found)) < 1e-12


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("dimensions", [4, 32])
def test_the_density_under_noise_is_that_of_a_ratio_of_chi_squares(variance: float, dimensions: int) -> None:
    x = np.linspace(0.01, 4, 100)
    k = dimensions - 1
    np.testing.assert_allclose(noise_density(x, variance, dimensions), stats.f(k, k, scale=variance).pdf(x), rtol=1e-10)


def test_rank_correlation_is_scipys_with_ties_too() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 8, (2, 60)).astype(float)
    b += a / 3
    assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    assert rank_correlation(a, -a) == pytest.approx(-1)
    assert rank_correlation(a, np.ones(60)) == 0


def test_two_equal_ones_that_differ_most_are_found_by_looking_at_all() -> None:
    rng = np.random.default_rng(3)
    same, other = rng.uniform(1, 2, 80), rng.uniform(0.1, 1, 80)
    near = [(i, j) for i in range(80) for j in range(80) if abs(same[i] - same[j]) <= 0.01 * min(same[i], same[j])]
    assert equal_but_different(same, other) == max(near, key=lambda two: other[two[1]] / other[two[0]])
    assert equal_but_different(np.array([1.0, 2.0]), np.array([1.0, 2.0])) is None
    assert equal_but_different(np.array([1.0, 1.0]), np.array([0.0, 2.0])) is None
    assert equal_but_different(np.array([]), np.array([])) is None


def test_real_pairs_are_of_one_class_or_of_two_and_never_of_one_image() -> None:
    real = real_rows()
    rows = {tuple(np.round(row, 9)): label for row, label in zip(real.rows, real.labels)}
    seen: dict[str, list[tuple[int, int]]] = {}

    def noting(anchors: np.ndarray, compared: np.ndarray) -> None:
        label = [[rows[tuple(np.round(row, 9))] for row in part] for part in (anchors, compared)]
        assert (np.abs(anchors - compared).max(1) > 0).all()
        seen[ONE_CLASS if label[0] == label[1] else TWO_CLASSES] = list(zip(*label))

    import nearkin.comparison.real_pairs as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "measured", noting)
        real_pairs(real, 500, np.random.default_rng(0))
    assert all(a == b for a, b in seen[ONE_CLASS])
    assert all(a != b for a, b in seen[TWO_CLASSES])
    assert {pair[0] for pair in seen[TWO_CLASSES]} == set(range(4))


def test_rows_without_variance_and_classes_of_one_image_have_no_pairs() -> None:
    rows = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 3.0], [0.0, 5.0, 1.0], [2.0, 0.0, 1.0]])
    found = real_pairs(RealRows(rows, np.array([0, 0, 1, 2]), "x", {}), 30, np.random.default_rng(0))
    assert list(found) == [TWO_CLASSES]
    assert np.isfinite(found[TWO_CLASSES].correlation).all()
    one = real_pairs(RealRows(rows, np.zeros(4, dtype=int), "x", {}), 30, np.random.default_rng(0))
    assert list(one) == [ONE_CLASS]
    assert real_pairs(RealRows(np.ones((4, 3)), np.zeros(4, dtype=int), "x", {}), 30, np.random.default_rng(0)) == {}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("real", [None, real_rows()], ids=["simulated", "with test images"])
def test_a_figure_is_plain_facts_and_the_same_every_time(name: str, real: RealRows | None) -> None:
    facts = figure_facts(name, 3, real)
    assert json.dumps(facts, allow_nan=False) == json.dumps(figure_facts(name, 3, real))
    assert facts["panels"] != figure_facts(name, 4, real)["panels"]
    assert (facts == figure_facts(name, 3)) == (real is None or not FIGURES[name].real)
    assert facts["source"].startswith("document 004, figure ")
    for panel in facts["panels"]:
        for series in panel["series"]:
            assert len(series["x"]) == len(series["y"]) + (series["kind"] == "steps")
    assert all(len(row) == len(facts["table"]["heads"]) for row in facts["table"]["rows"])


def test_noise_of_a_variance_gives_distances_about_it() -> None:
    facts = figure_facts("snr-noise", 0)
    for variance, median, mean, expected, low, high in facts["table"]["rows"]:
        assert median == pytest.approx(variance, rel=0.01)
        assert expected == pytest.approx(variance * 31 / 29)
        assert mean == pytest.approx(expected, rel=0.01)
        assert (low, high) == pytest.approx(stats.f(31, 31, scale=variance).ppf([0.05, 0.95]), rel=0.02)
    for steps, line in zip(*(panel_series(facts, kind) for kind in ("steps", "line"))):
        middle = np.convolve(steps["x"], [0.5, 0.5], "valid")
        there = np.interp(middle, line["x"], line["y"])
        assert np.abs(np.array(steps["y"]) - there)[middle > 0.1].max() < 0.25
        assert np.sum(np.diff(steps["x"]) * steps["y"]) == pytest.approx(1, abs=0.01)


def panel_series(facts: dict, kind: str, place: int = 0) -> list[dict]:
    return [series for series in facts["panels"][place]["series"] if series["kind"] == kind]


def test_equal_euclidean_distances_have_different_snr_distances() -> None:
    facts = figure_facts("euclidean-snr", 0, real_rows(6, 20))
    assert [len(panel["series"]) for panel in facts["panels"]] == [1, 2]
    for panel, row in zip(facts["panels"], facts["table"]["rows"]):
        a, b = panel["marks"]
        assert abs(a["x"] - b["x"]) <= 0.01 * a["x"]
        assert b["y"] > 2 * a["y"]
        assert row[1] == sum(len(series["x"]) for series in panel["series"])
        assert row[3:] == [a["x"], a["y"], b["x"], b["y"]]


def test_the_corrected_relation_is_exact_where_the_printed_one_is_not() -> None:
    facts = figure_facts("snr-correlation", 0, real_rows())
    (independent, exact, *real) = facts["table"]["rows"]
    assert [row[0] for row in real] == [ONE_CLASS, TWO_CLASSES]
    assert exact[1] == PAIRS
    assert exact[2] < 1e-12
    assert all(row[2] > 0.05 for row in (independent, *real))
    assert all(row[3] < 1e-12 for row in facts["table"]["rows"])


def test_an_unknown_figure_comes_with_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown figure 'snr-nois'; did you mean 'snr-noise'"):
        figure_facts("snr-nois", 0)
