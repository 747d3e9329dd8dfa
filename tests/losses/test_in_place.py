"""Slopes that take the place of the distances are those that stand beside them: one matrix instead of three, the same gradient."""

import copy
from functools import partial

import pytest
import torch
from torch import Tensor

from nearkin import Triplet, TripletNetwork
from nearkin.distances import crowds, groups
from nearkin.distances.in_place import BlockDistances, both_ways
from nearkin.losses import closed_sweep
from nearkin.mining import counted, rows

LOSSES = {
    "all": Triplet,
    "band": partial(Triplet, mining="semi-hard-set"),
    "squared": partial(Triplet, hinge="squared"),
    "squared band": partial(Triplet, hinge="squared", mining="semi-hard-set"),
    "soft": lambda margin, **options: Triplet(hinge="soft", **options),
    "triplet network": lambda margin, **options: TripletNetwork(**options),
}
SINGLE = ("euclidean", "squared-euclidean", "cosine", "inner-product", "mahalanobis")
LABELS = {
    "equal classes": torch.arange(40) // 4,
    "unequal classes": torch.tensor([9] + [5] * 25 + [2] * 6 + [7] * 8),
}


def spread(seed: int) -> Tensor:
    return torch.randn(40, 6, generator=torch.Generator().manual_seed(seed))


def with_copies(seed: int) -> Tensor:
    """Copies and near-copies within a class and across classes."""
    x = spread(seed)
    x[1], x[9], x[30], x[31] = x[0], x[0], x[2], x[3] + 1e-5
    return x


def tight(seed: int) -> Tensor:
    """Classes much narrower than the distances between them, one of copies alone."""
    x = spread(seed)
    x[0:4] = x[0]
    return spread(seed)[torch.arange(40) // 4 * 4] + 1e-3 * x


def one_place(seed: int) -> Tensor:
    return 5 + 1e-3 * with_copies(seed)


ROWS = {"spread": (spread, 0.3), "copies": (with_copies, 0.3), "tight": (tight, 9.0), "one place": (one_place, 1e-3)}
"""With a margin at which some triplets of them are active."""


@pytest.fixture(params=["passes", "look-ups"])
def regime(request, monkeypatch):
    """Both ways to count, in several spans and chunks; and groups of near pairs are looked for in small batches too."""
    monkeypatch.setattr(counted, "AT_ONCE", -1)
    monkeypatch.setattr(counted, "PASSES", dict.fromkeys((False, True), {"passes": 10**9, "look-ups": -1}[request.param]))
    monkeypatch.setattr(rows, "CHUNK", 240)
    monkeypatch.setattr(rows, "TABLE", 1)
    monkeypatch.setattr(groups, "WORTH", 0)
    monkeypatch.setattr(groups, "SMALLEST", 2)
    monkeypatch.setattr(crowds, "FEW", 0)


@pytest.fixture
def in_place(monkeypatch):
    """Calls a loss in single precision with slopes in place, from how many pairs on, or beside; whether they were is looked at."""
    calls = []
    taken = BlockDistances.pull_linked
    monkeypatch.setattr(BlockDistances, "pull_linked", lambda *arguments: calls.append(1) or taken(*arguments))

    def run(loss: Triplet | TripletNetwork, limit: int, expected: bool, *given: Tensor | None) -> list[Tensor]:
        monkeypatch.setattr(closed_sweep, "IN_PLACE", limit)
        calls.clear()
        loss = copy.deepcopy(loss)
        loss.precise = 0
        found = differentiated(loss, *given)
        assert bool(calls) == expected
        return found

    return run


def differentiated(loss, embeddings, labels, references=None, reference_labels=None) -> list[Tensor]:
    moving = [each.clone().requires_grad_() for each in (embeddings, references) if each is not None]
    value = loss(moving[0], labels, moving[1] if len(moving) > 1 else None, reference_labels)
    return [value.detach(), *torch.autograd.grad(value, moving)]


@pytest.mark.parametrize("size", [None, 7], ids=["dense", "blocks"])
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("distance", SINGLE)
@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_that_of_slopes_beside_the_distances(name, distance, kind, labels, size, regime, in_place):
    make, margin = ROWS[kind]
    loss, x, classes = LOSSES[name](margin, distance=distance, block_size=size), make(3), LABELS[labels]
    found, beside = in_place(loss, 0, True, x, classes), in_place(loss, 1 << 40, False, x, classes)
    cancelled = 2e-5 if distance == "inner-product" else 2e-7
    for one, other in zip(found, beside):
        assert (one - other).abs().max() <= cancelled * other.abs().max()
    assert found[1].any() or distance not in ("euclidean", "mahalanobis")


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("distance", SINGLE)
@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_that_of_autograd(name, distance, labels, regime, in_place):
    loss, x, classes = LOSSES[name](0.3, distance=distance), spread(3), LABELS[labels]
    plain = copy.deepcopy(loss).double()
    plain.closed = None
    for one, exact in zip(in_place(loss, 0, True, x, classes), differentiated(plain, x.double(), classes)):
        assert (one.double() - exact).abs().max() <= 1e-5 * exact.abs().max()


@pytest.mark.parametrize("size", [None, 7], ids=["dense", "blocks"])
@pytest.mark.parametrize("name", LOSSES)
def test_references(name, size, regime, in_place):
    loss = LOSSES[name](0.3, block_size=size)
    given = spread(1)[:17], LABELS["unequal classes"][8:25], with_copies(2), LABELS["unequal classes"]
    found, beside = in_place(loss, 0, True, *given), in_place(loss, 1 << 40, False, *given)
    for one, other in zip(found, beside):
        assert (one - other).abs().max() <= 2e-7 * other.abs().max()


def test_rows_in_the_middle_of_all_others(regime, in_place):
    """Whole numbers, whose mean is 0: two rows there have no length once they are centred, and no distance."""
    x = torch.randint(-3, 4, (40, 6), generator=torch.Generator().manual_seed(5)).float()
    x[20:], x[3], x[23] = -x[:20], 0, 0
    loss, labels = Triplet(4.0), LABELS["equal classes"]
    found, beside = in_place(loss, 0, True, x, labels), in_place(loss, 1 << 40, False, x, labels)
    assert x.mean(0).eq(0).all()
    assert all(torch.equal(one, other) and one.isfinite().all() for one, other in zip(found, beside))


@pytest.mark.parametrize("distance", ["snr", "relative-mahalanobis"])
def test_distances_that_the_gradient_needs_once_more_stay(distance, in_place):
    in_place(Triplet(0.3, distance=distance), 0, False, spread(4), LABELS["equal classes"])


def test_distances_that_are_measured_stay(in_place):
    loss = Triplet(0.3)
    in_place(loss, 0, True, spread(4), LABELS["equal classes"])
    loss.precise = 0
    distances = torch.cdist(spread(4), spread(4))
    found, kin = loss.measure(spread(4), LABELS["equal classes"]), torch.eye(10).kron(torch.ones(4, 4)).bool()
    assert found.negative == pytest.approx(float(distances[~kin].mean()), rel=1e-6)


def test_from_how_many_pairs_on_one_matrix_does():
    x = torch.randn(600, 3, generator=torch.Generator().manual_seed(0))
    seen = []
    original = BlockDistances.pull_linked
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BlockDistances, "pull_linked", lambda self, *given: seen.append(given[1]) or original(self, *given))
        for count in (512, 513, 600, 1100):
            differentiated(Triplet(), x.repeat(2, 1)[:count], torch.arange(count) // 2)
    assert seen == [513, 600, 512, 1024]  # what is left of 1,100 rows is few again


@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 300])
def test_a_matrix_and_its_transpose_are_added_in_their_own_place(count):
    slopes = torch.randn(count, count, generator=torch.Generator().manual_seed(count))
    wanted = slopes + slopes.T
    assert torch.equal(both_ways(slopes, None), wanted)
    assert torch.equal(slopes, wanted)
