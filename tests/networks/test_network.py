"""The builder of document 001: shapes, sharing, seeds, and an error that says why for what does not fit."""

from __future__ import annotations

import copy
import itertools
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nearkin.core import InputError, InputTypeError
from nearkin.networks import Network


def small(**options: object) -> Network:
    return Network(8, 6, 2, 3, **options).add_conv(3, 3, 2, 2, 4).add_conv(2, 3, 2, 1, 5).add_fc(7)  # type: ignore[arg-type]


def images(count: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 2, 8, 6, generator=torch.Generator().manual_seed(seed))


def slow_network(network: Network, image: np.ndarray) -> np.ndarray:
    """The equation of the docstring for one image (C, H, W) in float64, scalar by scalar."""
    weights = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}
    x = (image - weights["mean"]) / weights["std"]
    for index, layer in enumerate(network.configuration()["layers"]):
        if layer["kind"] == "conv":
            kernel, bias = weights[f"hidden.{index}.convolution.weight"], weights[f"hidden.{index}.convolution.bias"]
            x = slow_conv(x, kernel, bias, (layer["pool_h"], layer["pool_w"]), layer["padding"])
        else:
            x = np.maximum(
                weights[f"hidden.{index}.linear.weight"] @ x.reshape(-1) + weights[f"hidden.{index}.linear.bias"], 0
            )
    y = weights["output.weight"] @ x.reshape(-1) + weights["output.bias"]
    return y / max(math.sqrt((y * y).sum()), 1e-12) if network.normalize else y


def slow_conv(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, pool: tuple[int, int], padding: str) -> np.ndarray:
    _, height, width = x.shape
    filters, channels, kh, kw = kernel.shape
    top, left = ((kh - 1) // 2, (kw - 1) // 2) if padding == "same" else (0, 0)
    rows, columns = (height, width) if padding == "same" else (height - kh + 1, width - kw + 1)
    out = np.zeros((filters, rows // pool[0], columns // pool[1]))
    for f, i, j in np.ndindex(*out.shape):
        largest = -math.inf
        for a, b in np.ndindex(*pool):
            total = bias[f]
            for c, u, v in np.ndindex(channels, kh, kw):
                row, column = i * pool[0] + a + u - top, j * pool[1] + b + v - left
                if 0 <= row < height and 0 <= column < width:
                    total += kernel[f, c, u, v] * x[c, row, column]
            largest = max(largest, max(total, 0.0))
        out[f, i, j] = largest
    return out


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_the_network_equals_its_slow_form(padding: str, normalize: bool) -> None:
    network = Network(7, 6, 2, 3, normalize=normalize, seed=4)
    network.add_conv(3, 2, 2, 1, 4, padding=padding).add_conv(2, 3, 1, 2, 3, padding=padding).add_fc(5)
    network.standardise([0.2, 0.7], [0.5, 2.0]).double()
    with torch.no_grad():
        for parameter in network.parameters():  # biases too
            parameter += 0.1 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
            )
    batch = torch.rand(3, 2, 7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    expected = np.stack([slow_network(network, image) for image in batch.numpy()])
    np.testing.assert_allclose(network.connect(batch).detach().numpy(), expected, rtol=1e-12, atol=1e-12)


def test_document_001_has_its_layers() -> None:
    network = Network(28, 28, 1, 2).add_conv(5, 5, 2, 2, 32).add_conv(5, 5, 2, 2, 64).add_fc(1024).add_fc(256)
    shapes = [tuple(p.shape) for p in network.parameters() if p.ndim > 1]
    assert shapes == [(32, 1, 5, 5), (64, 32, 5, 5), (1024, 64 * 7 * 7), (256, 1024), (2, 256)]
    assert network.connect(torch.zeros(4, 1, 28, 28)).shape == (4, 2)


def test_every_parameter_gets_a_gradient() -> None:
    network = small()
    network.connect(images(64)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_repeated_connects_share_their_parameters() -> None:
    network = small()
    before = list(network.parameters())
    first, second = network.connect(images(3, seed=1)), network.connect(images(3, seed=2))
    assert [id(p) for p in network.parameters()] == [id(p) for p in before]
    (first + second).sum().backward()
    both = network.output.weight.grad.clone()
    network.zero_grad()
    network.connect(images(3, seed=1)).sum().backward()
    network.connect(images(3, seed=2)).sum().backward()
    torch.testing.assert_close(network.output.weight.grad, both)


def test_connect_runs_hooks_as_a_call_does() -> None:
    seen = []
    network = small()
    network.register_forward_hook(lambda *_: seen.append(1))
    network.connect(images())
    assert seen == [1]


def test_parameters_are_complete_before_the_first_connect() -> None:
    network = small()
    optimiser_holds = {id(p) for p in network.parameters()}
    network.connect(images())
    assert {id(p) for p in network.parameters()} == optimiser_holds


def test_the_seed_alone_makes_the_weights_and_global_random_state_stays() -> None:
    state = torch.get_rng_state()
    first, again, other = small(seed=3), small(seed=3), small(seed=4)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    assert not torch.equal(first.output.weight, other.output.weight)
    torch.manual_seed(77)
    assert torch.equal(small(seed=3).output.weight, first.output.weight)


def test_a_generator_gives_different_networks_one_after_the_other() -> None:
    generator = torch.Generator().manual_seed(9)
    first, second = small(generator=generator), small(generator=generator)
    assert not torch.equal(first.output.weight, second.output.weight)
    again = small(generator=torch.Generator().manual_seed(9))
    assert torch.equal(first.output.weight, again.output.weight)


def test_weights_have_the_stated_variances() -> None:
    network = Network(20, 20, 3, 200, seed=1).add_conv(5, 5, 2, 2, 64).add_fc(300)
    conv, fc, out = (p for p in network.parameters() if p.ndim > 1)
    assert conv.var().item() == pytest.approx(2 / (3 * 25), rel=0.1)
    assert fc.var().item() == pytest.approx(2 / 6400, rel=0.02)
    assert out.var().item() == pytest.approx(2 / (300 + 200), rel=0.02)
    assert all(not p.any() for p in network.parameters() if p.ndim == 1)


def test_equal_layers_do_not_share_their_random_stream() -> None:
    full = Network(4, 4, 1, 16).add_fc(16).add_fc(16)
    convolutional = Network(4, 4, 3, 16).add_conv(3, 3, 1, 1, 3).add_conv(3, 3, 1, 1, 3)
    for network in (full, convolutional):
        weights = [p.flatten() for p in network.parameters() if p.ndim > 1]
        for first, second in itertools.pairwise(weights):
            size = min(len(first), len(second))
            assert abs(torch.corrcoef(torch.stack([first[:size], second[:size]]))[0, 1]) < 0.3


@given(
    st.integers(1, 12), st.integers(1, 12), st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(1, 4),
    st.sampled_from(["same", "valid"]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_a_layer_fits_and_runs_or_is_refused(h: int, w: int, kh: int, kw: int, ph: int, pw: int, padding: str) -> None:
    left = (h, w) if padding == "same" else (h - kh + 1, w - kw + 1)
    reach = (2 * h - 1, 2 * w - 1) if padding == "same" else (h, w)
    network = Network(h, w, 1, 2)
    if kh > reach[0] or kw > reach[1] or ph > left[0] or pw > left[1]:
        with pytest.raises(InputError, match="does not fit"):
            network.add_conv(kh, kw, ph, pw, 3, padding=padding)
    else:
        network.add_conv(kh, kw, ph, pw, 3, padding=padding)
        assert network.connect(torch.ones(2, 1, h, w)).shape == (2, 2)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda n: n.add_conv(3, 3, 9, 2, 4), "a pool of 9 x 2 does not fit: the map is 8 x 6"),
        (lambda n: n.add_conv(3, 3, 4, 4, 4).add_conv(3, 1, 1, 2, 4), "a pool of 1 x 2 does not fit: the map is 2 x 1"),
        (lambda n: n.add_conv(3, 12, 1, 1, 4), "a kernel 12 wide does not fit: the map is 6 wide"),
        (lambda n: n.add_conv(9, 3, 1, 1, 4, padding="valid"), "a kernel 9 high does not fit: the map is 8 high"),
        (lambda n: n.add_fc(4).add_conv(3, 3, 2, 2, 4), "add_conv after add_fc"),
        (lambda n: n.add_fc(0), "units must be a whole number of at least 1, got 0"),
        (lambda n: n.add_fc(2.0), "units must be a whole number, got 2.0"),
        (lambda n: n.add_conv(3, 0, 1, 1, 4), "kernel_w must be a whole number of at least 1"),
        (lambda n: n.add_conv(3, 3, 1, -1, 4), "pool_w must be"),
        (lambda n: n.add_conv(3, 3, 1, 1, True), "filters must be a whole number"),
        (lambda n: n.add_conv(3, 3, 1, 1, 4, padding="sane"), "did you mean 'same'"),
        (lambda n: n.standardise(0.0, 0.0), "std must be above 0"),
        (lambda n: n.standardise([0.0, 1.0, 2.0], 1.0), "one finite number or 2, one a channel"),
        (lambda n: n.standardise(math.nan, 1.0), "mean must be one finite number"),
    ],
)
def test_a_layer_that_does_not_fit_says_why_and_changes_nothing(build, words: str) -> None:
    network = Network(8, 6, 2, 3)
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        build(network)
    assert network.connect(torch.zeros(1, 2, 8, 6)).shape == (1, 3)


@pytest.mark.parametrize("size", [(0, 8, 1, 2), (8, -1, 1, 2), (8, 8, 1.5, 2), (8, 8, 1, 0)])
def test_sizes_must_be_positive_whole_numbers(size: tuple[int, int, int, int]) -> None:
    with pytest.raises(InputError, match="must be a whole number"):
        Network(*size)


def test_layers_are_not_added_once_the_network_is_in_use() -> None:
    network = small()
    network.connect(images())
    for add in (lambda: network.add_fc(3), lambda: network.add_conv(1, 1, 1, 1, 1)):
        with pytest.raises(InputError, match="after connect"):
            add()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.zeros(5, 2, 8, 6, dtype=torch.uint8), "floating point, got torch.uint8; scale them"),
        (torch.zeros(5, 8, 6, 2), "the channels come last: images.permute(0, 3, 1, 2)"),
        (torch.zeros(2, 8, 6), "needs a batch dimension"),
        (torch.zeros(5, 1, 8, 6), "built for 2 channels"),
        (torch.zeros(5, 2, 9, 6), "resize the images"),
        (torch.zeros(5, 96), "(B, 2, 8, 6), got (5, 96)"),
        (np.zeros((5, 2, 8, 6), np.float32), "must be a torch tensor of shape (B, 2, 8, 6), got ndarray"),
    ],
)
def test_wrong_images_are_refused_in_words(given: object, words: str) -> None:
    with pytest.raises(InputError) as caught:
        small().connect(given)  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_a_missing_channel_dimension_is_named() -> None:
    with pytest.raises(InputError, match=r"images\[:, None\]"):
        Network(8, 6, 1, 2).connect(torch.zeros(5, 8, 6))


def test_kinds_are_told_apart_from_values() -> None:
    with pytest.raises(InputTypeError):
        small().connect(torch.zeros(5, 2, 8, 6, dtype=torch.int64))
    with pytest.raises(InputError, match="a seed or a generator"):
        Network(8, 8, 1, 2, seed=1, generator=torch.Generator())


def test_an_empty_batch_gives_no_embeddings() -> None:
    assert small().connect(torch.zeros(0, 2, 8, 6)).shape == (0, 3)


def test_normalised_embeddings_have_length_one() -> None:
    network = small(normalize=True)
    torch.testing.assert_close(network.connect(images()).norm(dim=1), torch.ones(5))


def test_standardisation_is_saved_with_the_network() -> None:
    network = small().standardise(0.5, [0.25, 2.0])
    twin = small(seed=8)
    twin.load_state_dict(network.state_dict())
    assert torch.equal(twin.connect(images()), network.connect(images()))
    plain = small()
    by_hand = (images() - 0.5) / torch.tensor([0.25, 2.0]).reshape(2, 1, 1)
    torch.testing.assert_close(network.connect(images()), plain.connect(by_hand))
    assert {"mean", "std"} <= set(network.state_dict())
    assert not {"mean", "std"} & {name for name, _ in network.named_parameters()}


def test_a_copy_is_independent() -> None:
    network = small()
    twin = copy.deepcopy(network)
    with torch.no_grad():
        twin.output.bias += 1
    torch.testing.assert_close(twin.connect(images()) - 1, network.connect(images()))


def test_the_network_moves_and_changes_its_precision() -> None:
    network = small().to(torch.float64)
    assert network.connect(images()).dtype == torch.float64
    assert small().double().add_fc(3).connect(images()).dtype == torch.float64
    on_meta = small().to("meta")
    assert on_meta.connect(torch.zeros(5, 2, 8, 6, device="meta")).shape == (5, 3)


@pytest.mark.parametrize("normalize", [False, True])
def test_the_configuration_builds_the_same_network(normalize: bool) -> None:
    network = small(seed=5, normalize=normalize)
    network.add_fc(4)
    twin = Network.from_configuration(json.loads(json.dumps(network.configuration())))
    assert repr(twin) == repr(network)
    assert torch.equal(twin.connect(images()), network.connect(images()))


def test_the_repr_tells_what_was_built() -> None:
    text = repr(small())
    for words in ("height=8, width=6, channels=2, embedding_size=3", "kernel_size=(2, 3)", "output_shape=(5, 2, 3)"):
        assert words in text


def test_batch_norm_is_that_of_its_equation_in_training_and_by_running_averages_afterwards() -> None:
    network = Network(8, 6, 2, 3, seed=4).add_conv(3, 3, 2, 2, 4, batch_norm=True)
    layer, batch = network.hidden[0], images(7)
    with torch.no_grad():
        layer.norm.weight.copy_(torch.tensor([1.0, -0.5, 2.0, 0.1]))
        layer.norm.bias.copy_(torch.tensor([0.0, 0.3, -0.2, 0.5]))
    scale, shift = (tensor.detach().double().numpy()[:, None, None] for tensor in (layer.norm.weight, layer.norm.bias))
    kernel, none = layer.convolution.weight.detach().double().numpy(), np.zeros(4)
    raw = [signed_conv(each.double().numpy(), kernel, none) for each in batch]
    mean, variance = (of(raw, axis=(0, 2, 3))[:, None, None] for of in (np.mean, np.var))
    found = layer(batch).detach().numpy()
    for i, each in enumerate(raw):
        expected = np.maximum(largest_of_four((each - mean) / np.sqrt(variance + 1e-5) * scale + shift), 0)
        np.testing.assert_allclose(found[i], expected, atol=1e-5)
    count = 7 * 8 * 6
    running = 0.1 * mean, 0.9 + 0.1 * variance * count / (count - 1)
    expected = np.maximum(largest_of_four((raw[0] - running[0]) / np.sqrt(running[1] + 1e-5) * scale + shift), 0)
    np.testing.assert_allclose(network.eval().hidden[0](batch[:1])[0].detach().numpy(), expected, atol=1e-5)


def signed_conv(image: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A convolution of one image with its sign: that of `slow_conv` of the kernel, less that of its negative."""
    return slow_conv(image, kernel, bias, (1, 1), "same") - slow_conv(image, -kernel, -bias, (1, 1), "same")


def largest_of_four(maps: np.ndarray) -> np.ndarray:
    filters, height, width = maps.shape
    return maps.reshape(filters, height // 2, 2, width // 2, 2).max((2, 4))


def test_a_network_with_batch_norm_is_built_again_from_its_configuration_and_one_without_says_nothing_of_it() -> None:
    network = Network(8, 6, 2, 3, seed=4).add_conv(3, 3, 2, 2, 4, batch_norm=True).add_fc(5)
    again = Network.from_configuration(json.loads(json.dumps(network.configuration())))
    assert {name: tensor.tolist() for name, tensor in again.state_dict().items()} == {
        name: tensor.tolist() for name, tensor in network.state_dict().items()
    }
    assert "batch_norm" not in small().configuration()["layers"][0]
    assert set(small().state_dict()) == {"mean", "std", "output.weight", "output.bias"} | {
        f"hidden.{layer}.{part}.{kind}"
        for layer, part in ((0, "convolution"), (1, "convolution"), (2, "linear"))
        for kind in ("weight", "bias")
    }
    with pytest.raises(InputTypeError, match="batch_norm"):
        Network(8, 6, 2, 3).add_conv(1, 1, 1, 1, 1, batch_norm=1)  # type: ignore[arg-type]
