"""From images to embeddings: a model ready to use (`Embedder`), and a frozen network's features that are kept.

`Embedder` with the descriptor or an exported model works without torch; what needs torch is imported when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nearkin.embedding.embedder import Embedder
from nearkin.embedding.preprocessing import Preprocessing

if TYPE_CHECKING:
    from nearkin.embedding.augmentation import AUGMENTATIONS
    from nearkin.embedding.feature_cache import cached_features, features_key

__all__ = ["AUGMENTATIONS", "Embedder", "Preprocessing", "cached_features", "features_key"]

_WITH_TORCH = {
    "AUGMENTATIONS": "nearkin.embedding.augmentation",
    "cached_features": "nearkin.embedding.feature_cache",
    "features_key": "nearkin.embedding.feature_cache",
}


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WITH_TORCH[name]), name)
