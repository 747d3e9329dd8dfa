"""Backbones: the library's own features, under weights that were asked for, and never under others."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from nearkin.core import InputError
from nearkin.core.vision import vision
from nearkin.networks import BACKBONES, Backbone
from nearkin.networks.architectures import find_architecture

pytestmark = pytest.mark.skipif(
    find_spec("timm") is None or find_spec("torchvision") is None,
    reason="needs timm and torchvision: pip install 'nearkin[backbones]'",
)
LARGE = {"dinov2_base", "dinov2_small", "vit_base", "vit_small"}  # seconds to build; a tiny sibling stands in for them


def images(size: int = 48, channels: int = 3, count: int = 3) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(7))


def with_statistics(network: nn.Module, size: int = 64) -> nn.Module:
    """The network in evaluation mode, its batch norm filled from images, so that it tells images apart; biases not 0."""
    generator = torch.Generator().manual_seed(3)
    network.eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train().momentum = 1.0
            elif getattr(module, "bias", None) is not None:
                module.bias.add_(0.01 * torch.rand(module.bias.shape, generator=generator))
        network(images(size, count=8))
    return network.eval()


def full_network(name: str) -> nn.Module:
    """The library's own network, classifier and all."""
    row = find_architecture(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if row.library == "timm":
            return vision("timm").create_model(row.model, pretrained=False)
        return vision("torchvision.models").get_model(row.model, weights=None, **row.options)


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    network = with_statistics(full_network("mobilenet_v2"))
    path = tmp_path_factory.mktemp("weights") / "mobilenet.safetensors"
    save_file(network.state_dict(), path)
    return network, path


@pytest.mark.parametrize("name", [*sorted(set(BACKBONES) - LARGE), "timm:resnet10t", "timm:vit_tiny_patch16_224"])
def test_features_are_what_the_classifier_of_the_library_is_given(name, tmp_path):
    size = 224 if "vit" in name else 64
    network = with_statistics(full_network(name), size)
    save_file({key: tensor.contiguous() for key, tensor in network.state_dict().items()}, tmp_path / "w.safetensors")
    network, backbone = network.double(), Backbone(name, tmp_path / "w.safetensors", size=size).eval().double()
    given = images(size, count=2).double()
    to_classifier: list[Tensor] = []
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    last.register_forward_pre_hook(lambda module, inputs: to_classifier.append(inputs[0]))
    with torch.inference_mode():
        network((given - backbone.mean) / backbone.deviation)
        features = backbone(given)
    wanted = to_classifier[0]
    assert features.shape == (2, backbone.features_size)
    assert (features - wanted).abs().max() <= 1e-6 * wanted.abs().max()
    assert (features[0] - features[1]).abs().max() > 1e-3 * wanted.abs().max()


@pytest.mark.parametrize(("name", "size"), [("dinov2_small", 28), ("vit_small", 32)])
def test_transformers_take_other_sizes_in_whole_patches(name, size):
    backbone = Backbone(name, "random", size=size).eval()
    assert backbone(images(size)).shape == (3, 384)


def test_positions_of_patches_are_interpolated_as_timm_does(tmp_path):
    timm = vision("timm")
    network = timm.create_model("vit_tiny_patch16_224", pretrained=False)
    nn.init.normal_(network.pos_embed, generator=torch.Generator().manual_seed(0))
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    theirs = timm.create_model("vit_tiny_patch16_224", pretrained=False, img_size=(64, 96)).eval()
    resampling = timm.models.vision_transformer.checkpoint_filter_fn
    timm.models.load_checkpoint(theirs, str(tmp_path / "w.safetensors"), filter_fn=resampling)
    ours = Backbone("timm:vit_tiny_patch16_224", tmp_path / "w.safetensors", size=(64, 96)).eval()
    assert (ours.network.pos_embed - theirs.pos_embed).abs().max() < 1e-6
    assert ours.network.pos_embed.shape[1] == 1 + 4 * 6


@pytest.mark.parametrize("name", BACKBONES)
def test_every_row_has_a_transform_and_published_weights(name):
    row = BACKBONES[name]
    transform = row.transform()
    assert min(transform.size) >= 224
    assert all(0 < value < 1 for value in (*transform.mean, *transform.deviation))
    assert transform.interpolation in ("bilinear", "bicubic")
    if row.library == "timm":
        assert row.model in vision("timm").list_pretrained()
    else:
        assert row.weights in vision("torchvision.models").get_model_weights(row.model).__members__


def test_transforms_are_those_of_the_weights():
    assert BACKBONES["efficientnet_b2"].transform()[::3] == ((288, 288), "bicubic")
    assert BACKBONES["resnet50"].transform()[::3] == ((224, 224), "bilinear")
    assert BACKBONES["vit_small"].transform().mean == (0.5, 0.5, 0.5)


def test_alexnet_gives_the_4096_values_of_document_000():
    assert Backbone("alexnet", "random", size=64).features_size == 4096


def test_half_precision_is_raised_and_a_classifier_of_the_users_own_is_not_read(mobilenet, tmp_path):
    network, path = mobilenet
    weights = {key: tensor.half() if tensor.ndim == 4 else tensor for key, tensor in network.state_dict().items()}
    weights["classifier.1.weight"] = torch.zeros(7, 1280, dtype=torch.float16)
    save_file(weights, tmp_path / "half.safetensors")
    backbone = Backbone("mobilenet_v2", str(tmp_path / "half.safetensors"), size=48).eval()
    assert {tensor.dtype for tensor in backbone.parameters()} == {torch.float32}
    whole = Backbone("mobilenet_v2", path, size=48).eval()(images())
    assert (backbone(images()) - whole).abs().max() < 0.05 * whole.abs().max()


def faulty(weights: dict[str, Tensor], fault: str) -> dict[str, Tensor]:
    key = "features.0.0.weight"
    if fault == "missing":
        return {other: tensor for other, tensor in weights.items() if other != key}
    if fault == "unknown":
        return {**weights, "neck.weight": torch.zeros(3)}
    if fault == "shape":
        return {**weights, key: torch.zeros(32, 1, 3, 3)}
    if fault == "kind":
        return {**weights, key: torch.zeros(32, 3, 3, 3, dtype=torch.int8)}
    return {**weights, key: torch.full((32, 3, 3, 3), torch.nan)}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("missing", "do not fit: 1 missing (features.0.0.weight)"),
        ("unknown", "do not fit: 1 unknown (neck.weight)"),
        ("shape", "1 of another shape (features.0.0.weight (32, 1, 3, 3) for (32, 3, 3, 3))"),
        ("kind", "1 of another kind (features.0.0.weight (torch.int8))"),
        ("NaN", "hold NaN or infinity: 1 not finite (features.0.0.weight)"),
    ],
)
def test_a_file_of_which_one_weight_does_not_fit_is_refused_and_the_weight_named(mobilenet, tmp_path, fault, said):
    save_file(faulty(mobilenet[0].state_dict(), fault), tmp_path / "w.safetensors")
    with pytest.raises(InputError) as error:
        Backbone("mobilenet_v2", tmp_path / "w.safetensors", size=48)
    assert said in str(error.value)


def test_weights_of_another_network_are_refused_in_few_words(mobilenet):
    with pytest.raises(InputError, match=r"\d+ missing \(conv1.weight, .*\.\.\.\); \d+ unknown") as error:
        Backbone("resnet18", mobilenet[1])
    assert len(str(error.value)) < 1000


def test_files_that_are_no_weights_are_refused(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"pickled")
    (tmp_path / "b.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    for file, said in (("a.pth", "may run code"), ("b.safetensors", "damaged"), ("c.safetensors", "there is no file")):
        with pytest.raises(InputError, match=said):
            Backbone("mobilenet_v2", tmp_path / file)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weights": None}, "'pretrained', a .safetensors file, or 'random'"),
        ({"weights": "pretraned"}, "did you mean 'pretrained'"),
        ({"weights": 3}, "the path of a file, got 3"),
        ({"name": "mobilnet"}, "did you mean 'mobilenet_v2'"),
        ({"name": "timm:resnet18x"}, "did you mean 'resnet18'"),
        ({"name": "timm:resnet18.bogus"}, "it has: a1_in1k"),
        ({"tap": "dropout"}, "tap must be one of"),
        ({"name": "resnet18", "tap": "after-dropout"}, "has no dropout"),
        ({"size": 0}, "size must be a whole number of at least 1"),
        ({"name": "alexnet", "size": 32}, "alexnet cannot take images of 32 x 32 pixels"),
        ({"name": "timm:vit_tiny_patch16_224", "size": 40}, "patches of 16 x 16 pixels; 40 x 40 is no multiple"),
    ],
)
def test_what_cannot_be_built_is_refused_in_words(options, said):
    with pytest.raises(InputError) as error:
        Backbone(**{"name": "mobilenet_v2", "weights": "random", **options})
    assert said in str(error.value)


def test_without_network_and_weights_it_is_an_error_that_says_what_to_do(monkeypatch, tmp_path):
    def offline(*_, **__):
        raise URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", offline)
    with pytest.raises(InputError) as error:
        Backbone("mobilenet_v2")
    for said in ("Name or service not known", "TORCH_HOME", "weights='FILE.safetensors'", "weights='random'"):
        assert said in str(error.value)

    timm = vision("timm")
    make = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda *a, pretrained, **b: offline() if pretrained else make(*a, **b))
    with pytest.raises(InputError, match="could not be downloaded"):
        Backbone("timm:resnet10t")


def test_published_weights_are_read_without_their_auxiliary_heads(monkeypatch):
    models = vision("torchvision.models")
    published = models.get_model("googlenet", weights=None, aux_logits=True, init_weights=False)
    weights = published.state_dict()
    monkeypatch.setattr(
        type(models.get_model_weights("googlenet")["IMAGENET1K_V1"]), "get_state_dict", lambda self, **_: weights
    )
    backbone = Backbone("googlenet", size=64)
    assert torch.equal(backbone.network.conv1.conv.weight, weights["conv1.conv.weight"])
    assert not any("aux" in key or "fc" in key for key in backbone.state_dict())
    assert backbone.features_size == 1024


def test_random_weights_come_from_the_seed_alone():
    before = torch.get_rng_state()
    first, again, other = (Backbone("mobilenet_v2", "random", size=32, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()


def test_grey_images_count_as_equal_red_green_and_blue(mobilenet):
    backbone = Backbone("mobilenet_v2", mobilenet[1], size=48).eval()
    grey = images(channels=1)
    assert torch.equal(backbone(grey), backbone(grey.expand(-1, 3, -1, -1)))


def test_images_of_another_size_are_stretched_as_pillow_does(mobilenet):
    backbone = Backbone("mobilenet_v2", mobilenet[1], size=(48, 64)).eval()
    seen: list[Tensor] = []
    backbone.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    photo = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    backbone(torch.from_numpy(photo.transpose(2, 0, 1).copy())[None].float() / 255)
    stretched = np.asarray(Image.fromarray(photo).resize((64, 48), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    ours = 255 * (seen[0][0] * backbone.deviation + backbone.mean)
    assert (ours - torch.from_numpy(stretched.copy())).abs().max() < 1.01  # Pillow rounds twice


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.zeros(3, 48, 48), "shape"),
        (torch.zeros(1, 2, 48, 48), "1 or 3"),
        (torch.zeros(1, 3, 48, 48, dtype=torch.uint8), "scale them first"),
        (np.zeros((1, 3, 48, 48)), "torch tensor"),
    ],
)
def test_images_of_another_shape_or_kind_are_refused(mobilenet, given, said):
    with pytest.raises(InputError, match=said):
        Backbone("mobilenet_v2", mobilenet[1], size=48)(given)


def statistics(backbone: Backbone) -> list[Tensor]:
    return [tensor.clone() for key, tensor in backbone.state_dict().items() if "running" in key]


def moved(backbone: Backbone) -> bool:
    before = statistics(backbone)
    backbone.train()
    backbone(images())
    return any(not torch.equal(old, new) for old, new in zip(before, statistics(backbone), strict=True))


def test_fine_tuning_keeps_batch_norm_statistics_unless_asked_otherwise(mobilenet):
    path = mobilenet[1]
    tuned = Backbone("mobilenet_v2", path, size=48)
    assert not moved(tuned)
    assert tuned.training
    tuned(images()).sum().backward()
    assert all(each.grad is not None for each in tuned.parameters())  # the norm's scale and shift are trained
    assert moved(Backbone("mobilenet_v2", path, size=48, freeze_batch_norm=False))
    assert moved(Backbone("mobilenet_v2", "random", size=48))
    assert not moved(Backbone("mobilenet_v2", "random", size=48, freeze_batch_norm=True))


def test_a_frozen_backbone_stays_as_it_is_whatever_is_called(mobilenet):
    backbone = Backbone("mobilenet_v2", mobilenet[1], size=48, freeze_batch_norm=False, tap="after-dropout").freeze()
    assert not moved(backbone)
    assert not any(module.training for module in backbone.modules())
    assert not backbone(images()).requires_grad
    assert torch.equal(backbone(images()), backbone(images()))
    backbone.unfreeze()
    assert backbone.training
    assert backbone(images()).requires_grad


def test_after_dropout_has_noise_while_training_and_none_otherwise(mobilenet):
    before = Backbone("mobilenet_v2", mobilenet[1], size=48)
    after = Backbone("mobilenet_v2", mobilenet[1], size=48, tap="after-dropout")
    assert torch.equal(before(images()), before(images()))
    assert not torch.equal(after(images()), after(images()))
    assert torch.equal(after.eval()(images()), before.eval()(images()))


def test_before_dropout_means_before_the_dropout_inside_the_librarys_network_too():
    backbone = Backbone("googlenet", "random", size=64, freeze_batch_norm=True)
    assert torch.equal(backbone(images(64)), backbone(images(64)))
    noisy = Backbone("googlenet", "random", size=64, freeze_batch_norm=True, tap="after-dropout")
    assert not torch.equal(noisy(images(64)), noisy(images(64)))


def test_the_fingerprint_is_of_everything_that_makes_the_features(mobilenet):
    def make(**options) -> Backbone:
        return Backbone("mobilenet_v2", mobilenet[1], **{"size": 48, **options})

    same = make().fingerprint()
    assert make(size=(48, 48), freeze_batch_norm=False, seed=5).fingerprint() == same
    assert make().freeze().fingerprint() == same
    assert make(size=(48, 32)).fingerprint() != same
    assert make(tap="after-dropout").fingerprint() != same
    changed = make()
    with torch.no_grad():
        changed.network.features[3].conv[0][0].weight[0, 0, 0, 0] += 1e-6
    assert changed.fingerprint() != same
    moved_mean = make()
    moved_mean.mean += 1e-3
    assert moved_mean.fingerprint() != same


def test_configuration_and_state_build_it_again(mobilenet, tmp_path):
    backbone = Backbone("mobilenet_v2", mobilenet[1], size=(48, 32), tap="after-dropout")
    again = Backbone.from_configuration(backbone.configuration())
    assert again.fingerprint() != backbone.fingerprint()
    again.load_state_dict(backbone.state_dict())
    assert again.fingerprint() == backbone.fingerprint()
    assert again.configuration() == backbone.configuration()


@pytest.mark.data
def test_real_weights_bring_birds_of_a_kind_together():
    from nearkin.data import load_images

    data = Path(os.environ["NEARKIN_DATA"])
    birds = load_images(data / "cub200_2010" / "CUB_200_2010_144px.zip", size=(144, 144), limit_per_class=5)
    some = birds.take(np.flatnonzero(birds.labels >= 192))
    backbone = Backbone("mobilenet_v2", data / "weights" / "mobilenet_v2_imagenet_fp16.safetensors", size=144).freeze()
    features = nn.functional.normalize(backbone(torch.from_numpy(some.scaled())))
    nearest = (features @ features.T).fill_diagonal_(-1).argmax(1).numpy()
    assert np.mean(some.labels[nearest] == some.labels) > 0.4  # by chance 0.10
