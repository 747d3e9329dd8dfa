"""Scikit-learn's face: estimators that learn on features."""

__all__: list[str] = []
