"""The stated objective of an estimator is the one that its ``fit`` minimises."""

import numpy as np
import pytest
from exact_models import FAMILIES, sample
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import is_classifier
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.linear_model import (
    BayesianRidge,
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.svm import LinearSVC, LinearSVR

from skinfluence.removal import removal_model
from skinfluence.removal._objective import objective
from skinfluence.removal._weights import ClassWeights

TIGHT = {"tol": 1e-12, "max_iter": 100_000}
UNLIKE = {0: 2.0, 1: 0.3, 2: 1.5}

MINIMISERS = [
    LinearRegression(),
    Ridge(alpha=2.0),
    Ridge(alpha=2.0, fit_intercept=False),
    RidgeCV(),
    BayesianRidge(),
    RidgeClassifier(class_weight=UNLIKE),
    RidgeClassifier(class_weight="balanced"),
    LogisticRegression(C=0.3, class_weight=UNLIKE, **TIGHT),
    LogisticRegression(C=0.3, class_weight="balanced", **TIGHT),
    LinearSVC(C=0.3, class_weight=UNLIKE, dual=False, **TIGHT),
    LinearSVC(C=0.3, class_weight="balanced", intercept_scaling=3, dual=False, **TIGHT),
    LinearSVC(C=0.3, fit_intercept=False, dual=False, **TIGHT),
    LinearSVR(
        C=0.3,
        epsilon=0.2,
        loss="squared_epsilon_insensitive",
        intercept_scaling=3,
        dual=False,
        **TIGHT,
    ),
]
BINARY = [
    LogisticRegression(C=0.3, solver="liblinear", intercept_scaling=3, **TIGHT),
    LogisticRegression(
        C=0.3, solver="liblinear", class_weight="balanced", random_state=0, **TIGHT
    ),
]
CASES = [(model, n) for model in MINIMISERS for n in (2, 3)]
CASES = [(model, n) for model, n in CASES if n == 2 or is_classifier(model)]
CASES += [(model, 2) for model in BINARY]


@pytest.mark.parametrize(("model", "n_classes"), CASES, ids=str)
def test_the_gradient_of_the_stated_objective_vanishes(model, n_classes):
    X, y = sample(model, n_classes)
    weight = np.random.default_rng(1).uniform(0.2, 3.0, len(X))
    model.fit(X, y, sample_weight=weight)
    coef = np.atleast_2d(model.coef_)
    raw = X @ coef.T + model.intercept_
    if is_classifier(model):
        classes = ClassWeights(model, y, weight)
        pull = classes.of_outputs(classes.of_rows(), len(coef))
    else:
        y, pull = y[:, None], weight[:, None]
    goal = objective(model)
    pull = pull * goal.slope(y, raw)
    intercept = bool(model.fit_intercept)
    l2, l1 = goal.penalties(X.shape[1] + intercept, intercept, goal.size(weight))
    assert not l1.any()
    if intercept:
        X = np.column_stack([X, np.ones(len(X))])
        coef = np.column_stack([coef, np.ravel(model.intercept_)])
    size = np.abs(pull).T @ np.abs(X)
    assert (np.abs(pull.T @ X + l2 * coef) < 2e-6 * size).all()


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (SGDRegressor(), lambda z, y: (y - z) ** 2 / 2),
        (
            SGDRegressor(loss="huber", epsilon=0.4),
            lambda z, y: np.where(
                np.abs(y - z) <= 0.4, (y - z) ** 2 / 2, 0.4 * np.abs(y - z) - 0.08
            ),
        ),
        (SGDClassifier("log_loss"), lambda z, c: np.log1p(np.exp(-c * z))),
        (SGDClassifier("hinge"), lambda z, c: np.maximum(0, 1 - c * z)),
        (SGDClassifier("squared_hinge"), lambda z, c: np.maximum(0, 1 - c * z) ** 2),
    ],
    ids=["squared", "huber", "log_loss", "hinge", "squared_hinge"],
)
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_slopes_of_descent_are_those_of_the_documented_losses(model, value, n_outputs):
    rng = np.random.default_rng(0)
    raw = 2 * rng.normal(size=(40, n_outputs))
    if is_classifier(model):
        y = rng.integers(0, max(2, n_outputs), size=40)
        positive = y[:, None] == (np.arange(3) if n_outputs == 3 else [1])
        truth = 2.0 * positive - 1.0
    else:
        truth = y = raw + rng.normal(size=raw.shape)
    step = 1e-6
    expected = (value(raw + step, truth) - value(raw - step, truth)) / (2 * step)
    assert_allclose(objective(model).slope(y, raw), expected, atol=1e-7)


EXACT_CLASSIFIERS = [
    model
    for family in FAMILIES
    if family.name not in ("neighbours", "radius neighbours", "support vectors")
    for model in family.exact
    if is_classifier(model) and not type(model).__name__.endswith("CV")
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", EXACT_CLASSIFIERS, ids=str)
def test_removals_that_empty_a_class_are_refitted(model):
    X, y = sample(model)
    few = 4 if isinstance(model, QuadraticDiscriminantAnalysis) else 1
    y = np.zeros(len(y), dtype=int)
    y[:few] = 1
    model = removal_model(model.fit(X, y), X, y)
    if few == 1:
        assert model.exact().unresolved.tolist()[:1] == [0]
    masks = np.zeros((3, len(y)), dtype=bool)
    masks[0, few:10] = True
    masks[1, :few] = True
    masks[2, : few + 3] = True
    assert_array_equal(np.isin([1, 2], model.exact(masks=masks).unresolved), True)
