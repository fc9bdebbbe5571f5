"""The tables that come with the library have the statistics that were published."""

import numpy as np
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression

from skinfluence.datasets import load_cyg_ob1, load_life_cycle_savings


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
