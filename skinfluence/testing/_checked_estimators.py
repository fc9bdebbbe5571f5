"""Properties of the estimator under check, and data for it."""

from importlib import import_module

import numpy as np
import sklearn
from numpy.testing import assert_allclose
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from skinfluence._sklearn import final_estimator

RTOL, ATOL = 1e-5, 1e-7


def installed(name):
    """Return an optional module, or None if it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


def assert_same(actual, desired):
    """Assert equality up to the rounding error of iterative solvers."""
    scale = max(1.0, np.abs(desired).max(initial=0.0))
    assert_allclose(actual, desired, rtol=RTOL, atol=ATOL * scale)


def wraps(influence_estimator):
    """Tell whether the model is a parameter of the influence estimator."""
    return "estimator" in influence_estimator.get_params(deep=False)


def leaves(estimator, prefix=""):
    """Yield each innermost step and the prefix of its fit parameters."""
    if isinstance(estimator, Pipeline):
        for name, step in estimator.steps:
            yield from leaves(step, f"{prefix}{name}__")
    elif estimator not in (None, "passthrough"):
        yield estimator, prefix


def takes_weights(influence_estimator):
    """Tell whether the wrapped model has weights that reach its loss."""
    return has_fit_parameter(
        final_estimator(influence_estimator.estimator), "sample_weight"
    )


def weight_params(influence_estimator, weight):
    """Fit parameters that pass the weights to every step that accepts them."""
    return {
        f"{prefix}sample_weight": weight
        for step, prefix in leaves(influence_estimator.estimator)
        if has_fit_parameter(step, "sample_weight")
    }


def every_fitted_step_takes_weights(influence_estimator):
    """Tell whether a weight of two is equivalent to repeating the row."""
    return all(
        has_fit_parameter(step, "sample_weight")
        for step, _ in leaves(influence_estimator.estimator)
        if get_tags(step).requires_fit
    )


def fixed_steps(influence):
    """Return ``fixed_steps_``, or an empty list."""
    return getattr(influence, "fixed_steps_", None)


def has_positive_targets(influence_estimator):
    """Tell whether targets must be positive (Poisson, Gamma, Tweedie)."""
    return get_tags(
        final_estimator(influence_estimator.estimator)
    ).target_tags.positive_only


def make_data(influence_estimator, n_train=24, n_test=9, seed=0):
    """Return X, y, X_test, y_test that the wrapped estimator can be fitted to."""
    rng = np.random.default_rng(seed)
    n = n_train + n_test
    X = rng.normal(size=(n, 3))
    signal = X @ [1.0, -0.7, 0.4]
    if get_tags(influence_estimator).input_tags.positive_only:
        X = np.abs(X)
    if is_classifier(influence_estimator):
        y = (signal + rng.normal(size=n) > 0).astype(int)
    elif has_positive_targets(influence_estimator):
        y = np.exp(0.3 * signal + 0.3 * rng.normal(size=n))
    else:
        y = signal + 0.5 * rng.normal(size=n)
    return X[:n_train], y[:n_train], X[n_train:], y[n_train:]


def fit_on(influence_estimator, X, y, **params):
    """Fit a clone."""
    return clone(influence_estimator).fit(X, y, **params)


def fitted(influence_estimator, **kwargs):
    """Return a fitted clone, and test rows."""
    X, y, X_test, y_test = make_data(influence_estimator, **kwargs)
    return fit_on(influence_estimator, X, y), X_test, y_test


def tiny_blocks(influence):
    """Return a context in which a block holds two test rows."""
    bytes_per_row = 8 * influence.n_samples_fit_
    return sklearn.config_context(working_memory=2 * bytes_per_row / 2**20)
