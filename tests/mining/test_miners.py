"""What miners choose, against loops over candidates: random distances, integer grids full of ties, rows that lack a side."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import Tensor

from nearkin.core import InputError, InputTypeError
from nearkin.mining import MINERS, BatchHard, Chosen, Miner, Random, SemiHard, make_miner, positive_table
from oracles import mining
from oracles.kin import Kin


def drawn(seed: int, rows: int, columns: int, ties: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Distances and masks; a column may be in neither."""
    rng = np.random.default_rng(seed)
    distances = rng.integers(0, 4, (rows, columns)) / 2 if ties else rng.random((rows, columns))
    side = rng.integers(0, 3, (rows, columns))
    side[0] = 1  # no positives
    side[-1] = 0  # no negatives
    return torch.tensor(distances, dtype=torch.float64), torch.tensor(side == 0), torch.tensor(side == 1)


def kin_of(positives: Tensor, negatives: Tensor) -> Kin:
    lists = [[row.nonzero().flatten().tolist() for row in mask] for mask in (positives, negatives)]
    return Kin(lists[0], lists[1], [{} for _ in lists[0]])


def triplets(chosen: Chosen) -> list[tuple[int, int, int]]:
    rows = torch.arange(len(chosen.valid))[:, None].expand_as(chosen.valid)
    return sorted(map(tuple, torch.stack([rows, chosen.positive, chosen.negative], 2)[chosen.valid].tolist()))


sizes = {
    "seed": some.integers(0, 10_000),
    "rows": some.integers(1, 6),
    "columns": some.integers(1, 9),
    "ties": some.booleans(),
}


@given(**sizes)
def test_semi_hard_takes_the_nearest_negative_strictly_farther_than_the_positive(seed, rows, columns, ties):
    distances, positives, negatives = drawn(seed, rows, columns, ties)
    for fallback in ("easiest", "skip"):
        found = SemiHard(fallback).choose(distances, positives, negatives, None)
        wanted = mining.semi_hard(distances.tolist(), kin_of(positives, negatives), fallback)
        assert triplets(found) == sorted(wanted)


@given(**sizes)
def test_batch_hard_takes_the_farthest_positive_and_the_nearest_negative(seed, rows, columns, ties):
    distances, positives, negatives = drawn(seed, rows, columns, ties)
    found = BatchHard().choose(distances, positives, negatives, None)
    assert triplets(found) == sorted(mining.batch_hard(distances.tolist(), kin_of(positives, negatives)))


@given(count=some.integers(1, 3), **sizes)
def test_random_draws_what_the_noise_says(count, seed, rows, columns, ties):
    distances, positives, negatives = drawn(seed, rows, columns, ties)
    noise = torch.rand(rows, 2 * count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = Random(count).choose(distances, positives, negatives, noise)
    assert triplets(found) == sorted(mining.drawn(kin_of(positives, negatives), noise.tolist(), count))


@pytest.mark.parametrize("edge", [0.0, 1 - 2**-24])
def test_random_at_the_ends_of_the_noise_stays_among_the_candidates(edge):
    positives = torch.tensor([[False, True, True, False, False]])
    negatives = torch.tensor([[True, False, False, False, True]])
    noise = torch.full((1, 2), edge, dtype=torch.float32)
    found = Random().choose(torch.zeros(1, 5), positives, negatives, noise)
    assert triplets(found) == [(0, 1, 0) if edge == 0 else (0, 2, 4)]


def test_random_is_uniform_over_both_sides():
    rows = 20_000
    positives = torch.tensor([True, False, True, True, False, False]).expand(rows, 6)
    negatives = torch.tensor([False, True, False, False, True, False]).expand(rows, 6)
    noise = torch.rand(rows, 2, generator=torch.Generator().manual_seed(4))
    found = Random().choose(torch.zeros(rows, 6), positives, negatives, noise)
    seen = torch.zeros(6, 6)
    seen.index_put_((found.positive.flatten(), found.negative.flatten()), torch.ones(rows), accumulate=True)
    shares = seen[[0, 2, 3]][:, [1, 4]] / rows
    assert seen.sum() == rows
    assert float((shares - 1 / 6).abs().max()) < 0.012  # 4 standard deviations: 0.0105


def test_random_without_noise_says_what_it_needs():
    with pytest.raises(InputError, match="needs noise"):
        Random().choose(torch.zeros(1, 2), torch.tensor([[True, False]]), torch.tensor([[False, True]]), None)


def test_random_tells_how_many_numbers_it_draws():
    assert Random().uniforms == 2
    assert Random(triplets=3).uniforms == 6
    assert SemiHard().uniforms == BatchHard().uniforms == 0


@pytest.mark.parametrize("miner", [SemiHard(), SemiHard("skip"), BatchHard(), Random()], ids=repr)
@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0), (2, 5)])
def test_a_missing_side_gives_an_empty_choice_not_an_error(miner, shape):
    nobody, noise = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape[0], miner.uniforms)
    for positives, negatives in ((nobody, nobody), (~nobody, nobody), (nobody, ~nobody)):
        chosen = miner.choose(torch.zeros(shape), positives, negatives, noise)
        assert chosen.positive.shape == chosen.negative.shape == chosen.valid.shape
        assert not chosen.valid.any()


@given(**sizes)
def test_the_table_of_positives_lists_each_row_in_order(seed, rows, columns, ties):
    _, positives, _ = drawn(seed, rows, columns, ties)
    index, valid = positive_table(positives)
    assert [row[mask].tolist() for row, mask in zip(index, valid)] == [
        row.nonzero().flatten().tolist() for row in positives
    ]
    assert index.shape[1] == max((int(row.sum()) for row in positives), default=0)


def test_miners_are_made_by_name_with_options():
    directions = {"angular", "distance-weighted", "easy-positive", "multi-similarity"}
    assert set(MINERS) == {"batch-hard", "random", "semi-hard", *directions}
    assert repr(make_miner("semi-hard", fallback="skip")) == "SemiHard(fallback='skip')"
    assert repr(make_miner("random", triplets=2)) == "Random(triplets=2)"
    miner = BatchHard()
    assert make_miner(miner) is miner
    with pytest.raises(InputError, match="did you mean 'batch-hard'"):
        make_miner("batchhard")
    with pytest.raises(InputTypeError, match="mining must be a name or a Miner, got int"):
        make_miner(3)
    with pytest.raises(InputError, match="fallback must be one of 'easiest', 'skip', got 'hardest'"):
        make_miner("semi-hard", fallback="hardest")
    with pytest.raises(InputError, match="triplets must be a whole number of at least 1"):
        Random(triplets=0)


def test_a_miner_must_choose():
    with pytest.raises(NotImplementedError):
        Miner().choose(
            torch.zeros(1, 1), torch.zeros(1, 1, dtype=torch.bool), torch.zeros(1, 1, dtype=torch.bool), None
        )
