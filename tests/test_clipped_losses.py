"""Losses of predictions that are certain and wrong: monotone, and the same everywhere.

The truths are refits of scikit-learn, measured by `sklearn.metrics`, and exact
arithmetic.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.linear_model import (
    LogisticRegression,
    SGDClassifier,
)
from sklearn.metrics import log_loss
from sklearn.naive_bayes import (
    BernoulliNB,
    CategoricalNB,
    ComplementNB,
    GaussianNB,
    MultinomialNB,
)

from skinfluence import (
    InfluenceFunctions,
    LeaveOneOutInfluence,
    RepresenterPoints,
    ShapleyInfluence,
)
from skinfluence._losses import LogLoss, log_loss_of_raw
from skinfluence._predictions import link_prediction
from skinfluence.cli._out_of_fold import out_of_fold_losses
from skinfluence.dynamic._perceptron import PerceptronRun

CLIP = 52 * np.log(2)  # minus the logarithm of the eps of float64


def true_probabilities(model, X, y, classes):
    """Probability of every row's own class; zero for a class not seen."""
    probability = np.zeros((len(y), len(classes)))
    probability[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(X)
    return probability[np.arange(len(y)), y]


def log_losses(p):
    """Log loss of every probability of the true class, by `sklearn.metrics`."""
    return np.array([log_loss([1], [[1 - q, q]], labels=[0, 1]) for q in p])


# ------------------------------------------------------------------- probabilities


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_log_loss_falls_with_the_probability(dtype):
    tiny = [0.0, 5e-324, 1e-320, 1e-300, 1e-45, 1e-30, 1e-17, 2.2e-16]
    p = np.array([*tiny, 2.3e-16, 1e-12, 1e-6, 0.3, 0.5, 1.0], dtype=dtype)
    value = LogLoss().value(np.ones(len(p), int), np.stack([1 - p, p], axis=1))
    assert (np.diff(value) <= 0).all()
    assert_allclose(value[:8], CLIP, rtol=1e-3)
    assert (value[8:-1] < value[0]).all()
    assert value[-1] == 0
    # In single precision too, where scikit-learn's own clip is wider.
    p = p.astype(np.float64)
    assert_allclose(value, log_losses(p), atol=1e-6 if dtype == np.float32 else 1e-15)


def test_baseline_of_the_cleaner_has_the_same_loss():
    X = np.array([[0.0], [0.1], [0.3], [5.0], [5.1], [5.2]])
    y = np.array([0, 0, 0, 1, 1, 1])
    model = GaussianNB().fit(X, y)
    X_test, y_test = np.array([[0.0], [9.0], [2.4]]), np.array([1, 0, 1])
    actual = out_of_fold_losses(model, X_test, y_test)
    p = true_probabilities(model, X_test, y_test, [0, 1])
    assert_allclose(actual, log_losses(p), rtol=1e-12)
    assert_allclose(actual[:2], CLIP)


# ------------------------------------------------------------- exact against refits


def blobs(n_classes, seed=0):
    """Rows of overlapping classes, and test rows that go far beyond them."""
    rng = np.random.default_rng(seed)
    y = np.arange(36) % n_classes
    X = rng.normal(size=(36, 3)) + 1.5 * np.eye(3)[y % 3]
    X_test = np.concatenate([X[:6], np.eye(3)[y[:18] % 3]])
    X_test[6:] *= np.geomspace(3, 3000, 18)[:, None]
    y_test = np.concatenate([y[:6], (y[:18] + np.arange(18) // 3 % 2) % n_classes])
    return X, y, X_test, y_test


def counts(n_classes, binary=False):
    """Counts of words, and long texts of one class's words."""
    rng = np.random.default_rng(1)
    y = np.arange(30) % n_classes
    X = rng.poisson(0.4 + 3.0 * np.eye(40)[:, :3][:, y].T * 1.0)
    X += rng.poisson(2.0, size=X.shape) * (np.arange(40) % n_classes == y[:, None])
    X_test = X[:12] * np.array([1, 50, 5000])[np.arange(12) % 3, None]
    y_test = (y[:12] + np.arange(12) // 3) % n_classes
    return (
        (np.minimum(X, 1), y, np.minimum(X_test, 1), y_test)
        if binary
        else (
            X,
            y,
            X_test,
            y_test,
        )
    )


def many_bits(n_classes):
    """Columns that nearly always agree with the class, and rows of another class."""
    rng = np.random.default_rng(2)
    y = np.arange(40) % n_classes
    X = (np.arange(120) % n_classes == y[:, None]) ^ (rng.random((40, 120)) < 0.03)
    y_test = (y[:12] + np.arange(12) // 4) % n_classes
    return X.astype(int), y, X[:12].astype(int), y_test


TIGHT = {"tol": 1e-12, "max_iter": 10_000}
CERTAIN = [
    (GaussianNB(), blobs, 2),
    (GaussianNB(), blobs, 3),
    (MultinomialNB(), counts, 2),
    (MultinomialNB(), counts, 3),
    (ComplementNB(), counts, 3),
    (BernoulliNB(alpha=1e-3), many_bits, 2),
    (CategoricalNB(alpha=1e-3, min_categories=2), many_bits, 3),
    (LinearDiscriminantAnalysis(), blobs, 2),
    (LinearDiscriminantAnalysis(), blobs, 3),
    (QuadraticDiscriminantAnalysis(), blobs, 2),
    (QuadraticDiscriminantAnalysis(), blobs, 3),
    (LogisticRegression(C=1e6, solver="newton-cholesky", **TIGHT), blobs, 2),
    (LogisticRegression(C=1e6, solver="newton-cholesky", **TIGHT), blobs, 3),
]


@pytest.mark.parametrize(("estimator", "data", "n_classes"), CERTAIN)
def test_exact_influence_of_certain_models_equals_refits(estimator, data, n_classes):
    X, y, X_test, y_test = data(n_classes)
    test = X_test, y_test
    exact = LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
    rows = [0, 7, 13, 20]
    masks = np.zeros((3, len(y)), dtype=bool)
    masks[0, :4] = masks[1, 5:12] = masks[2, ::5] = True
    actual = [
        exact.influence(*test)[:, rows],
        exact.group_influence(*test, groups=masks),
    ]
    removed = [np.arange(len(y)) == i for i in rows] + list(masks)
    models = [exact, *(clone(estimator).fit(X[~gone], y[~gone]) for gone in removed)]
    p = np.array([true_probabilities(m, *test, np.arange(n_classes)) for m in models])
    loss = np.array(list(map(log_losses, p)))
    assert (p < 1e-17).any()
    assert (loss[0] < 20).any()
    error = np.abs(np.concatenate(actual, axis=1).T - (loss[1:] - loss[0]))
    # Of two classes scikit-learn has 1 - p, which is rounded where p is nearly one.
    subtracts = LogisticRegression | LinearDiscriminantAnalysis
    unit = 2.3e-16 if n_classes == 2 and isinstance(estimator, subtracts) else 0.0
    rounding = np.where(p > 1.2e-16, unit / np.maximum(p, 1e-16), 0.0)
    assert (error <= 1e-7 + rounding[1:] + rounding[0]).all()


@pytest.mark.parametrize("estimator", [GaussianNB(), QuadraticDiscriminantAnalysis()])
def test_the_probability_of_the_true_class_is_clipped(estimator):
    X = np.concatenate([[0, 1, 2.5], [5, 6.5, 7], [10, 11, 12.5]])[:, None]
    y = np.repeat([0, 1, 2], 3)
    X_test, y_test = np.repeat(np.linspace(-3, 16, 20), 3)[:, None], np.tile(y[::3], 20)
    exact = LeaveOneOutInfluence(estimator).fit(X, y)
    matrix = exact.influence(X_test, y_test)
    test = X_test, y_test, y[::3]
    before = true_probabilities(exact, *test)
    # a class that is impossible while the class before it is not
    assert ((before < 1e-17) & (np.roll(before, 1) > 1e-15)).any()
    for i in range(9):
        kept = np.arange(9) != i
        after = true_probabilities(clone(estimator).fit(X[kept], y[kept]), *test)
        change = log_losses(after) - log_losses(before)
        assert_allclose(matrix[:, i], change, rtol=1e-9, atol=1e-9)


def test_row_that_makes_an_impossible_prediction_worse():
    X, y = [[0], [0.1], [0.3], [5], [5.1], [5.2]], [0, 0, 0, 1, 1, 1]
    for solver in ("exact", "refit"):
        influence = LeaveOneOutInfluence(GaussianNB(), solver=solver).fit(X, y)
        matrix = influence.influence([[9.0], [0.1]], [0, 1])
        # Without rows 3 or 5 their class is so narrow that 9 is no longer in it.
        assert_allclose(matrix, [[0, 0, 0, -CLIP, 0, -CLIP], [0] * 6], atol=1e-6)


@pytest.mark.parametrize("solver", ["auto", "refit"])
def test_shapley_values_add_up_to_a_clipped_loss(solver):
    X, y, X_test, y_test = blobs(2)
    shapley = ShapleyInfluence(
        GaussianNB(), solver=solver, max_retrainings=200, random_state=0
    )
    total = shapley.fit(X[:12], y[:12]).influence(X_test, y_test).sum(axis=1)
    model = GaussianNB().fit(X[:12], y[:12])
    p = true_probabilities(model, X_test, y_test, [0, 1])
    assert (p < 1e-17).any()
    assert_allclose(total, np.log(2) - log_losses(p), atol=1e-8)


# ------------------------------------------------------------------------- slopes


@pytest.mark.parametrize("k", [1, 2, 4])
def test_slopes_are_zero_beyond_the_clip_alone(k):
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(60, k)) * np.geomspace(1, 300, 60)[:, None]
    y = rng.integers(max(k, 2), size=60)
    link = "logit" if k == 1 else "softmax"
    slope, h = LogLoss().slope(y, raw, link), 1e-6
    for c in range(k):
        step = h * (np.arange(k) == c)
        up, down = (log_loss_of_raw(y, raw + s * step) for s in (1, -1))
        assert_allclose(slope[:, c], (up - down) / (2 * h), atol=1e-7)
    loss = log_loss_of_raw(y, raw)
    p = link_prediction(raw, link, "predict_proba")
    assert_allclose(loss, log_losses(p[np.arange(60), y]), atol=1e-12)
    assert (slope[loss == loss.max()] == 0).all()
    assert (loss == loss.max()).sum() > 5
    assert np.abs(slope[(loss > 20) & (loss < 36)]).max(axis=1).min() > 0.5


@pytest.mark.parametrize("n_classes", [2, 3])
def test_first_order_influence_is_a_derivative_on_both_sides_of_the_clip(n_classes):
    X, y, X_test, y_test = blobs(n_classes)
    model = LogisticRegression(solver="newton-cholesky", tol=1e-14, max_iter=1000)
    influence = InfluenceFunctions(model).fit(X, y).influence(X_test, y_test)
    h = 1e-5

    def fitted(weight):
        estimator = clone(model).fit(X, y, sample_weight=weight)
        return estimator, true_probabilities(
            estimator, X_test, y_test, np.arange(n_classes)
        )

    p = fitted(np.ones(len(y)))[1]
    for i in (0, 11, 30):
        low, high = (
            log_losses(fitted(1.0 + s * h * (np.arange(len(y)) == i))[1])
            for s in (-1, 1)
        )
        derivative = (low - high) / (2 * h)
        certain = p < 1e-18
        assert certain.any()
        assert (influence[certain, i] == 0).all()
        assert (derivative[certain] == 0).all()
        known = p > 1e-8  # or 1 - p has too few digits for a difference
        assert known.sum() > 10
        assert_allclose(influence[known, i], derivative[known], rtol=1e-3, atol=1e-4)
        assert np.abs(influence[known, i]).max() > 1e-3


def test_one_vs_rest_slopes_of_an_impossible_class_are_zero():
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3
    X = rng.normal(size=(30, 3)) + 3 * np.eye(3)[y]
    run = PerceptronRun(SGDClassifier(loss="log_loss", random_state=0), 1)
    run.fit(X, y, {}, seed=0, random_state=0)
    raw = np.array([[2.0, -1.0, 0.3], [30.0, -40.0, -1.0], [-800.0, -900.0, -850.0]])
    slope = run._test_slope(np.array([0, 1, 2]), raw, LogLoss())
    p = 1 / (1 + np.exp(-raw[0]))
    log_odds = [1 - p[0] - p[0] * (1 - p[0]) / p.sum(), *(-p * (1 - p) / p.sum())[1:]]
    assert_allclose(slope[0], -np.array(log_odds), rtol=1e-12)
    assert (slope[1:] == 0).all()


def test_training_losses_have_no_clip():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(40, 1)), [[400.0]]])
    y = np.concatenate([X[:40, 0] > 0, [False]]).astype(int)
    model = LogisticRegression(C=1e3, solver="newton-cholesky", tol=1e-12)
    model.fit(X[:40], y[:40])
    assert model.decision_function(X[40:])[0] > 100  # far beyond the clip
    # Penalised so that the last row does not turn the model around.
    X[40], model = 60.0, LogisticRegression(C=1.0, tol=1e-10, max_iter=1000)
    weight = np.concatenate([np.full(40, 50.0), [1e-3]])
    points = RepresenterPoints(model).fit(X, y, sample_weight=weight)
    margin = points.decision_function(X)
    assert margin[40] > 50
    terms = points.representer_values(X).sum(axis=1)[:, 0] + points.bias_
    assert_allclose(terms, margin, rtol=1e-5)
    assert np.abs(points.alpha_[40]) > 1e-4
