"""Case diagnostics against published tables, statsmodels, and refits without a row."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from refits import counts, diabetes, overlapping, refit, standardised, uneven_weights
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import (
    GammaRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    RidgeCV,
    TweedieRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skinfluence import case_diagnostics

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


# Published values -------------------------------------------------------------


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


# statsmodels --------------------------------------------------------------------


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
        "dfbetas": oracle.dfbetas,
        "cov_ratio": oracle.cov_ratio,
        "scale": fit.mse_resid,
        "n_parameters": X.shape[1],
    }
    assert set(diagnostics) == set(expected)
    for name, value in expected.items():
        scale = np.abs(value).max()
        assert_allclose(
            diagnostics[name], value, rtol=rtol, atol=rtol * scale, err_msg=name
        )


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


# Refits -------------------------------------------------------------------------


def information(model, X):
    """Fisher information of a row about its linear predictor."""
    if isinstance(model, LogisticRegression):
        p = model.predict_proba(X)[:, 1]
        return p * (1 - p)
    if isinstance(model, PoissonRegressor | GammaRegressor | TweedieRegressor):
        power = {PoissonRegressor: 1, GammaRegressor: 2}.get(type(model))
        return model.predict(X) ** (2 - (model.power if power is None else power))
    return np.ones(len(X))


def penalty(model, weight):
    """Second derivative of the penalty on coefficients, in units of one row's loss."""
    if isinstance(model, LogisticRegression):
        return 1 / model.C
    if isinstance(model, Ridge):
        return model.alpha
    return getattr(model, "alpha", 0.0) * weight.sum()


def pieces(model, X, weight):
    """Coefficients, design, working weights, inverse Hessian."""
    columns = with_constant(X)
    theta = np.append(np.ravel(model.coef_), model.intercept_)
    w = weight * information(model, X)
    R = np.diag(np.append(np.full(X.shape[1], penalty(model, weight)), 0.0))
    inverse = np.linalg.inv(columns.T @ (w[:, None] * columns) + R)
    return theta, columns, w, inverse


def from_refits(estimator, X, y, weight):
    """Evaluate the definitions with a refit for each row."""
    theta, columns, w, inverse = pieces(refit(estimator, X, y, weight), X, weight)
    leverage = w * np.einsum("ij,jk,ik->i", columns, inverse, columns)
    left, scale = [], []
    for i in range(len(y)):
        model = refit(estimator, X, y, weight, [i])
        kept = np.delete(np.arange(len(y)), i)
        left.append(np.append(np.ravel(model.coef_), model.intercept_))
        if isinstance(estimator, Ridge | LinearRegression):
            _, rows, w_i, inverse_i = pieces(model, X[kept], weight[kept])
            p_i = np.trace(inverse_i @ rows.T @ (w_i[:, None] * rows))
            chi2 = w_i @ (y[kept] - model.predict(X[kept])) ** 2
            freedom = (w_i > 0).sum() - p_i
            ratio = np.linalg.det(inverse_i) / np.linalg.det(inverse)
            scale.append((chi2 / freedom, ratio))
    moves = theta - np.array(left)
    own = np.einsum("ij,ij->i", columns, moves)
    own_error = np.sqrt(np.einsum("ij,jk,ik->i", columns, inverse, columns))
    out = {"leverage": leverage}
    phi, phi_without = 1.0, np.ones(len(y))
    if scale:
        residual = y - columns @ theta
        phi_without, ratio = np.array(scale).T
        phi = w @ residual**2 / ((w > 0).sum() - leverage.sum())
        external = np.sqrt(w) * residual / np.sqrt(phi_without * (1 - leverage))
        out["resid_studentized_external"] = external
        out["cov_ratio"] = (phi_without / phi) ** len(theta) * ratio
    norm = leverage.sum() * phi
    out["cooks_distance"] = ((moves @ columns.T) ** 2 @ w) / norm
    out["dffits"] = own / own_error / np.sqrt(phi_without)
    errors = np.sqrt(np.outer(phi_without, np.diag(inverse)))
    out["dfbetas"] = moves / errors
    return out


def few(data, n=60):
    X, y, _, _ = data
    return X[:n], y[:n]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("estimator", "data"),
    [
        (LinearRegression(), few(diabetes())),
        (Ridge(alpha=0.1, solver="svd"), few(diabetes())),
        (Ridge(alpha=100.0, solver="svd"), few(diabetes())),
        (LogisticRegression(C=np.inf), few(overlapping())),
        (LogisticRegression(C=1.0), few(overlapping())),
        (LogisticRegression(C=0.01), few(overlapping())),
        (PoissonRegressor(alpha=0.0), few(counts(1))),
        (PoissonRegressor(alpha=1.0), few(counts(1))),
        (TweedieRegressor(power=1, link="log", alpha=0.1), few(counts(1))),
    ],
    ids=str,
)
def test_exact_equals_refits(estimator, data, weighted):
    X, y = data
    weight = uneven_weights(len(y)) if weighted else np.ones(len(y))
    fitted = refit(estimator, X, y, weight)
    ours = case_diagnostics(fitted, X, y, sample_weight=weight)
    for name, value in from_refits(estimator, X, y, weight).items():
        atol = 1e-8 * np.abs(value).max()
        assert_allclose(ours[name], value, rtol=1e-8, atol=atol, err_msg=name)


@pytest.mark.parametrize("power", [1.5, 2])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_exact_moves_of_estimated_scales_equal_refits(power, alpha):
    X, y = few(counts(power))
    model = refit(TweedieRegressor(power=power, link="log", alpha=alpha), X, y)
    ours = case_diagnostics(model, X, y)
    weight = np.ones(len(y))
    theta, columns, w, inverse = pieces(model, X, weight)
    left = [refit(model, X, y, without=[i]) for i in range(len(y))]
    moves = theta - [np.append(m.coef_, m.intercept_) for m in left]
    # in units of the working model's own deletion estimate of the variance
    unit = ours.resid_studentized_internal / ours.resid_studentized_external
    unit = unit[:, None] * np.sqrt(ours.scale * np.diag(inverse))
    scale = np.abs(moves / unit).max()
    assert_allclose(ours.dfbetas, moves / unit, atol=1e-8 * scale)
    h = w * np.einsum("ij,jk,ik->i", columns, inverse, columns)
    chi2 = w @ ((y - model.predict(X)) / model.predict(X)) ** 2
    assert_allclose(ours.scale, chi2 / (len(y) - h.sum()), rtol=1e-8)
    cooks = ((moves @ columns.T) ** 2 @ w) / (h.sum() * ours.scale)
    assert_allclose(ours.cooks_distance, cooks, atol=1e-8 * cooks.max())


@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(C=1.0), PoissonRegressor(alpha=0.3), GammaRegressor(alpha=0.3)],
    ids=str,
)
def test_one_step_is_the_first_scoring_step_of_a_refit(estimator):
    data = overlapping() if isinstance(estimator, LogisticRegression) else counts(2)
    X, y = few(data)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    fitted = refit(estimator, X, y, weight)
    ours = case_diagnostics(fitted, X, y, sample_weight=weight, step="one_step")
    theta, columns, w, inverse = pieces(fitted, X, weight)
    if isinstance(estimator, LogisticRegression):
        slope = weight * (fitted.predict_proba(X)[:, 1] - y)
    else:
        mean = fitted.predict(X)
        slope = w * (mean - y) / mean
    moves = []
    for i in range(len(y)):
        kept = np.delete(np.arange(len(y)), i)
        R = np.append(np.full(X.shape[1], penalty(estimator, weight[kept])), 0.0)
        gradient = columns[kept].T @ slope[kept] + R * theta
        hessian = columns[kept].T @ (w[kept, None] * columns[kept]) + np.diag(R)
        moves.append(np.linalg.solve(hessian, gradient))
    moves = np.array(moves)
    h = w * np.einsum("ij,jk,ik->i", columns, inverse, columns)
    cooks = ((moves @ columns.T) ** 2 @ w) / (h.sum() * ours.scale)
    assert_allclose(ours.cooks_distance, cooks, rtol=1e-8)


def test_one_step_and_exact_are_the_same_for_least_squares():
    X, y = few(diabetes())
    model = Ridge(alpha=3.0).fit(X, y)
    exact = case_diagnostics(model, X, y)
    one = case_diagnostics(model, X, y, step="one_step")
    for name in exact:
        assert_array_equal(exact[name], one[name])


def test_balanced_class_weights_follow_the_removal():
    X, y = few(overlapping())
    y[:10] = 1
    estimator = LogisticRegression(class_weight="balanced")
    model = refit(estimator, X, y)
    ours = case_diagnostics(model, X, y)
    weight = (len(y) / (2 * np.bincount(y)))[y]
    theta, _, _, inverse = pieces(model, X, weight)
    left = [refit(estimator, X, y, without=[i]) for i in range(len(y))]
    moves = theta - [np.append(m.coef_, m.intercept_) for m in left]
    assert_allclose(ours.dfbetas, moves / np.sqrt(np.diag(inverse)), atol=1e-8)


def test_ridge_classifier_is_ridge_on_signs():
    X, y = few(overlapping())
    ours = case_diagnostics(RidgeClassifier().fit(X, y), X, y)
    signs = 2.0 * y - 1
    expected = case_diagnostics(Ridge().fit(X, signs), X, signs)
    for name in expected:
        assert_allclose(ours[name], expected[name], rtol=1e-10)


# Hard rows ------------------------------------------------------------------------


def test_row_of_leverage_one():
    X, y = few(diabetes(), 30)
    X = np.column_stack([X[:, :3], np.arange(30) == 7])
    model = LinearRegression().fit(X, y)
    ours = case_diagnostics(model, X, y)
    assert_allclose(ours.leverage[7], 1.0)
    for name in ARRAYS:
        assert np.all(np.isfinite(ours[name])), name
    assert ours.resid_studentized_internal[7] == 0
    assert ours.resid_studentized_external[7] == 0
    assert ours.cov_ratio[7] == np.inf
    kept = np.delete(np.arange(30), 7)
    left = LinearRegression().fit(X[kept], y[kept])
    move = model.predict(X) - left.predict(X)
    assert_allclose(ours.cooks_distance[7], move @ move / (5 * ours.scale))
    # the row fits itself alone, so that the variance is the same without it
    assert_allclose(ours.dffits[7], move[7] / np.sqrt(ours.scale))
    # the others are what they are without the column and the row
    short = X[kept, :3]
    rest = case_diagnostics(LinearRegression().fit(short, y[kept]), short, y[kept])
    for name in ("leverage", "resid_studentized_external", "dffits"):
        assert_allclose(ours[name][kept], rest[name], rtol=1e-8)


@pytest.mark.filterwarnings("ignore::scipy.linalg.LinAlgWarning")
@pytest.mark.parametrize("step", ["exact", "one_step"])
def test_leverage_one_in_a_generalised_linear_model(step):
    X, y = few(counts(1))
    X, y = np.column_stack([X, np.arange(60) == 4]), y + 1
    model = newton(PoissonRegressor, alpha=0).fit(X, y)
    ours = case_diagnostics(model, X, y, step=step)
    assert_allclose(ours.leverage[4], 1.0)
    for name in ARRAYS:
        assert np.all(np.isfinite(ours[name])), name


def test_duplicated_rows_hide_each_other():
    X, y = few(diabetes())
    y[0] += 300
    single = case_diagnostics(LinearRegression().fit(X, y), X, y)
    X, y = np.vstack([X, X[:1]]), np.append(y, y[0])
    double = case_diagnostics(LinearRegression().fit(X, y), X, y)
    for name in ARRAYS:
        assert_allclose(double[name][0], double[name][-1], rtol=1e-8)
    assert double.cooks_distance[0] < single.cooks_distance[0]
    assert_equals_ols(double, with_constant(X), y)


def test_dependent_columns_do_not_change_what_rows_do():
    X, y = few(diabetes())
    once = case_diagnostics(LinearRegression().fit(X, y), X, y)
    twice = np.column_stack([X, X[:, :2]])
    ours = case_diagnostics(LinearRegression().fit(twice, y), twice, y)
    for name in [*ARRAYS[:-1], "cov_ratio", "n_parameters"]:
        assert_allclose(ours[name], once[name], rtol=1e-8, err_msg=name)


def test_rows_of_weight_zero_do_not_count():
    X, y = few(diabetes())
    weight = np.ones(60)
    weight[[5, 20]] = 0
    ours = case_diagnostics(
        LinearRegression().fit(X, y, sample_weight=weight), X, y, sample_weight=weight
    )
    present = weight > 0
    assert_equals_ols(
        {k: v[present] if np.ndim(v) else v for k, v in ours.items()},
        with_constant(X[present]),
        y[present],
    )
    for name in ARRAYS:
        assert_allclose(ours[name][~present], 0, atol=1e-12, err_msg=name)


def test_perfect_fit_has_no_outliers():
    X = np.arange(12.0)[:, None]
    y = np.zeros(12)
    ours = case_diagnostics(LinearRegression().fit(X, y), X, y)
    for name in ARRAYS[1:]:
        assert_array_equal(ours[name], 0)


def test_only_row_of_a_class():
    X, y = few(overlapping())
    y = (np.arange(60) == 3).astype(int)
    model = newton(LogisticRegression).fit(X, y)
    ours = case_diagnostics(model, X, y)
    assert ours.cooks_distance[3] == np.inf
    assert ours.dffits[3] == np.inf
    assert ours.dfbetas[3, -1] == np.inf
    for name in ARRAYS:
        assert np.all(np.isfinite(np.delete(ours[name], 3, axis=0))), name
    one_step = case_diagnostics(model, X, y, step="one_step")
    assert np.isfinite(one_step.cooks_distance).all()


# Inputs ---------------------------------------------------------------------------


def assert_same(ours, expected):
    for name in ARRAYS:
        assert_allclose(ours[name], expected[name], rtol=1e-12, err_msg=name)


def test_pipeline_is_its_last_step_on_transformed_rows():
    X, y = few(diabetes())
    pipeline = make_pipeline(
        make_pipeline(PolynomialFeatures(2, include_bias=False)),
        StandardScaler(),
        Ridge(alpha=10.0),
    ).fit(X, y)
    transformed = pipeline[:-1].transform(X)
    expected = case_diagnostics(pipeline[-1], transformed, y)
    assert_same(case_diagnostics(pipeline, X, y), expected)
    assert_same(case_diagnostics(make_pipeline(pipeline), X, y), expected)


def test_data_frame_and_labels():
    X, y = few(overlapping())
    names = np.array(["no", "yes"])
    frame = pd.DataFrame(X, columns=list("abcd"), index=np.arange(60) + 100)
    labels = pd.Series(names[y], index=frame.index)
    model = newton(LogisticRegression)
    expected = case_diagnostics(clone(model).fit(X, y), X, y)
    assert_same(case_diagnostics(model.fit(frame, labels), frame, labels), expected)


def test_chosen_penalty_is_held_fixed():
    X, y = few(diabetes())
    model = RidgeCV(alphas=[0.1, 1.0, 10.0]).fit(X, y)
    expected = case_diagnostics(Ridge(alpha=model.alpha_).fit(X, y), X, y)
    assert_same(case_diagnostics(model, X, y), expected)


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (RandomForestClassifier(n_estimators=2), "RandomForestClassifier"),
        (LogisticRegression(l1_ratio=1.0, solver="saga"), "Got LogisticRegression"),
        (LinearRegression(positive=True), r"the active set\. For any model"),
        (Lasso(), "Got Lasso.*not the likelihood"),
        (make_pipeline(StandardScaler(), RandomForestClassifier(2)), "self_influence"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_models_without_such_algebra_are_refused_by_name(estimator, reason):
    X, y = few(overlapping())
    with pytest.raises(TypeError, match=reason):
        case_diagnostics(estimator.fit(X, y), X, y)


def test_several_linear_predictors_are_refused():
    X, y = few(diabetes())
    model = Ridge().fit(X, np.column_stack([y, y]))
    with pytest.raises(TypeError, match="2 linear predictors"):
        case_diagnostics(model, X, np.column_stack([y, y]))
    labels = np.arange(60) % 3
    with pytest.raises(TypeError, match="Got LogisticRegression"):
        case_diagnostics(LogisticRegression().fit(X, labels), X, labels)


def test_bad_input_is_named():
    X, y = few(diabetes())
    model = LinearRegression().fit(X, y)
    with pytest.raises(NotFittedError):
        case_diagnostics(LinearRegression(), X, y)
    with pytest.raises(ValueError, match="'step' parameter"):
        case_diagnostics(model, X, y, step="newton")
    with pytest.raises(ValueError, match="9 features"):
        case_diagnostics(model, X[:, :9], y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        case_diagnostics(model, X, y[:-1])
    with pytest.raises(ValueError, match="10 effective parameters"):
        case_diagnostics(
            LinearRegression(fit_intercept=False).fit(X[:11], y[:11]), X[:11], y[:11]
        )
    X, y = few(overlapping())
    with pytest.raises(ValueError, match="classes of the fitted estimator"):
        case_diagnostics(LogisticRegression().fit(X, y), X, y + 1)
