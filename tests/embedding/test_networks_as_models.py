"""Every network and distance becomes a model that computes what it computed, and can be built again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nearkin.core import InputError
from nearkin.distances import DISTANCES, Distance, Mahalanobis, make_distance, materialise
from nearkin.embedding import Embedder, Preprocessing
from nearkin.embedding.exporting import _FixedSize
from nearkin.embedding.linear_map import LinearMap
from nearkin.embedding.torch_model import build
from nearkin.networks import Backbone, EmbeddingHead, FineTuned, Network

RNG = np.random.default_rng(4)
IMAGES = [RNG.integers(0, 256, (8, 8, 1)).astype(np.uint8) for _ in range(6)]

pytestmark = pytest.mark.filterwarnings("ignore:torchvision .* are of different builds:UserWarning")


def plain() -> Network:
    return Network(8, 8, 1, 5, seed=3).add_conv(3, 3, 2, 2, 4)


def with_options(name: str) -> Distance:
    options = {"relative-mahalanobis": {"power": 1, "rank": 3}, "snr-symmetric": {"form": "pooled"}, "snr": {"eps": 1e-5}}
    distance = make_distance(name, **options.get(name, {}))
    materialise(distance, 5)
    with torch.no_grad():
        for parameter in distance.parameters():
            parameter.copy_(torch.from_numpy(RNG.normal(size=tuple(parameter.shape))))
    return distance


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_of_embeddings_are_those_of_network_and_distance(name):
    network, distance = plain(), with_options(name)
    made = Embedder.from_network(network, distance=distance)
    with torch.no_grad():
        outputs = network(torch.from_numpy(np.stack(IMAGES).transpose(0, 3, 1, 2) / np.float32(255)))
        wanted = distance(outputs, outputs[:4]).numpy()
    rows = made.embed(IMAGES)
    assert np.allclose(made.space.distances(rows, rows[:4]), wanted, rtol=1e-4, atol=1e-5)
    again = Embedder(made.model, "torch")
    assert again.embed(IMAGES).tobytes() == rows.tobytes()
    assert again.space == made.space


def test_a_squared_mahalanobis_distance_stays_squared():
    made = Embedder.from_network(plain(), distance=Mahalanobis(5, 2, squared=True))
    assert made.space.name == "squared-euclidean" and made.dimension == 2
    assert Embedder(made.model, "torch").embed(IMAGES).shape == (6, 2)


def test_later_training_does_not_change_a_model():
    network = plain()
    made = Embedder.from_network(network)
    before = made.embed(IMAGES)
    with torch.no_grad():
        network.output.weight.zero_()
    assert made.embed(IMAGES).tobytes() == before.tobytes()


def test_a_map_behind_the_network_is_part_of_the_model():
    mean, factor = RNG.normal(size=5), RNG.normal(size=(3, 5))
    made = Embedder.from_network([plain(), LinearMap.of(mean, factor)])
    rows = Embedder.from_network(plain()).embed(IMAGES).astype(np.float64)
    assert np.allclose(made.embed(IMAGES), (rows - mean) @ factor.T, atol=1e-5)
    assert build(made.model)(torch.zeros(1, 1, 8, 8)).shape == (1, 3)


def test_backbone_and_head_are_a_model_without_the_way_to_their_weights(tmp_path):
    backbone = Backbone("mobilenet_v2", "random", size=32)
    backbone.weights = str(tmp_path / "secret place" / "mobile.safetensors")
    head = EmbeddingHead(1280, 8)
    made = Embedder.from_network(FineTuned(backbone, head), distance="cosine", input=Preprocessing(3, 24, 24))
    assert "secret place" not in str(made.configuration())
    in_two = Embedder.from_network([backbone, head], distance="cosine", input=Preprocessing(3, 24, 24))
    assert made.fingerprint == in_two.fingerprint
    again = Embedder(made.model, "torch")
    assert np.abs(again.embed(IMAGES) - made.embed(IMAGES)).max() < 1e-6


@pytest.mark.parametrize("size", [(20, 24), (48, 40)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_by_matrices_is_torchs_own(size, interpolation, channels):
    backbone = Backbone("mobilenet_v2", "random", size=32).eval()
    backbone.interpolation = interpolation
    backbone.network = torch.nn.AvgPool2d(1)
    images = torch.rand(2, channels, *size, generator=torch.Generator().manual_seed(0))
    wanted = backbone(images.expand(-1, 3, -1, -1))
    assert (_FixedSize(backbone, size)(images) - wanted).abs().max() < 1e-5


def test_a_distance_of_ones_own_is_refused():
    class Own(Distance):
        pass

    with pytest.raises(InputError, match="distance of your own"):
        Embedder.from_network(plain(), distance=Own())


def test_a_module_of_ones_own_needs_an_input_and_its_onnx_file():
    class Mean(torch.nn.Module):
        def forward(self, images):
            return images.mean((2, 3))

    with pytest.raises(InputError, match="does not say what images it takes"):
        Embedder.from_network(Mean())
    made = Embedder.from_network(Mean(), input=Preprocessing(3, 4, 4))
    assert made.embed(IMAGES).shape == (6, 3)
    with pytest.raises(InputError, match="runner='onnx'"):
        build(made.model)


def test_embeddings_must_be_one_row_an_image():
    with pytest.raises(InputError, match="one row an image"):
        Embedder.from_network(torch.nn.Identity(), input=Preprocessing(1, 4, 4))


def test_what_is_no_network_is_refused():
    for given in ([], "network", [plain(), 3]):
        with pytest.raises(InputError, match="torch module"):
            Embedder.from_network(given)
