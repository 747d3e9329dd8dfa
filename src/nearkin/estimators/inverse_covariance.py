"""The classical Mahalanobis distance of fixed features, as a scikit-learn transformer [MAH-3]."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from nearkin.core import choice
from nearkin.distances import Mahalanobis


class InverseCovariance(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Inverse covariance of features [MAH-3]: a map L with L'L = S^-1, so that all directions vary equally.

    Equation:     as `Mahalanobis.from_covariance`, which makes it; nothing is searched for, one Cholesky factor is taken
    kind:         "global" (default), S over all features, for which no classes are needed; "within", pooled within
                  classes: directions in which a class varies count less, those that part classes count more
    shrinkage:    g in [0, 1] of S <- (1 - g) S + g tr(S)/D I, 0.1 by default; 1 is the Euclidean distance
    Attributes:   components_ (D, D), the L of features as they come, lower triangular; n_features_in_
    Errors:       InputError where S has no inverse, and for "within" with one member in each class
    Time, memory: O(N D^2 + D^3), and a few matrices of D x D numbers in float64
    Source:       document 004 names it as the classical form; Mahalanobis 1936

    >>> import numpy as np
    >>> x = np.array([[0.0, 0], [2, 0], [0, 20], [2, 20]])
    >>> InverseCovariance(shrinkage=0).fit(x).transform(x).tolist()
    [[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]]
    """

    def __init__(self, kind: str = "global", *, shrinkage: float = 0.1) -> None:
        self.kind = kind
        self.shrinkage = shrinkage

    def fit(self, X: Any, y: Any = None) -> InverseCovariance:
        """Take the covariance of features X (N, D), for "within" with classes y (N,)."""
        within = choice("kind", self.kind, ("global", "within")) == "within"
        if within:
            X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], ensure_min_samples=2)
            check_classification_targets(y)
            y = np.unique(y, return_inverse=True)[1]
        else:
            X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        wide = X.astype(np.float64)
        made = Mahalanobis.from_covariance(wide, y if within else None, kind=self.kind, shrinkage=self.shrinkage)
        self.components_: NDArray[np.float64] = made.weight.detach().numpy()
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """L x of features X (N, D): (N, D), in their dtype."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        mapped: NDArray[Any] = X @ self.components_.T.astype(X.dtype)
        return mapped

    def distance(self) -> Mahalanobis:
        """The distance of features as they come, for losses, evaluation and search; fixed."""
        check_is_fitted(self)
        return Mahalanobis.from_factor(self.components_)

    @property
    def _n_features_out(self) -> int:
        return int(self.components_.shape[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.kind == "within"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
