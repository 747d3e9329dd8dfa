"""Enrolled images that are kept, searched and named: the store, its history, and the answers made from it. No torch."""

__all__: list[str] = []
