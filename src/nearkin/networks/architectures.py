"""Pretrained networks by name: which library builds them, what their weights were trained to see, where their features are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nearkin.core import InputError, InputTypeError, pick, suggestion
from nearkin.core.vision import vision

INTERPOLATIONS = ("bilinear", "bicubic")


class Transform(NamedTuple):
    """How images were shown to a network when its weights were trained: (height, width), mean and deviation, resizing."""

    size: tuple[int, int]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    interpolation: str


@dataclass(frozen=True)
class Architecture:
    """A row of `BACKBONES`.

    Fields
    ------
    library, model : "torchvision" or "timm", and the model's name there.
    source : the paper.
    weights : torchvision's name of the published weights; timm's stand in the model's name, after a point.
    classifier : the modules that turn features into class scores; they are taken out, and their weights not read.
    auxiliary : modules that published weights have and the network has not.
    dropout : the rate of the dropout between features and classifier; 0 where there is none.
    size : another image size than that of the weights' own transform, with its reason in the table.
    options : for the library's constructor.
    """

    library: str
    model: str
    source: str
    weights: str = ""
    classifier: tuple[str, ...] = ()
    auxiliary: tuple[str, ...] = ()
    dropout: float = 0.0
    size: tuple[int, int] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def transform(self) -> Transform:
        """The transform that the library publishes with the weights; a rarer interpolation than two becomes bicubic."""
        if self.library == "timm":
            known = vision("timm").get_pretrained_cfg(self.model)
            own = known.input_size[1:], known.mean, known.std, known.interpolation
        else:
            preset = vision("torchvision.models").get_model_weights(self.model)[self.weights].transforms()
            own = preset.crop_size * 2, preset.mean, preset.std, preset.interpolation.value
        size, mean, deviation, interpolation = own
        high, wide = self.size or size
        kind = interpolation if interpolation in INTERPOLATIONS else "bicubic"
        return Transform((int(high), int(wide)), tuple(mean), tuple(deviation), kind)

    def build(self, seed: int) -> nn.Module:
        """The network without its classifier, with random weights of `seed`; torch's global random state is as before."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(torch.Generator().manual_seed(seed).get_state())
            if self.library == "timm":
                network: nn.Module = vision("timm").create_model(self.model, pretrained=False, num_classes=0)
                return network
            network = vision("torchvision.models").get_model(self.model, weights=None, **self.options)
        for path in self.classifier:
            network.set_submodule(path, nn.Identity())
        return network

    def published(self) -> dict[str, Tensor]:
        """The published weights, from the library's cache or by its download, classifier and all."""
        if self.library == "timm":
            network = vision("timm").create_model(self.model, pretrained=True)
            weights: dict[str, Tensor] = network.state_dict()
        else:
            table = vision("torchvision.models").get_model_weights(self.model)
            weights = table[self.weights].get_state_dict(progress=False, check_hash=True)
        return weights

    def put_aside(self) -> tuple[str, ...]:
        """Modules whose weights a file may have and the network has not: the classifier and auxiliary heads."""
        if self.library != "timm":
            return (*self.classifier, *self.auxiliary)
        named = vision("timm").get_pretrained_cfg(self.model).classifier or ()
        return (named,) if isinstance(named, str) else tuple(named)


def find_architecture(name: str) -> Architecture:
    """The row of `BACKBONES`, or any model of timm by "timm:NAME" and "timm:NAME.WEIGHTS"."""
    if not isinstance(name, str):
        raise InputTypeError(f"a backbone is given by its name, got {name!r}")
    if not name.startswith("timm:"):
        return pick("backbone", BACKBONES, name)
    model, _, tag = name.removeprefix("timm:").partition(".")
    timm = vision("timm")
    if not timm.is_model(model):
        raise InputError(
            f"timm has no model {model!r}{suggestion(model, timm.list_models())} (timm.list_models() has all)"
        )
    tags = [each.partition(".")[2] for each in timm.list_pretrained(f"{model}.*")]
    if tag and tag not in tags:
        raise InputError(f"timm's {model} has no weights {tag!r}; it has: {', '.join(tags) or 'none'}")
    return Architecture("timm", f"{model}.{tag}" if tag else model, "timm")


BACKBONES: Mapping[str, Architecture] = MappingProxyType(
    {
        # Features: the 4,096 values before the classifier [JNT-1]. Dropout lies in front of each linear layer in
        # torchvision; document 000's "last dropout layer" is the original's, between these features and the classifier.
        "alexnet": Architecture(
            "torchvision", "alexnet", "Krizhevsky et al. 2012", "IMAGENET1K_V1", ("classifier.6",), dropout=0.5
        ),
        "convnext_tiny": Architecture(
            "torchvision", "convnext_tiny", "Liu et al. 2022", "IMAGENET1K_V1", ("classifier.2",)
        ),
        # DINOv2's images have 518 pixels in timm, 1,369 patches; its authors' linear evaluation shows 224.
        "dinov2_base": Architecture("timm", "vit_base_patch14_dinov2.lvd142m", "Oquab et al. 2023", size=(224, 224)),
        "dinov2_small": Architecture("timm", "vit_small_patch14_dinov2.lvd142m", "Oquab et al. 2023", size=(224, 224)),
        "efficientnet_b2": Architecture(
            "torchvision", "efficientnet_b2", "Tan and Le 2019", "IMAGENET1K_V1", ("classifier",), dropout=0.3
        ),
        # Its published weights see images through a second scaling of their own, which `transform_input` switches on.
        "googlenet": Architecture(
            "torchvision",
            "googlenet",
            "Szegedy et al. 2015",
            "IMAGENET1K_V1",
            ("dropout", "fc"),
            ("aux1", "aux2"),
            dropout=0.2,
            options={"aux_logits": False, "transform_input": True, "init_weights": True},
        ),
        "mobilenet_v2": Architecture(
            "torchvision", "mobilenet_v2", "Sandler et al. 2018", "IMAGENET1K_V1", ("classifier",), dropout=0.2
        ),
        "resnet18": Architecture("torchvision", "resnet18", "He et al. 2016", "IMAGENET1K_V1", ("fc",)),
        # V1: the weights that most published results of metric learning start from.
        "resnet50": Architecture("torchvision", "resnet50", "He et al. 2016", "IMAGENET1K_V1", ("fc",)),
        "vit_base": Architecture("timm", "vit_base_patch16_224.augreg_in21k_ft_in1k", "Dosovitskiy et al. 2021"),
        "vit_small": Architecture("timm", "vit_small_patch16_224.augreg_in21k_ft_in1k", "Steiner et al. 2022"),
    }
)
"""Backbones by name; every other model of timm is "timm:NAME"."""
