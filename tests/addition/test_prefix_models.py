"""Models of prefixes equal scikit-learn's, trained on these rows alone."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    NearestCentroid,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skinfluence._losses import LogLoss, resolve_loss
from skinfluence._predictions import model_prediction
from skinfluence.addition import prefix_models
from skinfluence.addition._moments import squared_distances

TIGHT = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}

CLASSIFIERS = [
    GaussianNB(),
    GaussianNB(var_smoothing=0.01),
    MultinomialNB(),
    MultinomialNB(alpha=0.1, fit_prior=False),
    BernoulliNB(binarize=0.7),
    ComplementNB(),
    ComplementNB(norm=True),
    NearestCentroid(),
    NearestCentroid(priors="empirical"),
    LinearDiscriminantAnalysis(),
    KNeighborsClassifier(3),
    KNeighborsClassifier(2, metric="manhattan"),
]

REGRESSORS = [
    Ridge(),
    Ridge(alpha=0.01),
    Ridge(fit_intercept=False),
    Ridge(solver="svd", alpha=1e-3),
    LinearRegression(),
    LinearRegression(fit_intercept=False),
    KNeighborsRegressor(3),
]


def table(n_train, d, n_classes=None, n_test=7, seed=0):
    """Rows far from zero, of columns in different units, and targets."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_train + n_test, d)) * np.linspace(0.5, 2, d)
    signal = X @ rng.normal(size=d) + rng.normal(size=len(X))
    X = np.abs(X) + 0.5
    if n_classes is None:
        y = np.column_stack([signal, signal**2])
    else:
        edges = np.quantile(signal, np.linspace(0, 1, n_classes + 1)[1:-1])
        y = np.array(["c", "a", "b"])[np.searchsorted(edges, signal)]
    return X[:n_train], y[:n_train], X[n_train:], y[n_train:]


def encoded(model, y):
    """Encode targets as BaseInfluence does."""
    if is_classifier(model):
        return np.searchsorted(model.classes_, y)
    return np.asarray(y, dtype=float).reshape(len(y), -1)


def supported(estimator, X, y):
    """Return the fitted estimator and its prefix models."""
    full = clone(estimator).fit(X, y)
    models = prefix_models(full, X, encoded(full, y))
    assert models is not None
    return full, models


def compare(estimator, X, y, X_test, response, ends=None, n_orders=2, tol=1e-9):
    """Compare all prefixes of some orders; return how many there were."""
    full, models = supported(estimator, X, y)
    classes = full.classes_ if is_classifier(full) else None
    rng = np.random.default_rng(3)
    orders = np.stack([rng.permutation(len(X)) for _ in range(n_orders)])
    ends = np.arange(1, len(X) + 1) if ends is None else ends
    rows = models.prepare(X_test)
    compared = 0
    for order, path in zip(orders, models.paths(orders, ends), strict=True):
        prediction = models.predict(path, rows, response)
        assert np.isfinite(prediction).all()
        for j, end in enumerate(ends):
            kept = order[:end]
            if classes is not None and len(np.unique(y[kept])) == 1:
                label = np.searchsorted(classes, y[kept[0]])
                alone = np.eye(len(classes))[label] if "proba" in response else label
                expected = np.broadcast_to(alone, prediction[:, j].shape)
            else:
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        model = clone(estimator).fit(X[kept], y[kept])
                        expected = model_prediction(model, X_test, response, classes)
                except ValueError:  # a row per class, fewer than k neighbours
                    continue
            size = max(1.0, np.abs(expected).max())
            assert_allclose(prediction[:, j], expected, rtol=0, atol=tol * size)
            compared += 1
    return compared


@pytest.mark.parametrize(
    ("n_classes", "response"),
    [(2, "predict_proba"), (3, "predict_proba"), (3, "predict")],
)
@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=repr)
def test_classifiers_equal_refits(estimator, response, n_classes):
    if isinstance(estimator, BernoulliNB) and response == "predict":
        return  # of a few binary columns: rounding decides between equal scores
    X, y, X_test, _ = table(25, 4, n_classes)
    assert compare(estimator, X, y, X_test, response) >= 40


@pytest.mark.parametrize("shape", [(30, 4), (75, 3), (12, 20)])
@pytest.mark.parametrize("estimator", REGRESSORS, ids=repr)
def test_regressors_equal_refits(estimator, shape):
    X, y, X_test, _ = table(*shape)
    if shape == (12, 20) and getattr(estimator, "alpha", 0) < 0.01:
        if isinstance(estimator, KNeighborsRegressor):
            return
        full = clone(estimator).fit(X, y)
        # Dependent columns and hardly any penalty: these are retrained
        assert prefix_models(full, X, encoded(full, y)) is None
        return
    assert compare(estimator, X, y, X_test, "predict") >= 2 * (shape[0] - 2)


@pytest.mark.parametrize("C", [1e-3, 100.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_logistic_regression_equals_tight_refits(C, fit_intercept):
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)[:, :12]
    estimator = LogisticRegression(C=C, fit_intercept=fit_intercept, **TIGHT)
    assert compare(estimator, X[:40], y[:40], X[300:310], "predict_proba") == 80


def test_logistic_regression_with_more_columns_than_rows():
    X, y, X_test, _ = table(20, 30, 2)
    for fit_intercept in (True, False):
        estimator = LogisticRegression(fit_intercept=fit_intercept, **TIGHT)
        assert compare(estimator, X, y, X_test, "predict_proba") == 40


def test_batches_of_logistic_orders_do_not_interact(monkeypatch):
    X, y, X_test, _ = table(20, 3, 2)
    _, models = supported(LogisticRegression(), X, y)
    orders = np.stack([np.random.default_rng(k).permutation(20) for k in range(9)])
    ends = np.arange(1, 21)
    rows = models.prepare(X_test)
    together = [models.raw(p, rows, None) for p in models.paths(orders, ends)]
    monkeypatch.setattr("skinfluence.addition._logistic.BATCH", 1)
    apart = [models.raw(p, rows, None) for p in models.paths(orders, ends)]
    assert_allclose(together, apart, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    "estimator", [GaussianNB(), MultinomialNB(), LogisticRegression(**TIGHT)], ids=repr
)
def test_only_some_prefixes(estimator):
    X, y, X_test, _ = table(30, 4, 2)
    ends = np.array([2, 3, 7, 15, 16, 30])
    assert compare(estimator, X, y, X_test, "predict_proba", ends=ends) == 12


@pytest.mark.parametrize(
    "estimator", [Ridge(), LinearRegression(), LinearDiscriminantAnalysis()], ids=repr
)
def test_only_some_prefixes_of_linear_models(estimator):
    X, y, X_test, _ = table(30, 4, 3 if is_classifier(estimator) else None)
    ends = np.array([5, 7, 15, 16, 30])
    response = "predict_proba" if is_classifier(estimator) else "predict"
    assert compare(estimator, X, y, X_test, response, ends=ends) == 10


def test_small_variances_do_not_cancel():
    # A centre far from zero in units of its scale: squares must not be expanded.
    rng = np.random.default_rng(0)
    centers = 30.0 + rng.normal(size=(3, 2, 4))
    precision = np.full(centers.shape, 1e12)
    precision[:, :, 1] = 1.0
    rows = centers[1, 0] + 1e-6 * rng.normal(size=(5, 4))
    expected = ((rows[:, None, None] - centers) ** 2 * precision).sum(axis=-1)
    assert_allclose(squared_distances(rows, centers, precision), expected, rtol=1e-6)


def test_classes_far_from_each_other():
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(150)
    X, y = X[order] + 50, y[order]
    estimator = GaussianNB(var_smoothing=1e-6)
    assert compare(estimator, X[:40], y[:40], X[40:50], "predict_proba") == 80


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "estimator", [GaussianNB(), LogisticRegression(), LinearDiscriminantAnalysis()]
)
def test_log_loss_needs_no_probabilities(estimator, n_classes):
    if isinstance(estimator, LogisticRegression) and n_classes == 3:
        return
    X, y, X_test, y_test = table(20, 3, n_classes)
    full, models = supported(estimator, X, y)
    rows, target = models.prepare(X_test), encoded(full, y_test)
    order = np.argsort(y, kind="stable")  # one class alone for a long time
    (path,) = models.paths(order[None], np.arange(1, 21))
    expected = LogLoss().value(target, models.predict(path, rows, "predict_proba"))
    actual = models.losses(path, rows, target, LogLoss())
    assert_allclose(actual, expected, rtol=1e-9, atol=1e-14)
    alone = target != encoded(full, y[order[:1]])  # the class of the first prefix
    assert alone.any()
    assert_allclose(actual[:, 0], np.where(alone, -np.log(np.finfo(float).eps), 0.0))
    loss = resolve_loss("brier", full)
    assert np.isfinite(models.losses(path, rows, target, loss)).all()


@pytest.mark.parametrize(
    "estimator",
    [
        Ridge(positive=True),
        Ridge(alpha=np.array([1.0, 2.0])),
        LinearRegression(positive=True),
        KNeighborsRegressor(weights="distance"),
        make_pipeline(StandardScaler(), Ridge()),
    ],
    ids=repr,
)
def test_regressors_that_are_retrained(estimator):
    X, y, _, _ = table(30, 4)
    full = clone(estimator).fit(X, y)
    assert prefix_models(full, X, y) is None


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(l1_ratio=1, solver="liblinear"),
        LogisticRegression(class_weight="balanced"),
        LogisticRegression(solver="liblinear"),
        LogisticRegression(C=np.inf),
        GaussianNB(priors=[0.3, 0.7]),
        MultinomialNB(alpha=0.0),
        MultinomialNB(class_prior=[0.3, 0.7]),
        NearestCentroid(metric="manhattan"),
        NearestCentroid(shrink_threshold=0.1),
        NearestCentroid(priors=[0.3, 0.7]),
        LinearDiscriminantAnalysis(solver="lsqr"),
        LinearDiscriminantAnalysis(priors=[0.3, 0.7]),
        KNeighborsClassifier(weights="distance"),
        KNeighborsClassifier(metric="seuclidean", algorithm="brute"),
    ],
    ids=repr,
)
def test_classifiers_that_are_retrained(estimator):
    X, y, _, _ = table(30, 4, 2)
    full = clone(estimator).fit(X, y)
    assert prefix_models(full, X, encoded(full, y)) is None


def test_subclasses_and_more_classes_are_retrained():
    class Mine(Ridge):
        pass

    X, y, _, _ = table(30, 4)
    assert prefix_models(Mine().fit(X, y), X, y) is None
    X, y, _, _ = table(30, 4, 3)
    full = LogisticRegression().fit(X, y)
    assert prefix_models(full, X, encoded(full, y)) is None
