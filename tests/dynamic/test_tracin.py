"""TracIn on nets against a loop of autograd over checkpoints of the test's own."""

import numpy as np
import pytest
import torch
from nets_for_tracin import (
    CLASS,
    TEST,
    TRAIN,
    Small,
    X,
    Y,
    brier,
    classifier,
    regressor,
)
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from skorch import NeuralNetBinaryClassifier
from skorch.callbacks import Callback, LRScheduler
from torch import nn

from skinfluence import TracIn


class Saver(Callback):
    """Keep every epoch's module and learning rate."""

    def initialize(self):
        self.saved_ = []
        return self

    def on_epoch_end(self, net, **kwargs):
        state = {k: v.clone() for k, v in net.module_.state_dict().items()}
        self.saved_.append((state, net.optimizer_.param_groups[0]["lr"]))


def saved_run(net, y=CLASS[TRAIN], seed=0):
    """Train with a callback of the test's own; return module and epochs."""
    net = clone(net)
    net.callbacks = [("saver", Saver()), *(net.callbacks or [])]
    torch.manual_seed(seed)
    net.fit(X[TRAIN], y)
    return net, dict(net.callbacks_)["saver"].saved_


def gradients(module, X, y, loss):
    """Return the gradient of each row, by one backward pass each."""
    module.eval()
    rows = []
    for x, t in zip(torch.as_tensor(X), torch.as_tensor(y), strict=True):
        value = loss(module(x[None]), t[None])
        parts = torch.autograd.grad(value, list(module.parameters()))
        rows.append(torch.cat([g.reshape(-1) for g in parts]))
    return torch.stack(rows).numpy()


def cross_entropy(output, target):
    return nn.functional.cross_entropy(output, target)


@pytest.mark.parametrize(
    ("loss", "test_loss"), [("auto", cross_entropy), ("brier", brier)]
)
def test_equals_a_loop_over_checkpoints(loss, test_loss):
    net = classifier(callbacks=[("schedule", LRScheduler("StepLR", step_size=2))])
    trained, saved = saved_run(net)
    rates = [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    expected = 0
    for epoch, before in ((3, 0), (6, 3)):
        trained.module_.load_state_dict(saved[epoch - 1][0])
        g = gradients(trained.module_, X[TRAIN], CLASS[TRAIN], cross_entropy)
        g_test = gradients(trained.module_, X[TEST], CLASS[TEST], test_loss)
        spent = 4 * sum(rates[before:epoch]) / 50  # four batches, the last of two rows
        expected = expected + spent * g_test @ g.T
    torch.manual_seed(0)
    tracin = TracIn(net, checkpoints=2, loss=loss).fit(X[TRAIN], Y[TRAIN])
    assert [c.epoch for c in tracin.checkpoints_] == [3, 6]
    found = tracin.influence(X[TEST], Y[TEST])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    values = tracin.sample_values(X[TEST], Y[TEST])
    np.testing.assert_allclose(values, expected.mean(axis=0), rtol=1e-8, atol=1e-12)
    own = np.diag(tracin.influence(X[TRAIN], Y[TRAIN]))
    np.testing.assert_allclose(tracin.self_influence(), own, rtol=1e-8)


def test_normalized_sums_cosines():
    net = classifier(max_epochs=1)
    trained, saved = saved_run(net)
    trained.module_.load_state_dict(saved[0][0])
    g = gradients(trained.module_, X[TRAIN], CLASS[TRAIN], cross_entropy)
    g_test = gradients(trained.module_, X[TEST], CLASS[TEST], cross_entropy)
    g /= np.linalg.norm(g, axis=1, keepdims=True)
    g_test /= np.linalg.norm(g_test, axis=1, keepdims=True)
    torch.manual_seed(0)
    tracin = TracIn(net, normalize=True).fit(X[TRAIN], Y[TRAIN])
    expected = 0.4 / 50 * g_test @ g.T
    found = tracin.influence(X[TEST], Y[TEST])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(tracin.self_influence(), 0.4 / 50, rtol=1e-9)


def test_layers_are_a_part_of_the_whole():
    parts = []
    for layers in (["hidden", "norm"], "last", None):
        torch.manual_seed(0)
        tracin = TracIn(classifier(), layers=layers).fit(X[TRAIN], Y[TRAIN])
        parts.append(tracin.influence(X[TEST], Y[TEST]))
    np.testing.assert_allclose(parts[0] + parts[1], parts[2], rtol=1e-8, atol=1e-12)


def test_shares_add_up_to_the_fall_of_the_loss():
    class Plain(nn.Linear):
        def __init__(self):
            super().__init__(6, 3)
            self.double()

    net = classifier(module=Plain, lr=0.01, max_epochs=100, batch_size=-1)
    torch.manual_seed(0)
    before = clone(net).initialize()
    torch.manual_seed(0)
    tracin = TracIn(net, checkpoints=100).fit(X[TRAIN], Y[TRAIN])

    def losses(p):
        return -np.log(p[np.arange(20), CLASS[TEST]])

    fall = losses(before.predict_proba(X[TEST])) - losses(tracin.predict_proba(X[TEST]))
    shares = tracin.influence(X[TEST], Y[TEST]).sum(axis=1)
    np.testing.assert_allclose(shares, fall, atol=0.02 * abs(fall).max())
    for reduction, lr in (("sum", 0.01 / 50), ("mean", 0.01)):
        torch.manual_seed(0)
        other = TracIn(
            clone(net).set_params(criterion__reduction=reduction, lr=lr),
            checkpoints=100,
        ).fit(X[TRAIN], Y[TRAIN])
        found = other.influence(X[TEST], Y[TEST]).sum(axis=1)
        np.testing.assert_allclose(found, shares, rtol=1e-8)


def test_rows_held_out_by_train_split_have_no_influence():
    from skorch.dataset import ValidSplit

    net = classifier(train_split=ValidSplit(5, stratified=False))
    with pytest.warns(UserWarning, match="train_split=None to train on all rows"):
        tracin = TracIn(net).fit(X[TRAIN], Y[TRAIN])
    influence = tracin.influence(X[TEST], Y[TEST])
    np.testing.assert_array_equal(influence.any(axis=0), np.arange(50) >= 10)
    np.testing.assert_array_equal(tracin.self_influence() > 0, np.arange(50) >= 10)
    assert (tracin.sample_values(X[TEST], Y[TEST])[:10] == 0).all()


def test_regressors():
    y = np.stack([X[:, 0] - X[:, 1], X[:, 2]], axis=1)
    tracin = TracIn(regressor(2), checkpoints=1, random_state=0).fit(X[TRAIN], y[TRAIN])
    module, checkpoint = tracin.estimator_.net_.module_, tracin.checkpoints_[0]

    def loss(output, target):
        return ((output - target) ** 2).mean()

    def minus_mean(output, target):
        return -output.mean()

    g = gradients(module, X[TRAIN], y[TRAIN], loss)
    g_test = gradients(module, X[TEST], y[TEST], loss)
    spent = checkpoint.spent["out.weight"]
    np.testing.assert_allclose(spent, 24 * 0.01 / 50)
    found = tracin.influence(X[TEST], y[TEST])
    np.testing.assert_allclose(found, spent * g_test @ g.T, rtol=1e-9, atol=1e-12)
    g_test = gradients(module, X[TEST], y[TEST], minus_mean)
    found = tracin.influence(X[TEST])
    np.testing.assert_allclose(found, spent * g_test @ g.T, rtol=1e-9, atol=1e-12)


def test_binary_classifier():
    y = np.array(["no", "yes"])[(CLASS == 1).astype(int)]
    net = NeuralNetBinaryClassifier(
        Small, module__n_out=1, train_split=None, max_epochs=5, verbose=0
    )
    tracin = TracIn(net, checkpoints=1, random_state=0).fit(X[TRAIN], y[TRAIN])
    assert set(tracin.predict(X)) <= {"no", "yes"}
    p = tracin.predict_proba(X[TEST])
    np.testing.assert_allclose(p.sum(axis=1), 1)

    def loss(output, target):
        return nn.functional.binary_cross_entropy_with_logits(output[:, 0], target)

    module = tracin.estimator_.net_.module_
    g = gradients(module, X[TRAIN], (CLASS[TRAIN] == 1) * 1.0, loss)
    g_test = gradients(module, X[TEST], (CLASS[TEST] == 1) * 1.0, loss)
    spent = tracin.checkpoints_[0].spent["out.weight"]
    found = tracin.influence(X[TEST], y[TEST])
    np.testing.assert_allclose(found, spent * g_test @ g.T, rtol=1e-9, atol=1e-12)


class Digits(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


@pytest.mark.slow
def test_finds_mislabelled_digits():
    rng = np.random.default_rng(0)
    X, y = load_digits(return_X_y=True)
    X, y = (X / 16).astype(np.float32), y.copy()
    flipped = rng.random(len(y)) < 0.1
    y[flipped] = (y[flipped] + rng.integers(1, 10, flipped.sum())) % 10
    net = classifier(
        module=Digits, max_epochs=30, batch_size=50, optimizer__momentum=0.9, lr=0.05
    )
    tracin = TracIn(net, checkpoints=6, random_state=0).fit(X, y)
    assert roc_auc_score(flipped, tracin.self_influence()) >= 0.98
    assert roc_auc_score(flipped, tracin.mean_losses()) >= 0.98
