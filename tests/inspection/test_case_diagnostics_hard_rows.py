"""Case diagnostics of hard rows and of bad input."""

import warnings

import numpy as np
import pandas as pd
import pytest
from checks.diagnosed_models import (
    ARRAYS,
    assert_equals_ols,
    few,
    newton,
    with_constant,
)
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeCV,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from tables import counts, diabetes, overlapping

from skinfluence import case_diagnostics


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


def test_dependent_columns_do_not_change_diagnostics_of_rows():
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
        {
            k: v[present] if len(np.shape(v)) and len(v) == 60 else v
            for k, v in ours.items()
        },
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


def assert_same(ours, expected):
    for name in ARRAYS:
        assert_allclose(ours[name], expected[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    "model", [LinearRegression(), Ridge(), LogisticRegression(), PoissonRegressor()]
)
def test_rows_of_another_fit_are_noticed(model):
    X, y, _, _ = diabetes()
    y = (y > 140).astype(int) if is_classifier(model) else y
    weight = np.where(np.arange(len(y)) < 60, 3.0, 1.0)
    model.fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        case_diagnostics(model, X, y)
    name = f"{type(model).__name__}.*fitted on other rows or with other weights"
    half = slice(0, None, 2)
    for rows in ((X[half], y[half]), (X, y[::-1])):
        with pytest.warns(ConvergenceWarning, match=name):
            case_diagnostics(model, *rows)
    with pytest.warns(ConvergenceWarning, match=name):
        case_diagnostics(model.fit(X, y, sample_weight=weight), X, y)


def test_a_single_missing_row_of_least_squares_is_noticed():
    X, y, _, _ = diabetes()
    model = LinearRegression().fit(X, y)
    with pytest.warns(ConvergenceWarning, match="fitted on other rows"):
        case_diagnostics(model, X[1:], y[1:])


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
        (LinearRegression(positive=True), r"the active set\. For any model"),
        (GaussianNB(), "Got GaussianNB.*those of single classes"),
        (KernelRidge(), "Got KernelRidge.*no linear predictor"),
        (make_pipeline(StandardScaler(), RandomForestClassifier(2)), "self_influence"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_models_without_such_algebra_are_refused_by_name(estimator, reason):
    X, y = few(overlapping())
    with pytest.raises(TypeError, match=reason):
        case_diagnostics(estimator.fit(X, y), X, y)


def test_bad_input_is_named():
    X, y = few(diabetes())
    model = LinearRegression().fit(X, y)
    with pytest.raises(NotFittedError):
        case_diagnostics(LinearRegression(), X, y)
    with pytest.raises(ValueError, match="'step' parameter"):
        case_diagnostics(model, X, y, step="newton")
    with pytest.raises(ValueError, match="without y"):
        case_diagnostics(model, X)
    with pytest.raises(ValueError, match=r"one label per training row, shape \(60,\)"):
        case_diagnostics(model, X, y, groups=np.arange(59))
    with pytest.raises(ValueError, match="two different labels"):
        case_diagnostics(model, X, y, groups=np.zeros(60))
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
