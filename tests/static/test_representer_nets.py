"""Representer points of nets: the last layer fitted again, by scipy, and its terms."""

import numpy as np
import pytest
import torch
from dense_nets import CLASS, SIGNAL, TEST, TRAIN, N, Small, X, train
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from skinfluence import RepresenterPoints

L2 = 0.05


class Dropped(Small):
    """With dropout between the layers."""

    def __init__(self, n_out=3, bias=True):
        super().__init__(n_out)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(5, n_out, bias=bias, dtype=torch.float64)

    def forward(self, x):
        return self.out(self.drop(torch.tanh(self.hidden(x))))


NETS = {
    "softmax": (train(NeuralNetClassifier, Dropped, nn.CrossEntropyLoss), CLASS),
    "softmax, no bias": (
        train(NeuralNetClassifier, Dropped, nn.CrossEntropyLoss, module__bias=False),
        CLASS,
    ),
    "logistic": (
        train(
            NeuralNetBinaryClassifier, Dropped, nn.BCEWithLogitsLoss, module__n_out=1
        ),
        (CLASS > 1).astype(int),
    ),
    "two outputs": (
        train(NeuralNetRegressor, Dropped, nn.MSELoss, module__n_out=2),
        np.column_stack([SIGNAL, np.sin(SIGNAL)]),
    ),
}


def features(points, x):
    """Inputs of the last layer, by hand."""
    module = points.estimator_.net_.module_
    W, b = module.hidden.weight.detach().numpy(), module.hidden.bias.detach().numpy()
    return np.tanh(x @ W.T + b)


def losses(name, z, y):
    """Loss of each row and its slope by the raw predictions."""
    if name == "two outputs":  # a mean over the outputs
        return ((z - y) ** 2).mean(axis=1), 2 * (z - y) / 2
    if name == "logistic":
        sign = np.where(y > 0, -1, 1)[:, None]
        return np.logaddexp(0, sign * z)[:, 0], sign * expit(sign * z)
    truth = np.eye(z.shape[1])[y]
    return -(truth * log_softmax(z, axis=1)).sum(axis=1), softmax(z, axis=1) - truth


def refitted(name, F, y):
    """Minimise the mean loss plus l2 |W|^2 to rounding; bias free of penalty."""
    k = {"logistic": 1, "two outputs": 2, "two classes": 2}.get(name, 3)
    bias = name != "softmax, no bias"

    def objective(theta):
        W, b = theta[: k * 5].reshape(k, 5), theta[k * 5 :]
        value, slope = losses(name, F @ W.T + (b if bias else 0), y)
        gradient = slope.T @ F / len(F) + 2 * L2 * W
        parts = [gradient.ravel()] + ([slope.mean(axis=0)] if bias else [])
        return value.mean() + L2 * (W**2).sum(), np.concatenate(parts)

    start = np.zeros(k * 5 + (k if bias else 0))
    options = {"ftol": 1e-16, "gtol": 1e-12, "maxiter": 10_000, "maxcor": 50}
    theta = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x
    return theta[: k * 5].reshape(k, 5), theta[k * 5 :] if bias else np.zeros(k)


@pytest.mark.parametrize("name", NETS)
def test_terms_are_those_of_the_layer_fitted_again(name):
    net, y = NETS[name]
    points = RepresenterPoints(net, l2=L2, random_state=0).fit(X[TRAIN], y[TRAIN])
    F, F_test = features(points, X[TRAIN]), features(points, X[TEST])
    W, b = refitted(name, F, y[TRAIN])
    _, slope = losses(name, F @ W.T + b, y[TRAIN])
    alpha = -slope / (2 * N * L2)
    # of scipy's optimum; that of the sums themselves is below
    assert_allclose(points.alpha_, alpha, atol=1e-5 * np.abs(alpha).max())
    assert points.reconstruction_error_ < 1e-8
    raw = points.representer_values(X[TEST]).sum(axis=1) + points.bias_
    expected = F_test @ W.T + b
    if expected.shape[1] == 3:  # shared by all classes: no probability sees it
        raw, expected = (v - v.mean(axis=1, keepdims=True) for v in (raw, expected))
    assert_allclose(raw, expected, atol=1e-5)
    kernel = F_test @ F.T
    _, at_test = losses(name, F_test @ W.T + b, y[TEST])
    influence = -(at_test @ alpha.T) * kernel
    got = points.influence(X[TEST], y[TEST])
    assert_allclose(got, influence, atol=1e-5 * np.abs(influence).max())


@pytest.mark.parametrize("name", NETS)
def test_the_layer_is_stationary_to_rounding(name):
    """Terms rebuild raw predictions of the weights that they themselves make."""
    net, y = NETS[name]
    points = RepresenterPoints(net, l2=L2, random_state=0).fit(X[TRAIN], y[TRAIN])
    F = features(points, X[TRAIN])
    W = points.alpha_.T @ F
    _, slope = losses(name, F @ W.T + points.bias_, y[TRAIN])
    assert_allclose(slope.T @ F / N + 2 * L2 * W, 0, atol=1e-8)


def test_random_state_seeds_the_training():
    net, y = NETS["softmax"]
    first, second, other = (
        RepresenterPoints(net, random_state=seed).fit(X[TRAIN], y[TRAIN]).alpha_
        for seed in (0, 0, 1)
    )
    assert_allclose(first, second, rtol=1e-10)
    assert np.abs(first - other).max() > 1e-3


def test_how_far_the_layer_is_from_the_net_is_told():
    net, y = NETS["softmax"]
    pipeline = make_pipeline(StandardScaler(), net)
    points = RepresenterPoints(pipeline, l2=1e-3, random_state=0).fit(
        X[TRAIN], y[TRAIN]
    )
    x = StandardScaler().fit(X[TRAIN]).transform(X[TRAIN])
    z = points.estimator_[-1].net_.forward(x).numpy()
    assert points.net_score_ == (z.argmax(axis=1) == y[TRAIN]).mean()
    raw = points.representer_values(X[TRAIN]).sum(axis=1) + points.bias_
    assert points.refit_score_ == (raw.argmax(axis=1) == y[TRAIN]).mean()
    centred = [(v - v.mean(axis=1, keepdims=True)).ravel() for v in (raw, z)]
    assert_allclose(points.refit_correlation_, np.corrcoef(*centred)[0, 1])


@pytest.mark.parametrize("bias", [True, False])
def test_a_net_that_is_a_linear_layer_is_ridge(bias):
    """The input of the last layer is X: the terms have a closed form."""
    net = train(NeuralNetRegressor, nn.Linear, nn.MSELoss, module__dtype=torch.float64)
    net.set_params(module__in_features=4, module__out_features=1, module__bias=bias)
    y = SIGNAL[TRAIN]
    points = RepresenterPoints(net, l2=L2, random_state=0).fit(X[TRAIN], y[:, None])
    ridge = Ridge(alpha=N * L2, fit_intercept=bias).fit(X[TRAIN], y)
    alpha = (y - ridge.predict(X[TRAIN])) / (N * L2)
    assert_allclose(points.alpha_[:, 0], alpha, rtol=1e-8)
    terms = points.representer_values(X[TEST])[:, :, 0]
    assert_allclose(terms, X[TEST] @ X[TRAIN].T * alpha, rtol=1e-7, atol=1e-12)
    assert_allclose(terms.sum(axis=1) + points.bias_, ridge.predict(X[TEST]))


def test_nets_without_a_last_layer_are_refused():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 3))

        def forward(self, x):
            return x @ self.weight

    net = NeuralNetClassifier(
        Odd, criterion=nn.CrossEntropyLoss, train_split=None, verbose=0
    )
    with pytest.raises(ValueError, match="no Linear layer"):
        RepresenterPoints(net).fit(X[TRAIN].astype(np.float32), CLASS[TRAIN])


def test_two_softmax_outputs_have_the_penalty_of_both_rows():
    """The margin of the layer that is fitted again, both rows of W being penalised."""
    y = (CLASS > 1).astype(int)
    net = train(NeuralNetClassifier, Small, nn.CrossEntropyLoss, module__n_out=2)
    points = RepresenterPoints(net, l2=L2, random_state=0).fit(X[TRAIN], y[TRAIN])
    F, F_test = features(points, X[TRAIN]), features(points, X[TEST])
    W, b = refitted("two classes", F, y[TRAIN])
    expected = F_test @ (W[1] - W[0]) + b[1] - b[0]
    raw = points.representer_values(X[TEST]).sum(axis=1) + points.bias_
    assert_allclose(raw[:, 0], expected, atol=1e-5)
