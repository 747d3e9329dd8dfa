"""A backbone: a network by name, with weights that somebody asked for, from images to pooled features."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.nn.modules.batchnorm import _BatchNorm

from nearkin.core import InputError, InputTypeError, choice, content_hash, derived_seed, flag, integer, suggestion
from nearkin.networks.architectures import find_architecture
from nearkin.networks.weights import load_strictly, read_weights

WEIGHTS = ("pretrained", "random")
TAPS = ("before-dropout", "after-dropout")


class Backbone(nn.Module):
    """Pooled features of images by a network of `BACKBONES` or of timm.

    >>> backbone = Backbone("mobilenet_v2", "random", size=32)
    >>> backbone(torch.rand(2, 1, 28, 28)).shape
    torch.Size([2, 1280])

    Equation:  features = network((resized image - mean) / deviation), without the network's classifier
    Shapes:    images (B, 1 or 3, H, W), floating, in [0, 1]; grey counts as equal red, green and blue
               -> (B, features_size)
    name:      a row of `BACKBONES`, or "timm:NAME" for any model of timm
    weights:   "pretrained": as published, downloaded once by torchvision or timm into their caches;
               a path: a .safetensors file with the library's parameter names, of which every one must fit
               (a classifier in it is not read, half precision is raised to float32);
               "random": drawn from `seed`. Nothing else gives random weights: what cannot be had is an error.
    size:      one number or (height, width); images of another size are stretched to it, with antialiasing. Default:
               the size of the weights' own transform, of which mean, deviation and interpolation come too.
    tap:       where dropout lies between features and classifier (AlexNet, GoogLeNet, EfficientNet, MobileNet),
               "after-dropout" takes the features behind it: while training, distances then have noise in them, and
               an image is not at distance 0 from itself. Default "before-dropout" [JNT-1]. Frozen, both are equal.
    freeze_batch_norm: batch-norm layers keep their running statistics while the rest is trained (their scale and
               shift are trained): batches of metric learning hold few classes. Default: True, but False for random
               weights, which have no statistics yet.
    Errors:    an InputError for an unknown name, weights that are not at hand or do not fit, a size the network
               cannot take, images of another shape or kind
    Source:    documents 000 (AlexNet's 4,096 features [JNT-1]), 003 (GoogLeNet) and 004; the papers in `BACKBONES`
    Differs:   whole images are stretched to `size`; the libraries' presets enlarge them and cut out the centre
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        name: str,
        weights: str | PathLike[str] = "pretrained",
        *,
        size: int | tuple[int, int] | None = None,
        tap: str | None = None,
        freeze_batch_norm: bool | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.name, self.weights = name, _which_weights(weights)
        self.architecture = find_architecture(name)
        self.tap = _which_tap(tap, name, self.architecture.dropout)
        self.seed = integer("seed", seed)
        self.freeze_batch_norm = (
            self.weights != "random" if freeze_batch_norm is None else flag("freeze_batch_norm", freeze_batch_norm)
        )
        self.frozen = False
        own = self.architecture.transform()
        self.image_size = own.size if size is None else _which_size(size)
        self.interpolation = own.interpolation
        self.register_buffer("mean", torch.tensor(own.mean).reshape(-1, 1, 1))
        self.register_buffer("deviation", torch.tensor(own.deviation).reshape(-1, 1, 1))
        self.network = self.architecture.build(derived_seed(self.seed, "backbone", name))
        self._fill()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster on a CPU
        self.dropout = nn.Dropout(self.architecture.dropout if self.tap == "after-dropout" else 0.0)
        self.features_size = self._adapt_to_size()
        self.train()

    def forward(self, images: Tensor) -> Tensor:
        _check_images(images)
        x = images.to(self.mean.dtype)
        if tuple(x.shape[2:]) != self.image_size:
            x = interpolate(x, self.image_size, mode=self.interpolation, antialias=True, align_corners=False)
            x = x.clamp(0, 1) if self.interpolation == "bicubic" else x  # bicubic overshoots at edges
        x = ((x - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.dropout(self.network(x))
        return features

    def freeze(self) -> Backbone:
        """Train nothing of it: no gradients, and evaluation mode even where `train()` is called; returns itself."""
        self.frozen = True
        self.requires_grad_(False)
        return self.eval()

    def unfreeze(self) -> Backbone:
        """Train it again, in training mode; returns itself."""
        self.frozen = False
        self.requires_grad_(True)
        return self.train()

    def train(self, mode: bool = True) -> Backbone:
        """Training mode, except for what is frozen: all of it, or the statistics of batch norm."""
        super().train(mode and not self.frozen)
        for module in self.network.modules() if self.freeze_batch_norm else ():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self

    def fingerprint(self) -> str:
        """SHA-256 of what makes the features: name, tap, image size, transform, and every weight as it is now."""
        facts = [1, self.name, self.tap, self.image_size, self.interpolation]
        state = sorted(self.state_dict().items())
        return content_hash(json.dumps(facts), *(part for key, tensor in state for part in (key, _tensor_hash(tensor))))

    def configuration(self) -> dict[str, Any]:
        """What builds it again with `Backbone.from_configuration`: plain values, fit for JSON; no weights."""
        return {
            "name": self.name,
            "weights": self.weights,
            "size": list(self.image_size),
            "tap": self.tap,
            "freeze_batch_norm": self.freeze_batch_norm,
            "seed": self.seed,
        }

    @classmethod
    def from_configuration(cls, configuration: Mapping[str, Any]) -> Backbone:
        """The backbone that `configuration()` described, to be given its weights by `load_state_dict`; none are read."""
        settings = {**configuration, "weights": "random", "size": tuple(configuration["size"])}
        backbone = cls(**settings)
        backbone.weights = configuration["weights"]
        return backbone

    def extra_repr(self) -> str:
        return (
            f"{self.name!r}, weights={self.weights!r}, size={self.image_size}, features={self.features_size}, "
            f"tap={self.tap!r}"
        )

    def _fill(self) -> None:
        """Put the asked-for weights into the network; random ones are there already."""
        if self.weights == "random":
            return
        if self.weights == "pretrained":
            title = f"the published weights of {self.name}"
            weights = _published(self.name, self.architecture.published)
        else:
            title = f"the weights in {self.weights} and {self.name}"
            weights = read_weights(Path(self.weights).expanduser())
        load_strictly(self.network, weights, aside=self.architecture.put_aside(), title=title)

    def _adapt_to_size(self) -> int:
        """The features' size, found with one black image; transformers get their learned positions interpolated."""
        high, wide = self.image_size
        patch = getattr(getattr(self.network, "patch_embed", None), "patch_size", (1, 1))
        if high % patch[0] or wide % patch[1]:
            raise InputError(
                f"{self.name} sees patches of {patch[0]} x {patch[1]} pixels; {high} x {wide} is no multiple of that"
            )
        self.eval()
        try:
            resize: Any = getattr(self.network, "set_input_size", None)
            if resize is not None:
                resize(img_size=self.image_size)
            with torch.inference_mode():
                features = self(torch.zeros(1, 3, high, wide))
        except Exception as error:
            reason = str(error).partition("\n")[0]
            raise InputError(f"{self.name} cannot take images of {high} x {wide} pixels: {reason}") from error
        if features.ndim != 2:
            raise InputError(f"{self.name} gives features of shape {tuple(features.shape)}, and not one row an image")
        return int(features.shape[1])


def _published(name: str, published: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    try:
        return published()
    except ImportError:
        raise
    except Exception as error:  # each library, and each of its ways to a file, has errors of its own
        reason = str(error).partition("\n")[0].rstrip(".")
        raise InputError(
            f"the published weights of {name} are not on this machine and could not be downloaded ({reason}). Build it "
            "once where there is a network, or copy the caches of torch and Hugging Face from there (TORCH_HOME, "
            "HF_HOME); or give a file, weights='FILE.safetensors'; or ask for random weights, weights='random'"
        ) from error


def _which_weights(weights: object) -> str:
    if weights is None:
        raise InputError("weights must be said: 'pretrained', a .safetensors file, or 'random'")
    if not isinstance(weights, str | PathLike):
        raise InputTypeError(f"weights must be 'pretrained', 'random' or the path of a file, got {weights!r}")
    given = fspath(weights)
    if given not in WEIGHTS and not Path(given).expanduser().exists() and not Path(given).suffix:
        near = suggestion(given, WEIGHTS)
        raise InputError(
            f"weights must be 'pretrained', 'random' or the path of a .safetensors file, got {given!r}{near}"
        )
    return given


def _which_tap(tap: str | None, name: str, dropout: float) -> str:
    tap = choice("tap", "before-dropout" if tap is None else tap, TAPS)
    if tap == "after-dropout" and not dropout:
        raise InputError(f"{name} has no dropout behind its features, so there is no tap 'after-dropout'")
    return tap


def _which_size(size: object) -> tuple[int, int]:
    high, wide = size if isinstance(size, tuple | list) and len(size) == 2 else (size, size)
    return integer("size", high, minimum=1), integer("size", wide, minimum=1)


def _check_images(images: Tensor) -> None:
    if not isinstance(images, Tensor):
        raise InputTypeError(f"images must be a torch tensor of shape (B, 1 or 3, H, W), got {type(images).__name__}")
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise InputError(f"images must have the shape (B, 1 or 3, H, W), got {tuple(images.shape)}")
    if not images.is_floating_point():
        raise InputTypeError(f"images must be floating point in [0, 1], got {images.dtype}; scale them first")


def _tensor_hash(tensor: Tensor) -> str:
    values = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return content_hash(str(tensor.dtype), str(tuple(tensor.shape)), values.tobytes())
