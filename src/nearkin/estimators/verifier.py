"""Are two embeddings of one class? A threshold on their distance, as a scikit-learn estimator [EVA-4, EVA-5]."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from nearkin.core import InputError
from nearkin.decision import PairDistances, Threshold, calibrate_threshold, pair_distances, paired_distances
from nearkin.decision.roc import Roc
from nearkin.distances import Distance
from nearkin.evaluation.linked import LinkedDistance

Floats: TypeAlias = NDArray[np.float64]


class Verifier(BaseEstimator):  # type: ignore[misc]
    """Calls two embeddings the same class where their distance is at most a threshold, which it calibrates.

    `fit(X, y)` takes labelled embeddings, measures all their pairs and chooses `threshold_` by `rule`. Take embeddings of
    images and classes that the network was not trained on: on its training images every threshold looks good.
    `predict_pairs(A, B)` then decides pairs row by row. `score(X, y)`, for cross-validation, is the balanced accuracy of
    the threshold on all pairs of other embeddings.

    distance:      a name, or a Distance with what it learned; "euclidean" by default. An asymmetric one is measured in both
                   orders and a pair's is their mean
    rule:          "eer" (default), "far" with `far`, "balanced-accuracy", "f-beta" with `beta`, "cost" with
                   `false_accept_cost` and `false_reject_cost`, "otsu-balanced", "otsu" (document 002's, which fails where
                   few pairs are positive); `nearkin.decision.THRESHOLDS`
    positive_share: share of positive pairs where the threshold will be used, for "f-beta" and "cost"; by default that of
                   the calibration pairs
    bootstrap:     resamples of the classes for the threshold's interval, 1000; 0 for none
    random_state:  seed of the resamples, and of the sample that stands for the farther pairs above 5 million
    Attributes:    threshold_; calibration_, a `Threshold` with rule, rates, numbers of pairs, interval and notes;
                   n_features_in_
    Errors:        InputError for `far` below what the impostor pairs support, 10/f of them, with the smallest f that they
                   do; for one class; for classes of one row each; for a setting that the rule does not read
    Time:          all pairs: 7,000 rows take seconds

    >>> import numpy as np
    >>> x = np.array([[0.0], [0.2], [1.0], [1.1], [3.0], [3.3]])
    >>> Verifier(bootstrap=0).fit(x, [0, 0, 1, 1, 2, 2])
    Verifier(bootstrap=0)  # 0.3 by eer: accepts 100.00% of positive and 0.000% of impostor pairs, chosen on 3 positive and 12 impostor pairs of 3 classes
    """

    def __init__(
        self,
        distance: Distance | str = "euclidean",
        rule: str = "eer",
        *,
        far: float | None = None,
        beta: float | None = None,
        false_accept_cost: float | None = None,
        false_reject_cost: float | None = None,
        positive_share: float | None = None,
        bootstrap: int = 1000,
        random_state: Any = 0,
    ) -> None:
        self.distance = distance
        self.rule = rule
        self.far = far
        self.beta = beta
        self.false_accept_cost = false_accept_cost
        self.false_reject_cost = false_reject_cost
        self.positive_share = positive_share
        self.bootstrap = bootstrap
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Verifier:
        """Choose the threshold on embeddings X (N, D) with classes y (N,)."""
        return self._calibrated(self._pairs(X, y, reset=True), self.rule, self.bootstrap, self._settings())

    def calibrate_threshold(
        self, X: Any, y: Any, *, rule: str | None = None, bootstrap: int | None = None, **settings: Any
    ) -> Verifier:
        """Choose the threshold anew, on other embeddings X (N, D) with classes y (N,) or by another rule.

        rule:      a name of `nearkin.decision.THRESHOLDS`; the estimator's own by default. Its own comes with its settings
        settings:  `far`, `beta`, `false_accept_cost`, `false_reject_cost`, `positive_share`, `bins`
        """
        chosen = self.rule if rule is None else rule
        given = {**(self._settings() if chosen == self.rule else {}), **settings}
        pairs = self._pairs(X, y, reset=not hasattr(self, "threshold_"))
        return self._calibrated(pairs, chosen, self.bootstrap if bootstrap is None else bootstrap, given)

    def distance_pairs(self, A: Any, B: Any) -> Floats:
        """Distances of ready pairs, row by row: A (N, D), B (N, D) -> (N,)."""
        check_is_fitted(self)
        space = LinkedDistance(self.distance)
        first, second = (self._projected(space, rows) for rows in (A, B))
        if len(first) != len(second):
            raise InputError(f"A has {len(first)} rows and B {len(second)}; a pair takes one of each")
        return paired_distances(space, first, second)

    def decision_function_pairs(self, A: Any, B: Any) -> Floats:
        """threshold_ minus the distance of each pair, (N,): at least 0 where a pair is called the same."""
        return self.threshold_ - self.distance_pairs(A, B)

    def predict_pairs(self, A: Any, B: Any) -> NDArray[np.bool_]:
        """Whether the rows of A (N, D) and B (N, D) are of one class, (N,) bool."""
        return self.distance_pairs(A, B) <= self.threshold_

    def score(self, X: Any, y: Any) -> float:
        """(TPR + TNR)/2 of the threshold on all pairs of embeddings X (N, D) with classes y (N,)."""
        check_is_fitted(self)
        rates = Roc.of(self._pairs(X, y, reset=False).counts()).at(self.threshold_)
        return (rates.tpr + rates.tnr) / 2

    def _pairs(self, X: Any, y: Any, *, reset: bool) -> PairDistances:
        X, y = validate_data(self, X, y, reset=reset, dtype=[np.float64, np.float32], ensure_min_samples=2)
        check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise InputError("a Verifier needs two classes or more, got one class: there are no impostor pairs")
        space = LinkedDistance(self.distance)
        return pair_distances(space, space.project(torch.tensor(X)), codes, seed=self._seed())

    def _calibrated(self, pairs: PairDistances, rule: str, bootstrap: int, settings: dict[str, Any]) -> Verifier:
        if pairs.distances[0] == pairs.distances[-1]:
            raise InputError(
                f"all pairs have the same distance, {pairs.distances[0]:g} (n_features = {self.n_features_in_}); "
                "no threshold parts them: the embeddings have collapsed, or the distance sees nothing in them"
            )
        self.calibration_: Threshold = calibrate_threshold(
            pairs, rule, bootstrap=bootstrap, seed=self._seed(), **settings
        )
        self.threshold_ = self.calibration_.value
        return self

    def _settings(self) -> dict[str, Any]:
        """The rule's settings, as the constructor took them."""
        names = ("far", "beta", "false_accept_cost", "false_reject_cost", "positive_share")
        return {name: getattr(self, name) for name in names}

    def _projected(self, space: LinkedDistance, rows: Any) -> Floats:
        rows = validate_data(self, rows, reset=False, dtype=[np.float64, np.float32])
        return space.project(torch.tensor(rows))

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        words = super().__repr__(N_CHAR_MAX)
        return f"{words}  # {self.calibration_}" if hasattr(self, "calibration_") else words

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
