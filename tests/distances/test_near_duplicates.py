"""Near-duplicates keep their digits in float32: values and gradients within 1e-6 of direct float64 differences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nearkin.core.tensors import Block, Terms, added
from nearkin.distances import Distance, LearnedDistance, make_distance
from nearkin.losses import Contrastive, RowLoss

pytestmark = pytest.mark.usefixtures("near_pairs")

ROWS, DIMENSIONS = 256, 64
GENERATOR_SEED = 5


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _unit(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows, dim=1)


def _groups(size: int, spread: float) -> Callable[[torch.Generator], Tensor]:
    def make(generator: torch.Generator) -> Tensor:
        centres = _unit(_normal(generator, ROWS // size, DIMENSIONS)).repeat_interleave(size, 0)
        return _unit(centres + spread * _unit(_normal(generator, ROWS, DIMENSIONS)))

    return make


def _collapsed(spread: float) -> Callable[[torch.Generator], Tensor]:
    return lambda generator: _unit(_normal(generator, 1, DIMENSIONS)) + spread * _normal(generator, ROWS, DIMENSIONS)


DATA: dict[str, Callable[[torch.Generator], Tensor]] = {
    "unit, random": lambda generator: _unit(_normal(generator, ROWS, DIMENSIONS)),
    "unit, groups of 4 within 1e-1": _groups(4, 1e-1),
    "unit, groups of 4 within 1e-3": _groups(4, 1e-3),
    "unit, groups of 4 within 1e-5": _groups(4, 1e-5),
    "collapsed, common vector + 1e-3": _collapsed(1e-3),
    "collapsed, common vector + 1e-5": _collapsed(1e-5),
    "offset 100 + normal": lambda generator: 100 + _normal(generator, ROWS, DIMENSIONS),
    "8 tight clusters of 32": _groups(32, 1e-3),
}


def rows_of(name: str) -> Tensor:
    return DATA[name](torch.Generator().manual_seed(GENERATOR_SEED)).float()


NAMES = ["euclidean", "squared-euclidean", "cosine", "snr", "snr-symmetric", "mahalanobis", "relative-mahalanobis"]
FACTOR = _normal(torch.Generator().manual_seed(3), DIMENSIONS // 2, DIMENSIONS).float() / DIMENSIONS**0.5


def made(name: str) -> Distance:
    """The distance of that name; a learned one with L = FACTOR, of half as many rows as dimensions."""
    distance = make_distance(name)
    if isinstance(distance, LearnedDistance):
        distance.load_state_dict({"weight": FACTOR})
    return distance


def direct(name: str, x: Tensor, z: Tensor | None = None, factor: Tensor = FACTOR) -> Tensor:
    """The distance by differences of float64 rows, with plain autograd; 0 with gradient 0 between equal rows."""
    project = {
        "cosine": _unit,
        "snr": lambda x: x - x.mean(1, keepdim=True),
        "snr-symmetric": lambda x: x - x.mean(1, keepdim=True),
        "mahalanobis": lambda x: x @ factor.double().T,
        "relative-mahalanobis": lambda x: x @ factor.double().T,
    }.get(name, lambda x: x)
    rows = project(x)
    squared = (rows[:, None] - (rows if z is None else project(z))[None]).square().sum(2)
    if name in {"euclidean", "mahalanobis"}:
        apart = squared > 0
        return torch.where(apart, torch.where(apart, squared, 1).sqrt(), 0)
    norms = rows.square().sum(1, keepdim=True)
    others = norms if z is None else project(z).square().sum(1, keepdim=True)
    return {
        "cosine": squared / 2,
        "snr": squared / norms,
        "relative-mahalanobis": squared / norms,
        "snr-symmetric": (squared / norms + squared / others.T) / 2,
    }.get(name, squared)


class Weighted(RowLoss):
    """The sum of weighted distances over all pairs; the weight of a pair is made of its two rows' first numbers."""

    def rows(self, block: Block) -> Terms:
        kept = torch.where(block.positives, block.distances * block.weights, 0)
        return Terms(added(kept), added(block.positives))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data", DATA)
def test_values_and_gradients_are_within_a_millionth(name, data):
    x, z = rows_of(data).requires_grad_(), rows_of(data).requires_grad_()
    weights = torch.rand(ROWS, ROWS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    exact = [rows.detach().double().requires_grad_() for rows in (x, z)]
    wanted = direct(name, *exact)
    wanted_slopes = torch.autograd.grad((wanted * weights).sum(), exact)

    found = made(name)(x, z)
    assert found.dtype == torch.float32
    apart = wanted.detach() > 0
    error = ((found.detach().double() - wanted.detach()).abs() / wanted.detach().clamp(min=1e-300))[apart]
    assert float(error.max()) < 1e-6
    for slope, wanted_slope in zip(torch.autograd.grad((found * weights.float()).sum(), [x, z]), wanted_slopes):
        assert relative(slope, wanted_slope) < (2e-6 if name == "snr-symmetric" else 1e-6)  # its two halves cancel


@pytest.mark.parametrize("block_size", [None, 100])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "data", ["unit, groups of 4 within 1e-5", "collapsed, common vector + 1e-5", "offset 100 + normal"]
)
def test_a_loss_has_the_same_accuracy_dense_and_blocked(name, data, block_size):
    from nearkin.pairs import Matrix

    x = rows_of(data).requires_grad_()
    weights = torch.rand(ROWS, ROWS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    exact = x.detach().double().requires_grad_()
    wanted = (direct(name, exact) * weights * (1 - torch.eye(ROWS))).sum()
    value = Weighted(made(name), reduction="sum", block_size=block_size)(x, Matrix(weights.float()))
    assert abs(float(value.detach()) / float(wanted.detach()) - 1) < 1e-6
    (slope,), (wanted_slope,) = torch.autograd.grad(value, x), torch.autograd.grad(wanted, exact)
    assert relative(slope, wanted_slope) < 1e-6


@pytest.mark.parametrize("references", [False, True], ids=["own", "references"])
@pytest.mark.parametrize("name", ["euclidean", "squared-euclidean", "cosine", "snr"])
@pytest.mark.parametrize("data", [*DATA, "offset 1e6 + normal"])
def test_a_small_batch_has_the_same_accuracy(name, data, references):
    """Few distances are in float64 from the start, of rows that nobody centres: nearer ones are made of differences there."""
    rows = 1e6 + rows_of("unit, random") if data == "offset 1e6 + normal" else rows_of(data)
    y, margin = torch.arange(32) // 4, 0.5 * float(direct(name, rows.double()).amax())
    given = [rows[:32].requires_grad_(), rows[32:64].clone().requires_grad_()] if references else [rows[:32].requires_grad_()]
    exact = [each.detach().double().requires_grad_() for each in given]
    loss = Contrastive(margin, form="linear", distance=make_distance(name), average="pairs", reduction="sum")
    value = loss(given[0], y, *((given[1], y) if references else ()))
    slopes = torch.autograd.grad(value, given)
    wanted = direct(name, *exact)
    kin = y[:, None] == y
    terms = torch.where(kin, wanted, torch.relu(margin - wanted))
    if not references:
        terms = terms * (1 - torch.eye(32))
    assert float(value.detach()) == pytest.approx(float(terms.detach().sum()), rel=1e-6)
    for slope, wanted_slope in zip(slopes, torch.autograd.grad(terms.sum(), exact), strict=True):
        assert relative(slope, wanted_slope) < 1e-6


def relative(slope: Tensor, wanted: Tensor) -> float:
    return float((slope.double() - wanted).norm() / wanted.norm())


@pytest.mark.parametrize(
    ("data", "most"),
    [("unit, random", 1e-6), ("unit, groups of 4 within 1e-5", 1e-6), ("8 tight clusters of 32", 1e-5)],
)
@pytest.mark.parametrize("name", ["mahalanobis", "relative-mahalanobis"])
def test_the_gradient_of_a_learned_map_keeps_its_digits(name, data, most):
    x, distance = rows_of(data), made(name)
    weights = torch.rand(ROWS, ROWS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    exact = FACTOR.double().requires_grad_()
    (wanted,) = torch.autograd.grad((direct(name, x.double(), factor=exact) * weights).sum(), exact)
    (slope,) = torch.autograd.grad((distance(x) * weights.float()).sum(), distance.weight)
    assert relative(slope, wanted) < most


@pytest.mark.parametrize("name", ["euclidean", "squared-euclidean", "snr"])
def test_a_translation_by_100_changes_nothing_to_speak_of(name):
    grid = (torch.rand(64, 32, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 256).round() / 256
    x = grid.float()
    distance = make_distance(name)
    near, moved = distance(x), distance(x + 100)
    assert torch.equal((x + 100) - 100, x)  # the shift itself loses nothing here
    apart = near > 0
    assert float(((moved - near).abs() / near)[apart].max()) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_identical_rows_are_at_exactly_zero(name):
    x = rows_of("offset 100 + normal")
    x[7], x[200] = x[3], x[3]
    found = made(name)(x)
    assert found[7, 3] == found[3, 7] == found[200, 3] == found[7, 200] == 0
    assert (found[3, 4:7] > 0).all()


def test_the_product_form_alone_would_lose_every_digit():
    """The data are hard enough: without centring and recomputation the error is of the size of the distance."""
    x = rows_of("unit, groups of 4 within 1e-5")
    gram = (x.square().sum(1, keepdim=True) + x.square().sum(1) - 2 * x @ x.T).clamp(min=0).sqrt()
    wanted = direct("euclidean", x.double())
    apart = wanted > 0
    assert float(((gram - wanted).abs() / wanted.clamp(min=1e-300))[apart].max()) > 0.1
