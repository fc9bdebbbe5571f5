"""Second-order group influence of nets against dense algebra and retraining."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from sklearn.linear_model import Ridge
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn
from torch.autograd.functional import hessian, jacobian
from torch.func import functional_call

from skinfluence import InfluenceFunctions
from skinfluence.nets.curvature import _gauss_newton

torch.set_num_threads(1)

N, L2 = 40, 0.02
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N + 8, 3))
SIGNAL = X @ [1.0, -0.7, 0.4] + 0.3 * np.sin(3 * X[:, 0]) + 0.2 * RNG.normal(size=N + 8)
# rows that lie side by side, and some at random
GROUPS = np.zeros((5, N), dtype=bool)
for _g, _rows in enumerate(np.split(np.argsort(SIGNAL[:N]), 4)):
    GROUPS[_g, _rows[:6]] = True
GROUPS[4, [0, 11, 12, 30]] = True


class Small(nn.Module):
    """Two layers in float64."""

    def __init__(self, n_out=1, start=None):
        super().__init__()
        self.hidden = nn.Linear(3, 4)
        self.out = nn.Linear(4, n_out)
        self.double()
        if start is not None:
            nn.utils.vector_to_parameters(torch.as_tensor(start), self.parameters())

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(x)))


def regression(**params):
    net = NeuralNetRegressor(
        Small,
        criterion=nn.MSELoss,
        train_split=None,
        max_epochs=5,
        batch_size=-1,
        lr=0.1,
        verbose=0,
        optimizer__weight_decay=L2,
        optimizer__momentum=0.9,
    )
    return net.set_params(**params)


class Dense:
    """The net's losses as functions of one flat vector."""

    def __init__(self, module, y, loss):
        self.module = module
        self.x, self.y, self.loss = torch.as_tensor(X), torch.as_tensor(y), loss
        self.shapes = {k: v.shape for k, v in self.module.named_parameters()}
        parts = [v.detach().reshape(-1) for v in self.module.parameters()]
        self.theta = torch.cat(parts)

    def output(self, theta, i):
        parts, start = {}, 0
        for k, shape in self.shapes.items():
            size = shape.numel()
            parts[k] = theta[start : start + size].reshape(shape)
            start += size
        return functional_call(self.module, parts, (self.x[i],))

    def value(self, theta, rows):
        return self.loss(self.output(theta, rows), self.y[rows])

    def gradients(self, rows):
        return np.stack(
            [jacobian(lambda t, i=i: self.value(t, [i])[0], self.theta) for i in rows]
        )

    def second_order(self, groups, damping, curvature, part=slice(None)):
        """Of some of the parameters, the others held fixed."""
        g = self.gradients(range(N))[:, part]
        H = torch.stack([curvature(self, i) for i in range(N)]).numpy()[:, part, part]
        test = self.gradients(range(N, N + 8))[:, part]
        whole = np.linalg.inv(H.sum(axis=0) + N * damping * np.eye(H.shape[1]))
        out = []
        for group in groups:
            first = whole @ g[group].sum(axis=0)
            out.append(test @ (first + whole @ H[group].sum(axis=0) @ first))
        return np.array(out).T


def exact(dense, i):
    return hessian(lambda t: dense.value(t, [i]).sum(), dense.theta)


def gauss_newton(dense, i):
    J = jacobian(lambda t: dense.output(t, [i])[0], dense.theta)
    z = dense.output(dense.theta, [i])[0]
    inner = hessian(lambda z: dense.loss(z[None], dense.y[[i]]).sum(), z)
    return J.T @ inner @ J


def squares(z, y):
    return ((z - y) ** 2).sum(dim=1)


def cross_entropy(z, y):
    return nn.functional.cross_entropy(z, y, reduction="none")


LAST = slice(16, None)  # of 4 x 3 weights and 4 intercepts before it


@pytest.mark.parametrize(
    "kind", ["exact", "gauss_newton", "kernel", "cg", "last_layer"]
)
@pytest.mark.parametrize("classes", [False, True])
def test_dense_algebra(kind, classes, monkeypatch):
    if kind == "kernel":
        monkeypatch.setattr(_gauss_newton, "_ALL", 1)
        monkeypatch.setattr(_gauss_newton, "_SHARE", 1.0)
    if classes:
        y, loss = np.digitize(SIGNAL, [-0.6, 0.6]), cross_entropy
        net = NeuralNetClassifier(Small, module__n_out=3, criterion=nn.CrossEntropyLoss)
        net.set_params(train_split=None, max_epochs=5, lr=0.1, verbose=0)
    else:
        y, loss, net = SIGNAL[:, None], squares, regression()
    influence = InfluenceFunctions(
        net,
        hessian="gauss_newton" if kind == "kernel" else kind,
        damping=1.0 if kind == "exact" else 0.05,
        group_order=2,
        random_state=0,
    ).fit(X[:N], y[:N])
    dense = Dense(influence.estimator_.net_.module_, y, loss)
    curvature = exact if kind == "exact" else gauss_newton
    part = LAST if kind == "last_layer" else slice(None)
    truth = dense.second_order(GROUPS, influence.damping_, curvature, part)
    found = influence.group_influence(X[N:], y[N:], groups=GROUPS)
    assert_allclose(found, truth, rtol=1e-6, atol=1e-8 * np.abs(truth).max())
    first = influence.influence(X[N:], y[N:]) @ GROUPS.T
    assert np.abs(found - first).max() > 0.01 * np.abs(first).max()


def test_a_quadratic_objective_to_third_order_in_the_size_of_the_group():
    """Copies of one row leave: ``(H - k h)^-1 k g`` is known, and its series in k."""
    rows = np.concatenate([np.repeat(X[:1], 8, axis=0), X[1:N]])
    y = np.concatenate([np.repeat(SIGNAL[:1], 8), SIGNAL[1:N]])[:, None]
    net = regression(
        module=nn.Linear,
        module__in_features=3,
        module__out_features=1,
        module__bias=False,
        module__dtype=torch.float64,
    )
    influence = InfluenceFunctions(
        net, hessian="exact", damping=L2, group_order=2, random_state=0
    ).fit(rows, y)
    theta = influence.estimator_.net_.module_.weight.detach().numpy()[0]
    groups = np.arange(len(rows)) < np.array([[1], [2], [4], [8]])
    found = influence.group_influence(X[N:], SIGNAL[N:, None], groups=groups)
    H = 2 * rows.T @ rows + len(rows) * L2 * np.eye(3)
    test = 2 * (X[N:] @ theta - SIGNAL[N:])[:, None] * X[N:]
    error = []
    for k, column in zip([1, 2, 4, 8], found.T, strict=True):
        g = 2 * k * (X[0] @ theta - y[0]) * X[0]
        without = H - 2 * k * np.outer(X[0], X[0])
        error.append(np.abs(test @ np.linalg.solve(without, g) - column).max())
    growth = np.array(error[1:]) / error[:-1]
    assert ((growth > 7.5) & (growth < 14)).all()  # of k cubed, and a little more
    assert error[0] > 0


def test_nearer_to_retraining_without_rows_that_lie_side_by_side():
    y = SIGNAL[:, None]
    torch.manual_seed(0)
    dense = Dense(Small(), y, squares)

    def retrained(kept, start):
        """The minimum near the trained net, of losses whose penalty stays."""
        rows = np.flatnonzero(kept)

        def objective(theta):
            theta = torch.tensor(theta, requires_grad=True)
            loss = dense.value(theta, rows).sum() + N * L2 / 2 * (theta**2).sum()
            loss.backward()
            return loss.item(), theta.grad.numpy()

        return minimize(objective, start, jac=True, tol=1e-9).x

    def test_losses(theta):
        return dense.value(torch.tensor(theta), np.arange(N, N + 8)).numpy()

    whole = retrained(np.ones(N, dtype=bool), dense.theta.numpy())
    truth = [test_losses(retrained(~g, whole)) - test_losses(whole) for g in GROUPS]
    at_minimum = regression(module__start=whole, lr=1e-14)
    influence = InfluenceFunctions(
        at_minimum, hessian="exact", damping=L2, group_order=2, random_state=0
    ).fit(X[:N], y[:N])
    truth = np.array(truth).T
    first = np.abs(influence.influence(X[N:], y[N:]) @ GROUPS.T - truth)
    second = np.abs(influence.group_influence(X[N:], y[N:], groups=GROUPS) - truth)
    assert second.sum() < 0.8 * first.sum()
    assert np.median(second) < np.median(first)


def test_curvatures_without_a_second_order_are_refused():
    for curvature in ("ekfac", "fisher"):
        influence = InfluenceFunctions(regression(), hessian=curvature, group_order=2)
        with pytest.raises(ValueError, match="needs the Hessian of a group"):
            influence.fit(X, SIGNAL[:, None])
    with pytest.raises(ValueError, match="'group_order' parameter must be 1 here"):
        InfluenceFunctions(Ridge(), group_order=2).fit(X, SIGNAL)
