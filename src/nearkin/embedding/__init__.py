"""From images to embeddings that are kept: the cache of a frozen network's features."""

__all__: list[str] = []
