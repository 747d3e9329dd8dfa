"""Every registered loss x distance x way to mine: as blocks, as references, in another order, in two processes, on degenerate
batches, in bfloat16. What the values *are* is the matter of `test_losses`; here each is held against its own dense form."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nearkin.core import InputError
from nearkin.core.tensors import Own
from nearkin.distances import DISTANCES
from nearkin.losses import LOSSES, Triplet
from nearkin.mining import MINERS
from sweeps import two_processes
from sweeps.combinations import (
    COMPOSITIONS,
    MINING,
    Combination,
    combinations,
    declared,
    numbers,
    refused,
    sample,
    slopes,
)

COUNT = 215
"""Combinations of loss, distance and mining. A loss, distance or miner more makes more: then the new number belongs here."""

ALL = combinations()
OF_LOSS = {name: [each for each in ALL if each.loss == name] for name in LOSSES}
every_loss = pytest.mark.parametrize("name", OF_LOSS)


@pytest.fixture(autouse=True)
def _without_warnings():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*no valid term")
        yield


@cache
def whole(combination: Combination) -> list[Tensor]:
    """Value and gradients of the dense form on the whole batch."""
    return alone(combination)


def alone(combination: Combination, block_size: int | None = None, order: Tensor | None = None) -> list[Tensor]:
    loss = combination.make(block_size=block_size)
    x, y, noise = sample()
    at = torch.arange(len(y)) if order is None else order
    value, slope, *others = slopes(loss, [x[at]], lambda e: loss(e, y[at], **numbers(loss, noise[at])))
    return [value, slope[at.argsort()], *others]


def agree(got: list[Tensor], wanted: list[Tensor], what: str, tolerance: float = 1e-9) -> None:
    assert len(got) == len(wanted), what
    for a, b in zip(got, wanted):
        size = 1 + float(b.abs().max()) if b.numel() else 1.0
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * size, msg=lambda m: f"{what}: {m}")


def test_every_combination_that_the_tables_declare_is_swept():
    assert {each.key for each in ALL} == declared()
    assert len(declared()) == COUNT
    assert len({each.title for each in ALL}) == len(ALL) >= 600
    assert {name for name, mine in OF_LOSS.items() if not mine} == set()
    assert {each.distance for each in ALL} == {"", *DISTANCES}
    assert {each.mining for each in ALL if each.loss == "triplet"} == set(MINING["triplet"]) >= set(MINERS)
    assert {name for name, entry in LOSSES.items() if entry.kind == "composition"} == set(COMPOSITIONS)
    for name in ("contrastive", "triplet", "n-pair", "lifted"):
        assert {each.distance for each in OF_LOSS[name]} == set(DISTANCES)


@pytest.mark.parametrize("rule", [rule for rule in MINERS if MINERS[rule].directions])
def test_what_the_sweep_leaves_out_is_refused(rule):
    left_out = [distance for distance in DISTANCES if refused(rule, distance)]
    assert left_out
    x, y, _ = sample()
    for distance in left_out:
        with pytest.raises(InputError, match=distance.split("-")[-1] + "|direction|space"):
            Triplet(mining=rule, distance=distance)(x, y, generator=torch.Generator())


@every_loss
def test_blocks_give_the_value_and_the_gradients_of_the_whole(name):
    for each in OF_LOSS[name]:
        if each.has_rows:
            agree(alone(each, 4), whole(each), f"{each.title}, blocks")


@every_loss
def test_the_batch_given_as_references_is_the_batch(name):
    """With ids nobody is a pair of itself; tuples are read out of a batch alone, and `test_losses` has their references."""
    for each in OF_LOSS[name]:
        loss = each.make()
        if not each.has_rows or loss.tuples:
            continue
        x, y, noise = sample()
        ids = torch.arange(len(y))
        more = {**numbers(loss, noise), "ids": ids, "reference_ids": ids}
        value, a, b, *others = slopes(loss, [x, x], lambda e, r: loss(e, y, r, y, **more))
        agree([value, a + b, *others], whole(each), f"{each.title}, references")


@every_loss
def test_columns_of_ones_own_are_as_good_as_shared_ones(name):
    """Without labels each row's own columns say who is kin; a loss that asks about columns among themselves needs shared ones."""
    other = ~torch.eye(9, dtype=torch.bool)
    for each in OF_LOSS[name]:
        loss = each.make()
        if not each.has_rows or loss.tuples or loss.prepare is not None or each.variant.classes:
            continue
        x, y, noise = sample()
        same = y[:, None] == y
        value, a, b, *others = slopes(
            loss, [x, x],
            lambda e, r: loss(e, own=Own(r.expand(9, -1, -1), same & other, ~same & other), **numbers(loss, noise)),
        )  # fmt: skip
        agree([value, a + b, *others], whole(each), f"{each.title}, own columns")


@every_loss
def test_the_order_of_the_batch_does_not_matter(name):
    """Within a class the order stays, because tuples are its first two; what is drawn is drawn by the place of a column."""
    _, y, _ = sample()
    by_class = torch.tensor([2, 0, 3, 1])[y].argsort(stable=True)
    shuffled = torch.randperm(len(y), generator=torch.Generator().manual_seed(4))
    for each in OF_LOSS[name]:
        loss = each.make()
        if getattr(loss, "uniforms", 0):
            assert each.mining in {"random", "distance-weighted"}, each.title
            continue
        order = by_class if getattr(loss, "tuples", False) else shuffled
        agree(alone(each, order=order), whole(each), f"{each.title}, another order")


DEGENERATE = {
    "one class": [1, 1, 1, 1, 1],
    "nobody alike": [0, 1, 2, 3],
    "a batch of one": [3],
    "an empty batch": [],
    "one point": [0, 1, 0, 1],
}
NOTHING_LEFT = ("a batch of one", "an empty batch")


@every_loss
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_batches_stay_finite_and_in_the_graph_and_are_zero_where_nothing_is_left(name, case):
    labels = torch.tensor(DEGENERATE[case], dtype=torch.int64)
    for place, each in enumerate(OF_LOSS[name]):
        x, _, noise = sample(slice(0, len(labels)))
        x = x[:1].expand(len(labels), -1) if case == "one point" else x
        loss = each.make(block_size=(None, 2)[place % 2])
        x = x.clone().requires_grad_()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            value = loss(x, labels, **numbers(loss, noise))
        assert value.requires_grad and value.dim() == 0 and value.isfinite(), each.title
        wanted = [x, *(weight for weight in loss.parameters() if weight.requires_grad)]
        found = torch.autograd.grad(value, wanted, allow_unused=True)
        assert all(slope is None or slope.isfinite().all() for slope in found), each.title
        if each.has_rows and any("no valid term" in str(one.message) for one in said):
            assert value.detach() == 0 and not found[0].any(), each.title
        else:
            assert not (each.has_rows and case in NOTHING_LEFT), each.title


@every_loss
def test_bfloat16_autocast_is_finite_and_near_float32(name):
    """A network under autocast gives bfloat16 rows; the loss computes in float32, and only the rows' rounding is left."""
    for place, each in enumerate(OF_LOSS[name]):
        x, y, noise = sample(dtype=torch.float32)
        network = nn.Linear(3, 3)
        with torch.no_grad():
            network.weight.copy_(torch.tensor([[1.0, 0.5, 0], [0, 1, -0.5], [0.25, 0, 1]]))
            network.bias.zero_()
        loss = each.make(torch.float32, (None, 4)[place % 2])
        with torch.autocast("cpu", torch.bfloat16):
            rows = network(x)
            value = loss(rows, y, **numbers(loss, noise))
        assert rows.dtype == torch.bfloat16
        assert value.dtype == torch.float32, each.title
        weights = [*network.parameters(), *(weight for weight in loss.parameters() if weight.requires_grad)]
        for slope in torch.autograd.grad(value, weights, allow_unused=True):
            assert slope is None or slope.isfinite().all(), each.title
        again = each.make(torch.float32)
        plain = again(rows.detach().float(), y, **numbers(again, noise))
        torch.testing.assert_close(value.detach(), plain.detach(), rtol=1e-4, atol=1e-5, msg=lambda m: f"{each.title}: {m}")


@pytest.fixture(scope="module")
def shares(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gloo")
    tests = str(Path(two_processes.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")]), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, two_processes.__file__, str(rank), str(folder)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
        )
        for rank in range(2)
    ]  # fmt: skip
    for process in processes:
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output.decode()
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def test_two_processes_ran_every_combination(shares):
    assert set(shares[0]) == set(shares[1]) == {each.title for each in ALL}


@every_loss
def test_two_processes_with_unequal_batches_equal_one(name, shares):
    for each in OF_LOSS[name]:
        first, second = (share[each.title] for share in shares)
        value, *gradients = whole(each)
        agree([first[0], second[0]], [value, value], f"{each.title}, value")
        joint = [torch.cat([first[1], second[1]]) / 2, *((a + b) / 2 for a, b in zip(first[2:], second[2:]))]
        agree(joint, gradients, f"{each.title}, gradient")  # DDP averages over the processes
