"""Smoothness of runs in the weights of their rows, against loops of plain torch."""

import warnings

import numpy as np
import pytest
import torch
from nets_for_replay import make_net, make_rows
from scipy.stats import spearmanr
from skorch import NeuralNetRegressor
from torch import nn

from skinfluence import HyDRA


class Rectified(nn.Module):
    """Two hidden layers with ReLU, in float64."""

    def __init__(self):
        super().__init__()
        layers = [nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Linear(16, 3)).double()

    def forward(self, X):
        """Logits."""
        return self.body(X)


def rough_run():
    """Return HyDRA of a ReLU net at a high learning rate, and test rows."""
    X, y, X_test, y_test = make_rows(n=200, n_test=200)
    params = {"lr": 0.2, "max_epochs": 15, "optimizer__momentum": 0.9, "batch_size": 40}
    net = make_net(module=Rectified, **params)
    return HyDRA(net, random_state=0).fit(X, y), X_test, y_test


def train_by_hand(hydra, X, y, weight, lr=0.3, epochs=3, batch=8):
    """End of plain SGD with weighted rows, from the start of the run."""
    module = hydra.estimator_.net_.module()
    start = hydra._run.replay.start()[0].clone()
    torch.nn.utils.vector_to_parameters(start, module.parameters())
    optimiser = torch.optim.SGD(module.parameters(), lr=lr)
    X, y, weight = map(torch.as_tensor, (X, y, weight))
    for _ in range(epochs):
        for rows in torch.arange(len(X)).split(batch):
            optimiser.zero_grad()
            losses = nn.functional.cross_entropy(
                module(X[rows]), y[rows], reduction="none"
            )
            ((weight[rows] * losses).sum() / len(rows)).backward()
            optimiser.step()
    return module


def test_numbers_are_those_of_their_definitions():
    X, y, X_test, y_test = make_rows()
    net = make_net(lr=0.3, iterator_train__shuffle=False)
    hydra = HyDRA(net, random_state=0).fit(X, y)
    found = hydra.metasmoothness(5, X_test, y_test)
    losses, ends = [], []
    for row in found.rows:
        for value in (1.0, 0.5, 0.0):
            weight = np.ones(len(X))
            weight[row] = value
            module = train_by_hand(hydra, X, y, weight)
            with torch.no_grad():
                logits = module(torch.as_tensor(X_test))
            losses.append(
                nn.functional.cross_entropy(
                    logits, torch.as_tensor(y_test), reduction="none"
                )
            )
            ends.append(torch.cat([p.detach().ravel() for p in module.parameters()]))
    losses = torch.stack(losses).reshape(5, 3, -1).numpy()
    ends = torch.stack(ends).reshape(5, 3, -1).numpy()
    half, whole = losses[:, 1] - losses[:, 0], losses[:, 2] - losses[:, 0]
    ranks = [spearmanr(h, w).statistic for h, w in zip(half.T, whole.T, strict=True)]
    assert found.losses == pytest.approx(np.mean(ranks))
    signs = []
    for one, middle, zero in ends:
        same = np.sign(middle - one) * np.sign(zero - middle)
        signs.append(np.average(same, weights=np.abs(zero - one)))
    assert found.parameters == pytest.approx(np.mean(signs), abs=1e-10)
    assert 0.5 < found.parameters < 1 - 1e-6


def test_a_step_that_is_linear_in_the_weights_is_smooth():
    X, _, X_test, _ = make_rows(n=12)
    net = NeuralNetRegressor(
        nn.Linear,
        module__in_features=4,
        module__out_features=1,
        module__dtype=torch.float64,
        lr=1e-4,
        max_epochs=1,
        batch_size=12,
        train_split=None,
        verbose=0,
    )
    hydra = HyDRA(net, random_state=0).fit(X, X @ np.ones((4, 1)))
    found = hydra.metasmoothness(6, X_test, X_test @ np.ones((4, 1)))
    assert found.losses == pytest.approx(1)
    assert found.parameters == pytest.approx(1)


def ask_without_derivative(hydra, X, y):
    """Ask for influences, of which the derivative is replaced by zeros."""
    hydra._derivative.influence = lambda test, loss: np.zeros(
        (len(test[1]), hydra.n_samples_fit_)
    )
    return hydra.influence(X, y)


def test_relu_at_a_high_rate_is_rough_and_influence_warns():
    hydra, X, y = rough_run()
    check = hydra.metasmoothness(10, X[:50], y[:50])
    assert check.losses < 0.7
    assert check.parameters < 0.7
    assert hydra.spot_check(10, X[:20], y[:20]).spearman < 0.7
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ask_without_derivative(hydra, X[:199], y[:199])  # the check would cost more
    with pytest.warns(UserWarning, match="rank correlation of -?0.[0-6]. only"):
        ask_without_derivative(hydra, X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ask_without_derivative(hydra, X, y)  # said once


def test_tanh_at_a_low_rate_is_smooth_and_influence_is_silent():
    X, y, X_test, y_test = make_rows(n=200, n_test=200)
    net = make_net(lr=0.02, batch_size=50)
    hydra = HyDRA(net, random_state=0).fit(X, y)
    check = hydra.metasmoothness()
    assert check.losses > 0.97
    assert check.parameters > 0.97
    assert hydra.spot_check(10, X_test[:20], y_test[:20]).spearman > 0.97
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ask_without_derivative(hydra, X_test, y_test)


def test_forward_mode_of_a_few_rows_is_the_influence():
    X, y, X_test, y_test = make_rows(n_test=8)
    hydra = HyDRA(make_net(), random_state=0).fit(X, y)
    check = hydra.spot_check(6, X_test, y_test)
    expected = hydra.influence(X_test, y_test)[:, check.rows]
    atol = 1e-9 * np.abs(expected).max()
    np.testing.assert_allclose(check.predicted, expected, rtol=0, atol=atol)


def test_bad_number_of_rows():
    X, y, *_ = make_rows()
    hydra = HyDRA(make_net(), random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="'n_rows' .* between 3 and"):
        hydra.metasmoothness(22)
