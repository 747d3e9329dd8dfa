"""Rows of any length as directions: made in pieces, without a float64 copy of the batch, and without a lost digit."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from nearkin.distances import BlockDistances, Cosine, crowds, rows
from nearkin.distances.cosine import directions, turned
from nearkin.distances.directions import UnitKernel, UnitRows
from nearkin.losses import Contrastive, NTXent, RowLoss, SupCon

pytestmark = pytest.mark.usefixtures("near_pairs")

COUNT, DIMENSIONS = 240, 32


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def raw(kind: str) -> Tensor:
    """Rows in float32 whose lengths go from a thousandth to a thousand."""
    x = normal(COUNT, DIMENSIONS)
    if kind == "leaning":
        x = x[:1] + 0.3 * x
    if kind == "near duplicates":
        x = x[::4].repeat_interleave(4, 0) + 1e-4 * x
    if kind == "some near duplicates":
        x[41:49:2] = x[40:48:2] + torch.logspace(-4, -1, 4, dtype=torch.float64)[:, None] * x[41:49:2]
    if kind == "opposite":
        x[1::2] = -x[::2] + 1e-3 * x[1::2]
    return (x * torch.logspace(-3, 3, COUNT, dtype=torch.float64)[torch.randperm(COUNT)][:, None]).float()


KINDS = ["spread", "leaning", "near duplicates", "some near duplicates", "opposite"]


@pytest.fixture(params=[1 << 16, 7 * DIMENSIONS], ids=["whole", "pieces"])
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(rows, "PIECE", {"cpu": request.param})
    return int(request.param)


def test_directions_and_their_way_back_are_those_of_float64(piece):
    x = raw("spread")
    found, slopes = UnitRows(x), normal(COUNT, DIMENSIONS, seed=1).float()
    exact = x.double().requires_grad_()
    wanted = directions(exact)
    (way_back,) = torch.autograd.grad(wanted, exact, slopes.double())
    some = torch.tensor([5, 0, 5, 200])
    torch.testing.assert_close(found[some], wanted.detach()[some], rtol=1e-14, atol=0)
    torch.testing.assert_close(found.index_select(0, some), found[some], rtol=0, atol=0)
    torch.testing.assert_close(rows.mean(found), wanted.detach().mean(0), rtol=1e-12, atol=1e-15)
    narrow = rows.narrowed(found, torch.float32, wanted.detach()[3])
    torch.testing.assert_close(narrow, (wanted.detach() - wanted.detach()[3]).float(), rtol=1e-6, atol=1e-9)
    lengths = exact.detach().norm(dim=1, keepdim=True)
    torch.testing.assert_close(found.back(slopes).double() * lengths, way_back * lengths, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("fault", [0.0, torch.nan, torch.inf])
def test_a_row_without_a_direction_takes_the_general_way(fault):
    x = raw("spread")
    x[7] = fault
    assert turned(x) is None
    assert turned(x[:0]) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_distances_of_directions_are_exact_whichever_rows_are_near(kind):
    x = raw(kind)
    units = torch.nn.functional.normalize(x.double())
    wanted = (units[:, None] - units[None]).square().sum(2) / 2
    form = Cosine().closed_form()
    assert form is not None
    for first in (0, None):
        made = BlockDistances(form, UnitRows(x), UnitRows(x), torch.float32, first, shared=False)
        assert isinstance(made.kernel, UnitKernel) == (kind != "leaning")
        for start, stop in ((0, COUNT), (0, 100), (100, COUNT)):
            found = made.fill(start, stop, torch.empty(stop - start, COUNT))
            torch.testing.assert_close(found.double(), wanted[start:stop], rtol=1e-6, atol=0)


LOSSES = [NTXent(0.07), SupCon(0.1), Contrastive(0.5, distance="cosine")]


@pytest.mark.parametrize("form", ["dense", "blocks", "references"])
@pytest.mark.parametrize("kind", KINDS[:-1])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_a_loss_of_rows_of_any_length_keeps_its_digits(loss, kind, form, piece):
    x, y, found = raw(kind), torch.arange(COUNT) // 4, []
    for exact in (False, True):
        one: RowLoss = copy.deepcopy(loss)
        one.block_size = 50 if form == "blocks" and not exact else None
        leaves = [(x.double() if exact else x).requires_grad_()]
        if exact:
            one.closed = None
        if form == "references":
            leaves.append(leaves[0].detach().roll(4, 0).requires_grad_())
        value = one(leaves[0], y, *([leaves[1], y.roll(4, 0)] if form == "references" else []))
        slopes = torch.autograd.grad(value, leaves)
        lengths = [leaf.detach().double().norm(dim=1, keepdim=True) for leaf in leaves]
        found.append([value.detach().double(), *(slope.double() * length for slope, length in zip(slopes, lengths))])
    for one_part, wanted in zip(*found, strict=True):
        assert float((one_part - wanted).norm()) < 1e-6 * float(wanted.norm())


def test_no_float64_copy_of_a_long_batch_is_made(monkeypatch):
    asked = []
    made = UnitRows.__getitem__

    def counted(self: UnitRows, index: Tensor | slice) -> Tensor:
        found = made(self, index)
        asked.append(len(found))
        return found

    monkeypatch.setattr(rows, "PIECE", {"cpu": 20 * DIMENSIONS})
    monkeypatch.setattr(crowds, "SHARE", 1.0)
    monkeypatch.setattr(UnitRows, "__getitem__", counted)
    x, y = raw("spread").requires_grad_(), torch.arange(COUNT) // 2
    NTXent(block_size=20)(x, y, x.detach().roll(2, 0).requires_grad_(), y.roll(2, 0)).backward()
    assert 0 < max(asked) <= 20
