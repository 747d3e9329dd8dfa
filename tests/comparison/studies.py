"""Studies so small that a test can make several: 200 real digits, a net of 300 weights, a few steps."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

from nearkin.comparison import Recipe, check_recipe
from nearkin.comparison.overrides import apply_overrides

SECTION: dict[str, Any] = {
    "name": "small",
    "data": {"name": "digits", "limit_per_class": 20},
    "protocols": ["closed-set"],
    "network": {
        "embedding_size": 4,
        "layers": [{"kind": "conv", "kernel_h": 3, "kernel_w": 3, "pool_h": 2, "pool_w": 2, "filters": 4}],
    },
    "training": {"steps": 6, "classes_per_batch": 4, "images_per_class": 3, "validate_every": 3, "learning_rate": 0.01},
    "methods": [
        {"name": "siamese", "loss": "contrastive"},
        {"name": "triplet", "loss": {"name": "triplet", "mining": "random"}},
    ],
    "evaluation": {"at": [1, 2], "knn": [1], "clustering": False},
    "seeds": 2,
}


def section(*changes: str, **parts: Any) -> dict[str, Any]:
    """The small recipe as YAML gives it, with whole parts replaced and single keys changed."""
    return apply_overrides({**deepcopy(SECTION), **parts}, changes)


def recipe(*changes: str, **parts: Any) -> Recipe:
    """The small recipe, checked."""
    return check_recipe(section(*changes, **parts))


def results(folder: Path) -> dict[str, bytes]:
    """Every file of a study that must be the same however it came about: no times, no curves with seconds."""
    kept = ("results.csv", "validation.csv", "recipe.yaml", "splits/*.json", "thumbnails/*.npy")
    kept += ("runs/*/embeddings.npy", "runs/*/embeddings.csv", "runs/*/records.csv", "runs/*/network.safetensors")
    found = {str(path.relative_to(folder)): path.read_bytes() for pattern in kept for path in folder.glob(pattern)}
    return dict(sorted(found.items()))
