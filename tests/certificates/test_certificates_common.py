"""The certificates pass scikit-learn's own checks."""

import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from skinfluence import PartitionClassifier, PredictionCertificate

tight_logistic = LogisticRegression(solver="newton-cholesky", tol=1e-9)


@parametrize_with_checks(
    [
        PartitionClassifier(RidgeClassifier(), n_partitions=2),
        PredictionCertificate(RidgeClassifier(), change="label_flip", max_rows=3),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        PartitionClassifier(DecisionTreeClassifier(), n_partitions=3),
        PartitionClassifier(LogisticRegression()),
        PredictionCertificate(KNeighborsClassifier(3), max_rows=3),
        PredictionCertificate(LinearDiscriminantAnalysis(), max_rows=3),
        PredictionCertificate(tight_logistic, max_rows=3),
        PredictionCertificate(Ridge(), max_rows=3, threshold=0.5),
    ]
)
def test_scikit_learn_checks_of_more(estimator, check):
    check(estimator)
