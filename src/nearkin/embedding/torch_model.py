"""A network with its distance as one module that can be written down and built again: what a model folder holds, in torch."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from nearkin.core import InputError, InputTypeError, need
from nearkin.decision.links import LINKS, Space
from nearkin.distances import DISTANCES, Distance, make_distance, materialise, wide
from nearkin.embedding.linear_map import LinearMap
from nearkin.embedding.model_folder import NETWORK, Model
from nearkin.embedding.preprocessing import Preprocessing
from nearkin.networks import Backbone, EmbeddingHead, FineTuned, Network

OTHER = "other"
"""A module of somebody's own: it can be exported, and not built again from its configuration."""

PARTS: Mapping[str, tuple[type[nn.Module], Callable[[Mapping[str, Any]], nn.Module]]] = MappingProxyType(
    {
        "backbone": (Backbone, Backbone.from_configuration),
        "head": (EmbeddingHead, lambda configuration: EmbeddingHead(**configuration)),
        "linear": (LinearMap, lambda configuration: LinearMap(**configuration)),
        "network": (Network, Network.from_configuration),
    }
)
"""Modules that can be built again, by the name in a model's configuration."""


class Chain(nn.Module):
    """Modules one after another, then the distance's `project`: images (B, C, H, W) in [0, 1] to rows (B, D), float32."""

    def __init__(self, parts: Sequence[nn.Module], distance: Distance) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.distance = distance

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for part in self.parts:
            x = part(x)
        return self.distance.project(wide(x)).float()


def model_of(
    network: Any, distance: Any, input: Preprocessing | None, trained_on: frozenset[str], name: str, origin: dict[str, Any]
) -> tuple[Model, Chain]:
    """The model of a network and its distance, see `Embedder.from_network`; and the module, a copy in evaluation mode."""
    parts = _parts(network)
    preprocessing = input or _own_input(parts[0])
    chain = copy.deepcopy(Chain(parts, make_distance(distance))).cpu().eval()
    blank = torch.zeros(1, preprocessing.channels, preprocessing.height, preprocessing.width)
    with torch.no_grad():
        rows = blank
        for part in chain.parts:
            rows = part(rows)
        if rows.ndim != 2:
            raise InputError(f"an embedding is one row an image; this network gives the shape {tuple(rows.shape)}")
        materialise(chain, rows.shape[1])
        dimension = int(chain(blank).shape[1])
    model = Model(
        name=name or "+".join(type(part).__name__.lower() for part in parts),
        kind=NETWORK,
        input=preprocessing.as_section(),
        dimension=dimension,
        space=space_of(chain.distance).as_section(),
        network={"parts": [_written(part) for part in chain.parts], "distance": _distance_section(chain.distance)},
        origin=origin,
        weights=weights_of(chain),
        trained_on=trained_on,
    )
    return model, chain


def can_build(model: Model) -> bool:
    """Whether torch can build the module again: none of its parts is of its maker's own."""
    return all(section["type"] != OTHER for section in model.network["parts"])


def build(model: Model) -> Chain:
    """The module of a model folder. Errors: InputError where it holds a module that only its ONNX file can run."""
    sections = model.network["parts"]
    if not can_build(model):
        raise InputError(f"{model.name} has a module of its maker's own, which torch cannot build again; run it by runner='onnx'")
    unknown = [section["type"] for section in sections if section["type"] not in PARTS]
    if unknown or model.weights is None:
        raise InputError(f"{model.name} cannot be built: {f'unknown part {unknown[0]!r}' if unknown else 'it has no weights'}")
    parts = [PARTS[section["type"]][1](section["configuration"]) for section in sections]
    section = model.network["distance"]
    chain = Chain(parts, make_distance(section["name"], **section["options"]))
    safetensors = need("safetensors.torch", extra="train", purpose="reading weights")
    try:
        chain.load_state_dict(safetensors.load(model.weights))
    except RuntimeError as error:
        raise InputError(f"the weights of {model.name} do not fit its configuration: {error}") from None
    return chain.eval()


def space_of(distance: Distance) -> Space:
    """What is left of a distance behind its projection."""
    if getattr(distance, "squared", False):
        return Space("squared-euclidean")
    name = _name_of(distance)
    return Space(name, {key: getattr(distance, key) for key in LINKS[name].options})


def weights_of(module: nn.Module) -> bytes:
    """The tensors of a module as a safetensors file; the same tensors give the same bytes."""
    safetensors = need("safetensors.torch", extra="train", purpose="saving weights")
    tensors = {name: value.detach().cpu() for name, value in module.state_dict().items()}
    content: bytes = safetensors.save(
        {name: value.clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}
    )
    return content


def _parts(network: Any) -> list[nn.Module]:
    given = list(network) if isinstance(network, list | tuple) else [network]
    if not given or not all(isinstance(part, nn.Module) for part in given):
        raise InputTypeError("network must be a torch module, or a list of modules that follow each other")
    return [inner for part in given for inner in ([part.backbone, part.head] if isinstance(part, FineTuned) else [part])]


def _own_input(first: nn.Module) -> Preprocessing:
    if isinstance(first, Network):
        return Preprocessing(first.channels, first.height, first.width)
    if isinstance(first, Backbone):
        return Preprocessing(3, *first.image_size)
    raise InputError(f"a {type(first).__name__} does not say what images it takes; give input=Preprocessing(channels, height, width)")


def _written(part: nn.Module) -> dict[str, Any]:
    name = next((name for name, (kind, _) in PARTS.items() if type(part) is kind), OTHER)
    if name == OTHER:
        return {"type": OTHER, "configuration": {"text": " ".join(repr(part).split())}}
    configuration: dict[str, Any] = part.configuration()  # type: ignore[operator]
    if name == "backbone":  # weights are in the model; where they once lay is nobody's concern
        configuration["weights"] = Path(configuration["weights"]).name
    return {"type": name, "configuration": configuration}


def _distance_section(distance: Distance) -> dict[str, Any]:
    names = [name for name in inspect.signature(type(distance).__init__).parameters if name not in ("self", "args", "kwargs")]
    return {"name": _name_of(distance), "options": {name: getattr(distance, name) for name in names}}


def _name_of(distance: Distance) -> str:
    name = next((name for name, kind in DISTANCES.items() if type(distance) is kind), None)
    if name is None:
        raise InputError(
            f"{type(distance).__name__} is a distance of your own; a model that answers without torch can have: "
            f"{', '.join(DISTANCES)}"
        )
    return name
