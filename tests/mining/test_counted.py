"""Hinges counted without autograd equal the cube of all triplets, by passes and by look-ups, on tables made from labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import Tensor

from nearkin.losses.kin import make_kin
from nearkin.mining import counted, places, rows
from nearkin.mining.counted import Counted, counted_hinge
from nearkin.mining.rows import strangers
from nearkin.mining.smooth import counted_smooth, soft_hinge, squared_share

FORMS = {"at once": (10**9, -1), "passes": (0, 10**9), "look-ups": (0, -1)}
"""Triplets up to which one cube holds them, positives up to which passes are made."""


def use(form: str, patch: pytest.MonkeyPatch) -> None:
    at_once, passes = FORMS[form]
    patch.setattr(counted, "AT_ONCE", at_once)
    patch.setattr(counted, "PASSES", {False: passes, True: passes})


class Case(NamedTuple):
    distances: Tensor
    labels: Tensor
    columns: Tensor
    first: int | None

    def tables(self) -> tuple[Tensor, Tensor, Tensor]:
        block = make_kin(self.labels, self.columns, self.first).block(0, len(self.labels))
        return block.index, block.listed, block.places

    def masks(self) -> tuple[Tensor, Tensor]:
        same = self.labels[:, None] == self.columns
        own = torch.zeros_like(same)
        if self.first is not None:
            own[:, self.first : self.first + len(self.labels)] = torch.eye(len(self.labels), dtype=torch.bool)
        return same & ~own, ~same


def drawn(seed: int, kind: str, references: bool, classes: int | None = None, most: int = 40) -> Case:
    """Distances on a grid of 2^-20, so that d + m and d - d' are exact in float32."""
    rng = np.random.default_rng(seed)
    count, others = rng.integers(1, most, 2)
    labels = torch.tensor(rng.integers(0, classes or rng.integers(1, 10), count))
    columns = torch.tensor(rng.integers(0, 8, others)) if references else labels
    values = rng.random((count, len(columns)))
    if kind == "lattice":
        values = rng.integers(0, 6, values.shape).astype(float)
    elif kind == "negative":
        values = values - 0.5
    elif kind == "near":
        values = 1 + np.round(values * 4) * 2.0**-20
    elif kind == "outlier":  # all but one threshold share a cell
        values = np.where(rng.random(values.shape) < 0.02, 8, 1 + values * 2.0**-8)
    return Case(torch.tensor(np.round(values * 2**20) / 2**20), labels, columns, None if references else 0)


def cube(case: Case, margin: float, squared: bool, band: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Total, active count and d total / d distance over all (a, p, n), by autograd in float64."""
    distances = case.distances.double().clone().requires_grad_()
    positives, negatives = case.masks()
    near, far = distances[:, :, None], distances[:, None, :]
    excess = torch.relu(near + margin - far)
    kept = positives[:, :, None] & negatives[:, None, :] & ((far > near) if band else True)
    excess = torch.where(kept, excess, 0)
    total = (excess.square() if squared else excess).sum()
    return total.detach(), (excess > 0).sum(), torch.autograd.grad(total, distances)[0]


def found(case: Case, margin: float, dtype: torch.dtype = torch.float32, **options: Any) -> tuple[Counted, Tensor]:
    """What is counted, and the slopes of positives and negatives in one matrix; buffers full of NaN, distances untouched."""
    distances = case.distances.to(dtype)
    before, index, listed, kin = distances.clone(), *case.tables()
    slope, scratch = (torch.full_like(distances, torch.nan) for _ in range(2))
    sums = counted_hinge(distances.gather(1, index), index, listed, strangers(distances, kin, scratch), margin, slope, **options)
    assert torch.equal(distances, before)
    assert not slope.view(-1)[kin].any() and not sums.positives[~listed].any()
    return sums, slope.double().scatter_add(1, index, sums.positives.double())


def close(one: Tensor, other: Tensor, relative: float) -> bool:
    return (
        bool((one - other).abs().max() <= relative * other.abs().max()) if other.numel() else one.shape == other.shape
    )


@pytest.fixture(params=[*FORMS, "search"])
def regime(request, monkeypatch):
    """All forms, and the one for devices that numpy does not reach."""
    use("look-ups" if request.param == "search" else request.param, monkeypatch)
    if request.param == "search":
        for module in (counted, places, rows):
            monkeypatch.setattr(module, "on_cpu", lambda values: False)
        monkeypatch.setattr(Tensor, "is_cuda", True)
    return request.param


MARGINS = {"plain": 0.25, "lattice": 1.0, "negative": 0.125, "near": 2.0**-19, "outlier": 2.0**-9}


@pytest.mark.parametrize("kind", MARGINS)
@pytest.mark.parametrize("band", [False, True])
@pytest.mark.parametrize("squared", [False, True])
def test_value_slopes_and_counts_equal_the_cube(kind, squared, band, regime, monkeypatch):
    for seed in range(12):
        monkeypatch.setattr(rows, "CHUNK", (1 << 17, 97)[seed % 2])
        case = drawn(seed, kind, references=seed % 3 == 0)
        wanted = cube(case, MARGINS[kind], squared, band)
        for dtype, exact in ((torch.float32, 1e-6), (torch.float64, 1e-12)):
            sums, slopes = found(case, MARGINS[kind], dtype, squared=squared, band=band)
            assert int(sums.active) == int(wanted[1])
            assert close(sums.total, wanted[0], exact)
            assert close(slopes, wanted[2], exact)


@given(
    seed=some.integers(0, 10_000),
    references=some.booleans(),
    kind=some.sampled_from(sorted(MARGINS)),
    band=some.booleans(),
)
def test_all_forms_count_alike_to_the_bit(seed, references, kind, band):
    case = drawn(seed, kind, references, most=30)
    results = []
    for form in FORMS:
        with pytest.MonkeyPatch.context() as patch:
            use(form, patch)
            patch.setattr(rows, "CHUNK", 64)
            results.append(found(case, MARGINS[kind], band=band))
    for sums, slopes in results[1:]:
        assert sums.active == results[0][0].active
        assert torch.equal(slopes, results[0][1])  # slopes of the linear hinge are counts


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("band", [False, True])
@pytest.mark.parametrize("squared", [False, True])
def test_what_float32_cannot_tell_is_decided_exactly(squared, band, form, monkeypatch):
    """Distances within 1e-8 of a grid, so that of the triplets on a corner float32 knows nothing."""
    use(form, monkeypatch)
    turned = 0
    for seed in range(8):
        monkeypatch.setattr(rows, "CHUNK", (1 << 17, 97)[seed % 2])
        case = drawn(seed, "lattice", references=seed % 3 == 0)
        noise = 1e-8 * torch.randn(
            case.distances.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        case = case._replace(distances=case.distances.add(1).div(4).add(noise))
        wanted = cube(case, 0.25, squared, band)
        sums, slopes = found(case, 0.25, squared=squared, band=band, exact=lambda i, j: case.distances[i, j])
        turned += int(found(case, 0.25, squared=squared, band=band)[0].active) != int(wanted[1])
        assert close(sums.total, wanted[0], 1e-6) and close(slopes, wanted[2], 1e-6)
        assert int(sums.active) == int(wanted[1]) or (squared and not band)  # a square does not jump at its corner
    assert turned > 4


@pytest.mark.parametrize("passes", [-1, 20, 10**9])
@pytest.mark.parametrize("squared", [False, True])
def test_rows_in_another_order_are_decided_exactly_too(squared, passes, monkeypatch):
    """A class of 60 among pairs, whose rows are counted after all others; in the middle of all some spans of few rows."""
    use("passes", monkeypatch)
    monkeypatch.setattr(counted, "PASSES", {False: passes, True: passes})
    monkeypatch.setattr(rows, "CHUNK", 160 * 4)
    monkeypatch.setattr(rows, "TABLE", 1)
    monkeypatch.setattr("nearkin.distances.rows.CHUNK", 60 * 10)  # ten distances in doubt at a time
    generator = torch.Generator().manual_seed(0)
    labels = torch.cat([torch.zeros(60), 1 + torch.arange(100) // 2]).long()[torch.randperm(160, generator=generator)]
    noise = 1e-8 * torch.randn(160, 160, generator=generator, dtype=torch.float64)
    distances = torch.randint(4, 9, (160, 160), generator=generator) / 4 + 60 * (labels == 0)[:, None] + noise
    case = Case(distances, labels, labels, 0)
    wanted = cube(case, 0.25, squared, True)
    sums, slopes = found(case, 0.25, squared=squared, band=True, exact=lambda i, j: case.distances[i, j])
    assert int(sums.active) == int(wanted[1]) != int(found(case, 0.25, squared=squared, band=True)[0].active)
    assert close(sums.total, wanted[0], 1e-6)
    assert close(slopes, wanted[2], 1e-6)


@pytest.mark.parametrize("labels", [[0], [0, 1, 2], [0, 0, 0, 0], [0, 0, 1], []], ids=str)
@pytest.mark.parametrize("squared", [False, True])
def test_rows_without_a_side_move_nothing(labels, squared, regime):
    names = torch.tensor(labels, dtype=torch.int64)
    generator = torch.Generator().manual_seed(0)
    steps = torch.randint(1024, (len(labels), len(labels)), generator=generator)  # numbers that float32 holds exactly
    case = Case(steps.double() / 1024, names, names, 0)
    sums, slopes = found(case, 0.5, squared=squared)
    total, active, wanted = cube(case, 0.5, squared, False)
    assert int(sums.active) == int(active) and close(sums.total, total, 1e-6) and close(slopes, wanted, 1e-6)
    assert sums.positives.isfinite().all()


def test_ties_at_the_border_are_not_active(regime):
    """d_an = d_ap + m, and in the band also d_an = d_ap, lie outside."""
    case = Case(torch.tensor([[0.0, 1.0, 1.0, 1.5, 2.0]]), torch.tensor([0]), torch.tensor([7, 0, 1, 1, 1]), None)
    assert int(found(case, 1.0)[0].active) == 3  # columns 0, 2, 3
    assert int(found(case, 1.0, band=True)[0].active) == 1  # column 3
    assert int(found(case, 0.0)[0].active) == 1
    assert int(found(case, 0.0, band=True)[0].active) == 0


def test_minus_zero_is_zero(regime):
    case = Case(torch.tensor([[0.0, -0.0, -1.0]]), torch.tensor([0]), torch.tensor([0, 1, 1]), None)
    assert int(found(case, 0.0)[0].active) == 1
    other = Case(torch.tensor([[-0.0, 0.0, -1.0]]), torch.tensor([0]), torch.tensor([0, 1, 1]), None)
    assert int(found(other, 0.0)[0].active) == 1


def test_one_large_class_costs_the_others_no_passes(monkeypatch):
    """A class of 60 among pairs: a row of a pair is passed over a few times, not 59, and all is counted rightly."""
    labels = torch.cat([torch.zeros(60), 1 + torch.arange(100) // 2]).long()
    labels = labels[torch.randperm(160, generator=torch.Generator().manual_seed(0))]
    distances = torch.rand(160, 160, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    case = Case((distances * 2**20).round() / 2**20, labels, labels, 0)
    monkeypatch.setattr(rows, "CHUNK", 160 * 8)
    passes = []
    comparison = torch.lt
    monkeypatch.setattr(torch, "lt", lambda far, edge, out: passes.append(len(far)) or comparison(far, edge, out=out))
    for squared in (False, True):
        sums, slopes = found(case, 0.25, squared=squared)
        wanted = cube(case, 0.25, squared, False)
        assert (
            int(sums.active) == int(wanted[1]) and close(sums.total, wanted[0], 1e-6) and close(slopes, wanted[2], 1e-6)
        )
    assert sum(passes) == 2 * 100


def test_counts_of_a_row_beyond_float32_are_exact():
    """5,000 positives, all above 4,001 negatives: 20,005,000 triplets in one row."""
    columns = torch.cat([torch.zeros(5000), torch.ones(4001)]).long()
    case = Case(torch.cat([torch.ones(5000), torch.zeros(4001)])[None], torch.tensor([0]), columns, None)
    assert int(found(case, 0.5)[0].active) == 5000 * 4001


def test_little_excess_over_large_distances_is_not_lost():
    """One negative each, 2^-18 inside a margin, among distances near 1: no difference of large sums is formed."""
    for form in FORMS:
        with pytest.MonkeyPatch.context() as patch:
            use(form, patch)
            distances = torch.tensor([[0.5 + k / 64 for k in range(8)] + [0.609375 + 0.25 - 2.0**-18, 1.5, 1.75]])
            case = Case(distances.double(), torch.tensor([0]), torch.tensor([0] * 8 + [1] * 3), None)
            sums, _ = found(case, 0.25)
            assert float(sums.total) == 2.0**-18


@pytest.mark.parametrize(
    ("term", "plain"), [(soft_hinge, torch.nn.functional.softplus), (squared_share, lambda z: z.sigmoid().square())]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_smooth_terms_equal_the_cube(term, plain, dtype, monkeypatch):
    for seed in range(8):
        monkeypatch.setattr(rows, "CHUNK", (1 << 17, 97)[seed % 2])
        case = drawn(seed, "plain", references=seed % 3 == 0)
        case = case._replace(distances=case.distances * (1, 128)[seed % 2])
        leaf = case.distances.double().clone().requires_grad_()
        positives, negatives = case.masks()
        values = plain(leaf[:, :, None] - leaf[:, None, :])
        total = torch.where(positives[:, :, None] & negatives[:, None, :], values, 0).sum()
        (wanted,) = torch.autograd.grad(total, leaf)
        index, listed, kin = case.tables()
        slope, scratch = (torch.full(leaf.shape, torch.nan, dtype=dtype) for _ in range(2))
        distances = case.distances.to(dtype)
        sums = counted_smooth(distances.gather(1, index), listed, strangers(distances, kin, scratch), term, slope)
        exact = 1e-6 if dtype == torch.float32 else 1e-8  # softplus of torch is linear above 20
        assert close(sums.total, total.detach(), exact)
        assert close(slope.double().scatter_add(1, index, sums.positives.double()), wanted, exact)
        assert not slope.view(-1)[kin].any()
