"""From images to embeddings that are kept: the cache of a frozen network's features."""

from nearkin.embedding.augmentation import AUGMENTATIONS
from nearkin.embedding.feature_cache import cached_features, features_key

__all__ = ["AUGMENTATIONS", "cached_features", "features_key"]
