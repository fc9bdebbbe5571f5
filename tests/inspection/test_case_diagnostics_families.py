"""DFBETAS of every linear family, several outputs, tables."""

import builtins

import numpy as np
import pandas as pd
import pytest
from checks.diagnosed_models import few
from exact_models import FAMILIES
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.compose import make_column_transformer
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC, LinearSVR
from tables import diabetes, overlapping
from truth.refits import refit

from skinfluence import case_diagnostics

THREE = np.arange(60) % 3
SVR = LinearSVR(loss="squared_epsilon_insensitive", tol=1e-12, max_iter=10**6)


def coefficients(model):
    """Coefficients and, last, the intercept; a row for each linear predictor."""
    rows = np.column_stack([np.atleast_2d(model.coef_), np.ravel(model.intercept_)])
    return rows[0] if len(rows) == 1 else rows


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (Lasso(alpha=0.5, tol=1e-13, max_iter=10**6), "number"),
        (ElasticNet(alpha=0.1, tol=1e-13, max_iter=10**6), "number"),
        (SVR.set_params(epsilon=0.3), "number"),
        (LinearSVC(tol=1e-12, max_iter=10**6), "two"),
        (LinearSVC(tol=1e-12, max_iter=10**6), "three"),
        (LogisticRegression(tol=1e-12, solver="newton-cg"), "three"),
    ],
    ids=str,
)
def test_dfbetas_are_those_of_refits(model, y):
    X, number = few(diabetes())
    X = X / X.std(axis=0)
    y = {"number": number / 50, "two": THREE > 0, "three": THREE}[y]
    if isinstance(model, LinearSVR | LinearSVC):
        model.set_params(dual=False)
    full = refit(model, X, y)
    found = case_diagnostics(full, X, y)
    left = [coefficients(refit(model, X, y, without=[i])) for i in range(60)]
    moves = coefficients(full) - np.array(left)
    size = np.abs(moves).max()
    assert_allclose(found.dfbeta, moves, rtol=0, atol=1e-5 * size)
    jackknife = np.sqrt(59 / 60 * (moves**2).sum(axis=0))
    assert_allclose(found.jackknife_std_errors, jackknife, rtol=1e-4, atol=1e-8)
    if isinstance(model, LogisticRegression):
        return
    errors = np.where(jackknife > 0, jackknife, 1.0)
    assert_allclose(found.dfbetas, moves / errors, atol=1e-4)


@pytest.mark.parametrize("C", [1.0, np.inf])
def test_standard_errors_of_multinomial_regression(C):
    X, y = few(diabetes())[0][:, :3], THREE
    X = X / X.std(axis=0)
    model = LogisticRegression(C=C, tol=1e-12, solver="newton-cg").fit(X, y)
    found = case_diagnostics(model, X, y)
    A, P = np.column_stack([X, np.ones(60)]), model.predict_proba(X)
    hessian = sum(
        np.kron(np.diag(p) - np.outer(p, p), np.outer(a, a))
        for p, a in zip(P, A, strict=True)
    )
    hessian += np.kron(np.eye(3), np.diag([1 / C] * 3 + [0.0]))
    differences = np.kron(np.eye(3) - 1 / 3, np.eye(4))  # sums are zero
    inverse = differences @ np.linalg.pinv(hessian, rcond=1e-12) @ differences
    errors = np.sqrt(np.diag(inverse)).reshape(3, 4)
    assert_allclose(found.std_errors, errors, rtol=1e-6)
    assert_allclose(found.dfbetas, found.dfbeta / errors, rtol=1e-5)


@pytest.mark.parametrize(
    "model", [LinearRegression(), Ridge(alpha=np.array([0.1, 5.0]))], ids=str
)
def test_several_outputs_are_one_after_the_other(model):
    X, y = few(diabetes())
    Y = np.column_stack([y, X[:, 0] * y])
    found = case_diagnostics(clone(model).fit(X, Y), X, Y)
    for k in range(2):
        one = clone(model)
        if isinstance(model, Ridge):
            one.set_params(alpha=model.alpha[k])
        expected = case_diagnostics(one.fit(X, Y[:, k]), X, Y[:, k])
        for name in ("leverage", "cooks_distance", "dffits", "dfbeta", "dfbetas"):
            assert_allclose(found[name][:, k], expected[name], rtol=1e-9, atol=1e-12)
        assert_allclose(found.std_errors[k], expected.std_errors)
        assert_allclose(found.scale[k], expected.scale)
        assert_array_equal(found.frame[f"dffits_{k}"], found.dffits[:, k])
        assert_array_equal(found.frame[f"dfbetas_{k}_x3"], found.dfbetas[:, k, 3])


def test_ridge_classifier_of_three_classes_is_a_ridge_of_each():
    X, _ = few(diabetes())
    names = np.array(["red", "green", "blue"])[THREE]
    found = case_diagnostics(RidgeClassifier().fit(X, names), X, names)
    signs = 2.0 * (names == "green") - 1
    expected = case_diagnostics(Ridge().fit(X, signs), X, signs)
    assert_allclose(found.frame["cooks_distance_green"], expected.cooks_distance)


def linear_models():
    """All of the registry that have coefficients and lose rows exactly."""
    for family in FAMILIES:
        for model in family.exact:
            if (
                hasattr(type(model), "sparsify")
                or "linear_model" in type(model).__module__
            ):
                yield model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", list(linear_models()), ids=str)
def test_every_linear_family_has_dfbetas(model):
    X, y = few(overlapping()) if is_classifier(model) else few(diabetes())
    if not is_classifier(model):
        X, y = X / X.std(axis=0), y / 50
    found = case_diagnostics(clone(model).fit(X, y), X, y)
    assert found.dfbetas.shape == found.dfbeta.shape == (60, X.shape[1] + 1)
    groups = np.arange(60) // 6
    found = case_diagnostics(clone(model).fit(X, y), X, y, groups=groups)
    assert found.dfbetas.shape == (10, X.shape[1] + 1)
    assert len(found.frame) == 10


@pytest.mark.parametrize("solver", ["svd", "lsqr", "eigen"])
@pytest.mark.parametrize("classes", [2, 3])
def test_discriminants_are_those_of_refits(classes, solver):
    X, _ = few(diabetes())
    X, y = X[:, :4] / X[:, :4].std(axis=0), np.arange(60) % classes
    X[:, 0] += y
    model = LinearDiscriminantAnalysis(solver=solver)

    def parameters(kept):
        fitted = clone(model).fit(X[kept], y[kept])
        out = np.column_stack([fitted.coef_, fitted.intercept_])
        return out[0] if classes == 2 else out - out.mean(axis=0)

    found = case_diagnostics(clone(model).fit(X, y), X, y)
    full, rows = parameters(np.arange(60)), np.arange(60)
    moves = np.array([full - parameters(np.delete(rows, i)) for i in rows])
    assert_allclose(found.dfbeta, moves, atol=1e-10)
    jackknife = np.sqrt(59 / 60 * (moves**2).sum(axis=0))
    assert_allclose(found.dfbetas, moves / jackknife, atol=1e-8)
    groups = rows // 6
    found = case_diagnostics(clone(model).fit(X, y), X, y, groups=groups)
    moves = np.array([full - parameters(groups != g) for g in range(10)])
    assert_allclose(found.dfbeta, moves, atol=1e-10)


def test_other_rows_than_those_of_a_discriminant_get_a_warning():
    X, y = few(overlapping())
    model = LinearDiscriminantAnalysis().fit(X, y)
    with pytest.warns(ConvergenceWarning, match="fitted on other rows"):
        case_diagnostics(model, X[:40], y[:40])


@pytest.mark.parametrize(
    "model", [QuadraticDiscriminantAnalysis(), GaussianNB(), NearestCentroid()], ids=str
)
def test_models_of_single_classes_are_refused_by_name(model):
    X, y = few(overlapping())
    name = type(model).__name__
    with pytest.raises(TypeError, match=rf"Got {name}.*its own class alone"):
        case_diagnostics(model.fit(X, y), X, y)


def test_only_row_of_one_of_three_classes():
    X, _ = few(diabetes())
    y = np.where(np.arange(60) == 7, 2, np.arange(60) % 2)
    found = case_diagnostics(LogisticRegression().fit(X, y), X, y)
    assert np.isnan(found.dfbeta[7]).all()
    assert np.isfinite(np.delete(found.dfbeta, 7, axis=0)).all()


def test_only_row_of_a_class_of_a_margin():
    X, _ = few(overlapping())
    for label in (0, 1):
        y = np.where(np.arange(60) == 7, label, 1 - label)
        model = LogisticRegression(l1_ratio=1.0, solver="liblinear", tol=1e-10)
        found = case_diagnostics(model.fit(X, y), X, y)
        # with the row the intercept is nearer to its class
        assert found.dfbeta[7, -1] == (np.inf if label else -np.inf)


def test_table_has_the_labels_of_the_frame():
    X, y = few(diabetes())
    index = [f"row {i}" for i in range(60)]
    frame = pd.DataFrame(X[:, :3], columns=["age", "sex", "bmi"], index=index)
    found = case_diagnostics(Ridge().fit(frame, y), frame, y)
    assert found.frame.index.tolist() == index
    assert_array_equal(found.frame["cooks_distance"], found.cooks_distance)
    assert_array_equal(found.frame["dfbetas_bmi"], found.dfbetas[:, 2])
    assert_array_equal(found.frame["dfbeta_intercept"], found.dfbeta[:, -1])
    clusters = case_diagnostics(Ridge().fit(frame, y), frame, y, groups=THREE)
    assert clusters.frame.index.tolist() == [0, 1, 2]
    plain = case_diagnostics(Ridge().fit(X, y), X, y)
    assert plain.frame.index.tolist() == list(range(60))
    assert "dfbetas_x9" in plain.frame


def test_names_of_a_pipeline_are_those_of_its_columns():
    X, y = few(diabetes())
    frame = pd.DataFrame({"kind": np.array(list("abc"))[THREE], "size": X[:, 2]})
    columns = make_column_transformer(
        (OneHotEncoder(drop="first"), ["kind"]), (StandardScaler(), ["size"])
    )
    model = make_pipeline(columns, Ridge()).fit(frame, y)
    found = case_diagnostics(model, frame, y).frame
    assert "dfbetas_onehotencoder__kind_b" in found
    assert "dfbetas_standardscaler__size" in found


def test_without_pandas_there_are_arrays(monkeypatch):
    X, y = few(diabetes())
    model = Ridge().fit(X, y)
    known = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError
        return known(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    found = case_diagnostics(model, X, y)
    assert found.frame is None
    assert found.cooks_distance.shape == (60,)
