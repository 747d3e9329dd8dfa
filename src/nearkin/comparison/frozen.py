"""A recipe's backbone, and the features of all images where it is frozen: made once, kept, and read by every run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from nearkin.comparison.design import canonical
from nearkin.comparison.inputs import Features
from nearkin.comparison.yaml_text import parse_yaml
from nearkin.core import InputError, content_hash
from nearkin.core.caches import cache_folder
from nearkin.data import ImageSet, data_root
from nearkin.embedding import cached_features
from nearkin.networks import Backbone

OWN_KEYS = ("frozen",)
"""Keys of the section `backbone` that are not the constructor's."""


def build_backbone(section: Mapping[str, Any]) -> Backbone:
    """The backbone of a checked section, with its weights. Frozen, it is made once a process."""
    return _frozen(canonical(dict(section))) if section["frozen"] else _made(section)


@lru_cache(maxsize=4)
def _frozen(section: str) -> Backbone:
    return _made(parse_yaml(section)).freeze()


def _made(section: Mapping[str, Any]) -> Backbone:
    options = {key: value for key, value in section.items() if key not in OWN_KEYS}
    size = options.pop("size")
    return Backbone(**{**options, "weights": weights_of(options["weights"])}, size=tuple(size) if isinstance(size, list) else size)


def weights_of(text: str) -> str:
    """"pretrained" and "random" as they are; a file is looked for here and in the folder of data sets."""
    if text in ("pretrained", "random"):
        return text
    places = [Path(text).expanduser(), data_root() / text]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise InputError(f"there is no file of weights {text}; looked for {' and '.join(map(str, places))}")
    return str(found)


def open_features(
    section: Mapping[str, Any], images: ImageSet, on_progress: Callable[[int, int], object] | None = None
) -> tuple[Features, str]:
    """The features of all images by a frozen backbone, and a hash of what they depend on; computed where not kept yet."""
    backbone = build_backbone(section)
    rows = cached_features(backbone, images, features_folder(), on_progress=on_progress)
    return Features(rows), content_hash(backbone.fingerprint(), images.data_hash)


def features_folder() -> Path:
    """Where features are kept: the platform's cache folder."""
    return cache_folder("features")


def image_seconds(section: Mapping[str, Any], images: ImageSet, count: int = 8) -> float:
    """Seconds that the backbone takes for one image, measured on a few."""
    from nearkin.networks import embed

    backbone, few = build_backbone(section), images.scaled(list(range(min(count, len(images)))))
    embed(backbone, few[:1])
    start = time.perf_counter()
    embed(backbone, few)
    return (time.perf_counter() - start) / len(few)
