"""HyDRA on other nets and losses, against finite differences of their runs."""

import numpy as np
import pytest
import torch
from hydra_runs import fitted, forwards_influence
from nets_for_replay import make_net, make_rows, masks_of, optimised_net
from numpy.testing import assert_allclose
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch import NeuralNetBinaryClassifier, NeuralNetRegressor
from skorch.dataset import ValidSplit
from torch import nn

from skinfluence import HyDRA


class Line(nn.Module):
    """Linear, in float64."""

    def __init__(self, n_outputs=1, squeeze=False):
        super().__init__()
        self.line = nn.Linear(4, n_outputs, dtype=torch.float64)
        self.squeeze = squeeze

    def forward(self, X):
        """Raw predictions."""
        raw = self.line(X)
        return raw[:, 0] if self.squeeze else raw


def line_net(kind, **params):
    return kind(Line, lr=0.05, train_split=None, verbose=0, max_epochs=5, **params)


def replayed_derivative(hydra, X, y, eps=1e-4):
    """Central differences of the losses by weights, through the net's predictions."""
    replay, n = hydra._run.replay, hydra.n_samples_fit_
    X, y, loss = hydra._check_test(X, y)
    X, y, measure = hydra._run.tensors((X, y), loss)
    weights = torch.eye(n, dtype=torch.float64)
    ends = [replay.run_many(1 + sign * eps * weights) for sign in (1, -1)]
    up, down = (
        torch.stack([replay.functions.losses(t, X, y, measure) for t in end]).detach()
        for end in ends
    )
    return -(up - down).T.numpy() / (2 * eps)


class Branching(nn.Module):
    """Branches on the data, which vmap cannot batch; draws random numbers."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 3, dtype=torch.float64)
        self.dropout = nn.Dropout(0.2)
        self.out = nn.Linear(3, 3, dtype=torch.float64)

    def forward(self, X):
        """Logits."""
        hidden = torch.tanh(self.hidden(X))
        return self.out(self.dropout(hidden if hidden.sum() < 1e6 else -hidden))


@pytest.mark.parametrize("name", ["momentum", "Adam"])
def test_module_that_cannot_be_batched(name):
    net = optimised_net(name, module=Branching, max_epochs=1)
    hydra, X, y = fitted(net)
    with pytest.warns(UserWarning, match="one by one.*cannot batch"):
        actual = hydra.influence(X, y)
    expected = replayed_derivative(hydra, X, y)
    assert_allclose(actual, expected, atol=1e-6 * np.abs(expected).max())
    assert_allclose(hydra.sample_values(X, y), expected.mean(axis=0), atol=1e-8)
    forwards = forwards_influence(hydra, X, y)
    assert_allclose(actual, forwards, rtol=1e-9, atol=1e-13)
    left_out = hydra.replayed_influence(X, y, groups=masks_of([2, [0, 5]]))
    replay, (X, y, loss) = hydra._run.replay, hydra._check_test(X, y)
    X, y, measure = hydra._run.tensors((X, y), loss)
    for column, rows in enumerate([[2], [0, 5]]):
        weights = torch.ones(21, dtype=torch.float64)
        weights[rows] = 0
        without, whole = (
            replay.functions.losses(replay.run(w), X, y, measure).detach()
            for w in (weights, None)
        )
        assert_allclose(left_out[:, column], without - whole, rtol=1e-9, atol=1e-14)


def test_random_numbers_of_a_batched_kernel_are_checked(monkeypatch):
    """As of dropout on CUDA, whose kernel draws others than its batched form."""
    hydra, X, y = fitted(make_net(module__dropout=0.3))
    expected = hydra.influence(X, y)
    four = masks_of([4])
    left_out = hydra.replayed_influence(X, y, groups=four)
    other, _, _ = fitted(make_net(module__dropout=0.3))
    own = type(other._run.replay)._gradients
    monkeypatch.setattr(
        type(other._run.replay), "_gradients", lambda *args: 1.5 * own(*args)
    )
    with pytest.warns(UserWarning, match="draws other random numbers when batched"):
        assert_allclose(other.influence(X, y), expected, rtol=1e-9, atol=1e-14)
    assert_allclose(other.replayed_influence(X, y, groups=four), left_out, rtol=1e-9)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_regressor(n_outputs):
    X, _, X_test, _ = make_rows()
    y, y_test = X[:, :n_outputs] ** 2, X_test[:, :n_outputs]
    net = line_net(NeuralNetRegressor, module__n_outputs=n_outputs)
    hydra = HyDRA(net, random_state=0).fit(X, y)
    for target in (y_test, None):
        actual = hydra.influence(X_test, target)
        expected = replayed_derivative(hydra, X_test, target)
        assert_allclose(actual, expected, atol=1e-6 * np.abs(expected).max())
    raised = hydra.influence(X_test)  # no loss without a target: the prediction
    without = hydra.replayed_influence(X_test, groups=np.arange(21))
    assert np.corrcoef(raised.ravel(), without.ravel())[0, 1] > 0.9


def test_squared_error_by_hand():
    """One step of full-batch gradient descent from known weights."""
    X, _, X_test, _ = make_rows()
    y, y_test = X[:, :1] ** 2, X_test[:, :1]
    net = line_net(NeuralNetRegressor, batch_size=-1).set_params(max_epochs=1)
    hydra = HyDRA(net, random_state=0).fit(X, y)
    start = hydra._run.replay.start()[0].numpy()
    design, test = (np.column_stack([x, np.ones(len(x))]) for x in (X, X_test))
    residual = design @ start - y[:, 0]
    end = start - 0.05 * 2 * design.T @ residual / 21
    pull = 2 * (test @ end - y_test[:, 0])[:, None] * test
    moved = -0.05 * 2 * residual[:, None] * design / 21
    assert_allclose(hydra.influence(X_test, y_test), -pull @ moved.T, rtol=1e-10)


def test_binary_classifier_and_string_labels():
    X, y, X_test, y_test = make_rows()
    names = np.array(["no", "yes"])
    net = line_net(NeuralNetBinaryClassifier, module__squeeze=True)
    hydra = HyDRA(net, random_state=0).fit(X, names[(y > 0) * 1])
    assert set(hydra.classes_) == {"no", "yes"}
    labels = names[(y_test > 0) * 1]
    actual = hydra.influence(X_test, labels)
    expected = replayed_derivative(hydra, X_test, labels)
    assert_allclose(actual, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("loss", ["log_loss", "brier"])
def test_losses(loss):
    X, y, X_test, y_test = make_rows()
    hydra = HyDRA(make_net(), loss=loss, random_state=0).fit(X, y)
    expected = replayed_derivative(hydra, X_test, y_test)
    actual = hydra.influence(X_test, y_test)
    assert_allclose(actual, expected, atol=1e-6 * np.abs(expected).max())


def test_pipeline_holds_its_steps():
    X, y, X_test, y_test = make_rows()
    inner = make_pipeline(StandardScaler(), make_net())
    hydra = HyDRA(make_pipeline(FunctionTransformer(np.tanh), inner), random_state=0)
    hydra.fit(X, y)
    assert hydra.fixed_steps_ == ["functiontransformer", "standardscaler"]
    X, X_test_raw, X_test = np.tanh(X), X_test, np.tanh(X_test)
    scaler = StandardScaler().fit(X)
    alone = HyDRA(make_net(), random_state=0).fit(scaler.transform(X), y)
    assert_allclose(
        hydra.influence(X_test_raw, y_test),
        alone.influence(scaler.transform(X_test), y_test),
        rtol=1e-12,
    )


def test_rows_held_out_have_no_influence():
    X, y, X_test, y_test = make_rows()
    net = make_net(train_split=ValidSplit(3))
    with pytest.warns(UserWarning, match="train_split"):
        hydra = HyDRA(net, random_state=0).fit(X, y)
    assert hydra.replay_drift_ == 0
    _, valid = hydra.estimator_.net_.get_split_datasets(X, y)
    held_out = np.asarray(valid.indices)
    assert len(held_out) == 7
    trained = np.setdiff1d(np.arange(21), held_out)
    matrix = hydra.influence(X_test, y_test)
    assert not matrix[:, held_out].any()
    assert matrix[:, trained].all()
