"""Case diagnostics of results of statsmodels, against its own loops of refits."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from checks.diagnosed_models import assert_equals_ols, table
from numpy.testing import assert_allclose, assert_array_equal

from skinfluence import case_diagnostics
from skinfluence.inspection._glm_deletion import FamilyLoss

families, links = sm.families, sm.families.links
rng = np.random.default_rng(0)
N = 40
X = sm.add_constant(rng.normal(size=(N, 3)))
eta = X @ [0.1, 0.3, -0.2, 0.0]
TRIALS = rng.integers(1, 6, N)
SUCCESSES = rng.binomial(TRIALS, 1 / (1 + np.exp(-eta)))
Y = {
    "number": eta + rng.normal(size=N),
    "binary": 1.0 * (rng.random(N) < 1 / (1 + np.exp(-eta))),
    "counts": rng.poisson(np.exp(eta + 1)),
    "positive": rng.gamma(3.0, np.exp(eta) / 3),
    "successes": np.column_stack([SUCCESSES, TRIALS - SUCCESSES]),
}
OFFSET, EXPOSURE = 0.3 * rng.normal(size=N), rng.uniform(1, 3, N)
FREQUENCY, PRECISION = rng.integers(1, 4, N), rng.uniform(0.5, 2, N)
GLMS = {
    "gaussian": ("number", families.Gaussian(), {}),
    "gaussian, offset, frequency": (
        "number",
        families.Gaussian(),
        {"offset": OFFSET, "freq_weights": FREQUENCY},
    ),
    "gaussian, log": ("positive", families.Gaussian(links.Log()), {}),
    "logit": ("binary", families.Binomial(), {}),
    "logit, both weights": (
        "binary",
        families.Binomial(),
        {"freq_weights": FREQUENCY, "var_weights": PRECISION},
    ),
    "logit, offset": ("binary", families.Binomial(), {"offset": OFFSET}),
    "logit, trials": ("successes", families.Binomial(), {}),
    "probit": ("binary", families.Binomial(links.Probit()), {}),
    "poisson": (
        "counts",
        families.Poisson(),
        {"offset": OFFSET, "exposure": EXPOSURE, "freq_weights": FREQUENCY},
    ),
    "gamma, log": (
        "positive",
        families.Gamma(links.Log()),
        {"offset": OFFSET, "var_weights": PRECISION},
    ),
    "gamma, inverse": ("positive", families.Gamma(), {}),
    "inverse gaussian": ("positive", families.InverseGaussian(links.Log()), {}),
    "negative binomial": (
        "counts",
        families.NegativeBinomial(alpha=0.7),
        {"exposure": EXPOSURE},
    ),
    "tweedie": (
        "positive",
        families.Tweedie(links.Log(), var_power=1.5),
        {"offset": OFFSET, "freq_weights": FREQUENCY},
    ),
}


def fit(name, kept=slice(None), start=None):
    """Fit a model of `GLMS` to some of the rows, to rounding."""
    target, family, options = GLMS[name]
    options = {key: value[kept] for key, value in options.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # links whose domain is not the family's
        model = sm.GLM(Y[target][kept], X[kept], copy.copy(family), **options)
        return model.fit(start_params=start, tol=1e-15, maxiter=100)


@pytest.mark.parametrize("name", GLMS)
def test_exact_equals_a_loop_of_refits(name):
    results = fit(name)
    found = case_diagnostics(results)
    left = [fit(name, np.arange(N) != i, results.params) for i in range(N)]
    expected = results.params - [one.params for one in left]
    atol = 1e-7 * np.abs(expected).max()  # IRLS of statsmodels stops there
    assert_allclose(found.dfbeta, expected, rtol=0, atol=atol)
    assert_allclose(found.std_errors, results.bse, rtol=1e-8)
    assert_allclose(found.scale, results.scale, rtol=1e-8)
    if results.family.__class__ is families.Gaussian and "log" not in name:
        # of least squares the variance without the row is that of the refit
        scale = np.array([one.scale for one in left])
        unit = np.sqrt(np.outer(scale, np.diag(results.normalized_cov_params)))
        assert_allclose(found.dfbetas, expected / unit, atol=1e-8)
    jackknife = np.sqrt((N - 1) / N * (expected**2).sum(axis=0))
    assert_allclose(found.jackknife_std_errors, jackknife, rtol=1e-6)


@pytest.mark.parametrize("name", GLMS)
def test_one_step_equals_statsmodels(name):
    results = fit(name)
    oracle = results.get_influence(observed=False)
    found = case_diagnostics(results, step="one_step")
    assert_allclose(found.leverage, oracle.hat_matrix_diag, rtol=1e-6)
    # statsmodels' residual is that of one of the observations of a row
    root = np.sqrt(results.model.freq_weights * results.model.n_trials)
    if name == "logit, trials":  # of which its own residual knows
        root = np.ones(N)
    internal = oracle.resid_studentized * root
    assert_allclose(found.resid_studentized_internal, internal, rtol=1e-6)
    assert_allclose(found.cooks_distance, oracle.cooks_distance[0] * root**2, rtol=1e-6)


@pytest.mark.parametrize("name", ["logit", "poisson", "gamma, log"])
def test_equals_the_loop_that_statsmodels_has(name):
    results = fit(name)
    loop = results.get_influence()._res_looo
    found = case_diagnostics(results)
    assert_allclose(found.dfbeta, results.params - loop["params"], atol=1e-6)


@pytest.mark.parametrize("name", GLMS)
def test_slopes_of_a_family_are_derivatives_of_its_likelihood(name):
    results = fit(name)
    model, eta = results.model, results.predict(which="linear")
    family, step = results.family, 1e-4

    def minus_likelihood(move):
        mean = family.link.inverse(eta + move)
        if isinstance(family, families.Tweedie):  # its likelihood is a series
            return mean**0.5 / 0.5 + model.endog * mean**-0.5 / 0.5
        deviance = family._resid_dev(model.endog, mean)
        return deviance / model.n_trials / 2

    loss = FamilyLoss(family, np.zeros(N))
    down, here, up = (minus_likelihood(move) for move in (-step, 0, step))
    assert_allclose(loss.slope(eta, model.endog), (up - down) / (2 * step), atol=1e-5)
    curvature = (up - 2 * here + down) / step**2
    assert_allclose(loss.curvature(eta, model.endog), curvature, rtol=1e-4, atol=1e-4)


def test_frequencies_are_rows_that_leave_together():
    for name in ("logit, both weights", "poisson", "gaussian, offset, frequency"):
        target, family, options = GLMS[name]
        found = case_diagnostics(fit(name))
        many = np.repeat(np.arange(N), FREQUENCY)
        options = {k: v[many] for k, v in options.items() if k != "freq_weights"}
        model = sm.GLM(Y[target][many], X[many], copy.copy(family), **options)
        expected = case_diagnostics(model.fit(tol=1e-15), groups=many)
        for key in ("leverage", "cooks_distance", "dfbeta", "dfbetas", "std_errors"):
            assert_allclose(found[key], expected[key], atol=1e-8, err_msg=key)
        assert_allclose(found.scale, expected.scale, rtol=1e-8)


@pytest.mark.parametrize("name", ["longley", "stackloss", "statecrime"])
def test_least_squares(name):
    columns, y = table(name)
    columns = sm.add_constant(columns)
    found = case_diagnostics(sm.OLS(np.asarray(y), columns).fit())
    if name == "longley":  # statsmodels' determinants lose half the digits there
        oracle = sm.OLS(np.asarray(y), columns).fit().get_influence()
        found.cov_ratio = oracle.cov_ratio
    assert_equals_ols(found, columns, np.asarray(y))


def test_weighted_least_squares():
    columns, y = table("stackloss")
    columns, y = sm.add_constant(columns), np.asarray(y)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    found = case_diagnostics(sm.WLS(y, columns, weights=weight).fit())
    root = np.sqrt(weight)
    assert_equals_ols(found, root[:, None] * columns, root * y)


# Belsley, Kuh and Welsch (1980), LifeCycleSavings: R's ?influence.measures
SAVINGS = """
Australia 11.43 29.35 2.87 2329.68 2.87
Austria 12.07 23.32 4.41 1507.99 3.93
Belgium 13.17 23.80 4.43 2108.47 3.82
Bolivia 5.75 41.89 1.67 189.13 0.22
Brazil 12.88 42.19 0.83 728.47 4.56
Canada 8.79 31.72 2.85 2982.88 2.43
Chile 0.60 39.74 1.34 662.86 2.67
China 11.90 44.75 0.67 289.52 6.51
Colombia 4.98 46.64 1.06 276.65 3.08
Costa_Rica 10.78 47.64 1.14 471.24 2.80
Denmark 16.85 24.42 3.93 2496.53 3.99
Ecuador 3.59 46.31 1.19 287.77 2.19
Finland 11.24 27.84 2.37 1681.25 4.32
France 12.64 25.06 4.70 2213.82 4.52
Germany 12.55 23.31 3.35 2457.12 3.44
Greece 10.67 25.62 3.10 870.85 6.28
Guatemala 3.01 46.05 0.87 289.71 1.48
Honduras 7.70 47.32 0.58 232.44 3.19
Iceland 1.27 34.03 3.08 1900.10 1.12
India 9.00 41.31 0.96 88.94 1.54
Ireland 11.34 31.16 4.19 1139.95 2.99
Italy 14.28 24.52 3.48 1390.00 3.54
Japan 21.10 27.01 1.91 1257.28 8.21
Korea 3.98 41.74 0.91 207.68 5.81
Luxembourg 10.35 21.80 3.73 2449.39 1.57
Malta 15.48 32.54 2.47 601.05 8.12
Norway 10.25 25.95 3.67 2231.03 3.62
Netherlands 14.65 24.71 3.25 1740.70 7.66
New_Zealand 10.67 32.61 3.17 1487.52 1.76
Nicaragua 7.30 45.04 1.21 325.54 2.48
Panama 4.44 43.56 1.20 568.56 3.61
Paraguay 2.02 41.18 1.05 220.56 1.03
Peru 12.70 44.19 1.28 400.06 0.67
Philippines 12.78 46.26 1.12 152.01 2.00
Portugal 12.49 28.96 2.85 579.51 7.48
South_Africa 11.14 31.94 2.28 651.11 2.19
South_Rhodesia 13.30 31.92 1.52 250.96 2.00
Spain 11.77 27.74 2.87 768.79 4.35
Sweden 6.86 21.44 4.54 3299.49 3.01
Switzerland 14.13 23.49 3.73 2630.96 2.70
Turkey 5.13 43.42 1.08 389.66 2.96
Tunisia 2.81 46.12 1.21 249.87 1.13
United_Kingdom 7.81 23.27 4.46 1813.93 2.01
United_States 7.56 29.81 3.43 4001.89 2.45
Venezuela 9.22 46.40 0.90 813.39 0.53
Zambia 18.56 45.25 0.56 138.33 5.14
Jamaica 7.72 41.12 1.73 380.47 10.23
Uruguay 9.24 28.13 2.72 766.54 1.88
Libya 8.89 43.69 2.07 123.58 16.71
Malaysia 4.71 47.20 0.66 242.69 5.08
"""


def savings():
    rows = [line.split() for line in SAVINGS.split("\n") if line]
    names = ["sr", "pop15", "pop75", "dpi", "ddpi"]
    values = np.array([row[1:] for row in rows], dtype=float)
    return pd.DataFrame(values, columns=names, index=[row[0] for row in rows])


def test_published_values_by_name_of_row_and_coefficient():
    results = smf.ols("sr ~ pop15 + pop75 + dpi + ddpi", savings()).fit()
    frame = case_diagnostics(results).frame
    # R: influence.measures(lm(sr ~ pop15 + pop75 + dpi + ddpi, LifeCycleSavings))
    libya = {
        "dfbetas_Intercept": 0.55074,
        "dfbetas_pop15": -0.48324,
        "dfbetas_pop75": -0.37974,
        "dfbetas_dpi": -0.01937,
        "dfbetas_ddpi": -1.02448,
        "dffits": -1.1601,
        "cov_ratio": 2.091,
        "cooks_distance": 0.2681,
        "leverage": 0.5315,
    }
    assert_allclose(frame.loc["Libya", list(libya)], list(libya.values()), rtol=1e-3)
    assert frame["cooks_distance"].idxmax() == "Libya"
    assert frame.index[frame["resid_studentized_external"].abs() > 2].tolist() == [
        "Chile",
        "Zambia",
    ]


def test_frames_keep_the_labels_of_rows_that_are_not_missing():
    data = savings()
    data.loc["Chile", "dpi"] = np.nan
    results = smf.glm("sr ~ pop15 + dpi", data, family=families.Gaussian()).fit()
    found = case_diagnostics(results)
    assert "Chile" not in found.frame.index
    assert_array_equal(found.frame["dfbeta_dpi"], found.dfbeta[:, 2])
    assert len(found.frame) == 49


def test_rows_of_weight_zero_count_as_in_statsmodels():
    weight = np.where(np.arange(N) < 5, 0.0, 1.0)
    results = sm.WLS(Y["number"], X, weights=weight).fit()
    found = case_diagnostics(results)
    assert_allclose(found.scale, results.scale)
    for i in (0, 7, 30):
        kept = np.arange(N) != i
        left = sm.WLS(Y["number"][kept], X[kept], weights=weight[kept]).fit()
        unit = np.sqrt(left.scale * np.diag(results.normalized_cov_params))
        expected = (results.params - left.params) / unit
        assert_allclose(found.dfbetas[i], expected, atol=1e-10)


def test_dependent_columns_do_not_change_diagnostics_of_rows():
    twice = np.column_stack([X, X[:, 1]])
    for name in ("binary", "counts"):
        family = families.Binomial if name == "binary" else families.Poisson
        single = sm.GLM(Y[name], X, family()).fit(tol=1e-14)
        once, start = case_diagnostics(single), [*single.params, 0.0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The iterations of statsmodels diverge on some processors.
            results = sm.GLM(Y[name], twice, family()).fit(start, maxiter=0)
        found = case_diagnostics(results)
        for key in ("leverage", "cooks_distance", "dffits"):
            assert_allclose(found[key], once[key], rtol=1e-6, err_msg=key)


def test_results_without_an_optimum_or_rows():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.GLM(1.0 * (X[:, 1] > 0), X, families.Binomial(links.Probit()))
        separable = model.fit()
        twice = sm.GLM(Y["binary"], np.column_stack([X, X[:, 1]]), families.Binomial())
        diverged = twice.fit([1e14, 1e14, 1e14, 1e14, 1e14], maxiter=0)
    for results in (separable, diverged):
        with pytest.raises(TypeError, match="separable, or the fit has not converged"):
            case_diagnostics(results)
    results = sm.OLS(Y["number"], X).fit()
    results.remove_data()
    with pytest.raises(ValueError, match="without remove_data"):
        case_diagnostics(results)


def test_other_results_are_refused():
    y = Y["binary"]
    with pytest.raises(TypeError, match="LogitResults of Logit: fit the same"):
        case_diagnostics(sm.Logit(y, X).fit(disp=0))
    with pytest.raises(TypeError, match="GLS"):
        case_diagnostics(sm.GLS(Y["number"], X, sigma=PRECISION).fit())
    with pytest.raises(TypeError, match="Got RegularizedResults"):
        case_diagnostics(sm.OLS(Y["number"], X).fit_regularized(alpha=0.1))
    results = fit("logit")
    constrained = results.model.fit_constrained("x1 = 0.1")
    with pytest.raises(TypeError, match="fit_constrained"):
        case_diagnostics(constrained)
    with pytest.raises(TypeError, match="scale='dev'"):
        case_diagnostics(sm.GLM(Y["positive"], X).fit(scale="dev"))
    with pytest.raises(ValueError, match=r"hold their rows .* Got \['X', 'y'\]"):
        case_diagnostics(results, X, y)


def test_scales_that_were_given():
    over = sm.GLM(Y["counts"], X, families.Poisson()).fit(scale="X2", tol=1e-14)
    assert_allclose(case_diagnostics(over).scale, over.scale)
    assert_allclose(case_diagnostics(over).std_errors, over.bse, rtol=1e-7)
    given = sm.GLM(Y["counts"], X, families.Poisson()).fit(scale=2.0, tol=1e-14)
    assert case_diagnostics(given).scale == 2.0
    assert_allclose(case_diagnostics(given).std_errors, given.bse, rtol=1e-7)


def test_a_row_of_leverage_one_is_refitted():
    alone = np.column_stack([X, np.arange(N) == 7])
    family = families.Binomial(links.Probit())
    results = sm.GLM((Y["counts"] + 1) / 10, alone, family).fit()
    found = case_diagnostics(results)
    assert_allclose(found.leverage[7], 1.0)
    assert np.isfinite(found.dfbeta).all()
