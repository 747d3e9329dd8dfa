"""What class is this embedding? Nearest neighbours or class prototypes, as a scikit-learn classifier [EVA-3]."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from nearkin.core import InputError, choice, integer
from nearkin.decision import ChosenK, Nearest, Probability, class_means, nearest
from nearkin.decision.answering import METHODS, Answering, calibrate_answers
from nearkin.decision.choosing import GRID
from nearkin.decision.probability import DEPTH
from nearkin.decision.votes import WEIGHTS, voted_for
from nearkin.estimators.labels import all_but, joined, with_unknowns
from nearkin.estimators.projecting import projected, space_of

FLOATS = [np.float64, np.float32]


class NeighbourClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Names the class of an embedding by its nearest neighbours, or by the nearest class mean.

    Nothing is trained: `partial_fit` adds images and classes, `forget` takes a class away, and both give the same
    classifier as `fit` on what is then there.

    method:        "neighbours" (default), a vote of the k nearest; "prototypes", the class whose mean is nearest
    n_neighbors:   k, or "auto" (default): the one of 1, 3, 5, 7, 9 that answers best when enrolled rows ask (`left_out`)
    weights:       of the votes: "distance" (default), 1/d; "uniform", which distances below 0 (inner product) need
    distance:      a name ("euclidean", "cosine", "snr", ...), or a Distance with what it learned
    threshold:     largest distance at which an answer is believed; None (default): every row gets a class. Beyond it
                   `predict` gives `unknown`. Choose it on other data: see `Verifier` for pairs
    unknown:       what `predict` gives there. None (default): -1 for integer classes, "unknown" for text
    Probability:   `predict_proba` is calibrated on the enrolled rows, each left out with one row of every other class:
                   `probability_` holds its parameters, and `probability_.is_calibrated` is False where all classes have one
                   row only. It is given that one of the classes is right; the threshold asks whether. Rows that a network
                   was trained on lie closer together than new ones: on them it promises too much
    Attributes:    classes_; labels_ (N,) and rows_ (N, P), what is enrolled, float32; probability_; chosen_k_, with the
                   accuracy of every k; n_features_in_
    Time:          a search compares with all N rows; calibration asks 2,000 of them at most
    Errors:        InputError for settings outside what is said here; a warning where n_neighbors is more than N
    Source:        document 002, section 3 (k = 7, distance weights); Snell et al. 2017 for prototypes

    >>> import numpy as np
    >>> x = np.array([[0.0], [0.2], [0.3], [1.0], [1.1], [1.3]])
    >>> model = NeighbourClassifier(threshold=1.0).fit(x, ["a", "a", "a", "b", "b", "b"])
    >>> model.partial_fit([[4.0], [4.3]], ["c", "c"]).predict([[0.1], [4.1], [9.0]]).tolist()
    ['a', 'c', 'unknown']
    >>> model.forget("a").classes_.tolist()
    ['b', 'c']
    """

    def __init__(
        self,
        method: str = "neighbours",
        *,
        n_neighbors: int | str = "auto",
        weights: str = "distance",
        distance: Any = "euclidean",
        threshold: float | None = None,
        unknown: Any = None,
    ) -> None:
        self.method = method
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.distance = distance
        self.threshold = threshold
        self.unknown = unknown

    def fit(self, X: Any, y: Any) -> NeighbourClassifier:
        """Enrol rows X (N, D) with classes y (N,), and calibrate."""
        self._check_settings()
        X, y = validate_data(self, X, y, dtype=FLOATS)
        check_classification_targets(y)
        self._enrolled(projected(self.distance, X).astype(np.float32), y)._calibration()
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> NeighbourClassifier:
        """Enrol rows X (n, D) with classes y (n,) beside those that are there; classes may be new.

        classes: scikit-learn's list of classes that may come; a class is known once it has a row, whatever it says
        Calibration is renewed when it is next asked for.
        """
        self._check_settings()
        first = not hasattr(self, "labels_")
        X, y = validate_data(self, X, y, dtype=FLOATS, reset=first)
        check_classification_targets(y)
        if classes is not None and not np.isin(y, np.asarray(classes)).all():
            raise InputError(f"y holds classes that are not among classes={np.asarray(classes).tolist()}")
        rows = projected(self.distance, X).astype(np.float32)
        if first:
            return self._enrolled(rows, y)
        return self._enrolled(np.concatenate([self.rows_, rows]), joined(self.labels_, y))

    def forget(self, label: Any) -> NeighbourClassifier:
        """Take away all rows of a class."""
        check_is_fitted(self)
        keep = all_but(self.labels_, label)
        return self._enrolled(self.rows_[keep], self.labels_[keep])

    def predict(self, X: Any) -> NDArray[Any]:
        """The class (n,) of each row X (n, D); `unknown` where `threshold` is set and the distance above it."""
        codes, distances = self._answers(X)
        found: NDArray[Any] = self.classes_[codes]
        if self.threshold is None:
            return found
        return with_unknowns(found, distances <= self.threshold, self.classes_, self.unknown)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability (n, classes) of each class, in the order of `classes_`; rows sum to 1."""
        check_is_fitted(self)
        found, voters = self._search(X, max(DEPTH, self._k()))
        return self._calibration().probability.of(found.distances, voters, len(self.classes_))

    def decision_distance(self, X: Any) -> NDArray[np.float64]:
        """The distance (n,) to the nearest row (or the prototype) of the class that is answered."""
        return self._answers(X)[1]

    def kneighbors(
        self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]] | NDArray[np.int64]:
        """Distances and places (n, k) of the nearest enrolled rows (or prototypes), inf and -1 where there are fewer.

        X: None for the enrolled rows themselves, none its own neighbour
        """
        check_is_fitted(self)
        count = self._k() if n_neighbors is None else integer("n_neighbors", n_neighbors, minimum=1)
        if X is None:
            references = self._references()[0]
            others = np.arange(len(references))
            own = others if self.method == "neighbours" else np.full(len(self.rows_), -1)
            space = space_of(self.distance)
            found = nearest(space, self.rows_, references, count, query_groups=own, reference_groups=others)
        else:
            found = self._search(X, count)[0]
        return (found.distances, found.places) if return_distance else found.places

    @property
    def probability_(self) -> Probability:
        """The calibrated parameters of `predict_proba`."""
        check_is_fitted(self)
        return self._calibration().probability

    @property
    def chosen_k_(self) -> ChosenK:
        """The number of neighbours that vote, and the accuracy of every k that was tried."""
        check_is_fitted(self)
        return self._calibration().chosen

    def _answers(self, X: Any) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Codes of the answered classes and the distances to their nearest row."""
        check_is_fitted(self)
        found, voters = self._search(X, self._k())
        codes = voted_for(found.distances, voters, np.full(len(voters), -1), weights=self._weights())[2]
        return codes, np.where(voters == codes[:, None], found.distances, np.inf).min(1)

    def _search(self, X: Any, depth: int) -> tuple[Nearest, NDArray[np.int64]]:
        """The nearest references of rows, and the class codes of these."""
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        rows, codes = self._references()
        asked = projected(self.distance, X).astype(np.float32)
        found = nearest(space_of(self.distance), asked, rows, min(depth, len(rows)))
        return found, codes[found.places]

    def _references(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        if self.method == "neighbours":
            return self.rows_, self._codes()
        means = class_means(space_of(self.distance), self.rows_, self._codes(), len(self.classes_))
        return means, np.arange(len(self.classes_))

    def _codes(self) -> NDArray[np.int64]:
        return np.searchsorted(self.classes_, self.labels_)

    def _enrolled(self, rows: NDArray[np.float32], labels: NDArray[Any]) -> NeighbourClassifier:
        self.rows_, self.labels_, self.classes_ = rows, labels, np.unique(labels)
        self.answering_: Answering | None = None
        fixed = self._fixed_k()
        if fixed is not None and fixed > len(rows):
            warnings.warn(f"n_neighbors = {fixed} is more than the {len(rows)} enrolled rows; all vote", stacklevel=3)
        return self

    def _calibration(self) -> Answering:
        """k and probabilities of what is enrolled, made anew if that has changed."""
        if self.answering_ is None:
            space, k = space_of(self.distance), self._fixed_k() or GRID
            self.answering_ = calibrate_answers(
                space, self.rows_, self._codes(), method=self.method, k=k, weights=self.weights
            )
        return self.answering_

    def _fixed_k(self) -> int | None:
        """k where it is not chosen."""
        if self.method == "prototypes":
            return 1
        return None if isinstance(self.n_neighbors, str) else int(self.n_neighbors)

    def _k(self) -> int:
        return min(self._fixed_k() or self._calibration().chosen.k, len(self.rows_))

    def _weights(self) -> str:
        return "uniform" if self.method == "prototypes" else self.weights

    def _check_settings(self) -> None:
        choice("method", self.method, METHODS)
        choice("weights", self.weights, WEIGHTS)
        if self.n_neighbors != "auto":
            integer("n_neighbors", self.n_neighbors, minimum=1)
        if self.threshold is not None and not np.isfinite(self.threshold):
            raise InputError(f"threshold must be a finite distance, or None, got {self.threshold!r}")
        space_of(self.distance)
