"""The tables that come with the library have the statistics that were published."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression

from skinfluence.datasets import (
    load_cyg_ob1,
    load_life_cycle_savings,
    load_longley,
    load_stack_loss,
)


def test_stars_have_the_published_slopes():
    stars = load_cyg_ob1()
    X, y = load_cyg_ob1(return_X_y=True)
    assert np.array_equal(stars.data, X)
    assert np.array_equal(stars.target, y)
    assert X.shape == (47, 1)
    assert len(stars.row_names) == 47
    # Rousseeuw and Leroy (1987): intercept and slope of least squares
    model = LinearRegression().fit(X, y)
    assert_allclose([model.intercept_, model.coef_[0]], [6.793, -0.413], atol=5e-4)
    giants = [10, 19, 29, 33]
    model.fit(np.delete(X, giants, axis=0), np.delete(y, giants))
    assert_allclose([model.intercept_, model.coef_[0]], [-4.0565, 2.0467], atol=5e-5)


def test_savings_have_the_published_coefficients():
    savings = load_life_cycle_savings()
    assert savings.data.shape == (50, 4)
    model = LinearRegression().fit(savings.data, savings.target)
    # R, summary(lm(sr ~ ., LifeCycleSavings))
    expected = [-0.4611931, -1.6914977, -0.0003369, 0.4096949]
    assert_allclose(model.coef_, expected, atol=1e-7)
    assert_allclose(model.intercept_, 28.5660865, atol=1e-7)


def test_longley_has_the_certified_coefficients():
    X, y = load_longley(return_X_y=True)
    assert X.shape == (16, 6)
    # NIST, Statistical Reference Datasets, Longley: certified values
    center = X.mean(axis=0)
    coef = np.linalg.lstsq(X - center, y - y.mean(), rcond=None)[0]
    expected = [
        *(15.0618722713733, -0.358191792925910e-1, -2.02022980381683),
        *(-1.03322686717359, -0.511041056535807e-1, 1829.15146461355),
    ]
    assert_allclose(coef, expected, rtol=1e-8)
    assert_allclose(y.mean() - center @ coef, -3482258.63459582, rtol=1e-8)
    assert load_longley().row_names == [f"{year:.0f}" for year in X[:, -1]]


def test_stack_loss_has_the_published_coefficients():
    X, y = load_stack_loss(return_X_y=True)
    assert X.shape == (21, 3)
    model = LinearRegression().fit(X, y)
    # R, summary(lm(stack.loss ~ ., stackloss))
    assert_allclose(model.coef_, [0.7156402, 1.2952861, -0.1521225], atol=1e-7)
    assert_allclose(model.intercept_, -39.9196744, atol=1e-7)
    scale = np.sqrt(((y - model.predict(X)) ** 2).sum() / 17)
    assert_allclose(scale, 3.243364, atol=1e-6)


LOADERS = [load_cyg_ob1, load_life_cycle_savings, load_longley, load_stack_loss]


@pytest.mark.parametrize("load", LOADERS, ids=lambda load: load.__name__)
def test_tables_as_frames(load):
    pandas = pytest.importorskip("pandas")
    plain, table = load(), load(as_frame=True)
    assert plain.frame is None
    assert plain.source in plain.DESCR
    assert np.array_equal(table.data.to_numpy(), plain.data)
    assert np.array_equal(table.target.to_numpy(), plain.target)
    assert list(table.data.columns) == plain.feature_names
    assert list(table.frame.index) == plain.row_names
    X, y = load(return_X_y=True, as_frame=True)
    pandas.testing.assert_frame_equal(X, table.data)
    pandas.testing.assert_series_equal(y, table.target)
    assert [y.name] == plain.target_names


def test_frames_without_pandas_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'skinfluence\[tables\]'"):
        load_longley(as_frame=True)
