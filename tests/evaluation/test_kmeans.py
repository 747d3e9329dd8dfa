"""k-means: greedy starts and Lloyd's rounds equal the scalar loops; seeds repeat; empty clusters move."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nearkin.core import InputError, derived_seed
from nearkin.evaluation import cluster, evaluate, kmeans
from nearkin.evaluation.assignment import Assigned, nearest_centres
from nearkin.evaluation.centred import Centred
from nearkin.evaluation.lloyd import _fill_empty, _means, ask_again, lloyd
from nearkin.evaluation.starts import draw, greedy_starts
from oracles import clustering as oracle


def blobs(seed: int, centres: int = 5, rows: int = 120, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(rows) % centres)
    return rng.normal(size=(centres, 4))[labels] * 3 + spread * rng.normal(size=(rows, 4)), labels


@pytest.mark.parametrize("clusters", [2, 5, 9])
@pytest.mark.parametrize("seed", range(4))
def test_starts_and_rounds_equal_the_scalar_loops(seed, clusters):
    x, _ = blobs(seed, rows=60, spread=2.0)
    expected = oracle.starts(x.tolist(), clusters, np.random.default_rng(derived_seed(seed, "k-means", 0)))
    rng = np.random.default_rng(derived_seed(seed, "k-means", 0))
    chosen = greedy_starts(Centred(torch.from_numpy(x)), clusters, rng)
    assert chosen.tolist() == expected
    assignments, centres = oracle.lloyd(x.tolist(), x[expected].tolist())
    (found,) = kmeans(x, clusters, restarts=1, seed=seed)
    assert found.assignments.tolist() == assignments
    np.testing.assert_allclose(found.centres, centres, atol=1e-12)
    assert found.inertia == pytest.approx(sum(oracle.squared(p, centres[a]) for p, a in zip(x, assignments)))
    assert found.converged


def test_the_same_seed_gives_the_same_bits_and_the_global_state_stays():
    x, _ = blobs(0, spread=2.0)
    before = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    first, second, other = (kmeans(x, 7, restarts=3, seed=seed) for seed in (1, 1, 2))
    assert before == (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.assignments, b.assignments)
        np.testing.assert_array_equal(a.centres, b.centres)
    assert first[0].inertia != other[0].inertia
    drawn = [kmeans(x, 7, restarts=1, seed=np.random.default_rng(5))[0].inertia for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_restarts_come_by_inertia_and_more_of_them_are_never_worse():
    x, _ = blobs(3, centres=9, rows=90, spread=1.0)
    few, many = kmeans(x, 9, restarts=2, seed=0), kmeans(x, 9, restarts=8, seed=0)
    inertia = [each.inertia for each in many]
    assert inertia == sorted(inertia)
    assert inertia[0] <= few[0].inertia
    assert {each.inertia for each in few} <= set(inertia)


def test_planted_blobs_are_found_whatever_their_place():
    x, labels = blobs(1)
    for points in (x, x + 1e5, torch.from_numpy(x.astype(np.float32))):
        found = cluster(points, labels, seed=0)
        assert found.scores == {"nmi": pytest.approx(1), "ami": pytest.approx(1), "pairwise-f1": 1}


def test_inertia_is_no_worse_than_scikit_learns():
    sklearn = pytest.importorskip("sklearn.cluster")
    x, _ = blobs(5, centres=8, rows=400, spread=1.5)
    theirs = sklearn.KMeans(8, n_init=10, random_state=0).fit(x).inertia_
    assert kmeans(x, 8, seed=0)[0].inertia <= theirs * 1.01


def test_candidates_are_drawn_in_proportion_to_their_weights():
    weights = np.array([0.0, 1.0, 0.0, 3.0, 0.0])
    drawn = np.bincount(draw(weights, 40_000, np.random.default_rng(0)), minlength=5) / 40_000
    assert drawn == pytest.approx([0, 0.25, 0, 0.75, 0], abs=0.01)
    drawn = np.bincount(draw(np.zeros(4), 40_000, np.random.default_rng(0))) / 40_000
    assert drawn == pytest.approx([0.25] * 4, abs=0.01)


def test_the_ends_of_the_unit_interval_draw_points_that_have_a_weight():
    class Ends:
        def random(self, number: int) -> np.ndarray:
            return np.array([0.0, 1.0])

    weights = np.array([0.0, 1.0, 0.0, 3.0, 0.0])
    assert draw(weights, 2, Ends()).tolist() == [1, 3]


def test_greedy_starts_leave_less_than_uniform_ones():
    x, _ = blobs(7, centres=10, rows=300, spread=0.1)
    points = torch.from_numpy(x)

    def left(chosen: np.ndarray) -> float:
        return float(torch.cdist(points, points[chosen]).amin(1).square().sum())

    rng = np.random.default_rng(0)
    greedy = np.mean([left(greedy_starts(Centred(points), 10, rng)) for _ in range(20)])
    uniform = np.mean([left(rng.choice(300, 10, replace=False)) for _ in range(20)])
    assert greedy < uniform / 10


def test_an_empty_cluster_takes_the_point_farthest_from_its_centre():
    x = torch.tensor([[0.0], [1.0], [2.0], [9.0], [50.0]], dtype=torch.float64)
    found = Assigned(torch.tensor([0, 0, 0, 0, 3]), torch.zeros(5), torch.ones(5))
    _fill_empty(x, torch.tensor([[1.0], [70.0], [80.0], [20.0]], dtype=torch.float64), found)
    assert found.centre.tolist() == [2, 0, 0, 1, 3]  # the lone point of cluster 3 stays, though farther
    assert (found.upper == torch.inf).tolist() == [True, False, False, True, False]  # to be asked in the next round


def test_clusters_that_are_empty_are_filled_in_the_first_round_already(monkeypatch):
    """All starts on one point: without filling, nearly all clusters would be empty after one round."""
    import nearkin.evaluation.k_means as module

    x, _ = blobs(1)
    monkeypatch.setattr(module, "greedy_starts", lambda points, count, rng: np.zeros(count, dtype=np.int64))
    (found,) = kmeans(x, 5, restarts=1, rounds=1)
    assert set(found.assignments.tolist()) == set(range(5))


def test_more_clusters_than_distinct_points_leave_some_empty():
    x = np.repeat(np.array([[0.0], [1.0]]), 3, axis=0)
    (found,) = kmeans(x, 4, restarts=1)
    assert found.inertia == 0
    assert len(set(found.assignments.tolist())) == 2
    collapsed = cluster(np.ones((6, 2)), np.arange(6) % 3)
    assert collapsed.scores["nmi"] == 0


@pytest.mark.parametrize(("distinct", "clusters"), [(5, 20), (50, 60), (7, 90)])
def test_copies_of_fewer_points_than_clusters_stay_together_from_the_first_round(distinct, clusters):
    x = np.tile(np.random.default_rng(distinct).normal(size=(distinct, 8)) * 3 + 1, (30, 1))
    for seed in range(3):
        (found,) = kmeans(x, clusters, restarts=1, seed=seed)
        assert (found.rounds, found.converged, found.inertia) == (2, True, 0)
        assert len(set(found.assignments.tolist())) == distinct
        assert (found.assignments.reshape(30, distinct) == found.assignments[:distinct]).all()


def test_as_many_clusters_as_points_give_every_point_its_own():
    x = np.random.default_rng(0).normal(size=(9, 2))
    (found,) = kmeans(x, 9, restarts=1)
    assert sorted(found.assignments.tolist()) == list(range(9))
    assert found.inertia == pytest.approx(0)


def test_one_round_that_is_not_enough_says_so():
    x, _ = blobs(2, rows=200, spread=3.0)
    (found,) = kmeans(x, 6, restarts=1, rounds=1)
    assert (found.rounds, found.converged) == (1, False)


def test_the_scores_of_every_restart_are_reported():
    x, labels = blobs(4, centres=8, rows=160, spread=2.5)
    found = evaluate(x, labels, restarts=4, seed=3).clustering
    assert len(found.restarts) == 4
    inertia = [each["inertia"] for each in found.restarts]
    assert inertia == sorted(inertia)
    assert inertia[0] == found.best.inertia < inertia[-1]
    assert {name: found.restarts[0][name] for name in found.scores} == found.scores
    nmi = [each["nmi"] for each in found.restarts]
    assert (found.spread["nmi"].low, found.spread["nmi"].high) == (min(nmi), max(nmi))
    assert found.spread["nmi"].low < found.spread["nmi"].high


def test_what_was_clustered_is_said_and_done():
    x, labels = blobs(6)
    x = x * np.random.default_rng(0).uniform(0.1, 10, size=(len(x), 1))
    plain, cosine = (evaluate(x, labels, distance=name) for name in ("euclidean", "cosine"))
    assert plain.clustering.what == "k-means with 5 clusters on the embeddings, 10 restarts, the one of lowest inertia"
    assert cosine.clustering.what.startswith("k-means with 5 clusters on the embeddings as Cosine() projects them")
    assert cosine.notes[-1] == cosine.clustering.what
    units = evaluate(x / np.linalg.norm(x, axis=1, keepdims=True), labels)
    assert cosine.scores["nmi"] == units.scores["nmi"] > plain.scores["nmi"]
    product = evaluate(x, labels, distance="inner-product")
    assert "k-means is Euclidean there, the distance is not" in product.clustering.what
    assert product.scores["nmi"] == plain.scores["nmi"]


def test_impossible_requests_are_refused():
    x = np.zeros((3, 2))
    with pytest.raises(InputError, match="cannot make 4 clusters of 3 points"):
        kmeans(x, 4)
    with pytest.raises(InputError, match="restarts must be a whole number of at least 1"):
        kmeans(x, 2, restarts=0)
    with pytest.raises(InputError, match="points holds NaN or infinity in 1 of 3 rows, first in row 1"):
        kmeans(np.array([[0.0], [np.nan], [1.0]]), 2)


def test_accepted_draws_follow_the_weights_of_their_own_step():
    """The second and third of three starts have the chances of the plain method, draws by the present weights."""
    x = np.array([[0.0], [1.0], [3.0], [7.0]])
    points, rng = Centred(torch.from_numpy(x)), np.random.default_rng(0)
    drawn, plain = np.zeros((4, 4)), np.zeros((4, 4))

    def best(chosen: list[int], candidates: list[int]) -> int:
        left = [sum(min((a - x[c, 0]) ** 2 for c in [*chosen, each]) for a in x[:, 0]) for each in candidates]
        return candidates[left.index(min(left))]

    for _ in range(6000):
        _, *own = greedy_starts(points, 3, rng).tolist()
        drawn[tuple(own)] += 1
        chosen = [int(rng.integers(4))]
        while len(chosen) < 3:
            weights = ((x - x[chosen, 0]) ** 2).min(1)
            chosen.append(best(chosen, rng.choice(4, 3, p=weights / weights.sum()).tolist()))
        plain[tuple(chosen[1:])] += 1
    assert drawn / 6000 == pytest.approx(plain / 6000, abs=0.03)


KINDS = ["random", "lattice", "tight blobs", "far", "equal centres", "scales"]


def made(kind: str, count: int) -> tuple[Centred, torch.Tensor]:
    """400 points, and `count` of them as centres."""
    rng = np.random.default_rng(1)
    x, _ = blobs(2, rows=400, spread=1e-4 if kind == "tight blobs" else 1.0)
    x = x.round() if kind == "lattice" else x + 1e6 * (kind == "far")
    x = x * np.exp(9 * rng.normal(size=(400, 1))) if kind == "scales" else x
    points = Centred(torch.from_numpy(x))
    centres = points.rows[torch.from_numpy(rng.integers(0, 400, size=count))]
    centres[3] = centres[11] if kind == "equal centres" else centres[3]
    return points, centres


def check(points: Centred, centres: torch.Tensor, found: Assigned, kind: str, chosen: object = slice(None)) -> None:
    """The nearest centres, and bounds that hold."""
    truth = (points.rows[chosen][:, None] - centres).square().sum(2)
    slack = 1e-13 * truth.amax()
    assert (truth.gather(1, found.centre[:, None])[:, 0] - truth.amin(1) <= slack).all()
    if kind in ("random", "lattice", "equal centres"):
        torch.testing.assert_close(found.centre, truth.argmin(1))
    truth = truth * points.scale**2
    others = truth.scatter(1, found.centre[:, None], torch.inf).amin(1)
    assert (truth.gather(1, found.centre[:, None])[:, 0] <= found.upper**2 + slack).all()
    assert (found.lower**2 <= others + slack).all()


@pytest.mark.parametrize("count", [20, 70])
@pytest.mark.parametrize("kind", KINDS)
def test_centres_are_compared_as_exactly_as_differences_are(kind, count):
    points, centres = made(kind, count)
    check(points, centres, nearest_centres(points, centres), kind)
    chosen = torch.arange(0, 400, 3)
    check(points, centres, nearest_centres(points, centres, chosen), kind, chosen)


@pytest.mark.parametrize("far", [0, 3, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_bounds_hold_and_find_the_nearest_after_centres_have_moved(kind, far):
    """Round after round all centres move a little, `far` of them much: the bounds come from bounds."""
    points, centres = made(kind, 100)
    found, size = nearest_centres(points, centres), float(points.rows.norm(dim=1).median())
    generator = torch.Generator().manual_seed(0)
    for _ in range(6):
        moves = 1e-3 * size * torch.randn(centres.shape, generator=generator, dtype=torch.float64)
        moves[torch.randperm(100, generator=generator)[:far]] *= 300
        moves[torch.randperm(100, generator=generator)[:40]] = 0
        centres = centres + moves
        found = ask_again(points, found, centres, moves.norm(dim=1) * points.scale)
        check(points, centres, found, kind)


def test_later_rounds_ask_few_points(monkeypatch):
    import nearkin.evaluation.lloyd as module

    asked = []

    def counted(points, centres, chosen=None):
        asked.append(len(points) if chosen is None else len(chosen))
        return nearest_centres(points, centres, chosen)

    monkeypatch.setattr(module, "nearest_centres", counted)
    x, _ = blobs(3, centres=80, rows=2000, spread=0.5)
    points = Centred(torch.from_numpy(x))
    run = lloyd(points, points.rows[:80].clone(), 300)
    assert run.converged and asked[0] == 2000
    assert np.mean(asked[5:]) < 500


@pytest.mark.parametrize("scale", [1.0, 1e3, 1e8])
def test_a_point_far_away_makes_no_others_unsure(scale, monkeypatch):
    import nearkin.evaluation.assignment as module

    unsure, own = [], module._decided
    monkeypatch.setattr(module, "_decided", lambda s, names, *more: unsure.append(len(names)) or own(s, names, *more))
    x, _ = blobs(3, centres=30, rows=600, spread=0.5)
    x[0] *= scale
    (found,) = kmeans(x, 30, restarts=1)
    assert found.converged and sum(unsure) < 10
    assert (found.assignments == found.assignments[0]).sum() < (2 if scale > 1 else 600)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_means_of_clusters_that_stayed_are_not_made_again(share):
    rng = np.random.default_rng(0)
    x, last = torch.from_numpy(rng.normal(size=(300, 3))), torch.from_numpy(rng.integers(0, 30, 300))
    points = Centred(x)
    x = points.rows
    before = _means(points, last, torch.zeros(31, 3, dtype=torch.float64), None)
    after = torch.where(torch.from_numpy(rng.random(300) < share) & (last < 30 * share), (last + 1) % 30, last)
    found = _means(points, after, before, last)
    for number in range(30):
        torch.testing.assert_close(found[number], x[after == number].mean(0), atol=1e-14, rtol=0)
    assert torch.equal(found[30], torch.zeros(3, dtype=torch.float64))


def test_points_on_a_centre_are_not_drawn_while_others_are_left():
    x = np.repeat(np.random.default_rng(0).normal(size=(8, 3)) * 1e-3 + 5, 6, axis=0).astype(np.float32)
    for seed in range(10):
        chosen = greedy_starts(Centred(torch.from_numpy(x).double()), 8, np.random.default_rng(seed))
        assert len(set((chosen // 6).tolist())) == 8
