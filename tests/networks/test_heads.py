"""An embedding head and the network of backbone and head."""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from nearkin.core import InputError, InputTypeError
from nearkin.networks import Backbone, EmbeddingHead, FineTuned


def features(count: int = 5, size: int = 6) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("hidden", [(), (7,), (7, 4)])
def test_the_head_is_its_equation(hidden, normalize):
    head = EmbeddingHead(6, 3, hidden=hidden, normalize=normalize)
    x = features().double().numpy()
    weights = [tensor.detach().double().numpy() for tensor in head.parameters()]
    for weight, bias in zip(weights[0:-2:2], weights[1:-2:2], strict=True):
        x = np.maximum(x @ weight.T + bias, 0)
    x = x @ weights[-2].T + weights[-1]
    x = x / np.linalg.norm(x, axis=1, keepdims=True) if normalize else x
    assert np.allclose(head(features()).detach().numpy(), x, atol=1e-6)
    assert [weight.shape for weight in weights[::2]] == list(zip((*hidden, 3), (6, *hidden), strict=True))


def test_weights_come_from_the_seed_alone_with_the_promised_spread():
    before = torch.get_rng_state()
    first, again, other = (EmbeddingHead(600, 200, hidden=(400,), seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.output.weight, again.output.weight)
    assert not torch.equal(first.output.weight, other.output.weight)
    assert first.output.weight.std().item() == pytest.approx((2 / 600) ** 0.5, rel=0.02)
    assert first.hidden[0].linear.weight.std().item() == pytest.approx((2 / 600) ** 0.5, rel=0.02)
    assert not first.output.bias.any()


def test_a_head_is_built_again_from_its_configuration():
    head = EmbeddingHead(6, 3, hidden=[5], normalize=True, seed=4)
    again = EmbeddingHead(**head.configuration())
    assert torch.equal(head(features()), again(features()))


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        (torch.zeros(2, 5), InputError, "(B, 6), got (2, 5)"),
        (torch.zeros(6), InputError, "(B, 6), got (6,)"),
        (torch.zeros(2, 6, dtype=torch.int64), InputTypeError, "got torch.int64"),
        (np.zeros((2, 6)), InputTypeError, "got ndarray"),
    ],
)
def test_other_features_are_refused(given, kind, said):
    with pytest.raises(kind) as error:
        EmbeddingHead(6, 3)(given)
    assert said in str(error.value)


@pytest.mark.parametrize("options", [{"inputs": 0}, {"embedding_size": 2.0}, {"hidden": (0,)}, {"seed": -1}])
def test_other_sizes_are_refused(options):
    with pytest.raises(InputError):
        EmbeddingHead(**{"inputs": 6, "embedding_size": 3, **options})


@pytest.mark.skipif(find_spec("torchvision") is None, reason="needs torchvision: pip install 'nearkin[backbones]'")
def test_backbone_and_head_train_end_to_end_or_the_head_alone():
    backbone = Backbone("mobilenet_v2", "random", size=32)
    network = FineTuned(backbone, EmbeddingHead(1280, 8))
    images = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert network(images).shape == (3, network.embedding_size) == (3, 8)
    network(images).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())

    network.zero_grad()
    backbone.freeze()
    network.train()
    assert not backbone.training
    assert torch.equal(network.features(images), backbone(images))
    network(images).square().sum().backward()
    assert {name.split(".")[0] for name, each in network.named_parameters() if each.grad is not None} == {"head"}

    again = FineTuned.from_configuration(json.loads(json.dumps(network.configuration())))
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.eval()(images), network.eval()(images))

    with pytest.raises(InputError, match=r"EmbeddingHead\(1280, \.\.\.\)"):
        FineTuned(backbone, EmbeddingHead(512, 8))
