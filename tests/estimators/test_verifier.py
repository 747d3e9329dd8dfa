from sklearn.utils.estimator_checks import parametrize_with_checks
from nearkin.estimators.verifier import Verifier
@parametrize_with_checks([Verifier(bootstrap=10), Verifier("snr", "otsu-balanced", bootstrap=0), Verifier("mahalanobis", "f-beta", beta=0.5, bootstrap=0)])
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)
