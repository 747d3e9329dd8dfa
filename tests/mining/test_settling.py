"""What rounding does not tell apart is decided by distances in float64; the rest is left as it is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import Tensor

from nearkin.mining import nearest, settling
from nearkin.mining.choice import Sight
from nearkin.mining.nearest import highest, lowest
from nearkin.mining.settling import MOST, settled, settled_beyond


def test_what_rounding_does_not_tell_is_looked_at_once_more():
    true = torch.tensor([[3.0, 1 + 3e-8, 1, 1, 2], [3.5, 3, 3.1, 3.2, 3.9], [7, 7, 7, 7, 7]], dtype=torch.float64)
    values = true.float()
    values[2] = torch.inf
    values[0, 4] = float("nan")  # is no candidate
    asked = []

    def exact(rows, columns):
        asked.append((rows.tolist(), columns.tolist()))
        return true[rows, columns]

    assert settled(values, lowest(values[:, :4])[:, None], exact).tolist() == [[2], [1], [0]]
    assert asked == [([0, 0, 0], [1, 2, 3])]
    values, true = values.neg().add_(4), true.neg().add_(4)
    assert settled(values, highest(values[:, :4])[:, None], exact, largest=True).tolist() == [[2], [1], [0]]
    assert asked[1:] == [([0, 0, 0], [1, 2, 3])]


def test_two_are_enough_to_be_looked_at():
    values, true = torch.ones(1, 2), torch.tensor([[1 + 1e-9, 1]], dtype=torch.float64)
    assert settled(values, lowest(values)[:, None], lambda rows, columns: true[rows, columns]).tolist() == [[1]]


def test_rows_that_are_alike_are_not_looked_at_again():
    values = torch.ones(3, MOST + 1)
    assert settled(0 * values, torch.ones(3, 1).long(), lambda rows, columns: 1 / 0).tolist() == [[1], [1], [1]]
    assert settled(values, lowest(values)[:, None], lambda rows, columns: 1 / 0).tolist() == [[0], [0], [0]]


class True64:
    """Distances (b, R) to negatives and (b, P) to positives as they are, and a sight of them; positives are columns R and on."""

    def __init__(self, far: Tensor, near: Tensor) -> None:
        self.far, self.near, self.asked = far, near, 0
        self.everybody = torch.cat([far, near], 1)
        columns = torch.arange(far.shape[1], self.everybody.shape[1]).expand(near.shape)
        self.sight = Sight(self.exact, columns)

    def exact(self, rows: Tensor, columns: Tensor) -> Tensor:
        self.asked += len(rows)
        return self.everybody[rows, columns]

    def beyond(self, row: int, slot: int) -> int | None:
        """The first column of the least strictly greater."""
        several = [(d, n) for n, d in enumerate(self.far[row].tolist()) if self.near[row, slot] < d < torch.inf]
        return min(several)[1] if several else None


def rounded(values: Tensor) -> Tensor:
    """In float32, up to 1.5e-7 off, as products make distances."""
    noise = torch.rand(values.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return (values * (1 + 3e-7 * (noise - 0.5))).float()


def check(true: True64) -> None:
    far, near = rounded(true.far), rounded(true.near)
    columns, found = settled_beyond(far, near, true.sight)
    for i in range(near.shape[0]):
        for k in range(near.shape[1]):
            if near[i, k] == -torch.inf:  # is no positive: nobody reads its answer
                continue
            wanted = true.beyond(i, k)
            assert bool(found[i, k]) == (wanted is not None)
            assert wanted is None or int(columns[i, k]) == wanted


FORMS = {"passes": ("PASSES", 10**9), "sorted integers": ("PASSES", -1), "sort": ("on_cpu", lambda values: False)}


@pytest.mark.parametrize("form", FORMS)
@given(
    seed=some.integers(0, 10_000), rows=some.integers(0, 4), columns=some.integers(0, 30), width=some.integers(0, 4),
    levels=some.integers(1, 6), apart=some.sampled_from([0.0, 1e-9, 3e-8, 1e-7]),
)  # fmt: skip
def test_the_nearest_beyond_is_that_of_the_exact_distances(form, seed, rows, columns, width, levels, apart):
    """Numbers lie at a few levels, closer there than float32 tells; some are missing, some at 0."""
    generator = torch.Generator().manual_seed(seed)
    level = torch.tensor([0.0, 0.5, 0.7, 1.0, 1.3, 2.0], dtype=torch.float64)

    def drawn(width):
        which = torch.randint(0, levels, (rows, width), generator=generator)
        return level[which] * (1 + apart * torch.randn(rows, width, generator=generator, dtype=torch.float64))

    far, near = drawn(columns), drawn(width)
    far[torch.rand(far.shape, generator=generator) < 0.2] = torch.inf
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "CHUNK", 50)
        patch.setattr(settling, "CHUNK", 50)
        patch.setattr(settling, "MOST", 10**6)
        patch.setattr(nearest, *FORMS[form])
        check(True64(far, near))


@pytest.mark.parametrize("form", FORMS)
def test_only_numbers_in_doubt_are_asked_for(monkeypatch, form):
    monkeypatch.setattr(nearest, *FORMS[form])
    far = torch.tensor([[1.5, 1.2, 3.0, 1.1], [1.5, 1.2 + 1e-9, 1.2, torch.inf]], dtype=torch.float64)
    near = torch.tensor([[1.15, 1.6], [1.1, -torch.inf]], dtype=torch.float64)
    true = True64(far, near)
    check(true)
    assert true.asked == 3  # two numbers of one row, and their positive


@pytest.mark.parametrize("form", FORMS)
def test_a_crowd_of_alike_numbers_is_left_as_it_is(monkeypatch, form):
    monkeypatch.setattr(nearest, *FORMS[form])
    near = torch.full((2, 1), 0.5)
    for far in (torch.ones(2, MOST + 1), torch.full((2, MOST + 1), 0.5)):
        sight = Sight(lambda rows, columns: torch.full(rows.shape, 0.4, dtype=torch.float64), torch.zeros(2, 1).long())
        columns, found = settled_beyond(far, near, sight)
        assert columns.tolist() == [[0], [0]] or not found.any()
        assert found.tolist() == [[bool(far[0, 0] > 0.5)]] * 2
