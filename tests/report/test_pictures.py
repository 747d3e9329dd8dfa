"""What is drawn: maps, distances, histograms, confusions, curves, samples and thumbnails, against slow forms."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from nearkin.core import MissingExtra
from nearkin.report import Summary, summarise
from nearkin.report.confusion import confusion
from nearkin.report.curves import thinned
from nearkin.report.pairs import PAIR_DISTANCES, pair_distance
from nearkin.report.planar import kept_neighbours, planar, principal_axes, quantised
from nearkin.report.records import Records
from nearkin.report.sampling import stratified_order
from nearkin.report.separation import probability_nearer, separation
from nearkin.report.sprite import sprite
from report.make_study import METHODS, Imitation, Pictures, digits, make_study

RNG = np.random.default_rng


@pytest.mark.parametrize("name", PAIR_DISTANCES)
def test_pair_distances_are_those_of_the_library(name: str) -> None:
    torch = pytest.importorskip("torch")
    distances = pytest.importorskip("nearkin.distances")
    a, b = RNG(0).normal(size=(7, 5)), RNG(1).normal(size=(4, 5))
    ours = PAIR_DISTANCES[name]
    theirs = distances.make_distance(name)(torch.tensor(a), torch.tensor(b)).detach().numpy()
    np.testing.assert_allclose(ours.between(ours.project(a), ours.project(b)), theirs, rtol=1e-9, atol=1e-9)


def test_every_distance_of_the_library_can_be_drawn() -> None:
    distances = pytest.importorskip("nearkin.distances")
    assert set(distances.DISTANCES) == set(PAIR_DISTANCES)


def test_an_unknown_distance_is_drawn_as_euclidean_and_says_so() -> None:
    distance, note = pair_distance("my_module:mine")
    assert distance.name == "euclidean"
    assert "my_module:mine" in note


@pytest.mark.parametrize("shape", [(40, 5), (30, 1200)])
def test_pca_spans_the_directions_of_largest_variance(shape: tuple[int, int]) -> None:
    rows = RNG(0).normal(size=shape) * np.linspace(5, 0.1, shape[1])
    left, values, _ = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    expected = left[:, :2] * values[:2]
    found = principal_axes(rows)
    np.testing.assert_allclose(np.abs((found * expected).sum(0)), (expected**2).sum(0), rtol=1e-6)


def test_pca_of_points_that_coincide_is_finite() -> None:
    assert np.isfinite(principal_axes(np.ones((20, 4)))).all()
    assert (quantised(np.ones((20, 2))) == quantised(np.ones((20, 2)))[0]).all()


def test_two_dimensions_are_shown_as_they_are() -> None:
    rows = RNG(0).normal(size=(30, 2))
    how, points, kept = planar(rows, PAIR_DISTANCES["cosine"], "pca")
    assert "itself" in how
    assert points is rows
    assert kept is None
    how, points, _ = planar(rows[:, :1], PAIR_DISTANCES["euclidean"], "pca")
    assert points.shape == (30, 2)


def test_neighbours_kept_are_counted_as_in_a_slow_loop() -> None:
    rows, drawn = RNG(0).normal(size=(60, 6)), RNG(1).normal(size=(60, 2))
    shares = []
    for i in range(60):
        order = [
            sorted((j for j in range(60) if j != i), key=lambda j: float(np.linalg.norm(x[i] - x[j])))[:15]
            for x in (rows, drawn)
        ]
        shares.append(len(set(order[0]) & set(order[1])) / 15)
    assert kept_neighbours(rows, drawn, PAIR_DISTANCES["euclidean"]) == pytest.approx(np.mean(shares))
    assert kept_neighbours(rows, rows, PAIR_DISTANCES["euclidean"]) == 1
    assert kept_neighbours(rows[:16], drawn[:16], PAIR_DISTANCES["euclidean"]) is None


def test_quantised_points_keep_their_shape() -> None:
    points = RNG(0).normal(size=(50, 2)) * [10, 1] + [3, -400]
    steps = quantised(points).astype(np.float64)
    scale = 65535 / np.ptp(points[:, 0])
    np.testing.assert_allclose(steps[:, None] - steps[None], (points[:, None] - points[None]) * scale, atol=1.01)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(0, 5))
@example([0] * 40 + [1] * 6 + [2] * 2, 0)
def test_every_beginning_of_the_order_is_fair_to_the_classes(labels: list[int], seed: int) -> None:
    label = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    order = stratified_order(label, RNG(seed))
    assert sorted(order.tolist()) == list(range(len(label)))
    size = np.bincount(label)
    for count in range(1, len(label) + 1):
        shown = np.bincount(label[order[:count]], minlength=len(size))
        share = size / len(label)
        assert (np.abs(shown - share * count) <= 1 + share * len(size)).all()


def test_the_probability_of_being_nearer_is_counted_as_in_a_slow_loop() -> None:
    same, different = RNG(0).integers(0, 9, 30) / 4.0, RNG(1).integers(3, 14, 40) / 4.0
    slow = np.mean([1.0 if a < b else 0.5 if a == b else 0.0 for a, b in itertools.product(same, different)])
    assert probability_nearer(same, different) == pytest.approx(slow)
    assert probability_nearer(same, different[:0]) is None


def test_histograms_hold_all_pairs_but_the_farthest() -> None:
    rows, labels = RNG(0).normal(size=(90, 3)), RNG(1).integers(0, 3, 90)
    found = separation("m", rows, labels, PAIR_DISTANCES["euclidean"], "")
    assert 0.99 <= found.same.sum() <= 1
    assert 0.99 <= found.different.sum() <= 1
    apart = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    kin = (labels[:, None] == labels[None]) & ~np.eye(90, dtype=bool)
    expected = np.histogram(apart[kin], bins=found.edges)[0] / kin.sum()
    np.testing.assert_allclose(found.same, expected, atol=1e-12)


def test_a_study_of_one_class_has_histograms_too() -> None:
    found = separation("m", RNG(0).normal(size=(9, 3)), np.zeros(9, dtype=np.int64), PAIR_DISTANCES["snr"], "")
    assert found.nearer is None
    assert found.different.sum() == 0


def records_of(true: list[str], voted: list[str]) -> Records:
    return Records(
        tuple(true),
        tuple(true),
        tuple(true),
        {},
        {"predicted@1": tuple(true), "predicted@5": tuple(voted)},
        np.zeros((len(true), 1), dtype=np.int64),
        np.zeros((len(true), 1)),
    )


def test_confusions_count_every_seed() -> None:
    found = confusion(
        "m", [records_of(list("aabc"), list("abbc")), records_of(list("aabc"), list("aabb"))], list("abcd")
    )
    assert found is not None
    assert (found.neighbours, found.seeds, found.true, found.answered) == (5, 2, ("a", "b", "c"), ("a", "b", "c"))
    assert found.share is not None
    np.testing.assert_allclose(found.share, [[0.75, 0.25, 0], [0, 1, 0], [0, 0.5, 0.5]])
    assert found.correct == pytest.approx(6 / 8)
    assert [(m.true, m.answered, m.count) for m in found.mixups] == [("a", "b", 1), ("c", "b", 1)]


def test_many_classes_have_a_list_but_no_matrix() -> None:
    names = [f"class {i}" for i in range(30)]
    found = confusion("m", [records_of(names, [*names[1:], names[0]])], names)
    assert found is not None
    assert found.share is None
    assert len(found.mixups) == 24


def test_a_curve_is_as_long_as_its_training(summary: Summary) -> None:
    assert {curve.steps for curve in summary.protocols[0].curves} == {600}


def test_curves_are_thinned_by_means_and_skip_what_was_not_measured() -> None:
    steps = np.arange(1000.0)
    at, values = thinned(steps, np.where(steps % 2 == 0, steps, np.nan), limit=50)
    assert len(at) == 50
    np.testing.assert_allclose(at, values)
    assert at[0] == np.mean([0, 2, 4, 6, 8, 10, 12, 14, 16, 18])
    assert thinned(steps[:10], steps[:10])[0].tolist() == steps[:10].tolist()


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_thumbnails_come_back_from_their_sheet(channels: int) -> None:
    images = RNG(0).integers(0, 256, (23, 6, 9, channels)).astype(np.uint8)
    found = sprite(images, 10**6)
    assert found is not None
    assert (found.media, found.count) == ("image/png", 23)
    sheet = np.array(Image.open(io.BytesIO(found.encoded))).reshape(-1, found.columns * 9, 3 if channels == 3 else 1)
    for i in range(23):
        row, column = divmod(i, found.columns)
        cell = sheet[row * 6 : row * 6 + 6, column * 9 : column * 9 + 9]
        assert (cell == (images[i] if channels == 3 else images[i][..., :1])).all()


def test_thumbnails_keep_to_their_budget() -> None:
    images = RNG(0).integers(0, 256, (300, 32, 32, 3)).astype(np.uint8)
    found = sprite(images, 60_000)
    assert found is not None
    assert found.media == "image/jpeg"
    assert len(found.encoded) <= 60_000
    assert 10 < found.count < 300
    assert sprite(images[:0], 1000) is None
    images[:200] = 0  # what comes later is larger than the first ones let expect
    found = sprite(images, 60_000)
    assert found is not None
    assert len(found.encoded) <= 60_000


def test_points_are_the_same_images_in_every_map(summary: Summary) -> None:
    for protocol in summary.protocols:
        count = len(protocol.points.place)
        assert count == len(protocol.split.test)
        assert all(drawn.xy.shape == (count, 2) for drawn in protocol.maps)
        assert [drawn.method for drawn in protocol.maps] == [row.method.name for row in protocol.rows]


def test_neighbours_in_the_page_are_those_of_the_records(summary: Summary) -> None:
    protocol = summary.protocols[0]
    drawn = next(drawn for drawn in protocol.maps if drawn.method == "raw pixels")
    rows = digits().rows[protocol.split.test[protocol.points.place]]
    for point in range(0, len(rows), 37):
        apart = ((rows - rows[point]) ** 2).sum(1)
        apart[point] = np.inf
        np.testing.assert_allclose(np.sort(apart)[:5], apart[drawn.neighbours[point]], rtol=1e-4)
        assert (protocol.points.label[drawn.neighbours[point]] == drawn.neighbour_labels[point]).all()


def test_large_test_sets_are_cut_and_nothing_points_at_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nearkin.report.make_summary.POINTS", 40)
    monkeypatch.setattr("nearkin.report.drawn.THUMBNAILS", 60)
    study = make_study(tmp_path / "s", methods=METHODS[:3], protocols=("closed-set",), seeds=(0, 1), test_share=0.1)
    points, drawn = summarise(study).protocols[0].points, summarise(study).protocols[0].maps
    assert len(points.place) == 40
    assert points.sprite is not None
    assert points.sprite.count == 60
    assert set(points.label.tolist()) == set(range(10))
    assert all(each.xy.shape == (40, 2) for each in drawn)


def test_a_study_without_thumbnails_has_a_report(small: Path) -> None:
    (small / "thumbnails" / "closed-set.npy").unlink()
    assert summarise(small).protocols[0].points.sprite is None


def test_colour_images_and_a_short_neighbour_list(tmp_path: Path) -> None:
    images = RNG(0).integers(0, 256, (24, 5, 4, 3)).astype(np.uint8)
    pictures = Pictures("noise", images, np.arange(24) % 3, ("a", "b", "c"))
    methods = (Imitation("untrained", "", "untrained", dimensions=3), Imitation("one output", "", dimensions=1))
    study = make_study(tmp_path / "s", pictures=pictures, methods=methods, protocols=("closed-set",), seeds=(0, 1))
    protocol = summarise(study).protocols[0]
    assert protocol.points.sprite is not None
    assert (protocol.points.sprite.height, protocol.points.sprite.width) == (5, 4)


def test_tsne_is_asked_for_by_name(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openTSNE", None)
    with pytest.raises(MissingExtra, match=r"nearkin\[maps\]"):
        summarise(small, maps="tsne")


@pytest.mark.slow
def test_tsne_keeps_more_neighbours_than_pca(small: Path) -> None:
    pytest.importorskip("openTSNE")
    kept = {how: {m.method: m.kept for m in summarise(small, maps=how).protocols[0].maps} for how in ("pca", "tsne")}
    assert kept["tsne"]["triplet"] > kept["pca"]["triplet"]
