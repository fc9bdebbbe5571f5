"""Checks of the errors for bad input."""

from unittest import TestCase

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from skinfluence.testing._checked_estimators import fitted, make_data

raises = TestCase().assertRaisesRegex  # needs no pytest


def check_influence_unfitted(name, influence_estimator):
    """Every query of an unfitted object raises NotFittedError."""
    X, y, X_test, y_test = make_data(influence_estimator)
    for ask in (
        lambda i: i.influence(X_test, y_test),
        lambda i: i.influence(X_test),
        lambda i: i.sample_values(X_test, y_test),
        lambda i: i.self_influence(),
        lambda i: i.influential_rows(X_test, y_test),
        lambda i: i.group_influence(X_test, y_test, groups=np.zeros(len(X))),
        lambda i: i.predict(X_test),
        lambda i: i.score(X_test, y_test),
    ):
        with raises(NotFittedError, type(influence_estimator).__name__):
            ask(clone(influence_estimator))
    for attribute in ("estimator_", "n_samples_fit_", "n_features_in_", "classes_"):
        assert not hasattr(clone(influence_estimator), attribute)


def check_influence_bad_lengths(name, influence_estimator):
    """Targets, weights and groups whose length differs from the rows raise."""
    influence, X_test, y_test = fitted(influence_estimator)
    n, n_test = influence.n_samples_fit_, len(y_test)
    X, y, _, _ = make_data(influence_estimator)
    with raises(ValueError, rf"{n}.*{n - 1}|{n - 1}.*{n}"):
        clone(influence_estimator).fit(X, y[:-1])
    for ask in (
        influence.influence,
        influence.sample_values,
        influence.influential_rows,
    ):
        with raises(ValueError, rf"{n_test}.*{n_test - 1}"):
            ask(X_test, y_test[:-1])
    for weight in (np.ones(n_test - 1), np.zeros(n_test), -np.ones(n_test)):
        with raises(ValueError, rf"'sample_weight'.*\({n_test},\).*Got"):
            influence.sample_values(X_test, y_test, sample_weight=weight)
    for groups in (
        np.zeros(n - 1),
        np.zeros((2, n - 1), dtype=bool),
        np.zeros((2, n), dtype=int),
        np.zeros((1, 2, n), dtype=bool),
    ):
        with raises(ValueError, rf"'groups'.*{n}.*Got shape"):
            influence.group_influence(X_test, y_test, groups=groups)
    for n_rows in (0, -1, n + 1):
        with raises(ValueError, rf"'n_rows'.*{n}.*Got {n_rows}"):
            influence.influential_rows(X_test, y_test, n_rows=n_rows)


def check_influence_bad_rows(name, influence_estimator):
    """NaN and a missing column raise as in the wrapped estimator."""
    influence, X_test, y_test = fitted(influence_estimator)
    with raises(ValueError, "features"):
        influence.influence(X_test[:, :2], y_test)
    with raises(ValueError, "features"):
        influence.influence(X_test[:, :2])
    if not get_tags(influence_estimator).input_tags.allow_nan:
        X, y, _, _ = make_data(influence_estimator)
        for missing in (np.nan, np.inf):
            X[2, 1] = X_test[1, 1] = missing
            with raises(ValueError, "NaN|infinity"):
                clone(influence_estimator).fit(X, y)
            with raises(ValueError, "NaN|infinity"):
                influence.influence(X_test, y_test)
            with raises(ValueError, "NaN|infinity"):
                influence.influence(X_test)


def check_influence_bad_targets(name, influence_estimator):
    """Unknown classes, missing targets and two-dimensional targets raise."""
    influence, X_test, y_test = fitted(influence_estimator)
    X, y, _, _ = make_data(influence_estimator)
    if is_classifier(influence_estimator):
        unknown = y_test.copy()
        unknown[2] = 7
        for ask in (influence.influence, influence.sample_values):
            with raises(ValueError, r"classes seen during fit.*0.*1.*Got.*7"):
                ask(X_test, unknown)
        with raises(ValueError, "classes|y "):
            influence.influence(X_test, y_test.astype(str))
    else:
        with raises(ValueError, "y must have 1 output.*Got 2"):
            influence.influence(X_test, np.column_stack([y_test, y_test]))
    missing = y_test.astype(float)
    missing[2] = np.nan
    none = y_test.astype(object)
    none[2] = None
    for labels in (missing, none):
        for ask in (influence.influence, influence.sample_values):
            with raises(ValueError, "y contains NaN.* 1 of .*is row 2:"):
                ask(X_test, labels)
    missing = np.asarray(y, dtype=float)
    missing[3] = np.nan
    with raises(ValueError, "y contains NaN.* 1 of .*is row 3:"):
        clone(influence_estimator).fit(X, missing)


def check_influence_frozen(name, influence_estimator):
    """A model that cannot be retrained raises, with a message on how to proceed."""
    X, y, _, _ = make_data(influence_estimator)
    model = clone(influence_estimator.estimator).fit(X, y)
    for estimator in (
        FrozenEstimator(model),
        make_pipeline(FunctionTransformer(), FrozenEstimator(model)),
    ):
        influence = clone(influence_estimator).set_params(estimator=estimator)
        with raises(ValueError, "'estimator'.*FrozenEstimator"):
            influence.fit(X, y)


def check_influence_parameters(name, influence_estimator):
    """A parameter of the wrong type raises before training, naming the parameter."""
    X, y, _, _ = make_data(influence_estimator)
    wrong = type("WrongType", (), {})()
    for parameter in influence_estimator.get_params(deep=False):
        influence = clone(influence_estimator)
        setattr(influence, parameter, wrong)
        with raises(ValueError, rf"'{parameter}' parameter.*must be.*Got"):
            influence.fit(X, y)
        assert not hasattr(influence, "estimator_")


def check_influence_loss(name, influence_estimator):
    """A loss for the other kind of estimator raises, listing the supported ones."""
    if "loss" not in influence_estimator.get_params(deep=False):
        return
    X, y, _, _ = make_data(influence_estimator)
    other = "squared_error" if is_classifier(influence_estimator) else "log_loss"
    known = "zero_one" if is_classifier(influence_estimator) else "absolute_error"
    influence = clone(influence_estimator).set_params(loss=other)
    with raises(ValueError, rf"'loss'.*'{known}'.*Got '{other}'"):
        influence.fit(X, y)
    influence.set_params(loss="nonsense")
    with raises(ValueError, "'loss'.*'nonsense'"):
        influence.fit(X, y)
