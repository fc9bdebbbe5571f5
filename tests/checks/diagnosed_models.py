"""Tables and models whose rows are diagnosed."""

import numpy as np
import statsmodels.api as sm
from numpy.testing import assert_allclose
from sklearn.linear_model import (
    GammaRegressor,
    LogisticRegression,
    PoissonRegressor,
    TweedieRegressor,
)
from tables import standardised

ARRAYS = [
    "leverage",
    "resid_studentized_internal",
    "resid_studentized_external",
    "cooks_distance",
    "dffits",
    "dfbetas",
]


def table(name, columns=None):
    """Return a data set that is part of statsmodels."""
    data = getattr(sm.datasets, name).load_pandas()
    X = data.exog if columns is None else data.exog[columns]
    return X.drop(columns="const", errors="ignore").to_numpy(float), data.endog


def with_constant(X):
    """Put the intercept where we report it: last."""
    return np.column_stack([X, np.ones(len(X))])


def assert_equals_ols(diagnostics, X, y, rtol=1e-8):
    """Compare with statsmodels; X has all columns, whitened."""
    fit = sm.OLS(y, X).fit()
    oracle = fit.get_influence()
    expected = {
        "leverage": oracle.hat_matrix_diag,
        "resid_studentized_internal": oracle.resid_studentized_internal,
        "resid_studentized_external": oracle.resid_studentized_external,
        "cooks_distance": oracle.cooks_distance[0],
        "dffits": oracle.dffits[0],
        "dfbeta": oracle.dfbeta,  # by its loop of refits
        "dfbetas": oracle.dfbetas,
        "cov_ratio": oracle.cov_ratio,
        "std_errors": fit.bse,
        "scale": fit.mse_resid,
        "n_parameters": X.shape[1],
    }
    assert set(diagnostics) - set(expected) == {"jackknife_std_errors", "frame"}
    for name, value in expected.items():
        scale = np.abs(value).max()
        assert_allclose(
            diagnostics[name], value, rtol=rtol, atol=rtol * scale, err_msg=name
        )


def binary(name):
    X, y = table(name)
    return standardised(X), (np.asarray(y) > 0).astype(float)


def positive(name):
    X, y = table(name)
    return standardised(X), np.asarray(y, dtype=float)


def newton(model, **params):
    return model(solver="newton-cholesky", tol=1e-12, max_iter=1000, **params)


GLMS = {
    "spector": (newton(LogisticRegression, C=np.inf), sm.families.Binomial(), binary),
    "fair": (newton(LogisticRegression, C=np.inf), sm.families.Binomial(), binary),
    "cpunish": (newton(PoissonRegressor, alpha=0), sm.families.Poisson(), positive),
    "scotland": (
        newton(GammaRegressor, alpha=0),
        sm.families.Gamma(sm.families.links.Log()),
        positive,
    ),
    "copper": (
        newton(TweedieRegressor, power=1.5, link="log", alpha=0),
        sm.families.Tweedie(sm.families.links.Log(), var_power=1.5),
        positive,
    ),
}


def few(data, n=60):
    X, y, _, _ = data
    return X[:n], y[:n]
