"""Large margin nearest neighbours: a Mahalanobis distance learned on fixed features, as a scikit-learn transformer."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from nearkin.core import InputError, choice, flag, integer, positive
from nearkin.distances import Mahalanobis
from nearkin.estimators.impostors import lmnn_objective
from nearkin.estimators.targets import NOBODY, target_neighbours

Floats = NDArray[np.float64]


class LMNN(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Large margin nearest neighbours [LMN-1, LMN-2]: learn L so that a point's targets are nearer than other classes.

    The targets of a point are its nearest points of the same class. Each is pulled, and every point of another class that
    lies within a margin of 1 behind it is pushed (`lmnn_objective` has the equation). All impostors are counted anew at
    every evaluation, so the value and the gradient are exact. `transform` gives L x, in which Euclidean neighbours are
    those of the learned distance: a kNN classifier behind it is the paper's, `distance()` the same distance for nearkin.

    n_neighbors:  targets a point, 3 by default. A class of m members gives at most m - 1; a lone member has none, but
                  stays an impostor of others
    rank:         rows of L, all D by default, which starts from the identity. With fewer the objective is not convex in
                  L'L any more, the search is faster and so is all that comes after
    push:         mu, the weight of the impostors against 1 - mu of the targets; 0.5 by default
    init:         first L of a smaller rank: "pca" (default) the principal axes, or "random" by `random_state`
    standardize:  learn on features of mean 0 and variance 1 (default), because the margin is measured in their units and
                  the targets are chosen by their distances; L itself is given for the features as they come
    max_iter:     iterations of L-BFGS, each of about one evaluation; 200 by default, and a ConvergenceWarning if it ends
                  before the objective stands
    tol:          the search ends when an iteration lowers the objective by less than this share; 1e-5 by default
    random_state: seed or generator of init="random"

    Attributes:   components_ (rank, D), the L of features as they come; objective_, its value; n_iter_;
                  n_features_in_, classes_
    Memory:       the features in float64 and about 100 MB, however many triplets there are
    Time:         O(N^2 rank) an iteration: 3,000 features take seconds to a minute
    Errors:       InputError for one class (nothing to push: the best L would be 0), for classes of one member each, and
                  for a rank above D
    Differs:      the paper solves for M = L'L by a special solver; ours is L-BFGS over L, whose objective has the same
                  minimum at full rank. The mean over pairs, not the sum. A library that weighs the *pull* by its
                  "regularization" agrees at 0.5 only
    Source:       document 004 (cited); Weinberger and Saul 2009

    >>> import numpy as np
    >>> x = np.array([[0.0, 0], [0, 9], [1, 1], [1, 8]])  # the classes differ in the first feature
    >>> LMNN(n_neighbors=1, rank=1).fit(x, [0, 0, 1, 1]).transform(x).round(1).shape
    (4, 1)
    """

    def __init__(
        self,
        n_neighbors: int = 3,
        *,
        rank: int | None = None,
        push: float = 0.5,
        init: str = "pca",
        standardize: bool = True,
        max_iter: int = 200,
        tol: float = 1e-5,
        random_state: Any = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.rank = rank
        self.push = push
        self.init = init
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> LMNN:
        """Learn L from features X (N, D) and classes y (N,)."""
        count, push = integer("n_neighbors", self.n_neighbors, minimum=1), positive("push", self.push)
        if not push < 1:
            raise InputError(f"push must be below 1, or nothing would pull, got {self.push!r}")
        rounds, tolerance = integer("max_iter", self.max_iter, minimum=1), positive("tol", self.tol)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError("LMNN needs two classes or more, got one class: with nobody to push, the best map is 0")
        rows, scale = self._rows(X)
        targets = target_neighbours(rows, codes, count)
        if (targets == NOBODY).all():
            raise InputError("every class has one member only, so there is nothing to pull together")
        start = self._start(rows)

        def objective(flat: Floats) -> tuple[float, Floats]:
            value, gradient = lmnn_objective(flat.reshape(start.shape), rows, codes, targets, push=push)
            return value, gradient.ravel()

        found = minimize(
            objective,
            start.ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": rounds, "maxfun": 10 * rounds, "ftol": tolerance, "gtol": 1e-10},
        )
        if not found.success:
            warnings.warn(
                f"LMNN stopped after {found.nit} iterations before its objective stood at tol={tolerance:g} "
                f"({found.message}); raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.components_ = found.x.reshape(start.shape) / scale
        self.objective_ = float(found.fun)
        self.n_iter_ = max(int(found.nit), 1)
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """L x of features X (N, D): (N, rank), in their dtype."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        mapped: NDArray[Any] = X @ self.components_.T.astype(X.dtype)
        return mapped

    def distance(self) -> Mahalanobis:
        """The learned distance of features as they come, for losses, evaluation and search; fixed."""
        check_is_fitted(self)
        return Mahalanobis.from_factor(self.components_)

    def _rows(self, X: NDArray[Any]) -> tuple[Floats, Floats]:
        """The features in float64, centred (differences do not change), and what each was divided by."""
        rows = X.astype(np.float64) - X.mean(0, dtype=np.float64)
        scale = np.ones(rows.shape[1])
        if flag("standardize", self.standardize):
            spread = np.sqrt(np.square(rows).mean(0))
            scale = np.where(spread > 1e-12 * max(float(np.abs(X).max()), 1e-290), spread, 1)
        return rows / scale, scale

    def _start(self, rows: Floats) -> Floats:
        """The first L: the identity, or as many rows as asked for of principal axes or by chance."""
        size = rows.shape[1]
        rank = size if self.rank is None else integer("rank", self.rank, minimum=1)
        if rank > size:
            raise InputError(f"rank {rank} is more than the {size} features; give at most rank={size}")
        if choice("init", self.init, ("pca", "random")) == "random":
            drawn: Floats = check_random_state(self.random_state).standard_normal((rank, size)) / np.sqrt(size)
            return drawn
        if rank == size:
            return np.eye(size)
        axes = np.linalg.eigh(rows.T @ rows / len(rows))[1][:, ::-1].T[:rank]
        largest = np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1)
        return np.ascontiguousarray(axes * np.sign(largest))

    @property
    def _n_features_out(self) -> int:
        return int(self.components_.shape[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
