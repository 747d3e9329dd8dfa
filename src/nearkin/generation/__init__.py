"""Hard negatives and positives that are made, not found: generators, and what they must beat."""

__all__: list[str] = []
