"""Case diagnostics equal published tables and statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from checks.diagnosed_models import GLMS, assert_equals_ols, table, with_constant
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from tables import diabetes

from skinfluence import case_diagnostics


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Cook (1977), Table 2: years 1951, 1962, 1950, 1956
        ("longley", {4: 0.6139, 15: 0.4667, 3: 0.2442, 9: 0.2352}),
        # R's cooks.distance: cases 21, 1, 4, 3
        ("stackloss", {20: 0.6920, 0: 0.1537, 3: 0.1305, 2: 0.1264}),
    ],
)
def test_published_cooks_distances(name, expected):
    X, y = table(name)
    distance = case_diagnostics(LinearRegression().fit(X, y), X, y).cooks_distance
    assert_array_equal(distance.argsort()[::-1][:4], list(expected))
    assert_allclose(distance[list(expected)], list(expected.values()), atol=5e-5)


@pytest.mark.parametrize(
    "name", ["longley", "stackloss", "statecrime", "copper", "ccard", "diabetes"]
)
@pytest.mark.parametrize("intercept", [True, False])
def test_least_squares_equals_statsmodels(name, intercept):
    if name == "diabetes":
        X, y, _, _ = diabetes()
    else:
        X, y = table(name)
    model = LinearRegression(fit_intercept=intercept).fit(X, y)
    columns = with_constant(X) if intercept else X
    ours = case_diagnostics(model, X, y)
    if name == "longley":  # statsmodels' determinants lose half the digits there
        scaled = columns / np.linalg.norm(columns, axis=0)
        cov_ratio = sm.OLS(np.asarray(y), scaled).fit().get_influence().cov_ratio
        assert_allclose(ours.cov_ratio, cov_ratio, rtol=1e-6)
        ours.cov_ratio = sm.OLS(np.asarray(y), columns).fit().get_influence().cov_ratio
    assert_equals_ols(ours, columns, np.asarray(y))


@pytest.mark.parametrize("name", ["stackloss", "statecrime", "ccard"])
def test_weights_are_those_of_weighted_least_squares(name):
    X, y = table(name)
    weight = np.exp(np.random.default_rng(0).normal(size=len(y)))
    model = LinearRegression().fit(X, y, sample_weight=weight)
    root = np.sqrt(weight)
    assert_equals_ols(
        case_diagnostics(model, X, y, sample_weight=weight),
        root[:, None] * with_constant(X),
        root * np.asarray(y),
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", list(GLMS))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_step_equals_statsmodels(name, weighted):
    model, family, load = GLMS[name]
    X, y = load(name)
    weight = np.ones(len(y))
    if weighted:
        weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    model = clone(model).fit(X, y, sample_weight=weight)
    ours = case_diagnostics(model, X, y, sample_weight=weight, step="one_step")
    fit = sm.GLM(y, with_constant(X), family=family, var_weights=weight)
    fit = fit.fit(tol=1e-14, tol_criterion="params")
    oracle = fit.get_influence(observed=False)
    h, internal = oracle.hat_matrix_diag, oracle.resid_studentized
    p, scale_without = X.shape[1] + 1, np.ones(len(y))
    if name in ("scotland", "copper"):
        freedom = len(y) - p
        scale_without = fit.scale * (freedom - internal**2) / (freedom - 1)
    unit = np.sqrt(fit.scale / scale_without)
    for name_, value in {
        "leverage": h,
        "resid_studentized_internal": internal,
        "resid_studentized_external": internal * unit,
        "cooks_distance": oracle.cooks_distance[0],
        "dffits": internal * unit * np.sqrt(h / (1 - h)),
        "scale": fit.scale,
        "n_parameters": p,
    }.items():
        size = np.abs(value).max()
        assert_allclose(ours[name_], value, rtol=1e-8, atol=1e-8 * size, err_msg=name_)
    # statsmodels divides by the standard errors of the full fit
    dfbetas = oracle.dfbetas * unit[:, None]
    assert_allclose(ours.dfbetas, dfbetas, atol=1e-8 * np.abs(dfbetas).max())
    assert "cov_ratio" not in ours
