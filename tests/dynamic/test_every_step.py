"""TracIn at every step accounts for the fall of the test loss."""

import numpy as np
import pytest
import torch
from nets_for_replay import (
    OPTIMISERS,
    Perceptron,
    make_net,
    make_rows,
    optimised_net,
)
from numpy.testing import assert_allclose
from sklearn.linear_model import SGDClassifier
from skorch.callbacks import GradientNormClipping
from torch import nn

from skinfluence import HyDRA, TracIn
from skinfluence.nets.run import _pass_cost
from skinfluence.nets.run._every_step import every_step


class Convolution(nn.Module):
    """A convolution over the four columns, normalised."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 3, 2, dtype=torch.float64)
        self.norm = nn.LayerNorm((3, 3), dtype=torch.float64)
        self.out = nn.Linear(9, 3, dtype=torch.float64)

    def forward(self, X):
        """Logits."""
        return self.out(torch.tanh(self.norm(self.conv(X[:, None]))).flatten(1))


def fitted(n_test=30, **params):
    X, y, X_test, y_test = make_rows(n=100, n_test=n_test)
    net = make_net(**params)
    return TracIn(net, checkpoints="all", random_state=0).fit(X, y), X_test, y_test


def relative_residual(tracin, X, y):
    residual, drop = tracin.completeness(X, y)
    assert_allclose(drop - residual, tracin.influence(X, y).sum(axis=1), rtol=1e-9)
    assert np.corrcoef(drop, drop - residual)[0, 1] > 0.999
    return np.abs(residual).sum() / np.abs(drop).sum()


def test_single_small_steps_are_complete():
    tracin, X, y = fitted(lr=1e-4, batch_size=1, max_epochs=1)
    assert relative_residual(tracin, X, y) < 1e-6


@pytest.mark.parametrize(
    ("optimizer", "params"),
    [
        (torch.optim.SGD, {"lr": 0.1}),
        (torch.optim.SGD, {"lr": 0.1, "optimizer__momentum": 0.9}),
        (
            torch.optim.SGD,
            {"lr": 0.1, "optimizer__momentum": 0.9, "optimizer__nesterov": True},
        ),
        (torch.optim.SGD, {"lr": 0.1, "callbacks": [GradientNormClipping(0.2)]}),
        (torch.optim.Adam, {"lr": 0.01}),
        (torch.optim.AdamW, {"lr": 0.01, "optimizer__weight_decay": 0.0}),
        (torch.optim.RMSprop, {"lr": 0.001, "optimizer__momentum": 0.5}),
    ],
)
def test_trapezoid_is_complete(optimizer, params):
    tracin, X, y = fitted(optimizer=optimizer, batch_size=32, max_epochs=10, **params)
    assert relative_residual(tracin, X, y) < 0.005


def test_weight_decay_is_what_remains():
    """Of plain gradient descent: lr times decay times <parameters, test gradient>."""
    lr, decay = 0.01, 0.5
    tracin, X, y = fitted(
        lr=lr, optimizer__weight_decay=decay, batch_size=32, max_epochs=10
    )
    residual, drop = tracin.completeness(X, y)
    replay = tracin._run.replay
    module, total = Perceptron(), 0.0
    states = [state[0] for _, state in replay.forward()]
    for theta, after in zip(states, [*states[1:], replay.run()], strict=True):
        ends = []
        for point in (theta, after):
            parts = point.split(replay.functions.sizes)
            for parameter, part in zip(module.parameters(), parts, strict=True):
                parameter.data = part.reshape(parameter.shape)
            loss = nn.functional.cross_entropy(
                module(torch.as_tensor(X)), torch.as_tensor(y)
            )
            gradient = torch.autograd.grad(loss, list(module.parameters()))
            ends.append(torch.cat([part.reshape(-1) for part in gradient]))
        total += lr * decay * float(theta @ (ends[0] + ends[1]) / 2)
    assert abs(total) > 0.1 * abs(drop.mean())
    assert residual.mean() == pytest.approx(total, rel=1e-3)


def test_only_rows_of_a_step_are_credited_by_it():
    """One epoch of single rows without momentum: the formula of the paper."""
    tracin, X, y = fitted(lr=0.05, batch_size=1, max_epochs=1)
    replay = tracin._run.replay
    functions = replay.functions
    X_t, y_t = torch.as_tensor(X), torch.as_tensor(y)
    actual = tracin.influence(X, y)
    states = [state[0] for _, state in replay.forward()] + [replay.run()]
    for k in (0, 7, 99):
        row = int(replay.trajectory.steps[k].rows)
        one = slice(row, row + 1)
        own = functions.row_gradients(states[k], replay.X[one], replay.y[one])
        ends = [functions.row_gradients(states[j], X_t, y_t) for j in (k, k + 1)]
        expected = 0.05 * (ends[0] + ends[1]) / 2 @ own[0]
        assert_allclose(actual[:, row], expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("module", [Perceptron, Convolution])
@pytest.mark.parametrize("clipped", [False, True])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_factors_give_the_same_as_gradients(name, clipped, module):
    """Of every row, for which gradients of autograd are multiplied one by one."""
    params = {"callbacks": [GradientNormClipping(0.5)]} if clipped else {}
    X, y, X_test, y_test = make_rows()
    net = optimised_net(name, module=module, **params)
    tracin = TracIn(net, checkpoints="all", random_state=0).fit(X, y)
    run, loss = tracin._run, tracin._loss
    test = run.tensors((X_test, y_test), loss)
    expected = every_step(
        run.replay, lambda theta: run.replay.functions.row_gradients(theta, *test)
    )
    found = tracin.influence(X_test, y_test)
    assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * np.abs(found).max())


def test_long_computations_are_announced(monkeypatch):
    tracin, X, y = fitted(n_test=3)
    monkeypatch.setattr(_pass_cost, "LONG", 0.0)
    with pytest.warns(
        UserWarning, match="every step on 3 rows takes about .* 39 steps"
    ):
        tracin.influence(X, y)
    with pytest.warns(UserWarning, match="of every step on 100 rows"):
        tracin.self_influence()
    hydra = HyDRA(make_net(), random_state=0).fit(*make_rows()[:2])
    with pytest.warns(UserWarning, match="for 3 rows takes .*approximation='fast'"):
        hydra.influence(X, y)


def test_short_computations_are_not_announced(recwarn):
    tracin, X, y = fitted(n_test=3)
    tracin.influence(X, y)
    assert not recwarn.list


def test_the_announced_time_is_that_of_all_passes(monkeypatch):
    """Steps of a second each, after a first one of a hundred seconds."""
    clock = iter([100.0, 103.0])
    monkeypatch.setattr(_pass_cost, "monotonic", lambda: next(clock))
    cost = _pass_cost.PassCost("It", 7, "Wait.")
    with pytest.warns(UserWarning, match=r"It takes about 2 min 20 s: 7 passes over"):
        assert list(cost.watch(range(20), 20)) == list(range(20))
    assert list(cost.watch(range(20), 20)) == list(range(20))  # once


def test_readings_agree():
    tracin, X, y = fitted(optimizer__momentum=0.9, module__dropout=0.2, max_epochs=2)
    mean = tracin.influence(X, y).mean(axis=0)
    assert_allclose(tracin.sample_values(X, y), mean, rtol=1e-9, atol=1e-15)
    X_fit, y_fit = make_rows(n=100, n_test=30)[:2]
    own = np.diag(tracin.influence(X_fit, y_fit))
    assert_allclose(tracin.self_influence(), own)
    assert tracin.mean_losses().shape == (100,)
    assert len(tracin.checkpoints_) == 26


def test_refused():
    X, y, _, _ = make_rows()
    with pytest.raises(ValueError, match="normalize=False"):
        TracIn(make_net(), checkpoints="all", normalize=True).fit(X, y)
    with pytest.raises(ValueError, match="supported for skorch nets only"):
        TracIn(SGDClassifier(loss="log_loss"), checkpoints="all").fit(X, y)
    with pytest.raises(ValueError, match="needs checkpoints='all'"):
        TracIn(make_net(), random_state=0).fit(X, y).completeness(X, y)
    tracin = TracIn(make_net(), checkpoints="all", random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="cannot be continued"):
        tracin.partial_fit(X, y)
