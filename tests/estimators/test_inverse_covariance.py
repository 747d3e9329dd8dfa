"""The inverse covariance as an estimator: scikit-learn's contract, and the numbers of the distance that it stands for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.estimator_checks import parametrize_with_checks

from nearkin.core import InputError
from nearkin.distances import Mahalanobis
from nearkin.estimators import ESTIMATORS, LMNN, InverseCovariance

X = np.random.default_rng(0).normal(size=(40, 3)) @ np.array([[3.0, 0, 0], [1, 1, 0], [0, 0.5, 0.1]])
Y = np.arange(40) % 4


@parametrize_with_checks([InverseCovariance(), InverseCovariance("within", shrinkage=0.3)])
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.parametrize("shrinkage", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("kind", ["global", "within"])
def test_euclidean_distances_of_its_rows_are_the_mahalanobis_distances(kind, shrinkage):
    centred = X - (X.mean(0) if kind == "global" else np.stack([X[Y == c].mean(0) for c in Y]))
    covariance = centred.T @ centred / (40 if kind == "global" else 36)
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / 3 * np.eye(3)
    difference = X[:, None] - X[None]
    wanted = np.sqrt(np.einsum("ijk,kl,ijl->ij", difference, np.linalg.inv(shrunk), difference))
    fitted = InverseCovariance(kind, shrinkage=shrinkage).fit(X, [f"class {c}" for c in Y])
    rows = fitted.transform(X)
    np.testing.assert_allclose(np.linalg.norm(rows[:, None] - rows[None], axis=2), wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fitted.distance()(torch.tensor(X)).numpy(), wanted, rtol=1e-9, atol=1e-12)
    ready = Mahalanobis.from_covariance(X, Y, kind=kind, shrinkage=shrinkage)
    np.testing.assert_allclose(fitted.components_, ready.weight.numpy(), rtol=1e-12)


def test_global_needs_no_classes_and_does_not_read_them():
    np.testing.assert_array_equal(InverseCovariance().fit(X).components_, InverseCovariance().fit(X, Y).components_)
    with pytest.raises(ValueError, match="requires y"):
        InverseCovariance("within").fit(X)


def test_what_has_no_inverse_is_said():
    with pytest.raises(InputError, match="shrinkage"):
        InverseCovariance(shrinkage=0).fit(X[:3])
    with pytest.raises(InputError, match="one member"):
        InverseCovariance("within").fit(X[:4], Y[:4])
    with pytest.raises(InputError, match="'global', 'within'"):
        InverseCovariance("between").fit(X, Y)


def test_the_table_names_them():
    assert dict(ESTIMATORS) == {"inverse-covariance": InverseCovariance, "lmnn": LMNN}
