"""The section `network` of a recipe: layers of one's own, or a pretrained backbone with a head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nearkin.comparison.frozen import OWN_KEYS
from nearkin.comparison.problems import Problems
from nearkin.comparison.signatures import all_but, check_section, said, schema_of
from nearkin.networks import Backbone, EmbeddingHead, Network
from nearkin.networks.architectures import find_architecture


def check_network(section: object, problems: Problems) -> dict[str, Any] | None:
    """`network`: `Network`'s embedding size and normalisation, whether pixels are standardised, and the layers."""
    if section is None:
        return None
    if isinstance(section, Mapping) and "backbone" in section:
        return _check_network_on_backbone(section, problems)
    schema = schema_of(Network, only=frozenset({"embedding_size", "normalize"}))
    checked = check_section(schema, section, "network", problems, also=("layers", "standardise"))
    if checked is None or not isinstance(section, Mapping):
        return None
    standardise = section.get("standardise", True)
    if not isinstance(standardise, bool):
        problems.add("network.standardise", f"must be true or false, got {standardise!r}")
    layers = section.get("layers") or []
    if not isinstance(layers, list):
        problems.add("network.layers", f"must be a list of layers, got {layers!r}")
        return None
    resolved = [_check_layer(layer, f"network.layers.{position}", problems) for position, layer in enumerate(layers)]
    return {**checked, "standardise": standardise, "layers": resolved}


def _check_network_on_backbone(section: Mapping[str, Any], problems: Problems) -> dict[str, Any] | None:
    """A pretrained backbone, frozen by default, and the head that is trained on its features."""
    schema = schema_of(EmbeddingHead, only=all_but(EmbeddingHead, "inputs", "seed"))
    checked = check_section(schema, section, "network", problems, also=("backbone", "standardise", "start"))
    backbone = section["backbone"]
    options = {"name": backbone} if isinstance(backbone, str) else backbone
    made = check_section(schema_of(Backbone), options, "network.backbone", problems, also=OWN_KEYS)
    standardise = section.get("standardise", True)
    frozen = options.get("frozen", True) if isinstance(options, Mapping) else True
    for key, value in (("standardise", standardise), ("backbone.frozen", frozen)):
        if not isinstance(value, bool):
            problems.add(f"network.{key}", f"must be true or false, got {value!r}")
    if made is not None:
        with problems.gathered("network.backbone"):
            find_architecture(made["name"])
    start = section.get("start", "random" if section.get("hidden") or not frozen else "principal")
    if start not in ("principal", "random") or (start == "principal" and (section.get("hidden") or not frozen)):
        problems.add("network.start", f"must be random, or principal for a head without hidden layers on frozen features, got {start!r}")
    if checked is None or made is None:
        return None
    return {**checked, "start": start, "standardise": standardise, "backbone": {**made, "frozen": frozen}}


def _check_layer(layer: object, path: str, problems: Problems) -> dict[str, Any] | None:
    kinds = {"conv": Network.add_conv, "fc": Network.add_fc}
    if not isinstance(layer, Mapping) or layer.get("kind") not in kinds:
        problems.add(path, f"must be a section with kind: conv or kind: fc, got {layer!r}")
        return None
    checked = check_section(schema_of(kinds[layer["kind"]]), layer, path, problems, also=("kind",))
    return None if checked is None else {"kind": layer["kind"], **said(checked, batch_norm=False)}
