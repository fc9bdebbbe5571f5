"""The losses that the truth is made of are those of scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import metrics
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    PoissonRegressor,
    RidgeClassifier,
    TweedieRegressor,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC, LinearSVC
from truth.losses import row_losses

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
SIGNAL = X[:, 0] + RNG.normal(size=40)
LABELS = np.array(["a", "b", "c"])[np.digitize(SIGNAL, [-0.5, 0.5])]
TWO = np.array(["no", "yes"])[(SIGNAL > 0).astype(int)]


def rows_of(metric, y, prediction, **params):
    """Ask a metric of scikit-learn about one row at a time."""
    return [metric(y[[i]], prediction[[i]], **params) for i in range(len(y))]


@pytest.mark.parametrize("y", [TWO, LABELS], ids=["two", "three"])
def test_probabilities(y):
    for model in (GaussianNB(), RandomForestClassifier(5, random_state=0)):
        model.fit(X[:20], y[:20])
        probability, labels = model.predict_proba(X), {"labels": model.classes_}
        expected = rows_of(metrics.log_loss, y, probability, **labels)
        assert_allclose(row_losses(model, X, y), expected, rtol=1e-12, atol=1e-12)
        given = probability[:, 1] if len(model.classes_) == 2 else probability
        pos = {"pos_label": "yes"} if len(model.classes_) == 2 else {}
        expected = rows_of(metrics.brier_score_loss, y, given, **labels, **pos)
        assert_allclose(row_losses(model, X, y, "brier"), expected, atol=1e-12)
        expected = rows_of(metrics.zero_one_loss, y, model.predict(X))
        assert_allclose(row_losses(model, X, y, "zero_one"), expected)


def test_margins():
    code = np.where(TWO == "yes", 1, -1)
    model = SVC().fit(X, TWO)
    margin = model.decision_function(X)
    losses = row_losses(model, X, TWO)
    assert_allclose(losses, np.clip(1 - code * margin, 0, None))
    assert_allclose(losses.mean(), metrics.hinge_loss(TWO, margin))
    squared = LinearSVC().fit(X, TWO)
    margin = squared.decision_function(X)
    expected = np.clip(1 - code * margin, 0, None) ** 2
    assert_allclose(row_losses(squared, X, TWO), expected)
    ridge = RidgeClassifier().fit(X, LABELS)
    codes = np.where(LABELS[:, None] == ridge.classes_, 1, -1)
    expected = 3 * np.array(
        rows_of(metrics.mean_squared_error, codes, ridge.decision_function(X))
    )
    assert_allclose(row_losses(ridge, X, LABELS), expected)


def test_a_class_that_is_not_seen():
    full = GaussianNB().fit(X, LABELS)
    seen = LABELS != "b"
    model = GaussianNB().fit(X[seen], LABELS[seen])
    losses = row_losses(model, X, LABELS, full=full)
    assert_allclose(losses[~seen], 52 * np.log(2))
    expected = row_losses(model, X[seen], LABELS[seen])
    assert_allclose(losses[seen], expected)


@pytest.mark.parametrize(
    ("model", "power"),
    [
        (PoissonRegressor(), 1),
        (GammaRegressor(), 2),
        (TweedieRegressor(power=1.5), 1.5),
    ],
)
def test_deviances(model, power):
    y = np.exp(SIGNAL)
    model.fit(X, y)
    expected = rows_of(metrics.mean_tweedie_deviance, y, model.predict(X), power=power)
    assert_allclose(row_losses(model, X, y), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("y", [SIGNAL, np.column_stack([SIGNAL, X[:, 1] ** 2])])
def test_errors(y):
    model = LinearRegression().fit(X, y)
    for loss, metric in (
        ("auto", metrics.mean_squared_error),
        ("absolute_error", metrics.mean_absolute_error),
    ):
        expected = rows_of(metric, y, model.predict(X))
        assert_allclose(row_losses(model, X, y, loss), expected)
