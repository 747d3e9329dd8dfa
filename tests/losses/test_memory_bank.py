"""A memory of past embeddings: what the loss is compared with, who is who, and a state from which to go on exactly."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nearkin.core import InputError, InputTypeError
from nearkin.losses import Angular, Contrastive, Lifted, MemoryBank, NPair, Sum, Triplet
from nearkin.testing import run_processes


def normal(*shape: int, seed: int = 5) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def batches(count: int, rows: int = 6) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Embeddings, labels and sample ids; the samples of a data set of 20 come again."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 3, (20,), generator=generator)
    drawn = [torch.randperm(20, generator=generator)[:rows] for _ in range(count)]
    return [(normal(rows, 3, seed=10 + step), labels[ids], ids) for step, ids in enumerate(drawn)]


def slopes(loss: Any, x: Tensor, y: Tensor, **more: Any) -> tuple[Tensor, Tensor]:
    leaf = x.clone().requires_grad_()
    value = loss(leaf, y, **more)
    return value.detach(), torch.autograd.grad(value, leaf)[0]


LOSSES = {
    "triplet": lambda: Triplet(1.0),
    "contrastive in blocks": lambda: Contrastive(2.0, block_size=2),
    "lifted": Lifted,
    "n-pair": lambda: NPair(pairs="all"),
    "angular": lambda: Angular(block_size=4),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("with_ids", [True, False])
def test_every_batch_is_compared_with_itself_and_the_last_ones(name, with_ids):
    """The same by hand: references are the batch and a list of what came before, a sample's own copies excluded."""
    plain, bank = LOSSES[name](), MemoryBank(LOSSES[name](), size=15)
    past: list[tuple[Tensor, int, int]] = []
    for step, (x, y, ids) in enumerate(batches(5)):
        mine = ids if with_ids else torch.arange(6) + 100 * (step + 1)
        leaf = x.clone().requires_grad_()
        references = torch.cat([leaf, *(row[None] for row, _, _ in past)])
        labels = torch.tensor([*y.tolist(), *(label for _, label, _ in past)])
        reference_ids = torch.tensor([*mine.tolist(), *(one for _, _, one in past)])
        wanted = plain(leaf, y, references, labels, ids=mine, reference_ids=reference_ids)
        value, slope = slopes(bank, x, y, **({"ids": ids} if with_ids else {}))
        torch.testing.assert_close(value, wanted.detach())
        torch.testing.assert_close(slope, torch.autograd.grad(wanted, leaf)[0])
        past = (past + list(zip(x, y.tolist(), mine.tolist(), strict=True)))[-15:]
        assert len(bank) == len(past)
    assert int(bank.written) == 30


def test_the_first_batch_has_an_empty_memory_and_is_the_plain_loss():
    x, y, ids = batches(1)[0]
    for given in ({}, {"ids": ids}):
        torch.testing.assert_close(MemoryBank(Triplet(1.0))(x, y, **given), Triplet(1.0)(x, y))


def test_a_sample_is_no_pair_with_its_own_copy():
    x, y = normal(2, 3), torch.tensor([0, 1])
    remembered, forgotten = MemoryBank(Contrastive(5.0)), MemoryBank(Contrastive(5.0))
    ids = torch.tensor([7, 8])
    first = remembered(x, y, ids=ids)
    forgotten(x, y)
    d = float(torch.dist(x[0], x[1]))
    assert float(remembered(x, y, ids=ids)) == pytest.approx(float(first)) == pytest.approx((5 - d) ** 2 / 2)
    assert float(forgotten(x, y)) == pytest.approx(
        (5 - d) ** 2 / 3
    )  # each one's older copy is a positive at distance 0


def test_the_memory_moves_once_a_call_and_only_in_training_mode():
    x, y, _ = batches(1)[0]
    bank = MemoryBank(Triplet(), size=8).eval()
    bank(x, y)
    bank.measure(x, y)
    assert len(bank) == 0
    bank.train()
    bank.measure(x, y)
    assert len(bank) == 6
    bank(x.clone().requires_grad_(), y)
    assert not bank.embeddings.requires_grad  # nothing holds the graphs of past batches
    assert (len(bank), int(bank.written)) == (8, 12)
    bank.clear()
    assert len(bank) == 0


def test_a_batch_larger_than_the_memory_leaves_its_last_rows():
    x, y, ids = batches(1, rows=10)[0]
    bank = MemoryBank(Triplet(), size=4).double()
    bank(x, y, ids=ids)
    assert sorted(bank.ids.tolist()) == sorted(ids[-4:].tolist())
    assert int(bank.written) == 10
    for row, label, one in zip(bank.embeddings, bank.labels, bank.ids):
        place = ids.tolist().index(int(one))
        torch.testing.assert_close(row, x[place])
        assert label == y[place]


def test_what_came_first_is_overwritten_first_whatever_the_sizes_of_batches():
    bank, past = MemoryBank(Contrastive(), size=4), []
    for step, count in enumerate((2, 7, 1, 4, 3, 9, 2)):
        x = normal(count, 2, seed=step)
        bank(x, torch.arange(count))
        past = [*past, *x.tolist()][-4:]
        assert sorted(bank.embeddings[: len(bank)].tolist()) == sorted(past)


def test_a_resumed_memory_goes_on_exactly():
    steps = batches(6)
    whole = MemoryBank(Triplet(1.0, mining="batch-hard"), size=9)
    values = [slopes(whole, x, y) for x, y, _ in steps]
    first = MemoryBank(Triplet(1.0, mining="batch-hard"), size=9)
    for x, y, _ in steps[:3]:
        first(x, y)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = MemoryBank(Triplet(1.0, mining="batch-hard"), size=9).double()  # which has not yet seen how wide rows are
    second.load_state_dict(torch.load(file))
    for (x, y, _), (value, slope) in zip(steps[3:], values[3:]):
        again = slopes(second, x, y)
        assert torch.equal(again[0], value)
        assert torch.equal(again[1], slope)
    for name, state in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], state), name


def test_an_older_memory_survives_the_backward_pass():
    """The gradient is taken after the memory has moved on."""
    bank = MemoryBank(Triplet(1.0), size=6)
    (a, ya, _), (b, yb, _) = batches(2)
    bank(a, ya)
    leaf = b.clone().requires_grad_()
    value = bank(leaf, yb)
    bank(a, ya)
    other = MemoryBank(Triplet(1.0), size=6)
    other(a, ya)
    torch.testing.assert_close(torch.autograd.grad(value, leaf)[0], slopes(other, b, yb)[1])


@pytest.mark.parametrize("with_ids", [True, False])
def test_two_processes_equal_one_over_several_batches(with_ids):
    steps = batches(4, rows=7)
    joint = MemoryBank(Triplet(1.0), size=10)
    wanted = [slopes(joint, x, y, **({"ids": ids} if with_ids else {})) for x, y, ids in steps]
    shares: list[Any] = [None, None]
    banks: list[Any] = [None, None]

    def work(rank: int, group: Any) -> None:
        rows = (slice(0, 3), slice(3, None))[rank]
        banks[rank] = MemoryBank(Triplet(1.0), size=10)
        shares[rank] = [
            slopes(banks[rank], x[rows], y[rows], group=group, **({"ids": ids[rows]} if with_ids else {}))
            for x, y, ids in steps
        ]

    run_processes(work, 2)
    for step, (value, slope) in enumerate(wanted):
        for share in shares:
            torch.testing.assert_close(share[step][0], value)
        torch.testing.assert_close(torch.cat([share[step][1] for share in shares]) / 2, slope)
    for bank in banks:
        for name, state in joint.state_dict().items():
            torch.testing.assert_close(bank.state_dict()[name], state)


def test_the_distance_of_its_loss_is_trained_and_random_mining_draws():
    bank = MemoryBank(Triplet(1.0, mining="random"), size=8)
    x, y, _ = batches(1)[0]
    drawn = [bank.eval()(x, y, generator=torch.Generator().manual_seed(3)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert bank.uniforms == 2
    assert bank.distance is bank.loss.distance
    assert isinstance(copy.deepcopy(bank), MemoryBank)
    assert "size=8" in repr(bank)
    assert Sum([bank, (Triplet(), 0.5)])(x, y, generator=torch.Generator().manual_seed(3)) > 0


def test_bfloat16_batches_are_kept_in_float32():
    x, y, _ = batches(1)[0]
    bank = MemoryBank(Triplet(1.0), size=8)
    assert bank(x.bfloat16(), y).dtype == torch.float32
    assert bank.embeddings.dtype == torch.float32
    assert bank(x.bfloat16(), y).isfinite()


def test_what_a_memory_cannot_do_is_said_in_words():
    with pytest.raises(InputTypeError, match="serves a loss made of rows, got Linear"):
        MemoryBank(nn.Linear(2, 2))
    with pytest.raises(InputError, match="take pairs='all'"):
        MemoryBank(NPair())
    with pytest.raises(InputError, match="size must be a whole number of at least 1"):
        MemoryBank(Triplet(), size=0)
    bank = MemoryBank(Triplet(), dimensions=3)
    assert bank.embeddings.shape == (1024, 3)
    x, y, ids = batches(1)[0]
    with pytest.raises(InputError, match="ids must be integers of at least 0"):
        bank(x, y, ids=ids - 30)
    bank(x, y)
    with pytest.raises(InputError, match="holds embeddings of 3 dimensions, the batch has 2"):
        bank(x[:, :2], y)
    with pytest.raises(InputError, match="labels are missing"):
        bank(x)
