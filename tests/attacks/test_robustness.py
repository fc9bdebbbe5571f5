"""The certificates of the target detector, against refits of every small set."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from skinfluence import (
    LeaveOneOutInfluence,
    PartitionClassifier,
    PredictionCertificate,
    TargetDetector,
)
from skinfluence.removal import UnsupportedEstimator

MOST = 3
MODELS = {
    "ridge": RidgeClassifier(),
    "neighbours": KNeighborsClassifier(5),
    "logistic": LogisticRegression(C=0.05, tol=1e-10),
    "parts": PartitionClassifier(KNeighborsClassifier(1), n_partitions=3),
}


@pytest.fixture(scope="module")
def blobs():
    X, y = make_blobs([6, 6], 2, cluster_std=3.0, random_state=3)
    test = make_blobs(12, 2, cluster_std=3.0, random_state=3)[0]
    return X, np.array(["a", "b"])[y], test


def changed_tables(X, y, change, size):
    """Yield all tables without so many rows, or with so many labels flipped."""
    for rows in combinations(range(len(y)), size):
        if change == "removal":
            yield np.delete(X, rows, axis=0), np.delete(y, rows)
        else:
            flipped = y.copy()
            flipped[list(rows)] = np.where(y[list(rows)] == "a", "b", "a")
            yield X, flipped


def smallest_that_turns(model, X, y, test, change):
    """Return the fewest changes that turn each prediction, by refits of all sets."""
    before = clone(model).fit(X, y).predict(test)
    size = np.full(len(test), np.inf)
    for k in range(1, MOST + 1):
        for A, a in changed_tables(X, y, change, k):
            if len(np.unique(a)) == 2:
                turned = clone(model).fit(A, a).predict(test) != before
                size[turned & np.isinf(size)] = k
    return size


@pytest.mark.parametrize("change", ["removal", "label_flip"])
@pytest.mark.parametrize("name", ["ridge", "neighbours"])
def test_no_set_of_so_few_rows_turns_the_prediction(blobs, name, change):
    X, y, test = blobs
    detector = TargetDetector(LeaveOneOutInfluence(MODELS[name])).fit(X, y)
    found = detector.robustness(test, change=change, max_rows=MOST)
    truth = smallest_that_turns(MODELS[name], X, y, test, change)
    assert (found.lower < truth).all()
    assert (found.upper >= truth).all()
    assert (found.lower > 0).any()
    if (name, change) != ("ridge", "removal"):  # a bound, the others are exact
        assert_array_equal(found.upper, truth)
        assert_array_equal(found.lower, np.minimum(truth - 1, MOST))
    assert_array_equal(found.score, detector.score_samples(test))


@pytest.mark.parametrize("change", ["removal", "label_flip"])
@pytest.mark.parametrize("name", ["logistic", "parts"])
def test_the_certificate_is_of_the_same_model_and_weights(blobs, name, change):
    X, y, test = blobs
    weight = {} if name == "parts" else {"sample_weight": np.linspace(0.5, 2, len(y))}
    detector = TargetDetector(LeaveOneOutInfluence(MODELS[name])).fit(X, y, **weight)
    certificate = PredictionCertificate(MODELS[name], change=change, max_rows=5)
    expected = certificate.fit(X, y, **weight).robustness(test)
    found = detector.robustness(test, change=change, max_rows=5)
    for key in ("lower", "upper"):
        assert_array_equal(found[key], expected[key])
    if weight:
        plain = TargetDetector(LeaveOneOutInfluence(MODELS[name])).fit(X, y)
        other = plain.robustness(test, change=change, max_rows=5)
        assert (other.upper != found.upper).any()


def test_predictions_of_another_seed_are_not_certified(blobs):
    X, y, test = blobs
    stumps = PartitionClassifier(ExtraTreeClassifier(max_depth=1), n_partitions=3)
    model = LeaveOneOutInfluence(stumps, solver="refit", random_state=0)
    detector = TargetDetector(model, random_state=1).fit(X, y)
    found = detector.robustness(test)
    certificate = PredictionCertificate(stumps, random_state=1).fit(X, y)
    turned = certificate.predict(test) != detector.influence_.predict(test)
    expected = certificate.robustness(test).lower
    assert (expected[turned] > 0).any()
    assert_array_equal(found.lower, np.where(turned, 0, expected))


def test_models_without_a_certificate_are_refused_by_name(blobs):
    X, y, test = blobs
    model = DecisionTreeClassifier(max_depth=2, random_state=0)
    detector = TargetDetector(LeaveOneOutInfluence(model)).fit(X, y)
    with pytest.raises(UnsupportedEstimator, match="PartitionClassifier"):
        detector.robustness(test)
    with pytest.raises(ValueError, match="'change'"):
        detector.robustness(test, change="addition")
