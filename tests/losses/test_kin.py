"""Kin by class indices, as lists: who is whose by looking at every pair, and classes of one size on their shorter way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from nearkin.losses import kin
from nearkin.losses.kin import EqualKin, FewKin, Kin, KinBlock, make_kin


def relations(labels: Tensor, columns: Tensor, first: int | None, ids: kin.Ids) -> tuple[Tensor, Tensor]:
    """Positives and negatives (b, R) of all anchors, pair by pair."""
    other = torch.ones(len(labels), len(columns), dtype=torch.bool)
    for row, column in np.ndindex(*other.shape):
        if first is not None:
            other[row, column] = row + first != column
        if ids[0] is not None and ids[1] is not None:
            other[row, column] &= bool(ids[0][row] != ids[1][column])
    same = labels[:, None] == columns
    return same & other, ~same & other


def assert_says(block: KinBlock, positives: Tensor, negatives: Tensor) -> None:
    near, far = positives.sum(1), negatives.sum(1)
    assert [sorted(row[which].tolist()) for row, which in zip(block.index, block.listed)] == [
        row.nonzero()[:, 0].tolist() for row in positives
    ]
    assert all((row[which].diff() > 0).all() for row, which in zip(block.index, block.listed))
    assert set(block.places.tolist()) == set((~negatives).flatten().nonzero()[:, 0].tolist())
    assert torch.equal(block.negatives, far)
    assert torch.equal(block.pulled, (near > 0)[:, None])
    assert block.full == bool(block.listed.all())
    assert torch.equal(block.padding, ~block.listed)
    share = torch.as_tensor(block.share, dtype=torch.float64).expand(block.listed.shape) * block.listed
    assert torch.equal(share, block.listed / near.clamp(min=1)[:, None].double())
    counts = block.counts
    assert (counts.positives(), counts.negatives()) == (int(near.sum()), int(far.sum()))
    assert (counts.pairs(), counts.triplets()) == (int(near[far > 0].sum()), int((near * far).sum()))
    assert (counts.pulled(), counts.torn()) == (int((near > 0).sum()), int(((near > 0) & (far > 0)).sum()))
    assert counts.moved() == int(((near > 0) | (far > 0)).sum())


@pytest.mark.parametrize("few", [0, 1 << 13])
@pytest.mark.parametrize("seed", range(60))
def test_lists_say_what_pairs_say(monkeypatch, seed, few):
    monkeypatch.setattr(kin, "FEW", few)
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, rng.integers(1, 6), rng.integers(1, 14)) if seed % 4 else rng.permutation(12) // 3
    columns = torch.tensor(classes * 5 - 7)
    ids: kin.Ids = None, None
    first = None if seed % 3 == 0 else 0 if seed % 4 == 0 else int(rng.integers(0, len(columns)))
    if seed % 6 == 3:
        ids = torch.tensor(rng.integers(0, 9, 9)), torch.tensor(rng.integers(0, 9, len(columns)))
    labels = torch.tensor(rng.integers(0, 7, 9) * 5 - 7) if first is None else columns[first:]
    made = make_kin(labels, columns, first, None if ids[0] is None else ids)
    positives, negatives = relations(labels, columns, first, ids)
    for start, stop in ((0, len(labels)), (len(labels) // 2, len(labels)), (0, 0)):
        assert_says(made.block(start, stop), positives[start:stop], negatives[start:stop])


def test_which_is_taken(monkeypatch):
    some, equal = torch.tensor([0, 1, 1]), torch.tensor([3, 3, 5, 5])
    assert isinstance(make_kin(equal, equal, 0), EqualKin)
    assert isinstance(make_kin(equal, equal, None), FewKin)
    assert isinstance(make_kin(some, some, 0), FewKin)
    assert isinstance(make_kin(some, some, 0, (some, some)), Kin)
    monkeypatch.setattr(kin, "FEW", 8)
    assert isinstance(make_kin(some, some, 0), Kin)
