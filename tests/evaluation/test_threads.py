"""Threads share the work, and no bit of a result depends on how many there are."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest
import torch

from nearkin.evaluation import Evaluation, candidates, crew, evaluate, neighbours
from nearkin.evaluation.k_means import kmeans

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Several pieces of small sets, and as many threads afterwards as before."""
    for name, value in {"TILE": 32, "ROWS": 64, "CHUNK": 128, "FEWEST": 16}.items():
        monkeypatch.setattr(candidates, name, value)
    monkeypatch.setattr(neighbours, "SMALLEST", 0)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def of_a_later_thread() -> int:
    """How many threads torch has in a thread that begins now."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def blobs(seed: int, rows: int = 330, width: int = 7, classes: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, size=rows)
    return (rng.normal(size=(classes, width))[y] + rng.normal(size=(rows, width))).astype(np.float32), y


def judged(threads: int, *arguments: object, **options: object) -> Evaluation:
    torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return evaluate(*arguments, **{"clustering": False, "knn": (1, 3), **options})


def check_same(*arguments: object, **options: object) -> None:
    one = judged(1, *arguments, **options)
    for threads in (2, 3):
        more = judged(threads, *arguments, **options)
        assert (more.scores, more.ties, more.notes) == (one.scores, one.ties, one.notes)
        for name, column in one.queries.items():
            np.testing.assert_array_equal(more.queries[name], column, err_msg=name)


@pytest.mark.parametrize(
    "kind", ["random", "lattice", "twins", "collapsed", "one huge class", "lone classes", "double"]
)
@pytest.mark.parametrize("distance", ["euclidean", "cosine", "mahalanobis"])
def test_an_evaluation_has_the_same_bits(kind, distance):
    x, y = blobs(0)
    if kind == "lattice":
        x = np.random.default_rng(1).integers(1, 4, size=x.shape).astype(np.float32)
    if kind == "twins":
        x = np.repeat(x[:110], 3, axis=0)
    if kind == "collapsed":
        x = np.full_like(x, 0.1)
    if kind == "one huge class":
        y[:200] = 3  # more relevant references than candidates are for
    if kind == "lone classes":
        y[::2] = 1000 + np.arange(len(y[::2]))
    x = x.astype(np.float64) if kind == "double" else x
    check_same(x, y, distance=distance)
    check_same(x[:150], y[:150], references=x[150:], reference_labels=y[150:], distance=distance)
    check_same(x, y, distance=distance, groups=np.arange(len(y)) % 11, lone="miss")


def test_the_whole_set_is_one_small_piece():
    x, y = blobs(1, rows=20, classes=5)
    check_same(x, y)
    check_same(x[:3], y[:3], references=x, reference_labels=y)


def test_modes_of_the_caller_hold_for_all():
    x, y = blobs(2)
    with torch.inference_mode():
        check_same(torch.from_numpy(x) * 1, y)
    torch.set_num_threads(2)
    with torch.inference_mode(), torch.no_grad():
        modes = crew.share(lambda _: (torch.is_inference_mode_enabled(), torch.is_grad_enabled()), range(3), 2)
    assert modes == [(True, False)] * 3
    with torch.enable_grad():
        assert crew.share(lambda _: torch.is_grad_enabled(), range(3), 2) == [True] * 3


def test_workers_are_alone_and_nobody_else_is():
    torch.set_num_threads(3)
    assert crew.share(lambda _: (torch.get_num_threads(), crew.is_worker()), range(5), 3) == [(1, True)] * 5
    assert (torch.get_num_threads(), of_a_later_thread(), crew.is_worker()) == (3, 3, False)
    assert (crew.workers(CPU), crew.workers(torch.device("cuda"))) == (3, 1)


def test_an_error_in_a_piece_reaches_the_caller(monkeypatch):
    x, y = blobs(3)
    torch.set_num_threads(2)
    offer, working = candidates._Best.offer, []

    def broken(self, tile, query, reference, axis):
        if reference >= 128:
            raise MemoryError("no room for a tile")
        working.append(threading.get_ident())
        offer(self, tile, query, reference, axis)

    monkeypatch.setattr(candidates._Best, "offer", broken)
    with pytest.raises(MemoryError, match="no room for a tile"):
        evaluate(x, y, clustering=False)
    done = len(working)
    assert (torch.get_num_threads(), of_a_later_thread()) == (2, 2)
    monkeypatch.undo()
    monkeypatch.setattr(neighbours, "SMALLEST", 0)
    check_same(x, y)
    assert len(working) == done and threading.get_ident() not in working


def test_the_first_error_in_order_counts_and_pieces_behind_it_are_left_out():
    begun = []

    def work(piece: int) -> None:
        begun.append(piece)
        threading.Event().wait(0.01)
        raise ValueError(f"piece {piece}")

    with pytest.raises(ValueError, match="piece 0"):
        crew.share(work, range(300), 2)
    assert len(begun) < 300


def test_an_interruption_leaves_no_thread_at_work(monkeypatch):
    finished, begun = [], threading.Event()

    def work(piece: int) -> int:
        begun.set()
        threading.Event().wait(0.05)
        finished.append(piece)
        return piece

    def interrupted(futures):
        begun.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(crew, "_results", interrupted)
    with pytest.raises(KeyboardInterrupt):
        crew.share(work, range(50), 2)
    count = len(finished)
    threading.Event().wait(0.15)
    assert len(finished) == count <= 4


def test_progress_is_told_in_the_caller_thread_with_its_own_number_of_threads():
    x, y = blobs(4)
    torch.set_num_threads(2)
    told = []
    evaluate(
        x,
        y,
        clustering=False,
        on_progress=lambda share: told.append((share, threading.current_thread(), torch.get_num_threads())),
    )
    assert [share for share, *_ in told] == sorted(share for share, *_ in told) and told[-1][0] == 1
    assert {(thread, number) for _, thread, number in told} == {(threading.current_thread(), 2)}


@pytest.mark.parametrize("kind", ["blobs", "lattice", "few distinct", "far"])
def test_kmeans_has_the_same_bits(kind):
    x, _ = blobs(5, rows=900, classes=70)
    if kind == "lattice":
        x = np.random.default_rng(1).integers(0, 3, size=x.shape).astype(np.float32)
    if kind == "few distinct":
        x = np.repeat(x[:50], 18, axis=0)  # fewer distinct points than clusters: some run empty
    if kind == "far":
        x[:450] += 1e5
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(kmeans(x, 70, restarts=2, rounds=20))
    for one, *others in zip(*found):
        for other in others:
            assert (one.inertia, one.rounds, one.converged) == (other.inertia, other.rounds, other.converged)
            np.testing.assert_array_equal(one.assignments, other.assignments)
            np.testing.assert_array_equal(one.centres, other.centres)
