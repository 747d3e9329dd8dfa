"""Near pairs within groups: products of rows less their group's mean are as exact as differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nearkin.distances import BlockDistances, Cosine, Euclidean, SquaredKernel, crowds
from nearkin.distances.crowds import Crowd
from nearkin.distances.directions import UnitKernel, UnitRows
from nearkin.distances.groups import Group, Groups, members

SIZES = [5, 6, 1, 6, 4]
"""Rows of each group."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of a few rows are large enough for groups."""
    monkeypatch.setattr(crowds, "FEW", 0)
    monkeypatch.setattr("nearkin.distances.groups.WORTH", 0)
    monkeypatch.setattr("nearkin.distances.groups.SMALLEST", 0)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def tight(seed: int, spread: float = 1e-3) -> tuple[Tensor, Tensor]:
    """Rows (22, 16) in float64 near five centres, and the number of their group."""
    groups = torch.cat([torch.full((size,), 3 * number) for number, size in enumerate(SIZES)])
    groups = groups[torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed))]
    return (normal(5, 16, seed=0)[groups // 3] + spread * normal(len(groups), 16, seed=seed)).double(), groups


def test_members_are_padded_with_their_first() -> None:
    found = members(torch.tensor([7, 2, 7, 7, 2]))
    assert found is not None
    assert found.numbers.tolist() == [2, 7]
    assert found.rows.tolist() == [[1, 4, 1], [0, 2, 3]]
    assert found.listed.tolist() == [[True, True, False], [True, True, True]]


@pytest.mark.parametrize("kind", ["whole", "block", "references", "unknown"])
def test_distances_and_gradients_within_groups_are_those_of_differences(kind: str) -> None:
    z, groups = tight(1)
    x, mine, first = (z, groups, 0) if kind in ("whole", "block") else (*tight(2), None)
    if kind == "unknown":  # anchors of a group that no reference is in
        mine = torch.where(mine == 3, 4, mine)
    made = Groups(x, z, (mine, groups), torch.float32)
    start, stop = (6, 17) if kind == "block" else (0, len(x))
    group = made.block(start, stop, None if first is None else first + start)
    assert group is not None
    kin = mine[start:stop, None] == groups
    assert sorted(set(group.places.tolist())) == kin.flatten().nonzero()[:, 0].tolist()

    exact = (x[start:stop, None] - z).square().sum(2)
    found, near = group.squared(0.05, 10**6)
    for value, place in zip(found.tolist(), group.places.tolist(), strict=True):
        row, column = divmod(place, len(z))
        if first is not None and column == row + start:
            assert value == float("inf")
        else:
            assert value == pytest.approx(float(exact[row, column]), rel=2e-6) or place in near[0] * len(z) + near[1]

    slopes = normal(stop - start, len(z), seed=3)
    inside = torch.where(kin, slopes, 0).double()
    outside = torch.where(kin, 0, slopes)
    to_x, to_z = torch.zeros(stop - start, 16), torch.zeros(len(z), 16)
    group.pull(group.take(slopes), to_x, to_z)
    assert torch.equal(slopes, outside)
    moved = (x[start:stop, None] - z) * inside[:, :, None]
    if kind == "whole":  # anchors and references have one gradient there
        torch.testing.assert_close((to_x + to_z).double(), moved.sum(1) - moved.sum(0), rtol=1e-5, atol=1e-8)
        return
    torch.testing.assert_close(to_x.double(), moved.sum(1), rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(to_z.double(), -moved.sum(0), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("apart", [1e-6, 1e-4])
def test_pairs_too_near_within_a_group_are_told_once(apart: float) -> None:
    z, groups = tight(1)
    one, two = (groups == 3).nonzero()[:2, 0].tolist()  # the first of them fills the places of smaller groups' padding
    z[two] = z[one] + apart
    group = Groups(z, z, (groups, groups), torch.float32).block(0, len(z), 0)
    assert group is not None
    _, (rows, columns) = group.squared(0.05, 10**6)
    assert sorted(zip(rows.tolist(), columns.tolist())) == sorted([(one, two), (two, one)])


def test_a_crowd_within_a_group_is_told() -> None:
    z, groups = tight(1)
    z[groups == 3] = z[groups == 3][:1] + 1e-6 * normal(6, 16, seed=5)
    z[(groups == 3).nonzero()[0]] += 1e-3
    group = Groups(z, z, (groups, groups), torch.float32).block(0, len(z), 0)
    assert group is not None
    assert group.squared(0.05, z.shape[0] ** 2) is None


def test_anchors_of_no_group_of_the_references_have_none() -> None:
    z, groups = tight(1)
    assert Groups(z, z.clone(), (groups + 100, groups), torch.float32).block(0, 22, None) is None


@pytest.mark.parametrize("limit", ["wide", "small", "uneven", "alone"])
def test_groups_that_would_not_pay_are_none(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    z, groups = tight(1)
    if limit == "wide":
        monkeypatch.setattr("nearkin.distances.groups.WIDEST", 30 * 16 - 1)
    elif limit == "small":
        monkeypatch.setattr("nearkin.distances.groups.SMALLEST", 7)
    elif limit == "uneven":
        groups = torch.arange(22).clamp(max=16)
    else:
        groups = torch.zeros_like(groups)
    assert Groups(z, z, (groups, groups), torch.float32).block(0, 22, 0) is None


def test_little_work_is_not_worth_a_look_for_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowds, "SHARE", 1 / 16)
    monkeypatch.setattr("nearkin.distances.groups.WORTH", 22 * 22 * 16)
    z, groups = tight(1, spread=0.05)
    made = BlockDistances(Euclidean().closed_form(), z, z, torch.float32, 0, shared=True, groups=(groups, groups))
    monkeypatch.setattr(Groups, "block", None)
    made.fill(0, 22, torch.empty(22, 22))
    assert type(made.apart).__name__ == "Crowd"


def test_a_tight_batch_goes_by_group_and_a_wrong_grouping_is_a_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowds, "SHARE", 1 / 16)
    z, groups = tight(1, spread=0.05)
    exact = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist").float()
    for numbers, apart in ((groups, "Group"), (torch.arange(22) // 2, "Crowd")):
        made = BlockDistances(Euclidean().closed_form(), z, z, torch.float32, 0, shared=True, groups=(numbers, numbers))
        found = made.fill(0, 22, torch.empty(22, 22))
        assert type(made.apart).__name__ == apart
        assert (made.groups is None) == (apart == "Crowd")  # nobody tries again in the next block
        torch.testing.assert_close(found, exact, rtol=1e-6, atol=0)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("copied", [6, 60])
def test_classes_of_copies_among_tight_ones_have_a_finite_gradient(copied: int, in_place: bool) -> None:
    """Whole numbers: the mean of copies is the very copy, and all their norms are 0."""
    groups = torch.arange(60) // 6
    z = torch.randint(-3, 4, (10, 32), generator=torch.Generator().manual_seed(0))[groups].double()
    z[copied:] += 1e-3 * normal(60, 32, seed=1)[copied:]
    made = BlockDistances(Euclidean().closed_form(), z, z, torch.float32, 0, shared=True, groups=(groups, groups))
    distances, slopes = made.fill(0, 60, torch.empty(60, 60)), normal(60, 60, seed=2)
    assert isinstance(made.apart, Group if copied == 6 else Crowd)
    assert made.near is None or len(made.near[0]) == 6 * 5
    exact = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")
    moved = (z[:, None] - z) * torch.where(exact > 0, slopes / exact, 0)[:, :, None]
    if in_place:
        columns, nothing, apart = torch.zeros(60, 1, dtype=torch.int64), torch.zeros(60, 1), torch.ones(60, 1)
        made.pull_linked(0, 60, columns, nothing, apart, made.linked(slopes, distances))
    else:
        made.pull(0, 60, distances, slopes)
    torch.testing.assert_close(made.finish()[0].double(), moved.sum(1) - moved.sum(0), rtol=1e-5, atol=1e-5)


def test_directions_go_by_group_too() -> None:
    groups = torch.arange(60) % 12
    rows = UnitRows((normal(12, 32, seed=0)[groups] + 0.05 * normal(60, 32, seed=1)).double())
    made = BlockDistances(Cosine().closed_form(), rows, rows, torch.float32, 0, shared=True, groups=(groups, groups))
    found = made.fill(0, 60, torch.empty(60, 60))
    assert isinstance(made.kernel, UnitKernel)
    assert isinstance(made.apart, Group)
    exact = torch.cdist(rows[:], rows[:], compute_mode="donot_use_mm_for_euclid_dist").square() / 2
    torch.testing.assert_close(found, exact.float(), rtol=1e-6, atol=0)


def test_a_few_pairs_in_every_row_are_no_crowd_where_there_is_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nearkin.distances.groups.SMALLEST", 8)
    z = normal(400, 16, seed=1).double()
    z[200:] = z[:200] + 1e-3
    for groups in (torch.arange(400), torch.zeros(400, dtype=torch.int64)):  # all alone, all as one
        made = BlockDistances(Euclidean().closed_form(), z, z, torch.float32, 0, shared=True, groups=(groups, groups))
        made.fill(0, 400, torch.empty(400, 400))
        assert made.apart is None
        assert made.near is not None
        assert len(made.near[0]) == 400


def test_a_few_copies_are_made_one_by_one_though_a_group_could() -> None:
    z, groups = normal(120, 16, seed=1).double(), torch.arange(120) % 12
    z[60:] = z[:60]
    made = BlockDistances(Euclidean().closed_form(), z, z, torch.float32, 0, shared=True, groups=(groups, groups))
    made.fill(0, 120, torch.empty(120, 120))
    assert made.apart is None
    assert made.near is not None
    assert len(made.near[0]) == 120


def test_without_groups_nobody_is_made_apart() -> None:
    z = normal(22, 16, seed=1)
    assert SquaredKernel(z, torch.float32).fill(z, first=0)[2] is None
