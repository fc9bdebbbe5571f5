"""Label flips: the fewest that turn a prediction, against every table of labels."""

import warnings
from itertools import product

import numpy as np
import pytest
from changed_tables import fewest_changes, two_clouds
from sklearn.base import is_classifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeClassifier,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeClassifier

from skinfluence import PredictionCertificate
from skinfluence.removal import UnsupportedEstimator

process = GaussianProcessRegressor(
    RBF(1.5), alpha=0.5, optimizer=None, normalize_y=True
)


def certified(estimator, X, y, X_test, **options):
    certificate = PredictionCertificate(estimator, change="label_flip", **options)
    return certificate.fit(X, y).robustness(X_test)


def all_labels(n, n_classes):
    """Every table of labels, shape (n_classes**n, n)."""
    return np.array(list(product(range(n_classes), repeat=n)))


def fewest_by_ridge(X, y, X_test, alpha, n_classes):
    """The same for ridge classifiers: all tables are targets of one solution."""
    tables = all_labels(len(y), n_classes)
    columns = [np.where(tables == c, 1.0, -1.0) for c in range(n_classes)]
    scores = [Ridge(alpha=alpha).fit(X, c.T).predict(X_test) for c in columns]
    predicted = np.argmax(np.round(scores, 9), axis=0)  # (n_test, n_tables)
    return fewest_from(tables, y, predicted)


def fewest_by_votes(X, y, X_test, k, n_classes, weighted):
    """The same for neighbours, which do not depend on labels."""
    tables = all_labels(len(y), n_classes)
    distance = np.linalg.norm(X_test[:, None] - X, axis=2)
    near = np.argsort(distance, axis=1)[:, :k]
    weight = (
        1 / np.take_along_axis(distance, near, 1) if weighted else np.ones(near.shape)
    )
    votes = [(tables[:, near] == c) @ np.eye(k) * weight for c in range(n_classes)]
    predicted = np.argmax(np.sum(votes, axis=3), axis=0).T
    return fewest_from(tables, y, predicted)


def fewest_from(tables, y, predicted):
    flips = (tables != y).sum(axis=1)
    before = predicted[:, flips == 0]
    return np.where(predicted != before, flips, len(y) + 1).min(axis=1)


def check_exact(found, truth, most):
    assert np.array_equal(np.minimum(found.lower, most), np.minimum(truth - 1, most))
    assert np.array_equal(found.upper, np.where(truth > most, np.inf, truth))
    for rows, labels, size in zip(
        found.flip_sets, found.flip_labels, found.upper, strict=True
    ):
        assert len(rows) == len(labels) == (size if np.isfinite(size) else 0)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("n_classes", [2, 3])
def test_ridge_classifiers_equal_every_table(seed, n_classes):
    X, y, X_test = two_clouds(seed, 9 if n_classes == 2 else 6, n_classes=n_classes)
    alpha = 10.0 ** (seed % 3 - 1)
    truth = fewest_by_ridge(X, y, X_test, alpha, n_classes)
    found = certified(RidgeClassifier(alpha), X, y, X_test, max_rows=4)
    check_exact(found, truth, 4)


@pytest.mark.parametrize("seed", range(4))
def test_rows_of_third_classes_count(seed):
    rng = np.random.default_rng(seed)
    X, X_test = rng.normal(size=(7, 2)), rng.normal(size=(20, 2))
    y = rng.permutation([0, 1, 2, 2, 2, 2, 2])
    truth = fewest_by_ridge(X, y, X_test, 1.0, 3)
    check_exact(certified(RidgeClassifier(), X, y, X_test, max_rows=4), truth, 4)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_neighbours_equal_every_table(seed, n_classes, weights):
    X, y, X_test = two_clouds(seed, 9 if n_classes == 2 else 6, n_classes=n_classes)
    k = 2 + seed % 3
    truth = fewest_by_votes(X, y, X_test, k, n_classes, weights == "distance")
    found = certified(
        KNeighborsClassifier(k, weights=weights), X, y, X_test, max_rows=4
    )
    check_exact(found, truth, 4)


@pytest.mark.slow
def test_ten_thousand_cases_of_ridge_and_neighbours():
    for seed in range(1000):
        n_classes = 2 + seed % 2
        X, y, X_test = two_clouds(
            seed, 9 if n_classes == 2 else 6, n_classes=n_classes, apart=seed % 5 / 2
        )
        alpha, k = 10.0 ** (seed % 4 - 2), 1 + seed % 4
        weights = ["uniform", "distance"][seed // 2 % 2]
        found = certified(RidgeClassifier(alpha), X, y, X_test, max_rows=5)
        check_exact(found, fewest_by_ridge(X, y, X_test, alpha, n_classes), 5)
        model = KNeighborsClassifier(k, weights=weights)
        found = certified(model, X, y, X_test, max_rows=5)
        truth = fewest_by_votes(X, y, X_test, k, n_classes, weights == "distance")
        check_exact(found, truth, 5)


@pytest.mark.parametrize(
    "estimator",
    [
        RidgeClassifier(0.3, fit_intercept=False),
        make_pipeline(StandardScaler(), RidgeClassifier()),
        make_pipeline(StandardScaler(), KNeighborsClassifier(3)),
        Ridge(0.1),
        LinearRegression(),
        KernelRidge(alpha=0.3, kernel="rbf"),
        process,
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_every_smoother_equals_refits(estimator):
    X, y, X_test = two_clouds(5, 9, apart=1.2)
    threshold = None if is_classifier(estimator) else 0.45
    y = y if threshold is None else y.astype(float)
    truth = fewest_changes(estimator, X, y, X_test, "label_flip", 2, threshold)
    found = certified(estimator, X, y, X_test, max_rows=2, threshold=threshold)
    check_exact(found, truth, 2)


def test_sample_weights_count():
    X, y, X_test = two_clouds(2, 9)
    weight = np.linspace(0.1, 3, 9)
    tables = all_labels(9, 2)
    model = Ridge().fit(X, 2.0 * tables.T - 1, sample_weight=weight)
    truth = fewest_from(tables, y, model.predict(X_test) > 0)
    certificate = PredictionCertificate(RidgeClassifier(), change="label_flip")
    found = certificate.fit(X, y, sample_weight=weight).robustness(X_test)
    check_exact(found, truth, 4)


def test_found_sets_turn_the_prediction_of_a_refit():
    X, y, X_test = two_clouds(1, 40, d=3, n_classes=3, n_test=8)
    y = np.array(["a", "b", "c"])[y]
    found = certified(RidgeClassifier(), X, y, X_test)
    before = RidgeClassifier().fit(X, y).predict(X_test)
    for t, (rows, labels) in enumerate(
        zip(found.flip_sets, found.flip_labels, strict=True)
    ):
        changed = y.copy()
        assert (changed[rows] != labels).all()
        changed[rows] = labels
        assert RidgeClassifier().fit(X, changed).predict(X_test[[t]]) != before[t]


@pytest.mark.parametrize("seed", range(2))
def test_logistic_bounds_hold_for_every_table(seed):
    X, y, X_test = two_clouds(seed, 12, apart=2.0)
    model = LogisticRegression(C=0.02, solver="newton-cholesky", tol=1e-10)
    truth = fewest_changes(model, X, y, X_test, "label_flip", 2)
    found = certified(model, X, y, X_test, max_rows=2)
    assert (found.lower < truth).all()
    assert (found.upper >= truth).all()


def test_models_without_certificates_are_refused_by_name():
    X, y, _ = two_clouds(0, 12)
    with pytest.raises(UnsupportedEstimator, match="PartitionClassifier"):
        certified(DecisionTreeClassifier(), X, y, X)
    with pytest.raises(UnsupportedEstimator, match="class_weight"):
        certified(RidgeClassifier(class_weight="balanced"), X, y, X)
    with pytest.raises(UnsupportedEstimator, match="targetencoder"):
        certified(make_pipeline(TargetEncoder(cv=2), RidgeClassifier()), X, y, X)
    with pytest.raises(UnsupportedEstimator, match="two classes"):
        certified(LogisticRegression(), X, np.arange(12) % 3, X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of its defaults
        with pytest.raises(UnsupportedEstimator, match="given L2 penalty"):
            certified(LogisticRegressionCV(Cs=2, cv=2), X, y, X)
    with pytest.raises(ValueError, match="two values"):
        certified(Ridge(), X, np.arange(12.0), X)
    with pytest.raises(ValueError, match="threshold"):
        certified(RidgeClassifier(), X, y, X, threshold=0.5)
