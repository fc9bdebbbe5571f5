"""Representer points: sums over training rows that are the model, multiplicities."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax
from sklearn import config_context
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC

from skinfluence import RepresenterPoints


def classes(k, n=60):
    X, y = make_classification(
        n + 10, 6, n_informative=4, n_classes=k, n_clusters_per_class=1, random_state=1
    )
    return X[:n], np.array(["a", "b", "c"])[y[:n]], X[n:], np.array(list("abc"))[y[n:]]


def regression(n=60, outputs=1):
    X, y = make_regression(
        n + 10, 6, n_targets=outputs, noise=5.0, random_state=0, n_informative=4
    )
    return X[:n], y[:n], X[n:], y[n:]


tight = {"solver": "newton-cholesky", "tol": 1e-12}
MODELS = {
    "logistic": (LogisticRegression(C=0.7, **tight), 2),
    "no intercept": (LogisticRegression(fit_intercept=False, **tight), 2),
    "balanced": (LogisticRegression(class_weight="balanced", **tight), 2),
    "multinomial": (LogisticRegression(C=2.0, **tight), 3),
    "weighted classes": (LogisticRegression(class_weight={"a": 3.0}, **tight), 3),
    "liblinear": (
        LogisticRegression(solver="liblinear", intercept_scaling=2.0, tol=1e-10),
        2,
    ),
    "ridge classifier": (RidgeClassifier(alpha=3.0), 3),
    "linear svc": (LinearSVC(tol=1e-10, max_iter=10**6, intercept_scaling=0.5), 2),
    "linear svc 3": (LinearSVC(tol=1e-10, max_iter=10**6, class_weight={"b": 2.0}), 3),
    "svc": (SVC(), 2),
    "svc poly": (SVC(kernel="poly", degree=2, coef0=1.0), 2),
    "ridge": (Ridge(alpha=0.3), 0),
    "ridge outputs": (Ridge(alpha=np.array([0.3, 5.0])), -2),
    "svr": (SVR(C=10.0), 0),
    "kernel ridge": (KernelRidge(kernel="rbf", gamma=0.2, alpha=0.1), 0),
    "pipeline": (make_pipeline(StandardScaler(), LogisticRegression(**tight)), 3),
}


def data(kind):
    return classes(kind) if kind > 0 else regression(outputs=max(1, -kind))


def raw(model, X):
    response = getattr(model, "decision_function", model.predict)
    return np.asarray(response(X)).reshape(len(X), -1)


@pytest.mark.parametrize("name", MODELS)
def test_terms_sum_to_the_raw_prediction_of_scikit_learn(name):
    model, kind = MODELS[name]
    X, y, X_test, _ = data(kind)
    points = RepresenterPoints(model).fit(X, y)
    total = points.representer_values(X_test).sum(axis=1) + points.bias_
    # liblinear's tolerance does not go below single precision of the optimum
    tolerance = max(1e-8, 3 * points.optimum_distance_)
    assert tolerance < 1e-5
    truth = raw(points.estimator_, X_test)
    np.testing.assert_allclose(total, truth, atol=tolerance * np.abs(truth).max())
    assert points.reconstruction_error_ <= 1e-8 * max(1, np.abs(truth).max())


def test_a_loose_solver_is_represented_at_its_optimum():
    X, y, X_test, _ = classes(3)
    with pytest.warns(ConvergenceWarning, match="stopped early"):
        loose = RepresenterPoints(LogisticRegression(tol=1e-2)).fit(X, y)
    exact = RepresenterPoints(LogisticRegression(**tight)).fit(X, y)
    assert loose.optimum_distance_ > 1e-5
    np.testing.assert_allclose(loose.alpha_, exact.alpha_, atol=1e-8)


def test_multiplicities_of_logistic_regression():
    X, y, _, _ = classes(2)
    weight = np.linspace(0.5, 2.0, len(y))
    model = LogisticRegression(C=0.7, **tight)
    points = RepresenterPoints(model).fit(X, y, sample_weight=weight)
    p = points.estimator_.predict_proba(X)[:, 1]
    np.testing.assert_allclose(
        points.alpha_[:, 0], 0.7 * weight * ((y == "b") - p), atol=1e-9
    )
    assert abs(points.alpha_.sum()) < 1e-8  # the intercept is free


def test_multiplicities_of_ridge():
    X, y, _, _ = regression()
    points = RepresenterPoints(Ridge(alpha=0.3)).fit(X, y)
    residual = y - points.estimator_.predict(X)
    np.testing.assert_allclose(points.alpha_[:, 0], residual / 0.3, atol=1e-8)


def test_multiplicities_of_the_squared_hinge():
    X, y, _, _ = classes(2)
    points = RepresenterPoints(LinearSVC(C=0.4, tol=1e-10, max_iter=10**6)).fit(X, y)
    code = np.where(y == "b", 1.0, -1.0)
    margin = 1 - code * points.estimator_.decision_function(X)
    alpha = 2 * 0.4 * code * np.maximum(margin, 0)
    np.testing.assert_allclose(points.alpha_[:, 0], alpha, atol=1e-5)
    assert points.bias_ == 0  # liblinear's intercept has a penalty


@pytest.mark.parametrize("kind", [2, 3])
def test_influence_is_the_derivative_of_the_loss_without_the_term(kind):
    X, y, X_test, y_test = classes(kind)
    points = RepresenterPoints(LogisticRegression(**tight)).fit(X, y)
    terms = points.representer_values(X_test)
    z = terms.sum(axis=1) + points.bias_
    t = np.searchsorted(points.classes_, y_test)

    def log_loss(z):
        if kind == 2:
            return -np.log(np.where(t == 1, expit(z[:, 0]), expit(-z[:, 0])))
        return -log_softmax(z, axis=1)[np.arange(len(t)), t]

    influence, eps = points.influence(X_test, y_test), 1e-5
    for i in range(0, len(X), 7):
        without = log_loss(z - eps * terms[:, i]) - log_loss(z + eps * terms[:, i])
        np.testing.assert_allclose(influence[:, i], without / (2 * eps), atol=1e-8)


def test_the_row_itself_helps():
    X, y, _, _ = classes(3)
    assert (
        RepresenterPoints(LogisticRegression()).fit(X, y).self_influence() > 0
    ).all()


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        PoissonRegressor(),
        LogisticRegression(C=np.inf),
        LogisticRegression(l1_ratio=1, solver="saga", max_iter=10_000),
    ],
)
def test_models_that_are_no_sum_over_rows_are_refused(model):
    X, y, _, _ = classes(2)
    y = (y == "b") * 1.0 if not hasattr(model, "C") else y
    with pytest.raises(TypeError, match="RepresenterPoints|Representer points"):
        RepresenterPoints(model).fit(X, y)


def test_more_than_two_classes_of_an_svc_are_refused():
    X, y, _, _ = classes(3)
    with pytest.raises(TypeError, match="two classes"):
        RepresenterPoints(SVC()).fit(X, y)


# Nets.


def net(k, **kwargs):
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")

    def build(n_out):
        return torch.nn.Sequential(
            torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, n_out)
        )

    kinds = {True: skorch.NeuralNetClassifier, False: skorch.NeuralNetRegressor}
    criterion = torch.nn.CrossEntropyLoss if k else torch.nn.MSELoss
    settings = {
        "n_out": max(k, 2),
        "criterion": criterion,
        "max_epochs": 20,
        "lr": 0.05,
        "train_split": None,
        "verbose": 0,
    }
    settings["module__n_out"] = settings.pop("n_out")
    return kinds[k > 0](build, **settings | kwargs)


@pytest.mark.parametrize("l2", [1e-4, 1e-2, 1e-1])
def test_the_layer_fitted_again_minimises_the_papers_objective(l2):
    X, y, X_test, y_test = classes(3)
    X, X_test = X.astype(np.float32), X_test.astype(np.float32)
    points = RepresenterPoints(net(3), l2=l2, random_state=0).fit(X, y)
    module = points.estimator_.net_.module_
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        f, f_test = (
            module[1](module[0](torch.as_tensor(x))).numpy().astype(float)
            for x in (X, X_test)
        )
    code = (y[:, None] == points.classes_) * 1.0

    def objective(flat):
        W, b = flat[:24].reshape(3, 8), flat[24:]
        z = f @ W.T + b
        slope = (softmax(z, axis=1) - code) / len(y)
        value = -(log_softmax(z, axis=1) * code).sum() / len(y) + l2 * (W**2).sum()
        grad = np.append((slope.T @ f + 2 * l2 * W).ravel(), slope.sum(axis=0))
        return value, grad

    best = minimize(
        objective, np.zeros(27), jac=True, tol=1e-14, options={"maxiter": 5000}
    ).x
    z = f @ best[:24].reshape(3, 8).T + best[24:]
    alpha = (code - softmax(z, axis=1)) / (2 * l2 * len(y))
    size = np.abs(alpha).max()
    np.testing.assert_allclose(points.alpha_, alpha, atol=1e-3 * size)
    total = points.representer_values(X_test).sum(axis=1) + points.bias_
    W = points.alpha_.T @ f
    np.testing.assert_allclose(total, f_test @ W.T + points.bias_, atol=1e-8)
    assert points.reconstruction_error_ <= 1e-8
    assert 0.3 < points.refit_correlation_ <= 1
    assert points.influence(X_test, y_test).shape == (10, 60)


def test_regression_nets_average_over_outputs():
    X, y, X_test, y_test = regression(outputs=2)
    y, y_test = y / 100, y_test / 100
    X, X_test = X.astype(np.float32), X_test.astype(np.float32)
    points = RepresenterPoints(net(0), l2=0.05, random_state=0).fit(X, y)
    W_ = points.representer_values(X).sum(axis=1) + points.bias_
    # d/dz of the mean over two outputs of (z - y)^2, over 2 l2 n
    alpha = -(2 * (W_ - y) / 2) / (2 * 0.05 * len(y))
    np.testing.assert_allclose(points.alpha_, alpha, atol=1e-6)
    assert points.influence(X_test, y_test).shape == (10, 60)


@pytest.mark.parametrize(
    "model",
    [Ridge(), RandomForestRegressor(2, random_state=0)],
    ids=["ridge", "forest"],
)
def test_fit_does_not_hold_the_kernel_of_all_rows(model):
    X, y = make_regression(3000, 6, random_state=0)
    tracemalloc.start()
    with config_context(working_memory=1):
        points = RepresenterPoints(model).fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000**2 * 8 / 4
    terms = points.representer_values(X[:5]).sum(axis=1) + points.bias_
    assert_allclose(terms.ravel(), model.fit(X, y).predict(X[:5]), rtol=1e-9)
