"""Which rows a batch gives: every pair, the base's miner, N-pair tuples; and nothing where there is nothing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nearkin.core import InputError, InputTypeError
from nearkin.generation import select_rows
from nearkin.losses import Contrastive, NPair, Triplet
from nearkin.losses.lifted import Lifted

LABELS = torch.tensor([5, 1, 5, 2, 1, 5, 9])


def embeddings(count: int = len(LABELS)) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.lists(st.integers(0, 3), max_size=9), st.integers(0, 99))
def test_every_ordered_pair_has_one_negative_of_another_class(labels: list[int], seed: int) -> None:
    given_labels = torch.tensor(labels, dtype=torch.int64)
    rows = select_rows(Contrastive(), embeddings(len(labels)), given_labels, generator=stream(seed))
    found = list(zip(*(index.flatten().tolist() for index in rows), strict=True))
    strangers = [{j for j, other in enumerate(labels) if other != one} for one in labels]
    pairs = {(i, j) for i, a in enumerate(labels) for j, b in enumerate(labels) if i != j and a == b and strangers[i]}
    assert {(a, p) for a, p, _ in found} == pairs
    assert len(found) == len(pairs)
    assert all(n in strangers[a] for a, _, n in found)


def test_every_negative_is_drawn_about_as_often() -> None:
    labels = torch.tensor([0, 0, 1, 2, 3, 4])
    drawn = [select_rows(Triplet(), embeddings(6), labels, generator=stream(seed)).negative for seed in range(400)]
    counts = torch.cat([one.flatten() for one in drawn]).bincount(minlength=6)
    assert counts[:2].sum() == 0
    assert counts[2:].min() > 150  # 200 expected


def test_a_miner_of_the_base_chooses() -> None:
    x = embeddings()
    rows = select_rows(Triplet(mining="batch-hard"), x, LABELS)
    d = torch.cdist(x, x)
    for a, p, n in zip(*(index.flatten().tolist() for index in rows), strict=True):
        kin = [j for j in range(7) if j != a and LABELS[j] == LABELS[a]]
        strangers = [j for j in range(7) if LABELS[j] != LABELS[a]]
        assert p == max(kin, key=lambda j, a=a: float(d[a, j]))
        assert n == min(strangers, key=lambda j, a=a: float(d[a, j]))
    assert rows.anchor.flatten().tolist() == [0, 1, 2, 4, 5]


def test_n_pair_input_is_the_first_two_of_every_class() -> None:
    rows = select_rows(NPair(), embeddings(), torch.tensor([5, 1, 5, 2, 1, 5, 2]))
    assert rows.anchor[0].tolist() == [[1, 1], [3, 3], [0, 0]]
    assert rows.positive[0].tolist() == [[4, 4], [6, 6], [2, 2]]
    assert rows.negative[0].tolist() == [[6, 2], [4, 2], [4, 6]]


def test_lifted_has_both_members_of_the_other_pairs_at_both_ends() -> None:
    rows = select_rows(Lifted(), embeddings(), LABELS)
    assert rows.anchor[:, :, 0].tolist() == [[1, 0], [4, 2]]
    assert rows.positive[:, :, 0].tolist() == [[4, 2], [1, 0]]
    assert rows.negative.tolist() == [[[0, 2], [1, 4]]] * 2


@pytest.mark.parametrize("most", [1, 3, 4, 7, 9, 33, 1000])
@pytest.mark.parametrize("base", [Triplet(), NPair(), Lifted()], ids=lambda base: type(base).__name__)
def test_max_generated_keeps_a_part_of_the_rows(base, most: int) -> None:
    labels = torch.arange(4).repeat(2)
    whole = select_rows(base, embeddings(8), labels, generator=stream())
    rows = select_rows(base, embeddings(8), labels, generator=stream(), max_generated=most)
    ends = 2 if isinstance(base, Lifted) else 1
    least = 1 if isinstance(base, Triplet) else 4 * ends  # each pair keeps a negative
    assert min(least, most) <= rows.anchor.numel() <= max(most, least)
    known = set(zip(*(index.flatten().tolist() for index in whole), strict=True))
    kept = list(zip(*(index.flatten().tolist() for index in rows), strict=True))
    assert set(kept) <= known
    assert len(set(kept)) == len(kept)


@pytest.mark.parametrize("base", [NPair(), Lifted()], ids=lambda base: type(base).__name__)
def test_max_generated_draws_among_all_negatives(base) -> None:
    labels = torch.arange(4).repeat(2)
    whole = select_rows(base, embeddings(8), labels)
    drawn = [
        select_rows(base, embeddings(8), labels, generator=stream(seed), max_generated=9).negative for seed in range(40)
    ]
    for pair in range(4):
        assert set(torch.cat([one[:, pair].flatten() for one in drawn]).tolist()) == set(
            whole.negative[0, pair].tolist()
        )


@pytest.mark.parametrize("base", [Triplet(), Triplet(mining="batch-hard"), NPair(), Lifted()], ids=repr)
@pytest.mark.parametrize("labels", [[], [3], [3, 3], [1, 2, 3], [1, 1, 1]])
def test_a_batch_without_rows_gives_none(base, labels: list[int]) -> None:
    rows = select_rows(base, embeddings(len(labels)), torch.tensor(labels, dtype=torch.int64), generator=stream())
    assert not rows


def test_labels_must_be_integers_and_chance_needs_a_generator() -> None:
    with pytest.raises(InputTypeError, match=r"labels must be integers of shape \(7,\), got torch.float32"):
        select_rows(Triplet(), embeddings(), LABELS.float())
    with pytest.raises(InputError, match="drawn at random: pass generator="):
        select_rows(Triplet(), embeddings(), LABELS)
