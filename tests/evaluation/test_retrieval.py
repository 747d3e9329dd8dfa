"""Recall@K, R-precision and MAP@R equal the scalar loops, for every distance, with and without ties."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluation.cases import CASES, DISTANCES, Case, distances, oracle, random_case, tied_case
from nearkin.distances import Distance
from nearkin.evaluation import Evaluation, evaluate
from oracles.arithmetic import real
from oracles.distances import matrix, near_cosine
from oracles.retrieval import Oracle

KS = (1, 2, 4, 8)
COLUMNS = (*(f"hit@{k}" for k in KS), "r-precision", "ap@r")


def quietly(*arguments: object, **options: object) -> Evaluation:
    """`evaluate` without clustering and without the warning about ties."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return evaluate(*arguments, **{"clustering": False, "knn": (), "at": KS, **options})


def score_name(column: str) -> str:
    return {"ap@r": "map@r"}.get(column, column.replace("hit", "recall"))


def check(found: Evaluation, truth: Oracle, lone: str = "exclude", macro: bool = False) -> None:
    for column in COLUMNS:
        for i, value in enumerate(found.queries[column]):
            if not truth.relevant[i] and lone == "exclude":
                assert np.isnan(value)
            else:
                assert value == pytest.approx(truth.scores[i][column], abs=1e-12), (column, i)
        name = score_name(column)
        assert found.scores[name] == pytest.approx(truth.mean(column, lone=lone, macro=macro), abs=1e-12)
        bounds = found.ties.bounds[name]
        assert bounds.low == pytest.approx(truth.mean(column, truth.low, lone, macro), abs=1e-12), name
        assert bounds.high == pytest.approx(truth.mean(column, truth.high, lone, macro), abs=1e-12), name
    assert found.scores["precision@1"] == found.scores["recall@1"]
    assert found.queries["relevant"].tolist() == truth.relevant


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("name", DISTANCES)
def test_scores_bounds_and_neighbours_equal_the_scalar_loops(name, kind, seed):
    case = CASES[kind](seed)
    truth = oracle(name, case, ks=KS)
    found = quietly(case.x, case.y, distance=name)
    check(found, truth)
    d = distances(name, case.x)
    for i, order in enumerate(truth.orders):
        assert found.queries["neighbours"][i].tolist() == order[:10]
        assert found.queries["distances"][i] == pytest.approx([d[i][j] for j in order[:10]], abs=1e-11)


@pytest.mark.parametrize("block", [1, 2, 5, 100])
@pytest.mark.parametrize("name", DISTANCES)
def test_blocks_change_nothing(name, block):
    case = tied_case(7)
    whole, cut = quietly(case.x, case.y, distance=name), quietly(case.x, case.y, distance=name, block=block)
    for column, values in whole.queries.items():
        np.testing.assert_array_equal(values, cut.queries[column], err_msg=column)
    assert whole.scores == cut.scores
    assert whole.ties == cut.ties


def test_the_tied_cases_have_ties_and_the_asymmetric_distance_is_asymmetric():
    truths = [oracle("euclidean", tied_case(seed), ks=KS) for seed in range(4)]
    assert all(truth.mean("ap@r", truth.low) < truth.mean("ap@r") < truth.mean("ap@r", truth.high) for truth in truths)
    case = random_case(0)
    d = np.array(distances("snr", case.x))
    backwards = Oracle(d.T.tolist(), case.y.tolist(), case.y.tolist(), ks=KS)
    assert oracle("snr", case, ks=KS).mean("ap@r") != backwards.mean("ap@r")


def test_eight_lattice_points_score_as_worked_out_by_hand():
    x = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [2, 0, 0], [0, 2, 0], [-1, 0, 0]], float)
    scores = quietly(x, [0, 0, 0, 1, 1, 2, 2, 1]).scores
    expected = {"recall@1": 0.375, "recall@2": 0.375, "recall@4": 0.625, "r-precision": 0.25, "map@r": 0.25}
    assert {name: scores[name] for name in expected} == expected


def test_references_answer_instead_and_nobody_is_excluded_without_ids():
    queries, gallery = tied_case(1), tied_case(2)
    for name in DISTANCES:
        d = distances(name, queries.x, gallery.x)
        truth = Oracle(d, queries.y.tolist(), gallery.y.tolist(), excluded=lambda i, j: False, ks=KS)
        found = quietly(queries.x, queries.y, distance=name, references=gallery.x, reference_labels=gallery.y)
        check(found, truth)


@pytest.mark.parametrize("words", [False, True])
def test_rows_with_equal_ids_are_one_sample(words):
    queries, gallery = tied_case(3), tied_case(4)
    rng = np.random.default_rng(0)
    ids, others = rng.integers(0, 12, size=len(queries.x)), rng.integers(0, 12, size=len(gallery.x))
    d = distances("snr", queries.x, gallery.x)
    truth = Oracle(d, queries.y.tolist(), gallery.y.tolist(), excluded=lambda i, j: ids[i] == others[j], ks=KS)
    name = (lambda values: [f"image {v}" for v in values]) if words else (lambda values: values)
    options = {"references": gallery.x, "reference_labels": gallery.y, "reference_ids": name(others)}
    check(quietly(queries.x, queries.y, distance="snr", ids=name(ids), **options), truth)
    truth = Oracle(
        distances("snr", queries.x), queries.y.tolist(), queries.y.tolist(), lambda i, j: ids[i] == ids[j], ks=KS
    )
    check(quietly(queries.x, queries.y, distance="snr", ids=name(ids)), truth)


@pytest.mark.parametrize("kind", CASES)
def test_a_query_ignores_its_own_group(kind):
    case = CASES[kind](5)
    groups = np.random.default_rng(1).integers(0, 4, size=len(case.x))
    truth = oracle("euclidean", case, excluded=lambda i, j: groups[i] == groups[j], ks=KS)
    found = quietly(case.x, case.y, groups=torch.from_numpy(groups))
    check(found, truth)
    for i, order in enumerate(truth.orders):
        filled = [*order[:10], *[-1] * (10 - len(order))]
        assert found.queries["neighbours"][i].tolist() == filled
        assert np.isnan(found.queries["distances"][i]).tolist() == [j < 0 for j in filled]


def test_ids_and_groups_may_exclude_the_same_pair():
    queries, gallery = tied_case(6), tied_case(8)
    rng = np.random.default_rng(2)
    ids, others, groups, places = (rng.integers(0, n, size=len(queries.x)) for n in (9, 9, 4, 4))
    truth = Oracle(
        distances("euclidean", queries.x, gallery.x),
        queries.y.tolist(),
        gallery.y.tolist(),
        excluded=lambda i, j: ids[i] == others[j] or groups[i] == places[j],
        ks=KS,
    )
    found = quietly(
        queries.x,
        queries.y,
        ids=ids,
        groups=groups,
        references=gallery.x,
        reference_labels=gallery.y,
        reference_ids=others,
        reference_groups=places,
    )
    check(found, truth)


@pytest.mark.parametrize("macro", [False, True])
@pytest.mark.parametrize("lone", ["exclude", "miss"])
@pytest.mark.parametrize("kind", CASES)
def test_lone_queries_are_left_out_or_missed_and_stay_references(kind, lone, macro):
    case = CASES[kind](9)
    found = quietly(case.x, case.y, lone=lone, macro=macro)
    check(found, oracle("euclidean", case, ks=KS), lone, macro)
    assert found.lone == 2
    assert "2 of 18 queries have no relevant reference" in found.notes[0]
    lonely = np.flatnonzero(found.queries["relevant"] == 0)
    assert np.isin(found.queries["neighbours"], lonely).any()


def test_a_twin_is_a_neighbour_and_oneself_is_not():
    x = np.repeat(np.random.default_rng(0).normal(size=(6, 3)), 2, axis=0).astype(np.float32)
    found = quietly(x, np.arange(12) // 2)
    assert found.queries["neighbours"][:, 0].tolist() == [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10]
    assert (found.queries["distances"][:, 0] == 0).all()
    assert found.scores["map@r"] == 1.0


@pytest.mark.parametrize("name", ["euclidean", "squared-euclidean", "cosine", "snr"])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_near_duplicates_in_float32_are_ranked_by_what_they_are(name, offset):
    rng = np.random.default_rng(0)
    groups = np.repeat(rng.normal(size=(5, 6)) + offset, 8, axis=0)
    x = (groups + 1e-4 * rng.normal(size=groups.shape)).astype(np.float32)
    case = Case(x.astype(np.float64), rng.integers(0, 3, size=40))
    truth = Oracle(distances_exact(name, case.x), case.y.tolist(), case.y.tolist(), ks=KS)
    found = quietly(x, case.y, distance=name)
    assert [row[:10] for row in truth.orders] == found.queries["neighbours"].tolist()
    check(found, truth)


def distances_exact(name: str, x: np.ndarray) -> list[list[float]]:
    """Without rounding; the cosine as |u - v|^2 / 2, because 1 - cos has no digits left here."""
    rows = matrix(near_cosine if name == "cosine" else name, x.tolist(), x.tolist())
    return [[real(d) for d in row] for row in rows]


@pytest.mark.parametrize("name", ["cosine", "inner-product", "euclidean"])
def test_ties_on_paper_are_ties_whatever_the_rounding(name):
    rng = np.random.default_rng(3)
    codes = rng.choice([-1.0, 1.0], size=(60, 12)) / np.sqrt(12)
    y = rng.integers(0, 5, size=60)
    agreements = (codes @ codes.T * 12).round().astype(int)
    truth = Oracle((-agreements).tolist(), y.tolist(), y.tolist(), ks=KS)
    check(quietly(codes, y, distance=name), truth)


def test_parallel_rows_are_the_same_row_to_the_cosine():
    base = np.random.default_rng(5).normal(size=(6, 5))
    x = np.concatenate([base * scale for scale in (1.0, 3.0, 0.1, 7.0)])
    y = np.random.default_rng(6).integers(0, 3, size=24)
    found = quietly(x, y, distance="cosine", knn=(3,))
    for i, near in enumerate(found.queries["neighbours"]):
        twins = [j for j in range(24) if j % 6 == i % 6 and j != i]
        assert near[:3].tolist() == twins
        assert (found.queries["distances"][i, :3] == 0).all()
        assert found.queries["distances"][i, 3] > 0


def test_a_network_collapsed_to_one_point_is_not_scored_in_silence():
    y = np.repeat(np.arange(4), 5)
    with pytest.warns(UserWarning, match="20 of 20 queries have equal distances at the cut"):
        found = evaluate(np.ones((20, 3), dtype=np.float32), y, clustering=False)
    assert found.ties.queries == found.ties.at_cut == 20
    assert (found.ties.bounds["recall@1"].low, found.ties.bounds["recall@1"].high) == (0, 1)
    assert (found.ties.bounds["map@r"].low, found.ties.bounds["map@r"].high) == (0, 1)
    assert any("recall@1 lies between 0.0000 and 1.0000" in note for note in found.notes)


def test_few_ties_at_the_cut_are_noted_without_a_warning():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(400, 3)), np.arange(400) % 4
    x[1], x[2] = x[0], x[0]  # of classes 0, 1 and 2: whoever is nearest to them meets a tie
    found = evaluate(x, y, clustering=False)
    assert 0 < found.ties.at_cut <= 4
    assert any("equal distances leave the order of" in note for note in found.notes)


def test_ties_within_a_class_matter_to_nobody():
    x = np.repeat(np.array([[0.0], [1.0], [3.0]]), 4, axis=0)
    found = evaluate(x, np.arange(12) // 4, clustering=False)
    assert found.ties.queries == found.ties.at_cut == 0
    assert all(bound.low == bound.high for bound in found.ties.bounds.values())


@pytest.mark.parametrize("shift", [2**24, 2**53, 2**62, -(2**62)])
def test_labels_are_compared_exactly_however_large(shift):
    case = random_case(0)
    wanted = quietly(case.x, case.y)
    found = quietly(case.x, torch.from_numpy(case.y + shift), knn=(3,))
    assert all(found.scores[name] == wanted.scores[name] for name in wanted.scores)
    assert (found.queries["predicted@3"] - shift >= 0).all()
    assert (found.queries["predicted@3"] - shift <= 5).all()


@pytest.mark.parametrize("count", [(40, 3), (200, 10), (1500, 2), (1500, 400)])
def test_classes_of_any_size_are_ranked_as_deep_as_they_are(count):
    """Many neighbours of few rows, many of many, and few of many: each has its way to find the first of an order."""
    rows, classes = count
    rng = np.random.default_rng(rows)
    x, y = rng.integers(0, 40, size=(rows, 3)).astype(float), rng.integers(0, classes, size=rows)
    y[y == 0] = np.where(rng.random((y == 0).sum()) < 0.5, 1, 0)
    found = quietly(x, y, at=(1, 3), block=64)
    squared = ((x[:, None] - x[None]) ** 2).sum(2)
    np.fill_diagonal(squared, np.inf)
    for i in range(0, rows, max(1, rows // 40)):
        order = np.lexsort((np.arange(rows), squared[i]))[:-1]
        relevant = y[order] == y[i]
        depth = relevant.sum()
        if not depth:
            continue
        hits = relevant[:depth]
        precision = np.cumsum(hits) / np.arange(1, depth + 1)
        assert found.queries["r-precision"][i] == pytest.approx(hits.mean(), abs=1e-12)
        assert found.queries["ap@r"][i] == pytest.approx((precision * hits).sum() / depth, abs=1e-12)


@given(seed=st.integers(0, 1000), name=st.sampled_from(DISTANCES))
def test_the_order_of_the_data_and_the_names_of_classes_change_nothing_without_ties(seed, name):
    case = random_case(seed)
    rng = np.random.default_rng(seed)
    place, renamed = rng.permutation(len(case.x)), rng.permutation(100)[:6] - 50
    before = quietly(case.x, case.y, distance=name, knn=(1, 3))
    after = quietly(case.x[place], renamed[case.y[place]], distance=name, knn=(1,))
    for column in (*COLUMNS, "knn@1", "relevant"):
        np.testing.assert_array_equal(before.queries[column][place], after.queries[column])
    np.testing.assert_array_equal(place[after.queries["neighbours"]], before.queries["neighbours"][place])


@given(seed=st.integers(0, 1000))
def test_bounds_hold_the_score_and_perfect_classes_score_one(seed):
    case = tied_case(seed)
    found = quietly(case.x, case.y)
    for name, bound in found.ties.bounds.items():
        assert 0 <= bound.low <= found.scores[name] <= bound.high <= 1
    apart = quietly(np.column_stack([100.0 * case.y, case.x]), case.y)
    assert {apart.scores[name] for name in ("recall@1", "recall@8", "r-precision", "map@r")} == {1.0}


def test_recall_never_falls_with_k_and_k_may_exceed_the_references():
    case = random_case(3)
    found = quietly(case.x, case.y, at=(1, 3, 17, 18, 1000))
    recall = [found.scores[f"recall@{k}"] for k in (1, 3, 17, 18, 1000)]
    assert recall == sorted(recall)
    assert recall[-1] == 1.0


def test_float32_half_and_float64_rows_agree_where_rounding_decides_nothing():
    case = tied_case(11)
    wanted = quietly(case.x, case.y)
    for rows in (
        case.x.astype(np.float32),
        torch.from_numpy(case.x).to(torch.bfloat16),
        torch.from_numpy(case.x).half(),
    ):
        assert quietly(rows, case.y).scores == wanted.scores


def test_who_may_not_answer_is_no_hit_however_large_k_is():
    case = tied_case(13)
    groups = np.arange(18) % 3
    groups[case.y == 1] = 0  # a whole class in one group: its queries are lone
    truth = oracle("euclidean", case, excluded=lambda i, j: groups[i] == groups[j], ks=KS)
    found = quietly(case.x, case.y, groups=groups, lone="miss", at=(*KS, 18, 99))
    check(found, truth, lone="miss")
    assert (found.queries["relevant"] == 0).sum() >= 6
    assert ((found.queries["hit@99"] == 0) == (found.queries["relevant"] == 0)).all()
    bounds = found.ties.bounds["recall@18"]
    assert bounds.low == found.scores["recall@18"] == bounds.high


def test_who_may_not_answer_opens_no_tie_either():
    """Most rows are of one group: their orders end early, and the excluded rows behind them tie with nobody."""
    case = tied_case(14)
    groups = np.where(np.arange(18) < 14, 0, np.arange(18))
    truth = oracle("euclidean", case, excluded=lambda i, j: groups[i] == groups[j], ks=KS)
    found = quietly(case.x, case.y, groups=groups, lone="miss")
    check(found, truth, lone="miss")
    assert (found.queries["neighbours"][0] < 0).sum() == 6


def test_inner_products_keep_their_digits():
    x = np.array([[1.0, 0.0], [0.5, 1.0], [0.5 + 1e-9, 2.0], [0.5 + 2e-9, 3.0], [-4.0, 0.0]])
    found = quietly(x, [0, 1, 0, 1, 0], distance="inner-product")
    assert found.queries["neighbours"][0][:4].tolist() == [3, 2, 1, 4]


def test_float64_rows_keep_their_digits():
    steps = np.array([0.0, 1.0, 1.0 + 1e-9, 1.0 + 2e-9])[:, None]
    found = quietly(np.vstack([steps, steps + 50]), [0, 1, 0, 1, 2, 3, 2, 3])
    assert found.queries["neighbours"][0][:3].tolist() == [1, 2, 3]
    assert found.queries["neighbours"][3][:3].tolist() == [2, 1, 0]


class Pooled(Distance):
    """Symmetrised signal to noise: its order is not that of the rows."""

    order_is_euclidean = False

    def link(self, squared, anchor_norm, reference_norm):
        return 2 * squared / (anchor_norm + reference_norm)


class Backwards(Distance):
    """Noise over the *reference's* signal: neither the order of the rows nor symmetric."""

    order_is_euclidean = False
    symmetric = False

    def link(self, squared, anchor_norm, reference_norm):
        return squared / (reference_norm + 0 * anchor_norm)


@pytest.mark.parametrize("own", [Pooled, Backwards])
def test_a_distance_of_ones_own_is_ranked_by_its_link(own):
    case = random_case(12)
    norms = (case.x**2).sum(1)
    squared = ((case.x[:, None] - case.x[None]) ** 2).sum(2)
    d = 2 * squared / (norms[:, None] + norms) if own is Pooled else squared / norms
    truth = Oracle(d.tolist(), case.y.tolist(), case.y.tolist(), ks=KS)
    found = quietly(case.x, case.y, distance=own())
    check(found, truth)
    for i, order in enumerate(truth.orders):
        assert found.queries["distances"][i] == pytest.approx(d[i][order[:10]], rel=1e-11)


def test_inputs_are_left_as_they_were_and_gradients_are_not_asked_for():
    case = tied_case(0)
    x = torch.from_numpy(case.x.copy()).requires_grad_()
    found = quietly(x, case.y)
    np.testing.assert_array_equal(x.detach().numpy(), case.x)
    assert x.grad is None
    assert all(isinstance(values, np.ndarray) for values in found.queries.values())


@pytest.mark.gpu
@pytest.mark.parametrize("name", DISTANCES)
def test_a_gpu_gives_the_same_scores(name):
    for case in (random_case(0), tied_case(0)):
        wanted = quietly(case.x, case.y, distance=name, knn=(1, 3))
        found = quietly(torch.from_numpy(case.x).cuda(), case.y, distance=name, knn=(1, 3))
        assert found.scores == pytest.approx(wanted.scores)
