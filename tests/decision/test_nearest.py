"""Exact search equals sorting all distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearkin.core import InputError
from nearkin.decision import LINKS, Space, nearest
from nearkin.decision.nearest import References


def sorted_all(space, queries, references, k, groups=None):
    """All distances, sorted by (distance, place), one query at a time."""
    distances, places = np.full((len(queries), k), np.inf), np.full((len(queries), k), -1)
    for row, query in enumerate(queries.astype(np.float32)):
        found = []
        for place, reference in enumerate(references.astype(np.float32)):
            if groups is None or groups[0][row] != groups[1][place]:
                found.append((space.paired(query[None], reference[None])[0], place))
        for rank, (distance, place) in enumerate(sorted(found)[:k]):
            distances[row, rank], places[row, rank] = distance, place
    return distances, places


@pytest.mark.parametrize("name", sorted(LINKS))
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 6), grouped=st.booleans())
def test_search_equals_sorting(name, seed, k, grouped):
    rng = np.random.default_rng(seed)
    references = rng.integers(-2, 3, size=(rng.integers(1, 12), 3)) * rng.choice([1.0, 1e-3])  # many ties
    queries = np.concatenate([references[:2], rng.normal(size=(4, 3))])
    if name == "cosine":  # projected rows have length 1, or are zero
        references, queries = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (references, queries))
    groups = (rng.integers(0, 3, len(queries)), rng.integers(0, 3, len(references))) if grouped else None
    words = {"query_groups": groups[0], "reference_groups": groups[1]} if grouped else {}
    found = nearest(Space(name), queries, references, k, **words)
    distances, places = sorted_all(Space(name), queries, references, k, groups)
    np.testing.assert_array_equal(found.places, places)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12)


def test_near_duplicates_far_from_the_origin_are_told_apart():
    rng = np.random.default_rng(0)
    centre = np.float32(1000) * np.ones(32, np.float32)
    references = (centre + np.float32(1e-3) * rng.normal(size=(500, 32))).astype(np.float32)
    queries = references[:50] + np.float32(1e-4)
    found = nearest(Space(), queries, references, 3)
    _, places = sorted_all(Space(), queries, references, 3)
    np.testing.assert_array_equal(found.places, places)


def test_results_do_not_depend_on_blocks(monkeypatch):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(60, 8))
    whole = nearest(Space("cosine"), rows, rows, 4, query_groups=np.arange(60), reference_groups=np.arange(60))
    import sys

    monkeypatch.setattr(sys.modules["nearkin.decision.nearest"], "PRODUCT", 100)
    parts = nearest(Space("cosine"), rows, rows, 4, query_groups=np.arange(60), reference_groups=np.arange(60))
    np.testing.assert_array_equal(whole.places, parts.places)
    np.testing.assert_array_equal(whole.distances, parts.distances)
    assert not (whole.places == np.arange(60)[:, None]).any()


def test_an_empty_gallery_has_no_neighbours():
    found = nearest(Space(), np.ones((2, 3)), np.ones((0, 3)), 2)
    assert (found.places == -1).all() and np.isinf(found.distances).all()


@pytest.mark.parametrize(
    ("queries", "references", "words", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), {}, "queries have 3 dimensions and references 4"),
        (np.full((1, 3), np.nan), np.ones((2, 3)), {}, "queries hold NaN or infinity, first in row 0"),
        (np.ones(3), np.ones((2, 3)), {}, "queries must have the shape"),
        (np.ones((2, 3)), np.ones((2, 3)), {"query_groups": [0, 1]}, "must be given together"),
        (np.ones((2, 3)), np.ones((2, 3)), {"query_groups": [0], "reference_groups": [0, 1]}, "groups must be of the shapes"),
    ],
)
def test_what_cannot_be_searched_is_told(queries, references, words, message):
    with pytest.raises(InputError, match=message):
        nearest(Space(), queries, references, 1, **words)


def test_references_that_were_measured_once_answer_the_same() -> None:
    draws = np.random.default_rng(3)
    rows, asked = draws.standard_normal((50, 4)).astype(np.float32), draws.standard_normal((7, 4)).astype(np.float32)
    for name in ("euclidean", "cosine", "inner-product"):
        once = nearest(Space(name), asked, References(rows), 5)
        assert np.array_equal(once.places, nearest(Space(name), asked, rows, 5).places)


def test_rows_whose_squares_overflow_in_32_bits_are_told_apart() -> None:
    rows = np.array([[3e19, 0], [1e20, 0], [0, 2e19]], dtype=np.float32)
    assert nearest(Space(), rows, rows, 1).places[:, 0].tolist() == [0, 1, 2]
