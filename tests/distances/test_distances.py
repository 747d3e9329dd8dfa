"""Every distance equals its formula entry by entry, keeps its class facts, and refuses what it cannot use in words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nearkin.core import InputError, InputTypeError
from nearkin.distances import (
    DISTANCES,
    SNR,
    Cosine,
    Distance,
    InnerProduct,
    compute_dtype,
    make_distance,
    root,
    wide,
)
from oracles import distances as far
from oracles.gradient import central_differences, value_and_gradient
from own_losses import Mahalanobis

NAMES = sorted(DISTANCES)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


@pytest.mark.parametrize("name", NAMES)
def test_the_matrix_between_two_sets_equals_its_formula(name):
    x, z = normal(5, 3), normal(7, 3, seed=1)
    weights = normal(5, 7, seed=2).numpy()

    def oracle(x, z):
        d = far.matrix(name, x, z)
        return sum(weights[i][j] * d[i][j] for i in range(5) for j in range(7))

    x.requires_grad_(), z.requires_grad_()
    found = make_distance(name)(x, z)
    np.testing.assert_allclose(
        found.detach().numpy(), np.array(far.matrix(name, x.tolist(), z.tolist())).real, 1e-12, 1e-14
    )
    _, gradients = value_and_gradient(oracle, {"x": x.detach().numpy(), "z": z.detach().numpy()})
    for slope, wanted in zip(torch.autograd.grad((found * torch.tensor(weights)).sum(), [x, z]), gradients.values()):
        np.testing.assert_allclose(slope.numpy(), wanted, 1e-10, 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_within_one_set_self_is_zero_by_index_where_the_distance_says_so(name):
    x = normal(6, 4) * 1e3
    distance = make_distance(name)
    found = distance(x).detach()
    np.testing.assert_allclose(found.numpy(), np.array(far.self_matrix(name, x.tolist())).real, 1e-10, 1e-12)
    assert bool((found.diagonal() == 0).all()) == distance.self_is_zero
    if not distance.self_is_zero:
        torch.testing.assert_close(found.diagonal(), -x.square().sum(1))


@pytest.mark.parametrize("name", NAMES)
def test_the_distance_of_a_row_to_its_own_vectors_is_that_of_the_matrix(name):
    x, own = normal(4, 3), normal(4, 5, 3, seed=1)
    distance = make_distance(name)
    found = distance.between(distance.project(x), distance.project(own))
    wanted = torch.stack([distance(x[i : i + 1], own[i])[0] for i in range(4)])
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_distance_is_as_symmetric_as_it_says(name):
    x, z = normal(4, 3), normal(6, 3, seed=1)
    distance = make_distance(name)
    assert torch.allclose(distance(x, z), distance(z, x).T, rtol=1e-9) == distance.symmetric


@pytest.mark.parametrize("name", NAMES)
def test_references_order_by_the_projected_euclidean_distance_where_the_distance_says_so(name):
    query, references = 3 * normal(20, 4), normal(9, 4, seed=1)
    distance = make_distance(name)
    euclidean = torch.cdist(distance.project(query), distance.project(references))
    same = torch.equal(distance(query, references).argsort(1), euclidean.argsort(1))
    assert same == distance.order_is_euclidean


@pytest.mark.parametrize("name", NAMES)
def test_a_distance_that_keeps_the_space_projects_nothing(name):
    x = normal(4, 3)
    distance = make_distance(name)
    distance.project(x)
    for parameter in distance.parameters():
        parameter.data[0] *= 2  # what is learned does not stay the identity
    assert torch.equal(distance.project(x), x) == distance.keeps_space


def test_a_distance_of_ones_own_that_projects_does_not_keep_the_space():
    class Plain(Distance):
        def link(self, squared, anchor_norm, reference_norm):
            return squared

    assert Plain().keeps_space
    assert not Mahalanobis(torch.eye(2)).keeps_space


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_narrow_input_is_raised_to_float32_before_the_first_subtraction(name, dtype):
    x = normal(6, 4).to(torch.bfloat16).to(dtype).requires_grad_()
    found = make_distance(name)(x)
    assert found.dtype == compute_dtype(x) == (torch.float64 if dtype == torch.float64 else torch.float32)
    exact = make_distance(name)(x.detach().double())
    torch.testing.assert_close(found.double(), exact, rtol=2e-6, atol=1e-6)
    found.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == dtype


@pytest.mark.parametrize("name", NAMES)
def test_autocast_changes_nothing(name):
    x = normal(6, 4).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = make_distance(name)(x)
    assert torch.equal(inside, make_distance(name)(x))


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite_where_rows_coincide_and_at_zero_rows(name):
    x = torch.cat([torch.zeros(2, 3), torch.ones(2, 3), normal(2, 3).float()]).requires_grad_()
    found = make_distance(name)(x, x.detach().clone())
    (slope,) = torch.autograd.grad(found.sum(), x)
    assert found.isfinite().all()
    assert slope.isfinite().all()


def test_the_gradient_between_coinciding_rows_is_zero():
    x = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    for name in ("euclidean", "squared-euclidean", "cosine"):
        (slope,) = torch.autograd.grad(make_distance(name)(x)[0, 1], x)
        assert not slope.any(), name


def test_a_zero_row_lies_at_cosine_distance_one_and_has_no_gradient():
    x = torch.cat([torch.zeros(1, 3), normal(4, 3)]).requires_grad_()
    found = Cosine()(x)
    torch.testing.assert_close(found[0, 1:], torch.ones(4, dtype=x.dtype), rtol=1e-15, atol=1e-15)
    (slope,) = torch.autograd.grad(found.sum(), x)
    assert not slope[0].any()
    assert slope[1:].abs().max() < 100


def test_a_row_shorter_than_the_floor_is_divided_by_the_floor():
    x, z = torch.tensor([[3e-13, 4e-13]], dtype=torch.float64), torch.tensor([[0.6, 0.8]], dtype=torch.float64)
    assert float(Cosine()(x, z)) == pytest.approx(0.5, abs=1e-12)
    assert float(Cosine()(z, x)) == pytest.approx(0.5, abs=1e-12)


def test_root_has_slope_zero_at_zero_and_the_right_slope_beside_it():
    s = torch.tensor([0.0, 4.0, 1e-30], dtype=torch.float64, requires_grad=True)
    assert root(s).tolist() == [0.0, 2.0, 1e-15]
    assert torch.autograd.grad(root(s).sum(), s)[0].tolist() == pytest.approx([0.0, 0.25, 5e14])


# Signal-to-noise distance


def test_snr_is_scale_free_and_ignores_a_constant_added_to_one_vector():
    h = normal(5, 8)
    d = SNR()(h)
    for factor in (-3.0, 1e-4, 1e5):
        torch.testing.assert_close(SNR()(factor * h), d, rtol=1e-9, atol=1e-12)
    shifted = h + torch.tensor([[5.0], [0.0], [-2.0], [0.0], [1.0]])
    torch.testing.assert_close(SNR()(shifted), d, rtol=1e-9, atol=1e-12)


def test_snr_is_the_asymmetry_of_the_variances():
    h = normal(5, 8)
    d, variance = SNR()(h), h.var(1, unbiased=False)
    apart = ~torch.eye(5, dtype=torch.bool)
    torch.testing.assert_close((d / d.T)[apart], (variance[None] / variance[:, None])[apart])


def test_snr_of_centred_unit_rows_is_the_squared_euclidean_distance():
    h = torch.nn.functional.normalize(normal(5, 8) - normal(5, 8).mean(1, keepdim=True), dim=1)
    torch.testing.assert_close(SNR()(h), torch.cdist(h, h).square(), rtol=1e-9, atol=1e-12)


def test_snr_measures_the_variance_of_noise_on_a_normal_signal():
    rng = np.random.default_rng(0)
    signal = torch.tensor(rng.normal(size=(2000, 32)))
    for variance in (0.2, 0.5, 1.0):
        noisy = signal + torch.tensor(rng.normal(0, variance**0.5, size=(2000, 32)))
        d = SNR().between(SNR().project(signal), SNR().project(noisy)[:, None])
        assert float(d.mean()) == pytest.approx(variance * 31 / 29, rel=0.05)  # E[1/s] of a chi-squared denominator


def test_snr_determines_the_correlation_of_components():
    h = normal(5, 8)
    d, spread = SNR()(h), h.std(1, unbiased=False)
    ratio = spread[None] / spread[:, None]
    torch.testing.assert_close((1 + ratio.square() - d) / (2 * ratio), torch.corrcoef(h), rtol=1e-9, atol=1e-12)


def test_the_printed_correlation_holds_only_where_noise_and_signal_are_uncorrelated():
    h = normal(2, 8) - normal(2, 8).mean(1, keepdim=True)
    signal, noise = h[0], h[1] - (h[1] @ h[0]) / (h[0] @ h[0]) * h[0]
    for received, holds in ((signal + noise, True), (h[1], False)):
        pair = torch.stack([signal, received])
        d, correlation = SNR()(pair)[0, 1], torch.corrcoef(pair)[0, 1]
        rho = pair[1].std() / pair[0].std()
        torch.testing.assert_close((1 + rho**2 - d) / (2 * rho), correlation)
        assert torch.isclose(1 / (1 + d).sqrt(), correlation) == holds
        assert torch.isclose(rho**2, 1 + d) == holds


@pytest.mark.parametrize("form", ["mean", "max", "pooled"])
def test_symmetric_snr_equals_its_formula_with_floors_and_ties(form):
    rows = normal(7, 4).numpy()
    rows[1], rows[2], rows[5] = 0.5, 0.0, -rows[4]  # two rows without variance, two of the same
    weights = normal(7, 7, seed=2).numpy()

    def oracle(x):
        d = [[far.symmetric_snr(a, b, form, 0.05) for b in x] for a in x]
        return sum(weights[i][j] * d[i][j] for i in range(7) for j in range(7) if i != j)

    value, gradients = value_and_gradient(oracle, {"x": rows})
    x = torch.tensor(rows, requires_grad=True)
    distance = make_distance("snr-symmetric", form=form, eps=0.05)
    d = distance(x)
    torch.testing.assert_close(d, d.T, rtol=1e-13, atol=1e-15)
    found = (d * torch.tensor(weights)).sum()
    assert found.item() == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(torch.autograd.grad(found, x)[0].numpy(), gradients["x"], 1e-10, 1e-11)


def test_symmetric_snr_is_made_of_both_directions():
    h = normal(6, 5)
    d, variance = SNR()(h), h.var(1, unbiased=False)
    torch.testing.assert_close(make_distance("snr-symmetric")(h), (d + d.T) / 2)
    torch.testing.assert_close(make_distance("snr-symmetric", form="max")(h), torch.maximum(d, d.T))
    pooled = make_distance("snr-symmetric", form="pooled")(h)
    torch.testing.assert_close(pooled, 2 * d * variance[:, None] / (variance[:, None] + variance))
    assert make_distance("snr-symmetric", form="pooled")(torch.stack([h[0], -h[0]])).max().item() == pytest.approx(4)


def test_an_anchor_without_variance_is_divided_by_the_floor_and_passes_no_gradient_through_it():
    x = torch.tensor([[2.0, 2.0, 2.0], [1.0, 0.0, 3.0]], dtype=torch.float64, requires_grad=True)
    d = SNR(eps=0.5)(x)
    noise = x.detach()[1].var(unbiased=False)
    assert d[0, 1].item() == pytest.approx(noise.item() / 0.5)
    value, gradient = value_and_gradient(lambda x: far.snr(x[0], x[1], 0.5), {"x": x.detach().numpy()})
    np.testing.assert_allclose(torch.autograd.grad(d[0, 1], x)[0].numpy(), gradient["x"], 1e-12, 1e-14)
    assert value == pytest.approx(d[0, 1].item())


def test_a_loss_made_of_snr_has_no_slope_along_its_scale():
    h = normal(5, 8).requires_grad_()
    (slope,) = torch.autograd.grad(SNR()(h).square().sum(), h)
    assert float((slope * h.detach()).sum()) == pytest.approx(0, abs=1e-9)


# The oracles themselves


@pytest.mark.parametrize("name", NAMES)
def test_complex_steps_agree_with_central_differences(name):
    arrays = {"x": normal(1, 4).numpy()[0], "z": normal(1, 4, seed=3).numpy()[0]}

    def oracle(x, z):
        return far.PAIR[name](x, z)

    _, exact = value_and_gradient(oracle, arrays)
    for key, rough in central_differences(oracle, arrays).items():
        np.testing.assert_allclose(exact[key], rough, 1e-7, 1e-8)


def test_the_two_oracles_of_cosine_agree():
    x, z = normal(2, 6).tolist()
    assert abs(far.cosine(x, z) - far.near_cosine(x, z)) < 1e-14


# Names and mistakes


def test_a_distance_is_made_by_its_name_with_its_options():
    assert isinstance(make_distance("snr", eps=1e-6), SNR)
    same = InnerProduct()
    assert make_distance(same) is same
    with pytest.raises(InputError, match="did you mean 'euclidean'"):
        make_distance("euclidian")
    with pytest.raises(InputTypeError, match="must be a name or a Distance, got int"):
        make_distance(3)
    with pytest.raises(TypeError, match="epsilon"):
        make_distance("snr", epsilon=1e-6)
    with pytest.raises(InputError, match="eps must be a finite number above 0"):
        SNR(eps=0.0)


def test_wrong_shapes_and_kinds_are_refused_in_words():
    distance, x = make_distance("euclidean"), torch.zeros(3, 4)
    with pytest.raises(InputError, match="x has 4 dimensions and z has 5"):
        distance(x, torch.zeros(2, 5))
    for wrong in (torch.zeros(4), torch.zeros(2, 3, 4), torch.zeros(3, 4, dtype=torch.int64), [[1.0]]):
        with pytest.raises(InputTypeError, match="x must be a floating tensor of shape"):
            distance(wrong)
        with pytest.raises(InputTypeError, match="z must be a floating tensor of shape"):
            distance(x, wrong)


def test_a_distance_without_a_link_says_what_it_needs():
    with pytest.raises(NotImplementedError, match="needs a link"):
        Distance()(torch.zeros(2, 2))


@pytest.mark.parametrize("name", NAMES)
def test_no_rows_give_an_empty_matrix(name):
    distance = make_distance(name)
    assert distance(torch.zeros(0, 3)).shape == (0, 0)
    assert distance(torch.ones(2, 3), torch.zeros(0, 3)).shape == (2, 0)
    assert distance(torch.zeros(0, 3), torch.ones(2, 3)).shape == (0, 2)


def test_wide_rows_are_float64():
    assert wide(torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", sorted(DISTANCES))
def test_a_set_with_itself_is_the_set_with_its_copy_and_goes_back_as_often_as_asked(name, dtype):
    generator = torch.Generator().manual_seed(8)
    x = torch.randn(9, 4, generator=generator, dtype=dtype)
    x[3] = x[7]
    x[5] = x[2] + 1e-4
    upstream = torch.rand(9, 9, generator=generator, dtype=dtype).fill_diagonal_(0)
    distance = make_distance(name)
    own, other = x.clone().requires_grad_(), x.double().requires_grad_()
    matrix = distance(own)
    wide = distance.between(distance.project(other), distance.project(other))
    if distance.self_is_zero:
        wide = wide.masked_fill(torch.eye(9, dtype=torch.bool), 0)
    torch.testing.assert_close(matrix.double(), wide, rtol=1e-5, atol=1e-6)
    (wanted,) = torch.autograd.grad(wide, other, upstream.double(), create_graph=True)
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-9}
    for _ in range(2):
        (found,) = torch.autograd.grad(matrix, own, upstream, retain_graph=True)
        torch.testing.assert_close(found.double(), wanted, **tolerance)
    (found,) = torch.autograd.grad(matrix, own, upstream, create_graph=True)
    if dtype == torch.float64 and found.requires_grad:
        second, right = (
            torch.autograd.grad(each.square().sum(), at)[0] for each, at in ((found, own), (wanted, other))
        )
        torch.testing.assert_close(second, right, rtol=1e-7, atol=1e-7)
