"""Collections in any unit of targets and weights, and values that are no numbers."""

import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression, Ridge, RidgeClassifier

from skinfluence import LeaveOneOutInfluence

N = 120
RNG = np.random.default_rng(0)
X = RNG.gamma(3.0, size=(N, 4)) * [1.0, 1.0, 10.0, 0.1]
SIGNAL = X @ [0.4, -0.5, 0.03, 2.0] + RNG.normal(size=N)
MODELS = {
    "least squares": (LinearRegression(), SIGNAL),
    "no intercept": (LinearRegression(fit_intercept=False), SIGNAL),
    "ridge": (Ridge(3.0), SIGNAL),
    "two outputs": (Ridge(0.1), np.column_stack([SIGNAL, SIGNAL**2])),
    "two classes": (RidgeClassifier(), SIGNAL > np.median(SIGNAL)),
    "three classes": (RidgeClassifier(0.5), np.digitize(SIGNAL, [1.0, 3.0])),
}


def blocks(values):
    """Return a collection of uneven blocks of rows."""
    return da.from_array(values, chunks=((40, 1, 60, 19), *values.shape[1:]))


UNITS = {
    "targets of 1e8": (1e8, 0.0, 1.0),
    "offset of 1e8": (1.0, 1e8, 1.0),
    "targets of 1e-12": (1e-12, 0.0, 1.0),
    "weights of 1e15": (1.0, 0.0, 1e15),
}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", MODELS)
def test_units_of_targets_and_weights(name, unit):
    factor, offset, weight = UNITS[unit]
    model, y = MODELS[name]
    if y.dtype.kind == "f":
        y = factor * y + offset
    weights = np.full(N, weight)
    outside = LeaveOneOutInfluence(model).fit(
        blocks(X), blocks(y), sample_weight=blocks(weights)
    )
    inside = LeaveOneOutInfluence(model)
    inside.fit(X, y, sample_weight=weights)
    expected = inside.sample_values(X[:9], y[:9])
    found = outside.sample_values(X[:9], y[:9])
    rtol = 1e-7 if offset else 1e-10  # an offset rounds the targets themselves
    assert_allclose(found, expected, rtol, rtol * np.abs(expected).max())


@pytest.mark.parametrize("name", ["y", "sample_weight"])
def test_complex_numbers_are_refused(name):
    values = {"y": SIGNAL, "sample_weight": np.ones(N)}
    values[name] = values[name] + 1j
    given = {key: blocks(own) for key, own in values.items()}
    with pytest.raises(ValueError, match="real numbers. Got complex"):
        LeaveOneOutInfluence(Ridge()).fit(blocks(X), **given)


def test_missing_dates_as_targets_are_refused():
    y = np.arange(N).astype("datetime64[ns]")
    y[3] = "NaT"
    with pytest.raises(ValueError, match="Got NaT in partition 0"):
        LeaveOneOutInfluence(Ridge()).fit(blocks(X), blocks(y))
