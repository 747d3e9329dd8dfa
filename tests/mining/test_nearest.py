"""The nearest negative beyond a positive: by passes over integers, by sorted integers and by a stable sort alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from nearkin.losses.kin import make_kin
from nearkin.mining import BatchHard, EasyPositive, SemiHard, nearest
from nearkin.mining.nearest import highest, lowest, nearest_beyond
from nearkin.mining.rows import strangers

FORMS = {"passes": 10**9, "sorted integers": -1}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(
    seed=some.integers(0, 10_000), rows=some.integers(0, 6), columns=some.integers(0, 30), width=some.integers(0, 6),
    ties=some.booleans(), sign=some.sampled_from(["positive", "both", "zeros"]),
)  # fmt: skip
def test_the_least_number_strictly_above_wins_at_its_first_column(dtype, seed, rows, columns, width, ties, sign):
    rng = np.random.default_rng(seed)
    far, near = (torch.tensor(rng.normal(size=shape), dtype=dtype) for shape in ((rows, columns), (rows, width)))
    if ties:
        far, near = (far * 2).round(), (near * 2).round()
    if sign == "positive":
        far, near = far.abs(), near.abs()
    elif sign == "zeros":
        far, near = torch.sign(far).clamp(max=0) * 0, torch.sign(near) * 0  # 0 and -0
    far[torch.tensor(rng.random(far.shape) < 0.2)] = torch.inf
    wanted = [
        [
            min((float(d), n) for n, d in enumerate([*far[i], torch.inf]) if n == columns or d > near[i, k])
            for k in range(width)
        ]
        for i in range(rows)
    ]
    for form in (*FORMS.values(), None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nearest, "CHUNK", 50)
            if form is None:
                patch.setattr(nearest, "on_cpu", lambda values: False)
            else:
                patch.setattr(nearest, "PASSES", form)
            found, some_there = nearest_beyond(far, near)
        for i in range(rows):
            for k in range(width):
                distance, column = wanted[i][k]
                assert bool(some_there[i, k]) == (distance < torch.inf)
                assert distance == torch.inf or int(found[i, k]) == column


def test_lowest_and_highest_take_the_first_of_equals(monkeypatch):
    values = torch.tensor([[2.0, 1, 1, 2], [torch.inf, torch.inf, -torch.inf, -torch.inf]])
    for _ in range(2):
        assert lowest(values).tolist() == [1, 2] and highest(values).tolist() == [0, 0]
        monkeypatch.setattr(nearest, "on_cpu", lambda values: False)


@pytest.mark.parametrize(
    "miner", [SemiHard(), SemiHard("skip"), BatchHard(), EasyPositive(), EasyPositive("semi-hard")], ids=repr
)
@given(
    seed=some.integers(0, 10_000), count=some.integers(1, 25), classes=some.integers(1, 6), references=some.booleans()
)
def test_a_pick_from_the_table_is_the_choice_from_the_masks(miner, seed, count, classes, references):
    rng = np.random.default_rng(seed)
    labels = torch.tensor(rng.integers(0, classes, count))
    columns = torch.tensor(rng.integers(0, classes, 11)) if references else labels
    distances = torch.tensor(rng.integers(0, 6, (count, len(columns))) / 2, dtype=torch.float32)
    same = labels[:, None] == columns
    own = torch.zeros_like(same) if references else torch.eye(count, dtype=torch.bool)
    chosen = miner.choose(distances, same & ~own, ~same, None)
    block = make_kin(labels, columns, None if references else 0).block(0, count)
    index, listed, kin = block.index, block.listed, block.places
    near = distances.gather(1, index).masked_fill_(~listed, -torch.inf)
    picked = miner.pick(near, strangers(distances, kin, torch.full_like(distances, torch.nan)))
    wanted = [sorted((int(p), int(n)) for p, n, v in zip(*row) if v) for row in zip(*chosen)]
    assert [
        sorted((int(index[i, s]), int(n)) for s, n, z in zip(*row) if z > -torch.inf)
        for i, row in enumerate(zip(*picked))
    ] == wanted
    for i, row in enumerate(zip(*picked)):
        assert all(z in (-torch.inf, distances[i, index[i, s]] - distances[i, n]) for s, n, z in zip(*row))
