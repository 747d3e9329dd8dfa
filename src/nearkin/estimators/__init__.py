"""Scikit-learn's face: estimators that learn on features."""
