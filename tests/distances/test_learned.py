"""Learned distances: L in value and gradient, its scale, its shape that may come late, and the inverse covariance."""

from __future__ import annotations

import copy
import io
import itertools
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nearkin.core import InputError, InputTypeError
from nearkin.distances import (
    DISTANCES,
    SNR,
    LearnedDistance,
    Mahalanobis,
    RelativeMahalanobis,
    is_shapeless,
    make_distance,
    materialise,
)
from nearkin.losses import Contrastive, NPair, Triplet
from nearkin.testing import check_loss
from oracles import distances as far
from oracles.gradient import value_and_gradient

LEARNED = sorted(name for name, kind in DISTANCES.items() if issubclass(kind, LearnedDistance))
LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 2])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


def with_factor(name: str, factor: Tensor, **options: Any) -> LearnedDistance:
    distance = make_distance(name, **options).to(factor.dtype)
    distance.load_state_dict({"weight": factor})
    return distance


CASES = [
    ("mahalanobis", 2, {}),
    ("mahalanobis", 4, {"squared": True}),
    ("relative-mahalanobis", 2, {}),
    ("relative-mahalanobis", 4, {"power": 1}),
    ("relative-mahalanobis", 3, {"center": True}),
]


@pytest.mark.parametrize(("name", "rank", "options"), CASES)
def test_value_and_every_gradient_equal_the_formula(name, rank, options):
    x, z, factor, weights = normal(5, 4), normal(3, 4, seed=1), normal(rank, 4, seed=2), normal(5, 3, seed=3).numpy()

    def oracle(x: Any, z: Any, L: Any) -> Any:
        return sum(
            weights[i][j] * far.LEARNED[name](x[i], z[j], L, **options) for i in range(len(x)) for j in range(len(z))
        )

    value, gradients = value_and_gradient(oracle, {"x": x.numpy(), "z": z.numpy(), "L": factor.numpy()})
    distance = with_factor(name, factor, **options)
    x.requires_grad_(), z.requires_grad_()
    found = (distance(x, z) * torch.tensor(weights)).sum()
    assert found.item() == pytest.approx(value, rel=1e-12)
    for slope, wanted in zip(torch.autograd.grad(found, [x, z, distance.weight]), gradients.values(), strict=True):
        np.testing.assert_allclose(slope.numpy(), wanted, 1e-10, 1e-11)


def test_l_starts_as_the_first_rows_of_the_identity():
    x = normal(6, 4)
    torch.testing.assert_close(make_distance("mahalanobis")(x), make_distance("euclidean")(x))
    torch.testing.assert_close(make_distance("mahalanobis", rank=2)(x), make_distance("euclidean")(x[:, :2]))
    assert torch.equal(Mahalanobis(4, rank=2).weight, torch.eye(4)[:2])
    assert Mahalanobis(4).weight.dtype == torch.float32


def test_rows_that_differ_only_where_l_sees_nothing_coincide_with_gradient_zero():
    x = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, -7.0]], dtype=torch.float64, requires_grad=True)
    distance = Mahalanobis(3, rank=2)
    d = distance(x)
    assert d[0, 1] == 0
    for slope in torch.autograd.grad(d.sum(), [x, distance.weight]):
        assert not slope.any()


@pytest.mark.parametrize(("name", "options"), [("mahalanobis", {}), ("relative-mahalanobis", {"power": 1})])
def test_roots_between_equal_rows_have_gradient_zero(name, options):
    x = normal(3, 4).requires_grad_()
    distance = with_factor(name, normal(2, 4, seed=1), **options)
    d = distance(x, x.detach().clone()).diagonal().sum()
    assert d == 0
    for slope in torch.autograd.grad(d, [x, distance.weight]):
        assert not slope.any()


# The relative distance: SNR, floor, scale


def test_centred_with_the_identity_it_is_the_snr_distance():
    x = normal(6, 5)
    torch.testing.assert_close(RelativeMahalanobis(5, center=True)(x), SNR()(x), rtol=1e-13, atol=1e-15)
    assert not torch.allclose(RelativeMahalanobis(5)(x), SNR()(x), rtol=0.01)


def test_power_one_is_the_ratio_of_lengths():
    x, factor = normal(6, 4), normal(2, 4, seed=1)
    squares = with_factor("relative-mahalanobis", factor)(x)
    lengths = with_factor("relative-mahalanobis", factor, power=1)(x)
    torch.testing.assert_close(lengths.square(), squares)


def test_an_anchor_that_l_maps_to_nothing_is_divided_by_the_floor_which_passes_no_gradient():
    x = torch.tensor([[0.0, 0.0, 5.0], [1.0, 2.0, 3.0]], dtype=torch.float64, requires_grad=True)
    distance = RelativeMahalanobis(3, rank=2, eps=0.5)
    d = distance(x)
    assert d[0, 1].item() == pytest.approx(5 / 0.5)
    value, gradients = value_and_gradient(
        lambda x, L: far.relative_mahalanobis(x[0], x[1], L, eps=0.5),
        {"x": x.detach().numpy(), "L": np.eye(3)[:2]},
    )
    assert d[0, 1].item() == pytest.approx(value)
    to_x, to_l = torch.autograd.grad(d[0, 1], [x, distance.weight])
    np.testing.assert_allclose(to_x.numpy(), gradients["x"], 1e-12, 1e-14)
    assert float((to_l * distance.weight.detach()).sum()) == pytest.approx(0, abs=1e-6)  # under the floor too
    assert to_l.norm() > 1


@pytest.mark.parametrize("center", [False, True])
def test_the_scale_of_l_changes_nothing_and_carries_no_gradient(center):
    x, factor = normal(6, 4), normal(2, 4, seed=1)
    wanted = with_factor("relative-mahalanobis", factor, center=center)(x).detach()
    for scale in (1e-30, 0.01, 1e30):
        distance = with_factor("relative-mahalanobis", scale * factor, center=center)
        torch.testing.assert_close(distance(x).detach(), wanted, rtol=1e-12, atol=0)
        value = Triplet(0.2, distance=distance)(x, LABELS[:6])
        (slope,) = torch.autograd.grad(value, distance.weight)
        assert slope.norm() > 0
        along = float((slope * distance.weight.detach()).sum() / (slope.norm() * distance.weight.detach().norm()))
        assert abs(along) < 1e-12


def test_gradient_steps_never_shrink_l():
    distance = with_factor("relative-mahalanobis", normal(2, 4, seed=1))
    optimizer = torch.optim.SGD(distance.parameters(), lr=0.01)
    lengths = []
    for step in range(30):
        lengths.append(float(distance.weight.detach().norm()))
        optimizer.zero_grad()
        Contrastive(1.0, distance=distance)(normal(7, 4, seed=step) + 3, LABELS).backward()
        optimizer.step()
    assert all(after > before for before, after in itertools.pairwise(lengths))
    assert lengths[-1] < 2 * lengths[0]


def test_an_l_of_nothing_but_zeros_gives_finite_numbers():
    x, distance = normal(3, 4), with_factor("relative-mahalanobis", torch.zeros(2, 4, dtype=torch.float64))
    d = distance(x)
    assert not d.any()
    assert torch.autograd.grad(d.sum(), distance.weight)[0].isfinite().all()


# A shape that comes late


@pytest.mark.parametrize("name", LEARNED)
def test_by_name_alone_the_first_rows_give_the_shape(name):
    loss = Triplet(0.5, distance=name)
    assert loss.state_dict() == {}
    assert "dimensions=None, rank=None" in repr(loss)
    assert is_shapeless(loss)
    (parameter,) = loss.parameters()
    value = loss(normal(7, 4), LABELS)
    assert value.item() == Triplet(0.5, distance=make_distance(name, dimensions=4))(normal(7, 4), LABELS).item()
    assert not is_shapeless(loss)
    assert next(iter(loss.parameters())) is parameter  # an optimiser that has it keeps it
    assert parameter.shape == (4, 4)
    value.backward()
    assert parameter.grad is not None and parameter.grad.any()
    assert "dimensions=4, rank=4" in repr(loss)


@pytest.mark.parametrize("name", LEARNED)
def test_rows_of_another_width_are_refused_in_words(name):
    loss = Triplet(distance=make_distance(name, rank=2))
    loss(normal(7, 4), LABELS)
    with pytest.raises(InputError, match="was made for 4 dimensions and got rows of 5"):
        loss(normal(7, 5), LABELS)
    with pytest.raises(InputError, match="rank 5 is more than the 4 dimensions; give at most rank=4"):
        make_distance(name, dimensions=4, rank=5)
    with pytest.raises(InputError, match="rank 5 is more than the 3 dimensions"):
        make_distance(name, rank=5)(normal(2, 3))
    with pytest.raises(InputError, match="dimensions must be a whole number of at least 1"):
        make_distance(name, dimensions=0)


@pytest.mark.parametrize("name", LEARNED)
def test_copies_and_files_of_a_distance_with_and_without_a_shape(name):
    x = normal(7, 4)
    for shaped in (False, True):
        loss = NPair(pairs="all", distance=make_distance(name, rank=3))
        if shaped:
            materialise(loss, 4)
            torch.nn.init.normal_(loss.distance.weight, generator=torch.Generator().manual_seed(1))
        copies = [copy.deepcopy(loss), pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss).double().float()]
        again = NPair(pairs="all", distance=make_distance(name, rank=3))
        file = io.BytesIO()
        torch.save(loss.state_dict(), file)
        file.seek(0)
        again.load_state_dict(torch.load(file))
        value = loss(x, LABELS)
        for one in (*copies, again):
            assert one(x, LABELS) == value
            assert all(a is not b for a, b in zip(one.parameters(), loss.parameters()))


@pytest.mark.parametrize("name", LEARNED)
def test_a_state_gives_the_shape_and_a_wrong_one_is_refused(name):
    factor = normal(2, 4).float()
    distance = make_distance(name)
    distance.load_state_dict({"weight": factor})
    assert (distance.dimensions, distance.rank) == (4, 2)
    assert torch.equal(distance.weight, factor)
    for other in (make_distance(name, rank=3), make_distance(name, dimensions=5, rank=2)):
        with pytest.raises(RuntimeError, match="size mismatch"):
            other.load_state_dict({"weight": factor})
    with pytest.raises(RuntimeError, match="Missing key"):
        make_distance(name, dimensions=4).load_state_dict({})
    assigned = make_distance(name)
    assigned.load_state_dict({"weight": factor.double()}, assign=True)
    assert assigned.weight.dtype == torch.float64


@pytest.mark.parametrize("name", LEARNED)
def test_the_dtype_of_rows_decides_and_l_keeps_its_own(name):
    x, distance = normal(7, 4), make_distance(name, dimensions=4, rank=2)
    exact = distance(x)
    assert exact.dtype == torch.float64
    for dtype in (torch.float32, torch.bfloat16):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            d = distance(x.to(dtype))
        assert d.dtype == torch.float32
        torch.testing.assert_close(d.double(), distance(x.to(dtype).double()), rtol=1e-6, atol=1e-6)
        d.sum().backward()
    assert distance.weight.grad.dtype == torch.float32


@pytest.mark.parametrize("make", [Triplet, Contrastive], ids=["triplet", "contrastive"])
@pytest.mark.parametrize("name", LEARNED)
def test_the_librarys_checks_hold_for_a_learned_distance_by_name_and_in_full(name, make):
    check_loss(make(distance=name), quiet=True)
    learned = with_factor(name, normal(2, 5, seed=4))
    for result in check_loss(make(distance=learned), quiet=True):
        assert result.passed is not False, result


def test_the_librarys_checks_hold_for_symmetric_snr():
    check_loss(Triplet(distance="snr-symmetric"), quiet=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*LEARNED, "snr-symmetric"])
def test_the_dense_form_is_traced_whole(name):
    distance = with_factor(name, normal(2, 4, seed=1)) if name in LEARNED else make_distance(name)
    loss, graphs = Triplet(0.5, distance=distance), []
    torch.compiler.reset()
    from torch._dynamo.backends.debugging import aot_eager

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return aot_eager(graph, inputs)

    compiled = torch.compile(loss, fullgraph=True, backend=backend)
    leaves = [normal(7, 4, seed=2).requires_grad_() for _ in range(2)]
    slopes = []
    for function, leaf in zip((compiled, loss), leaves):
        value = function(leaf, LABELS)
        slopes.append([value.detach(), *torch.autograd.grad(value, [leaf, *loss.parameters()])])
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-8, atol=1e-11)
    assert len(graphs) == 1


# Ready factors and the inverse covariance


def test_a_ready_factor_is_fixed_unless_it_is_to_be_learned():
    factor = normal(2, 4).numpy()
    x = normal(5, 4)
    distance = Mahalanobis.from_factor(factor)
    torch.testing.assert_close(distance(x), torch.cdist(x @ torch.tensor(factor).T, x @ torch.tensor(factor).T))
    assert not distance.weight.requires_grad
    assert (distance.dimensions, distance.rank) == (4, 2)
    assert Mahalanobis.from_factor(factor, learned=True).weight.requires_grad
    factor[:] = 0  # the distance has a copy
    assert distance(x)[0, 1] > 0
    for wrong in (np.zeros(3), np.zeros((2, 3), dtype=int), np.zeros((0, 3))):
        with pytest.raises(InputTypeError, match="a factor must be floating of shape"):
            Mahalanobis.from_factor(wrong)
    with pytest.raises(InputError, match="NaN or infinity"):
        Mahalanobis.from_factor(np.full((2, 2), np.nan))


CLASSES = np.array([0, 0, 1, 1, 1, 2, 0, 1, 0, 1, 5, 0])  # two classes of a single member


def covariance_by_loops(x: list[list[float]], y: list[int] | None, shrinkage: float) -> np.ndarray:
    """S of MAH-3, entry by entry."""
    names = [0] * len(x) if y is None else y
    divisor = len(x) if y is None else len(x) - len(set(names))
    size = len(x[0])
    S = [[0.0] * size for _ in range(size)]
    for name in set(names):
        rows = [row for row, own in zip(x, names, strict=True) if own == name]
        mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        for row in rows:
            for a in range(size):
                for b in range(size):
                    S[a][b] += (row[a] - mean[a]) * (row[b] - mean[b]) / divisor
    trace = sum(S[a][a] for a in range(size))
    return np.array(
        [
            [(1 - shrinkage) * S[a][b] + (shrinkage * trace / size if a == b else 0) for b in range(size)]
            for a in range(size)
        ]
    )


@pytest.mark.parametrize("shrinkage", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("kind", ["global", "within"])
def test_the_inverse_covariance_is_that_of_the_loops(kind, shrinkage):
    x = normal(12, 4).numpy() * [1, 5, 0.2, 1] + 3
    labels = None if kind == "global" else CLASSES
    distance = Mahalanobis.from_covariance(x, labels, kind=kind, shrinkage=shrinkage, squared=True)
    M = np.linalg.inv(covariance_by_loops(x.tolist(), None if labels is None else labels.tolist(), shrinkage))
    wanted = [[(a - b) @ M @ (a - b) for b in x] for a in x]
    np.testing.assert_allclose(distance(torch.tensor(x)).numpy(), wanted, 1e-9, 1e-9)
    assert not distance.weight.requires_grad


def test_global_whitening_gives_features_of_unit_covariance():
    x = normal(50, 3) @ normal(3, 3, seed=1)
    white = Mahalanobis.from_covariance(x, shrinkage=0).project(x)
    torch.testing.assert_close(white.T.cov(correction=0), torch.eye(3, dtype=x.dtype))


def test_kinds_of_features_and_what_the_covariance_refuses():
    x = normal(12, 4)
    assert Mahalanobis.from_covariance(x.float()).weight.dtype == torch.float32
    assert Mahalanobis.from_covariance(x.numpy()).weight.dtype == torch.float64
    assert Mahalanobis.from_covariance(x[:2]).weight.isfinite().all()  # shrinkage makes up for missing rows
    refused = [
        ((x[:4],), {"shrinkage": 0}, "4 dimensions from 3 degrees of freedom has no inverse"),
        ((x, CLASSES[:12] * 0 + np.arange(12)), {"kind": "within"}, "every class has one member"),
        ((x,), {"kind": "within"}, "needs labels"),
        ((x, CLASSES[:5]), {"kind": "within"}, "labels must be 12 whole numbers"),
        ((x, CLASSES + 0.5), {"kind": "within"}, "labels must be 12 whole numbers"),
        ((torch.ones(5, 3),), {}, "no spread"),
        ((torch.cat([x, x[:, :1]], 1),), {"shrinkage": 0}, "dependent features"),
        ((x * torch.nan,), {}, "NaN"),
        ((torch.ones(3),), {}, "features must be floating of shape"),
        ((x,), {"kind": "pooled"}, "kind must be one of 'global', 'within'"),
        ((x,), {"shrinkage": 2}, "shrinkage must be a number from 0 to 1"),
    ]
    for arguments, options, words in refused:
        with pytest.raises(InputError, match=words):
            Mahalanobis.from_covariance(*arguments, **options)


def test_wrong_options_are_refused_in_words():
    with pytest.raises(InputError, match="power must be 2"):
        RelativeMahalanobis(power=3)
    with pytest.raises(InputError, match="squared must be true or false"):
        Mahalanobis(squared=1)
    with pytest.raises(InputError, match="form must be one of 'mean', 'max', 'pooled'"):
        make_distance("snr-symmetric", form="min")
