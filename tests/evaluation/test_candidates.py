"""Candidates in float32 and exact keys for few pairs give, bit for bit, what all keys of all pairs give."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nearkin.distances import make_distance
from nearkin.evaluation import Evaluation, candidates, evaluate, neighbours, space
from nearkin.evaluation.bounds import Bounds, product
from nearkin.evaluation.space import Space

EUCLIDEAN = ("euclidean", "squared-euclidean", "cosine", "mahalanobis")


@pytest.fixture(params=[(16, 32, 64), (64, 64, 64), (1024, 2048, 4096)])
def tiles(request, monkeypatch):
    """Tiles small enough that small sets have many."""
    for name, value in zip(("TILE", "ROWS", "CHUNK"), request.param):
        monkeypatch.setattr(candidates, name, value)


def judged(screened: bool, *arguments: object, **options: object) -> Evaluation:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(neighbours, "SMALLEST", 0 if screened else 1 << 60)
        return evaluate(*arguments, **{"clustering": False, "knn": (1, 3), **options})


def asked_in_full(*arguments: object, **options: object) -> int:
    """How many queries candidates leave to be asked in full."""
    full = []
    with pytest.MonkeyPatch.context() as patch:
        own = neighbours._in_full
        patch.setattr(neighbours, "_in_full", lambda s, e, q, c, b: full.append(len(q)) or own(s, e, q, c, b))
        judged(True, *arguments, **options)
    return sum(full)


def check_same(*arguments: object, **options: object) -> None:
    fast, full = judged(True, *arguments, **options), judged(False, *arguments, **options)
    assert fast.scores == full.scores
    assert fast.ties == full.ties
    assert fast.notes == full.notes
    assert fast.queries.keys() == full.queries.keys()
    for name, column in full.queries.items():
        if name == "distances":
            np.testing.assert_allclose(fast.queries[name], column, rtol=1e-13, err_msg=name)
        np.testing.assert_array_equal(fast.queries[name], column, err_msg=name)


def blobs(seed: int, rows: int = 150, width: int = 6, classes: int = 30, spread: float = 1.0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, size=rows)
    return (rng.normal(size=(classes, width))[y] + spread * rng.normal(size=(rows, width))).astype(np.float32), y


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("name", EUCLIDEAN)
def test_random_rows_of_unequal_classes(name):
    x, y = blobs(0)
    check_same(x, y, distance=name)
    for scale in (1e-9, 1e-160, 1e37, 1e140):
        check_same(x.astype(np.float64) * scale, y + 2**53, distance=name)
    check_same(x * np.float32(1e37), y, distance=name)
    assert asked_in_full(x, y, distance=name) == 0


@pytest.mark.usefixtures("tiles")
def test_references_of_their_own():
    (x, y), (z, w) = blobs(1), blobs(2, rows=333)
    check_same(x, y, references=z, reference_labels=w)
    check_same(z, w, references=x, reference_labels=y, support=x, support_labels=y, distance="cosine")
    assert asked_in_full(x, y, references=z, reference_labels=w) == 0


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize(
    "kind", ["lattice", "codes", "twins", "collapsed", "nearly collapsed", "two points", "far", "zeros"]
)
def test_ties_and_near_ties(kind):
    rng = np.random.default_rng(3)
    x, y = blobs(4, rows=120)
    if kind == "lattice":
        x = rng.integers(0, 4, size=x.shape).astype(float)
    if kind == "codes":
        x = rng.choice([-1.0, 1.0], size=(120, 12)) / np.sqrt(12)
    if kind == "twins":
        x = np.repeat(x[:40], 3, axis=0)
    if kind == "collapsed":
        x = np.ones_like(x) * 0.1
    if kind == "nearly collapsed":
        x = 1 + 1e-7 * x
    if kind == "two points":
        x = np.where(y[:, None] % 2, 1.0, -3.3) * np.ones((120, 3))
    if kind == "far":
        x = x.astype(np.float64) + 1e7
    if kind == "zeros":
        x[::7] = 0
    check_same(x, y)
    check_same(x, y, distance="cosine")
    check_same(x[:50], y[:50], references=x[50:], reference_labels=y[50:])


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("shape", ["one huge class", "lone", "one row stands out", "scales"])
def test_lopsided_sets(shape):
    x, y = blobs(5, rows=400, classes=60)
    if shape == "one huge class":
        y[:170] = 7  # more relevant references than candidates are for
    if shape == "lone":
        y[: len(y) // 2] = 1000 + np.arange(len(y) // 2)
    if shape == "one row stands out":
        x[17] *= 1e6
    if shape == "scales":
        x *= np.exp(np.random.default_rng(0).normal(size=(400, 1)) * 6).astype(np.float32)
    check_same(x, y)
    check_same(x, y, lone="miss", macro=True, at=(1, 100), knn=())


@pytest.mark.usefixtures("tiles")
def test_ids_and_groups():
    x, y = blobs(6)
    rng = np.random.default_rng(0)
    ids, groups = rng.integers(0, 100, size=150), rng.integers(0, 9, size=150)
    check_same(x, y, ids=ids, groups=groups)
    check_same(x, y, groups=[f"patient {g}" for g in groups])
    others = {
        "references": x[::-1].copy(),
        "reference_labels": y[::-1],
        "reference_ids": ids,
        "reference_groups": groups,
    }
    check_same(x, y, ids=ids, groups=groups, **others)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), rows=st.integers(20, 130), width=st.integers(1, 5), levels=st.integers(2, 400))
def test_any_small_set(seed, rows, width, levels):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, levels, size=(rows, width)).astype(np.float32) / rng.integers(1, 9)
    y = np.concatenate([[0, 0, 1], rng.integers(0, 1 + rows // 3, size=rows - 3)])
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TILE", "ROWS", "CHUNK"):
            patch.setattr(candidates, name, 32)
        check_same(x, y)


@pytest.mark.parametrize("offset", [0.0, 3.0])
@pytest.mark.parametrize("width", [3, 64, 700])
def test_the_bounds_hold_every_pair_between_them(width, offset):
    rng = np.random.default_rng(width)
    x = torch.from_numpy(
        (rng.normal(size=(200, width)) * np.exp(rng.normal(size=(200, 1))) + offset).astype(np.float32)
    )
    x[100:] = x[:100] * (1 + 1e-6)
    bounds = Bounds(Space(make_distance("euclidean"), x))
    side = bounds.references
    upper = product(side.rows(0, 200), side.columns(0, 200), torch.empty(200, 200)).double()
    truth = (
        -((torch.cdist(x.double(), x.double(), compute_mode="donot_use_mm_for_euclid_dist") * bounds.scale) ** 2) / 2
    )
    assert (upper >= truth).all()
    assert (upper - side.slack[:, None].double() - side.slack.double() <= truth).all()
    assert ((upper - truth) <= 4e-7 * width * (side.halves + side.halves[:, None]) * bounds.scale**2 + 1e-4).all()


def test_few_rows_are_looked_up_in_full_where_candidates_settle_the_rest():
    x, y = blobs(7, rows=300, classes=90)
    x[5], x[9] = x[4], x[4] * (1 + 3e-8)
    assert asked_in_full(x, y) <= 30
    check_same(x, y)


def test_a_collapsed_set_is_given_up_after_its_first_chunk(monkeypatch):
    seen = []
    own = candidates._Walk.chunk
    monkeypatch.setattr(candidates._Walk, "chunk", lambda self, *more: seen.append(1) or own(self, *more))
    for name in ("TILE", "ROWS", "CHUNK"):
        monkeypatch.setattr(candidates, name, 32)
    judged(True, np.ones((200, 3)), np.arange(200) % 40)
    assert len(seen) == 1


def test_scores_without_records_are_the_same_scores():
    x, y = blobs(8)
    for screened in (False, True):
        whole, scores = judged(screened, x, y, knn=()), judged(screened, x, y, knn=(), records=False)
        assert scores.scores == whole.scores
        assert set(whole.queries) - set(scores.queries) == {"neighbours", "distances"}
    assert "knn@3" in judged(True, x, y, records=False).scores


def test_progress_rises_to_one(monkeypatch):
    for name in ("TILE", "ROWS", "CHUNK"):
        monkeypatch.setattr(candidates, name, 32)
    x, y = blobs(9)
    for options in ({}, {"references": x, "reference_labels": y}, {"distance": "snr"}):
        shares = []
        judged(True, x, y, on_progress=shares.append, block=40, **options)
        assert shares == sorted(shares)
        assert shares[-1] == 1
        assert len(shares) >= 4


def test_distances_on_the_edge_of_a_key_are_left_to_the_full_look_up():
    """All lie where a key is rounded up or down, so that the last bits of a sum decide which (those of a product too: even
    the size of a block may)."""
    rng = np.random.default_rng(0)
    around = rng.normal(size=(150, 6))
    around *= np.sqrt(1 + 2.0**-37) / np.linalg.norm(around, axis=1, keepdims=True)
    x, y = np.vstack([np.zeros((1, 6)), around]), np.arange(151) % 30
    assert asked_in_full(x, y) == 1


@pytest.mark.parametrize("distance", ["euclidean", "cosine", "snr"])
@pytest.mark.parametrize("spread", [0, 1e-5])
def test_copies_in_a_full_look_up_cost_differences_of_their_pairs_alone(spread, distance, monkeypatch):
    x, y = blobs(11, rows=80)
    x = np.repeat(x.astype(np.float64), 5, axis=0)
    x, y = x + spread * np.random.default_rng(0).normal(size=x.shape), np.tile(y, 5)
    with monkeypatch.context() as patch:
        patch.setattr(space.Space, "_from_differences", None)
        pairs = judged(False, x, y, distance=distance)
    monkeypatch.setattr(space, "CROWDED", 1 << 40)
    rows = judged(False, x, y, distance=distance)
    assert (pairs.scores, pairs.ties) == (rows.scores, rows.ties)
    np.testing.assert_array_equal(pairs.queries["neighbours"], rows.queries["neighbours"])


@pytest.mark.parametrize("own", [True, False])
def test_a_row_far_away_takes_no_digits_from_the_others(own):
    x, y = blobs(12, rows=400, width=32)
    x[0] *= 1e6
    others = {} if own else {"references": x[::-1].copy(), "reference_labels": y[::-1].copy()}
    check_same(x, y, **others)
    assert asked_in_full(x, y, **others) <= 4
