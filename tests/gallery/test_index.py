"""Search is exact up to a size; the index beyond it finds at least the share of neighbours that was measured."""

from __future__ import annotations

import numpy as np
import pytest

from gallery.made import entry, store_in
from nearkin.core import InputError, MissingExtra
from nearkin.decision import Space, nearest
from nearkin.gallery import Entry, Store, index, searcher, searching

WIDTH = 16
ROWS = 3000


def rows(count: int, seed: int) -> np.ndarray:
    """Drawings of 60 styles, not evenly spread: neighbours exist."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).standard_normal((60, WIDTH))
    return (centres[rng.integers(0, 60, count)] + 0.3 * rng.standard_normal((count, WIDTH))).astype(np.float32)


def entries(vectors: np.ndarray, first: int = 0) -> list[Entry]:
    return [Entry(f"{number:064x}", f"label {number % 50}", vector) for number, vector in enumerate(vectors, first)]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large") / "g"
    store = Store.create(folder, dimension=WIDTH, space=Space("euclidean"), fingerprint="model 1")
    store.add(entries(rows(ROWS, 0)))
    return folder


@pytest.fixture
def small_threshold(monkeypatch):
    monkeypatch.setattr(searcher, "INDEX_FROM", 1000)


@pytest.mark.parametrize("name", ["euclidean", "cosine", "inner-product", "snr"])
def test_search_is_exact_by_default(tmp_path, name):
    vectors = rows(200, 1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    store = Store.create(tmp_path / "g", dimension=WIDTH, space=Space(name), fingerprint="model 1")
    store.add(entries(vectors))
    asked = rows(9, 2)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    found = store.search(asked, 5)
    true = np.argsort(Space(name).distances(asked, vectors), axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(found.places, true)
    assert (found.exact, found.recall, found.note) == (True, None, "")


def test_without_an_index_a_large_gallery_is_searched_exactly_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(searcher, "INDEX_FROM", 10)
    store = store_in(tmp_path / "g", {number: "cat" for number in range(20)})
    assert store.search(np.zeros((1, 8), np.float32), 3).note == searcher.MISSING
    with pytest.raises(InputError, match="Euclidean"):
        store_in(tmp_path / "h", {1: "cat"}, space="inner-product").build_index()
    other = store_in(tmp_path / "i", {number: "cat" for number in range(20)}, space="inner-product")
    assert other.search(np.zeros((1, 8), np.float32), 3).note == searcher.ORDER
    assert not other.index_is_due()


@pytest.mark.parametrize(
    ("found", "probes"),
    [
        ({8: (1, 1)}, 8),
        ({8: (0.97, 0.9), 16: (0.99, 0.9), 32: (1, 1)}, 32),  # more is cheap
        ({8: (0.9, 0.5), 16: (0.98, 0.9), 32: (0.98, 0.9), 64: (0.98, 0.9), 128: (0.98, 0.9)}, 128),  # more is dear
        ({2**n: (0.97, 0.95) for n in range(3, 11)}, 1024),  # never less in the mean
        ({2**n: (0.99, 0.8) for n in range(3, 11)}, 1024),  # nor for the worst
    ],
)
def test_more_lists_are_probed_until_recall_is_high_or_dear(monkeypatch, found, probes):
    def shares(made, *_):
        mean, fifth = found[made.recall.probes]
        low = np.full(100, float(fifth))
        low[10:] += (mean - fifth) / 0.9
        return low

    monkeypatch.setattr(index, "_shares", shares)
    vectors = rows(100, 0)
    made = index.Index(None, np.arange(100), index.Recall(0.0, 0.0, 100, 4, 1024, 100, 1, 0))
    measured = index._measured(made, vectors, np.arange(100))
    assert measured.probes == probes
    assert (measured.mean, measured.fifth) == pytest.approx(found[probes])


class TestWithFaiss:
    """What needs the extra `index`."""

    @pytest.fixture(autouse=True)
    def faiss(self):
        pytest.importorskip("faiss", reason="faiss is not installed (pip install 'nearkin[index]')")

    def test_recall_is_what_was_measured(self, large, small_threshold):
        store = Store.open(large, write=True)
        assert store.recall() is None
        assert store.index_is_due()
        said = []
        recall = store.build_index(seed=3, on_progress=said.append)
        assert store.recall() == recall
        assert not store.index_is_due()
        assert len(said) == 3
        assert recall.mean >= 0.98
        assert 0.9 <= recall.fifth <= 1
        assert (recall.rows, recall.revision, recall.queries) == (ROWS, 1, 500)
        asked = rows(100, 5)
        found, exact = store.search(asked, 10), store.search(asked, 10, exact=True)
        assert (found.exact, exact.exact, found.recall) == (False, True, recall.mean)
        shares = [len(set(a) & set(b)) / 10 for a, b in zip(found.places, exact.places, strict=True)]
        assert np.mean(shares) >= 0.97
        same = found.places == exact.places
        np.testing.assert_array_equal(found.distances[same], exact.distances[same])  # decided in float64
        assert store.build_index(seed=3) == recall

    def test_newer_images_are_scanned_and_removed_ones_passed_over(self, tmp_path, monkeypatch):
        monkeypatch.setattr(searcher, "INDEX_FROM", 1000)
        vectors = rows(1500, 0)
        store = Store.create(tmp_path / "g", dimension=WIDTH, space=Space("euclidean"), fingerprint="model 1")
        store.add(entries(vectors))
        store.build_index()
        store.add(entries(rows(200, 9), first=2000))
        store.remove(label="label 7")
        asked = rows(200, 9)[:20]
        found, exact = Store.open(tmp_path / "g").search(asked, 5), store.search(asked, 5, exact=True)
        assert not found.exact
        np.testing.assert_array_equal(found.places[:, 0], exact.places[:, 0])  # each is a newer image itself
        assert "label 7" not in found.snapshot.enrolled.names
        store.add(entries(rows(600, 11), first=5000))
        stale = store.search(asked, 5)
        assert (stale.exact, stale.note) == (True, searching.STALE)
        assert store.index_is_due()
        store.purge(label="label 8")
        assert store.recall() is None
        assert list((tmp_path / "g" / "cache").glob("index*")) == []

    def test_a_damaged_index_is_not_used(self, tmp_path, monkeypatch):
        monkeypatch.setattr(searcher, "INDEX_FROM", 100)
        store = Store.create(tmp_path / "g", dimension=WIDTH, space=Space("euclidean"), fingerprint="model 1")
        store.add(entries(rows(300, 0)))
        store.build_index()
        (file,) = (tmp_path / "g" / "cache").glob("index-*.faiss")
        file.write_bytes(file.read_bytes()[:-1] + b"\x55")
        found = Store.open(tmp_path / "g").search(rows(1, 1), 3)
        assert (found.exact, found.note) == (True, searcher.MISSING)

    def test_recall_is_measured_against_exact_search(self, monkeypatch):
        """An index that finds nothing has recall 0, however many lists it probes."""
        vectors = rows(300, 0)
        monkeypatch.setattr(index.Index, "candidates", lambda self, queries, count: np.full((len(queries), 1), -1))
        found = index.built(vectors, np.arange(300), revision=1).recall
        assert (found.mean, found.fifth) == (0.0, 0.0)

    def test_shares_are_those_of_a_plain_count(self):
        vectors, asked = rows(400, 0), np.arange(0, 400, 8)
        built = index.built(vectors, np.arange(400), revision=1)
        object.__setattr__(built.recall, "probes", 1)
        found = built.candidates(vectors[asked], index.wanted(10) + 1)
        exact = nearest(
            Space(), vectors[asked], vectors, 10, query_groups=asked, reference_groups=np.arange(400)
        ).places
        plain = [len(set(a) & set(b)) / 10 for a, b in zip(found.tolist(), exact.tolist(), strict=True)]
        distances = nearest(
            Space("squared-euclidean"), vectors[asked], vectors, 10, query_groups=asked, reference_groups=np.arange(400)
        ).distances
        np.testing.assert_allclose(index._shares(built, vectors, asked, distances), plain)
        assert min(plain) < 1


def test_without_faiss_search_is_exact_with_a_note(tmp_path, monkeypatch):
    monkeypatch.setattr(searcher, "INDEX_FROM", 10)
    store = store_in(tmp_path / "g", {number: "cat" for number in range(20)})

    def missing(*_: object) -> None:
        raise MissingExtra("faiss")

    monkeypatch.setattr(searcher, "load", missing)
    found = store.search(np.stack([entry(3).vector]), 1)
    assert (found.exact, found.note, found.places.tolist()) == (True, searcher.LACKING, [[3]])
    assert not store.index_is_due()
