"""Kin by class indices: a matrix of few pairs, lists of many, and classes of one size say the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nearkin.losses import kin
from nearkin.losses.kin import EqualKin, FewKin, Kin, make_kin


@pytest.mark.parametrize("seed", range(30))
def test_lists_and_a_matrix_say_the_same(monkeypatch, seed):
    rng = np.random.default_rng(seed)
    columns = torch.tensor(rng.integers(0, rng.integers(1, 6), rng.integers(1, 14)))
    first = None if seed % 3 == 0 else int(rng.integers(0, len(columns)))
    labels = torch.tensor(rng.integers(0, 7, 9)) if first is None else columns[first:]
    kinds = []
    for few in (1 << 16, 0):
        monkeypatch.setattr(kin, "FEW", few)
        kinds.append(make_kin(labels, columns, first))
    for start, stop in ((0, len(labels)), (len(labels) // 2, len(labels)), (0, 0)):
        blocks = [each.block(start, stop) for each in kinds]
        assert [sorted(block.places.tolist()) for block in blocks] == [sorted(blocks[0].places.tolist())] * 2
        assert torch.equal(*(block.listed for block in blocks))
        assert torch.equal(*(block.index * block.listed for block in blocks))
        assert torch.equal(*(block.negatives for block in blocks))
        for count in ("positives", "negatives", "pairs", "triplets", "pulled", "torn", "moved"):
            assert len({getattr(block.counts, count)() for block in blocks}) == 1
        assert blocks[0].full == blocks[1].full


def test_which_is_taken(monkeypatch):
    some = torch.tensor([0, 1, 1])
    assert isinstance(make_kin(torch.tensor([3, 3, 5, 5]), torch.tensor([3, 3, 5, 5]), 0), EqualKin)
    assert isinstance(make_kin(some, some, 0), FewKin)
    assert isinstance(make_kin(some, some, 0, (some, some)), Kin)
    monkeypatch.setattr(kin, "FEW", 8)
    assert isinstance(make_kin(some, some, 0), Kin)
