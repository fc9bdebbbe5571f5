"""TracIn on scikit-learn's own models against finite differences of their losses."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import TracIn
from skinfluence.dynamic._perceptron import PerceptronRun

X, CLASS = make_classification(
    40,
    4,
    n_informative=3,
    n_redundant=0,
    n_classes=3,
    n_clusters_per_class=1,
    random_state=0,
)
TARGET = X[:, 0] - 2 * X[:, 1] ** 2 + 1
N = np.arange(40)


def log_loss(model, y):
    return -np.log(model.predict_proba(X)[N, np.searchsorted(model.classes_, y)])


def one_vs_rest(model, y):
    z = model.decision_function(X)
    code = 2.0 * (y[:, None] == model.classes_) - 1
    return np.logaddexp(0, -code * z).sum(axis=1)


def margin(power):
    def loss(model, y):
        z = model.decision_function(X)
        if z.ndim == 1:
            z, code = z[:, None], np.where(y == model.classes_[1], 1.0, -1.0)[:, None]
        else:
            code = 2.0 * (y[:, None] == model.classes_) - 1
        return (np.maximum(1 - code * z, 0) ** power).sum(axis=1)

    return loss


def half_square(model, y):
    return ((model.predict(X) - y) ** 2 / 2).reshape(40, -1).sum(axis=1)


def square(model, y):
    return ((model.predict(X) - y) ** 2).reshape(40, -1).mean(axis=1)


def huber(model, y):
    r = np.abs(model.predict(X) - y)
    return np.where(r < 0.1, r**2 / 2, 0.1 * r - 0.005)


MLP = {"hidden_layer_sizes": (5, 3), "max_iter": 8, "random_state": 0}
SGD = {"max_iter": 5, "random_state": 0}
SGD |= {"learning_rate": "constant", "eta0": 0.02}
TWO = (CLASS > 0).astype(int)
CASES = {
    "softmax": (MLPClassifier(**MLP), CLASS, log_loss, log_loss),
    "logistic": (MLPClassifier(**MLP, activation="tanh"), TWO, log_loss, log_loss),
    "sigmoid": (MLPClassifier(**MLP, activation="logistic"), CLASS, log_loss, log_loss),
    "square": (MLPRegressor(**MLP, activation="identity"), TARGET, half_square, square),
    "outputs": (MLPRegressor(**MLP), X[:, :2] ** 2, half_square, square),
    "log loss": (SGDClassifier("log_loss", **SGD), TWO, log_loss, log_loss),
    "rest": (SGDClassifier("log_loss", **SGD), CLASS, one_vs_rest, log_loss),
    "hinge": (SGDClassifier("hinge", **SGD), TWO, margin(1), margin(1)),
    "hinges": (SGDClassifier("squared_hinge", **SGD), CLASS, margin(2), margin(2)),
    "line": (SGDRegressor(**SGD), TARGET, half_square, square),
    "huber": (SGDRegressor("huber", **SGD), TARGET, huber, square),
    "origin": (SGDRegressor(**SGD, fit_intercept=False), TARGET, half_square, square),
}


def parameters(model):
    """Return the arrays that a model predicts from."""
    if hasattr(model, "coefs_"):
        return [*model.coefs_, *model.intercepts_]
    return [model.coef_] + ([model.intercept_] if model.fit_intercept else [])


def differences(model, y, loss, step=1e-6):
    """Return central differences of each row's loss by every parameter."""
    columns = []
    for array in parameters(model):
        flat = array.reshape(-1)
        for k in range(flat.size):
            value = flat[k]
            flat[k] = value + step
            above = loss(model, y)
            flat[k] = value - step
            below = loss(model, y)
            flat[k] = value
            columns.append((above - below) / (2 * step))
    return np.stack(columns, axis=1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("case", CASES)
def test_equals_finite_differences(case):
    model, y, training, test = CASES[case]
    tracin = TracIn(model, checkpoints=1).fit(X, y)
    g = differences(tracin.estimator_, y, training)
    g_test = differences(tracin.estimator_, y, test)
    expected = tracin.checkpoints_[0].spent * g_test @ g.T
    size = abs(expected).max()
    assert size > 0
    found = tracin.influence(X, y)
    np.testing.assert_allclose(found / size, expected / size, atol=1e-7)
    np.testing.assert_allclose(
        tracin.self_influence(), np.diag(found), atol=1e-12 * size
    )
    np.testing.assert_allclose(
        tracin.sample_values(X, y), found.mean(axis=0), atol=1e-12 * size
    )
    cosines = TracIn(model, checkpoints=1, normalize=True).fit(X, y).influence(X, y)
    norms = np.linalg.norm(g_test, axis=1)[:, None] * np.linalg.norm(g, axis=1)
    expected = tracin.checkpoints_[0].spent * (g_test @ g.T) / np.maximum(norms, 1e-12)
    np.testing.assert_allclose(cosines, expected, atol=1e-5 * abs(expected).max())


def test_rates_spent():
    n, epochs = 40, 4
    t = np.arange(1, n * epochs + 1)
    for params, total in (
        ({"learning_rate": "constant", "eta0": 0.02}, epochs * 0.02),
        (
            {"learning_rate": "invscaling", "eta0": 0.02, "power_t": 0.3},
            (0.02 / t**0.3).mean() * epochs,
        ),
    ):
        model = SGDRegressor(max_iter=epochs, random_state=0, **params)
        tracin = TracIn(model, checkpoints=2).fit(X, TARGET)
        assert [c.epoch for c in tracin.checkpoints_] == [2, 4]
        np.testing.assert_allclose(sum(c.spent for c in tracin.checkpoints_), total)
    model = MLPRegressor(
        max_iter=4, batch_size=8, learning_rate_init=0.01, solver="sgd"
    )
    tracin = TracIn(model, checkpoints=[2]).fit(X, TARGET)
    assert [c.epoch for c in tracin.checkpoints_] == [2, 4]
    np.testing.assert_allclose([c.spent for c in tracin.checkpoints_], 2 * 0.01 / 8)


def test_optimal_rate_is_the_one_of_the_first_step():
    model = SGDClassifier("log_loss", alpha=1e-2, penalty=None)
    first = PerceptronRun(model, 1)._rate(1, 1)
    model.partial_fit(X[:1], [1], classes=[0, 1])
    np.testing.assert_allclose(model.coef_[0], first * 0.5 * X[0])


def test_shares_add_up_to_the_fall_of_the_loss():
    model = SGDClassifier("log_loss", **SGD | {"eta0": 1e-3, "max_iter": 40})
    tracin = TracIn(model, checkpoints=40).fit(X, TWO)
    fall = np.log(2) - log_loss(tracin.estimator_, TWO)
    shares = tracin.influence(X, TWO).sum(axis=1)
    np.testing.assert_allclose(shares, fall, atol=0.04 * abs(fall).max())


def test_pipeline_and_sparse_rows():
    model = SGDClassifier("log_loss", **SGD)
    whole = TracIn(make_pipeline(StandardScaler(), model)).fit(X, CLASS)
    assert whole.fixed_steps_ == ["standardscaler"]
    Z = StandardScaler().fit_transform(X)
    alone = TracIn(model).fit(Z, CLASS)
    expected = alone.influence(Z[:5], CLASS[:5])
    np.testing.assert_allclose(whole.influence(X[:5], CLASS[:5]), expected, rtol=1e-10)
    model.set_params(fit_intercept=False)
    alone = TracIn(model).fit(Z, CLASS)
    expected = alone.influence(Z[:5], CLASS[:5])
    sparse = TracIn(model).fit(csr_array(Z), CLASS)
    found = sparse.influence(csr_array(Z[:5]), CLASS[:5])
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    np.testing.assert_allclose(
        sparse.self_influence(), alone.self_influence(), rtol=1e-8
    )


def test_intercept_of_sparse_rows_moves_by_a_hundredth():
    model = SGDRegressor(**SGD | {"max_iter": 1}, penalty=None)
    tracin = TracIn(model, checkpoints=1).fit(csr_array(X), TARGET)
    found = tracin.influence(csr_array(X), TARGET)
    fitted, spent = tracin.estimator_, tracin.checkpoints_[0].spent
    g = differences(fitted, TARGET, half_square)
    g[:, -1] /= 10
    g_test = differences(fitted, TARGET, square)
    g_test[:, -1] /= 10
    np.testing.assert_allclose(found, spent * g_test @ g.T, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("tracin", "error", "match"),
    [
        (
            TracIn(LogisticRegression()),
            TypeError,
            "needs an estimator trained by gradient steps",
        ),
        (TracIn(MLPClassifier(solver="lbfgs")), ValueError, "solver='sgd' or 'adam'"),
        (TracIn(SGDClassifier("perceptron")), ValueError, "with loss in"),
        (TracIn(SGDClassifier(), layers=["a"]), ValueError, "for skorch nets"),
        (
            TracIn(SGDClassifier(learning_rate="adaptive", eta0=1.0)),
            ValueError,
            "learning rate that is known",
        ),
    ],
)
def test_bad_input_is_named(tracin, error, match):
    with pytest.raises(error, match=match):
        tracin.fit(X, CLASS)


def test_partial_fit_goes_on():
    model = SGDRegressor(max_iter=3, learning_rate="constant", random_state=0)
    tracin = TracIn(model, checkpoints=1).fit(X, TARGET).partial_fit(X, TARGET)
    assert [c.epoch for c in tracin.checkpoints_] == [3, 6]
