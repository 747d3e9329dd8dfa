"""Mining among normalised embeddings, against loops: shared and own columns, rows that lack a side, ties."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from mining.test_miners import drawn, kin_of, triplets
from nearkin.core import InputError
from nearkin.core.tensors import Block
from nearkin.distances import DISTANCES
from nearkin.losses import Triplet
from nearkin.mining import (
    MINERS,
    AngularMiner,
    Chosen,
    DistanceWeighted,
    EasyPositive,
    Miner,
    MultiSimilarityMiner,
    TripletFilter,
    kept_triplets,
    make_miner,
    positive_table,
    surviving_pairs,
)
from nearkin.testing import check_loss
from oracles import mining

WIDTH = 4


def made_block(seed: int, rows: int, references: int, own: int) -> Block:
    """A block of random rows of very different lengths, with random masks and noise; its distances are not to be read."""
    rng = np.random.default_rng(seed)
    anchors, others = rng.normal(size=(rows, WIDTH)) * 10, rng.normal(size=(references, WIDTH))
    mine = rng.normal(size=(rows, own, WIDTH)) / 10
    side = rng.integers(0, 3, (rows, references + own))
    side[-1] = rng.integers(0, 2)  # a side is missing
    block = Block(
        torch.full(side.shape, math.nan, dtype=torch.float64), torch.tensor(side == 0), torch.tensor(side == 1), None, None,
        torch.tensor(anchors), torch.tensor(others), torch.tensor(mine) if own else None,
        torch.tensor(rng.random((rows, 1))), None, None,
    )  # fmt: skip
    return block


def lists(block: Block) -> tuple[list[Any], list[list[Any]]]:
    """Anchors, and the columns of each."""
    own = [[] for _ in block.anchors] if block.own is None else block.own.tolist()
    return block.anchors.tolist(), [block.references.tolist() + mine for mine in own]


def kept_by(rule: TripletFilter, block: Block) -> list[tuple[int, int, int]]:
    """The triplets that a filter keeps, a positive at a time."""
    index, valid = positive_table(block.positives)
    keep, found = rule.keeps(block), []
    for k in range(index.shape[1]):
        kept = keep(index[:, k : k + 1])[:, 0] & block.negatives & valid[:, k : k + 1]
        found += [(a, int(index[a, k]), n) for a, n in kept.nonzero().tolist()]
    return sorted(found)


sizes = {
    "seed": some.integers(0, 10_000),
    "rows": some.integers(1, 5),
    "references": some.integers(1, 7),
    "own": some.integers(0, 3),
}


@given(**sizes)
def test_easy_positive_takes_the_nearest_positive_and_a_near_negative_by_direction(seed, rows, references, own):
    block = made_block(seed, rows, references, own)
    d, kin = mining.unit_matrix(*lists(block)), kin_of(block.positives, block.negatives)
    for negatives in ("hard", "semi-hard"):
        found = EasyPositive(negatives).choose_in(block)
        assert triplets(found) == sorted(mining.nearest_positive(d, kin, negatives))


@given(seed=some.integers(0, 10_000), rows=some.integers(1, 6), columns=some.integers(1, 9), ties=some.booleans())
def test_easy_positive_with_ties_takes_the_lowest_index(seed, rows, columns, ties):
    distances, positives, negatives = drawn(seed, rows, columns, ties)
    for kind in ("hard", "semi-hard"):
        found = EasyPositive(kind).choose(distances, positives, negatives, None)
        assert triplets(found) == sorted(
            mining.nearest_positive(distances.tolist(), kin_of(positives, negatives), kind)
        )


@given(dimensions=some.sampled_from([None, 1, 2, 3, 16, 512]), **sizes)
def test_distance_weighted_draws_what_the_noise_says(dimensions, seed, rows, references, own):
    block = made_block(seed, rows, references, own)
    d, kin = mining.unit_matrix(*lists(block)), kin_of(block.positives, block.negatives)
    miner = DistanceWeighted(effective_dimensions=dimensions)
    wanted = mining.density_weights(d, kin, dimensions or WIDTH)
    found = miner.probabilities(torch.tensor(d, dtype=torch.float64), block.negatives, dimensions or WIDTH)
    for row, weights in zip(found.tolist(), wanted, strict=True):
        np.testing.assert_allclose(row, [weights.get(n, 0.0) for n in range(len(row))], 1e-9, 1e-12)
    drawn = mining.drawn_by_density(d, kin, block.noise.tolist(), dimensions or WIDTH)
    assert triplets(miner.choose_in(block)) == sorted(drawn)


@given(degrees=some.sampled_from([0.0, 5.0, 20.0, 45.0, 80.0]), **sizes)
def test_angular_keeps_wide_angles(degrees, seed, rows, references, own):
    block = made_block(seed, rows, references, own)
    wanted = mining.wide_angles(*lists(block), kin_of(block.positives, block.negatives), degrees)
    assert kept_by(AngularMiner(degrees), block) == sorted(wanted)


@given(eps=some.sampled_from([0.0, 0.1, 0.5]), **sizes)
def test_multi_similarity_keeps_pairs_that_nearly_violate_an_order(eps, seed, rows, references, own):
    block = made_block(seed, rows, references, own)
    d, kin = mining.unit_matrix(*lists(block)), kin_of(block.positives, block.negatives)
    assert kept_by(MultiSimilarityMiner(eps), block) == sorted(mining.surviving_triplets(d, kin, eps))


# Draws


def test_every_pair_draws_by_the_probabilities_and_the_pairs_of_an_anchor_draw_apart():
    rows = 40_000
    distances = torch.tensor([0.3, 0.6, 0.9, 1.1, 1.2, 1.3, 1.39, 1.5], dtype=torch.float64).expand(rows, 8)
    positives = torch.tensor([True] * 3 + [False] * 5).expand(rows, 8)
    miner = DistanceWeighted(effective_dimensions=4)
    noise = torch.rand(rows, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = miner.choose(distances, positives, ~positives, noise)
    wanted = miner.probabilities(distances[:1], ~positives[:1], 4)[0]
    assert wanted[-1] == 0 and (wanted[3:7] > 0.1).all()
    for slot in range(3):
        seen = torch.bincount(found.negative[:, slot], minlength=8) / rows
        assert float((seen - wanted).abs().max()) < 0.012  # above 4 standard deviations
    assert wanted.max() < 1 / 2
    assert (found.negative[:, 0] != found.negative[:, 1]).double().mean() > 1 - wanted.square().sum()


@pytest.mark.parametrize("edge", [0.0, 1 - 2**-24])
def test_distance_weighted_at_the_ends_of_the_noise_stays_among_the_candidates(edge):
    distances = torch.tensor([[1.0, 0.7, 1.41, 0.9, 0.8, 1.5]])
    positives = torch.tensor([[True, False, False, False, False, False]])
    miner = DistanceWeighted(effective_dimensions=3)
    found = miner.choose(distances, positives, ~positives, torch.full((1, 1), edge))
    assert triplets(found) == [(0, 0, 1 if edge == 0 else 4)]


def test_a_row_without_a_negative_near_enough_draws_nothing():
    distances = torch.tensor([[0.5, 1.4, 1.9], [0.5, 1.39, 1.9]])
    positives = torch.tensor([[True, False, False]] * 2)
    found = DistanceWeighted(effective_dimensions=8).choose(distances, positives, ~positives, torch.zeros(2, 1))
    assert triplets(found) == [(1, 0, 1)]


def test_the_nearest_negatives_are_as_likely_as_one_at_the_cutoff():
    d = torch.tensor([[0.0, 0.2, 0.5, 1.0, 1.3]], dtype=torch.float64)
    for dimensions in (1, 2, 3, 128, 4096):
        found = DistanceWeighted().probabilities(d, torch.ones_like(d, dtype=torch.bool), dimensions)[0]
        assert found.isfinite().all() and float(found.sum()) == pytest.approx(1)
        assert found[0] == found[1] == found[2]
    assert float(found[:3].sum()) == pytest.approx(1)


def test_distance_weighted_says_what_it_needs():
    positives = torch.tensor([[True, False]])
    with pytest.raises(InputError, match="needs noise"):
        DistanceWeighted(effective_dimensions=4).choose(torch.zeros(1, 2), positives, ~positives, None)
    with pytest.raises(InputError, match="give effective_dimensions"):
        DistanceWeighted().choose(torch.zeros(1, 2), positives, ~positives, torch.zeros(1, 1))
    with pytest.raises(InputError, match="pass generator="):
        Triplet(mining="distance-weighted")(torch.eye(4), torch.tensor([0, 0, 1, 1]))


# Corners


def plain_block(anchors: Any, references: Any, positives: Any, negatives: Any) -> Block:
    masks = [torch.tensor(mask) for mask in (positives, negatives)]
    rows = [torch.tensor(each, dtype=torch.float64) for each in (anchors, references)]
    return Block(torch.zeros(masks[0].shape), *masks, None, None, *rows, None, None, None, None)


def test_a_negative_in_the_middle_of_a_pair_is_at_ninety_degrees_and_one_point_has_no_angle():
    half = [math.sqrt(0.5), math.sqrt(0.5)]
    opposite = plain_block([[2.0, 0.0]], [[-1.0, 0.0], [0.0, 0.0], half], [[True, False, False]], [[False, True, True]])
    assert kept_by(AngularMiner(89.9), opposite) == [(0, 0, 1)]  # the zero row is the middle
    point = plain_block([[3.0, 0.0]], [[1.0, 0.0], [2.0, 0.0], half], [[True, False, False]], [[False, True, True]])
    assert kept_by(AngularMiner(0.0), point) == []
    with pytest.raises(InputError, match="no angle is wider"):
        AngularMiner(90)
    with pytest.raises(InputError, match="angle_deg must be a number from 0 to 90"):
        AngularMiner(-1)


def test_multi_similarity_is_strict_and_needs_both_sides():
    same = plain_block([[1.0, 0.0]], [[0.0, 2.0], [0.0, 1.0]], [[True, False]], [[False, True]])
    assert kept_by(MultiSimilarityMiner(0.0), same) == []
    assert kept_by(MultiSimilarityMiner(1e-6), same) == [(0, 0, 1)]
    distances, mask = torch.rand(2, 3), torch.tensor([[True, True, False], [False, False, False]])
    for positives, negatives in ((mask, ~mask & False), (mask & False, mask)):
        assert not any(kept.any() for kept in surviving_pairs(distances, positives, negatives, 5.0))


RULES: list[Callable[[], Any]] = [
    AngularMiner, DistanceWeighted, EasyPositive, lambda: EasyPositive("semi-hard"), MultiSimilarityMiner,
]  # fmt: skip


@pytest.mark.parametrize("make", RULES)
@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0), (2, 5)])
def test_a_missing_side_or_no_column_keeps_nothing(make, shape):
    nobody = torch.zeros(shape, dtype=torch.bool)
    rows = torch.randn(shape[0], WIDTH), torch.randn(shape[1], WIDTH)
    for positives, negatives in ((nobody, nobody), (~nobody, nobody), (nobody, ~nobody)):
        noise = torch.zeros(shape[0], 1)
        block = Block(torch.zeros(shape), positives, negatives, None, None, *rows, None, noise, None, None)
        rule = make()
        if isinstance(rule, Miner):
            found: Chosen = rule.choose_in(block)
            assert not found.valid.any()
        else:
            assert kept_by(rule, block) == []
            assert kept_triplets(block, rule, lambda z: (z + 9, z + 9)).total == 0


# Inside the triplet loss


def losses() -> list[Triplet]:
    named = [Triplet(1.0, mining=name) for name in sorted(MINERS) if MINERS[name].directions]
    return [
        *named,
        Triplet(1.0, mining=EasyPositive("semi-hard"), distance="cosine"),
        Triplet(mining="angular", hinge="soft"),
    ]


def test_four_rules_look_at_directions():
    found = {name for name, rule in MINERS.items() if rule.directions}
    assert found == {"angular", "distance-weighted", "easy-positive", "multi-similarity"}


@pytest.mark.parametrize("loss", losses(), ids=lambda loss: repr(loss).splitlines()[0])
def test_every_check_of_a_loss_holds(loss):
    check_loss(loss, quiet=True)


@pytest.mark.parametrize("loss", losses(), ids=lambda loss: repr(loss).splitlines()[0])
def test_the_length_of_embeddings_changes_nothing_that_is_chosen(loss):
    generator = torch.Generator().manual_seed(4)
    x, y = torch.randn(12, 5, generator=generator, dtype=torch.float64), torch.tensor([0, 1, 2, 0] * 3)
    lengths = 2.0 ** torch.randint(-3, 4, (12, 1), generator=generator)
    noise = {"noise": torch.rand(12, 1, generator=generator)} if loss.uniforms else {}
    margin = {} if loss.hinge == "soft" else {"margin": loss.margin}
    cosine = Triplet(**margin, mining=loss.mining, hinge=loss.hinge, distance="cosine")
    torch.testing.assert_close(cosine(x * lengths, y, **noise), cosine(x, y, **noise), rtol=1e-9, atol=1e-12)


def by_hand() -> list[Triplet]:
    eager = MultiSimilarityMiner(0.02)
    return [
        *(Triplet(1.0, mining=rule, distance=distance) for rule in (EasyPositive(), EasyPositive("semi-hard"), eager)
          for distance in ("cosine", "euclidean", "inner-product", "squared-euclidean")),
        *(Triplet(mining=rule, hinge="soft") for rule in (EasyPositive(), eager)),
        *(Triplet(mining=rule, hinge="squared", reduction="mean_nonzero") for rule in (EasyPositive(), eager)),
    ]  # fmt: skip


@pytest.mark.parametrize("loss", by_hand(), ids=lambda loss: repr(loss).splitlines()[0])
@pytest.mark.parametrize("rows", ["of one length", "of many lengths", "in classes", "parallel", "with a zero row"])
def test_slopes_made_by_hand_are_those_of_the_choice_from_masks(loss, rows):
    generator = torch.Generator().manual_seed(5)
    labels = torch.tensor([0, 1, 2, 0, 0, 3, 1, 0, 0, 4, 0, 2, 0, 5])
    x = torch.nn.functional.normalize(torch.randn(14, 6, generator=generator, dtype=torch.float64))
    if rows == "in classes":  # few of many positives are hard
        x = torch.nn.functional.normalize(x[labels] + 0.7 * x)
    if rows != "of one length":
        x *= 2 ** torch.randn(14, 1, generator=generator, dtype=torch.float64)
    if rows == "parallel":  # little but lengths tells them apart: the law of cosines does not hold its digits
        x[3], x[4] = 3 * x[0] + 1.1e-7 * x[5], 5 * x[0] + 1e-7 * x[6]
    if rows == "with a zero row":
        x[3] = 0
    plain = copy.deepcopy(loss)
    plain.closed = None
    assert loss.closed is not None
    for references, block_size in ((False, None), (False, 5), (True, None), (True, 5)):
        found = []
        for each in (plain, loss):
            each.block_size = block_size
            leaves = [x.clone().requires_grad_(), (x.flip(0) * 1.5).requires_grad_()][: 1 + references]
            given = (leaves[0], labels, leaves[1], labels.flip(0)) if references else (leaves[0], labels)
            value = each(*given)
            found.append([value.detach(), *torch.autograd.grad(value, leaves), torch.tensor(each.measure(*given)[2:])])
        for wanted, got in zip(*found, strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-11, equal_nan=True)


@pytest.mark.parametrize("hinge", ["linear", "soft", "squared"])
def test_one_hard_positive_of_many_is_found_at_its_place(hinge):
    """All but one positive are easy: the table of what survives is narrower than that of all."""
    generator = torch.Generator().manual_seed(2)
    centre, other = torch.eye(6, dtype=torch.float64)[:2]
    near = centre + 0.05 * torch.randn(5, 6, generator=generator, dtype=torch.float64)
    references = centre + 0.05 * torch.randn(9, 6, generator=generator, dtype=torch.float64)
    references[[3, 8]] = other + 0.05 * torch.randn(2, 6, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0] * 8 + [1])  # one of the class among the others, and a stranger beside it
    found = []
    for closed in (True, False):
        margin = {} if hinge == "soft" else {"margin": 1.0}
        loss = Triplet(**margin, mining=MultiSimilarityMiner(0.5), hinge=hinge)
        if not closed:
            loss.closed = None
        leaves = [near.clone().requires_grad_(), references.clone().requires_grad_()]
        value = loss(leaves[0], torch.zeros(5, dtype=torch.int64), leaves[1], labels)
        found.append([value.detach(), *torch.autograd.grad(value, leaves)])
    assert found[0][0] > 0
    for got, wanted in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["angular", "multi-similarity"])
def test_a_filter_counts_the_triplets_that_it_keeps(name):
    x = torch.randn(10, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.tensor([0, 1, 0, 2, 1, 0, 1, 2, 0, 1])
    rule = make_miner(name)
    same = labels[:, None] == labels
    block = Block(
        torch.cdist(x, x), same & ~torch.eye(10, dtype=torch.bool), ~same, None, labels, x, x, None, None, None, None
    )
    kept = kept_by(rule, block)
    seen = Triplet(0.3, mining=rule, reduction="sum").measure(x, labels)
    d = torch.cdist(x, x)
    terms = torch.stack([torch.relu(d[a, p] - d[a, n] + 0.3) for a, p, n in kept])
    assert 0 < len(kept) < int((same.sum(1) - 1) @ (~same).sum(1))
    assert seen.value.item() == pytest.approx(float(terms.sum()))
    assert seen.active == pytest.approx(float((terms > 0).double().mean()))


@pytest.mark.parametrize("mining", ["angular", "multi-similarity"])
def test_the_dense_form_of_a_filter_has_a_second_derivative(mining):
    loss = Triplet(mining=mining, hinge="soft", distance="squared-euclidean", block_size=None)
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, 2, 0, 1])
    assert torch.autograd.gradgradcheck(lambda rows: loss(rows, labels), x)


@pytest.mark.parametrize("name", sorted(name for name in MINERS if MINERS[name].directions))
def test_a_distance_in_another_space_is_refused_in_words(name):
    for distance in DISTANCES:
        if distance in ("cosine", "euclidean", "inner-product", "squared-euclidean"):
            Triplet(mining=name, distance=distance)
        else:
            with pytest.raises(
                InputError, match="chooses by the directions of embeddings, which .* does not keep; use distance"
            ):
                Triplet(mining=name, distance=distance)


def test_generated_negatives_start_from_rows_of_these_miners_too():
    from nearkin.generation.rows import select_rows

    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(6))
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 0, 1, 2])
    for name in ("distance-weighted", "easy-positive", "angular"):
        rows = select_rows(Triplet(mining=name), x, labels, generator=torch.Generator().manual_seed(1))
        assert rows
        assert (labels[rows.anchor] == labels[rows.positive]).all()
        assert (labels[rows.anchor] != labels[rows.negative]).all()


def test_they_are_made_by_name_with_options():
    assert repr(make_miner("easy-positive", negatives="semi-hard")) == "EasyPositive(negatives='semi-hard')"
    assert repr(make_miner("angular", angle_deg=30)) == "AngularMiner(angle_deg=30.0)"
    assert repr(make_miner("multi-similarity")) == "MultiSimilarityMiner(eps=0.1)"
    with pytest.raises(InputError, match="negatives must be one of 'hard', 'semi-hard'"):
        EasyPositive("easy")
    with pytest.raises(InputError, match="effective_dimensions must be a whole number of at least 1"):
        DistanceWeighted(effective_dimensions=0)
