"""TracIn on nets against a loop of autograd over checkpoints of the test's own."""

import errno
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from torch import nn

from skinfluence import TracIn

torch.set_num_threads(1)

X, CLASS = make_classification(
    70, 6, n_informative=4, n_classes=3, random_state=0, class_sep=0.6
)
NAMES = np.array(["bird", "cat", "plane"])
Y = NAMES[CLASS]
TRAIN, TEST = slice(0, 50), slice(50, 70)


class Small(nn.Module):
    """A small net in float64, with batch normalisation and dropout."""

    def __init__(self, n_out=3, hidden=5):
        super().__init__()
        self.hidden = nn.Linear(6, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.drop = nn.Dropout(0.2)
        self.out = nn.Linear(hidden, n_out)
        self.double()

    def forward(self, x):
        return self.out(self.drop(torch.tanh(self.norm(self.hidden(x)))))


def classifier(**params):
    """Return a net that trains for six epochs."""
    defaults = {
        "module": Small,
        "criterion": nn.CrossEntropyLoss,
        "train_split": None,
        "max_epochs": 6,
        "batch_size": 16,
        "lr": 0.1,
        "verbose": 0,
    }
    return NeuralNetClassifier(**defaults | params)


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


def brier(output, target):
    truth = nn.functional.one_hot(target, output.shape[1])
    return ((output.softmax(dim=1) - truth) ** 2).sum()


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


def test_last_epoch_is_always_kept():
    stop = EarlyStopping("train_loss", patience=1, threshold=10)
    net = classifier(max_epochs=30, callbacks=[("stop", stop)])
    tracin = TracIn(net, checkpoints=3).fit(X[TRAIN], Y[TRAIN])
    n_epochs = len(tracin.estimator_.net_.history)
    assert n_epochs < 10
    assert [c.epoch for c in tracin.checkpoints_] == [n_epochs]
    chosen = TracIn(classifier(), checkpoints=[1, 4]).fit(X[TRAIN], Y[TRAIN])
    assert [c.epoch for c in chosen.checkpoints_] == [1, 4, 6]


def test_checkpoints_on_disk(tmp_path):
    results = []
    for memory in (None, tmp_path / "runs"):
        torch.manual_seed(0)
        tracin = TracIn(classifier(), memory=memory).fit(X[TRAIN], Y[TRAIN])
        results.append(tracin.influence(X[TEST], Y[TEST]))
    np.testing.assert_array_equal(*results)
    assert (
        len(list((tmp_path / "runs").rglob("*.pt"))) == 7
    )  # and the start of training


def test_checkpoints_that_find_no_room_on_disk_are_kept_in_memory(
    tmp_path, monkeypatch
):
    torch.manual_seed(0)
    expected = TracIn(classifier()).fit(X[TRAIN], Y[TRAIN]).influence(X[TEST], Y[TEST])
    write = Path.write_bytes

    def full_after_two(path, content):
        if int(path.stem.split("-")[1]) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full_after_two)
    torch.manual_seed(0)
    with pytest.warns(match="memory=.*No space left.*kept in memory") as caught:
        tracin = TracIn(classifier(), memory=tmp_path).fit(X[TRAIN], Y[TRAIN])
    assert len([w for w in caught if "memory=" in str(w.message)]) == 1
    assert len(list(tmp_path.rglob("*.pt"))) == 3  # the start of training, and two
    np.testing.assert_array_equal(tracin.influence(X[TEST], Y[TEST]), expected)


def test_partial_fit_goes_on():
    torch.manual_seed(0)
    whole = TracIn(classifier(), checkpoints=[3, 6]).fit(X[TRAIN], Y[TRAIN])
    torch.manual_seed(0)
    halves = TracIn(classifier(max_epochs=3), checkpoints=1)
    halves.partial_fit(X[TRAIN], Y[TRAIN]).partial_fit(X[TRAIN], Y[TRAIN])
    assert [c.epoch for c in halves.checkpoints_] == [3, 6]
    np.testing.assert_allclose(
        halves.influence(X[TEST], Y[TEST]), whole.influence(X[TEST], Y[TEST])
    )
    with pytest.raises(ValueError, match="same order, as the run is continued"):
        halves.partial_fit(X[:20], Y[:20])


def test_is_a_drop_in_classifier_with_the_users_labels():
    tracin = TracIn(classifier(), random_state=0)
    with pytest.raises(NotFittedError):
        tracin.influence(X, Y)
    tracin.fit(X[TRAIN], Y[TRAIN])
    assert tracin.classes_.tolist() == sorted(NAMES)
    p = tracin.predict_proba(X[TEST])
    assert (tracin.predict(X[TEST]) == tracin.classes_[p.argmax(axis=1)]).all()
    assert tracin.score(X[TEST], Y[TEST]) == (tracin.predict(X[TEST]) == Y[TEST]).mean()
    again = clone(tracin).fit(X[TRAIN], Y[TRAIN])
    expected = tracin.influence(X[TEST], Y[TEST])
    np.testing.assert_array_equal(again.influence(X[TEST], Y[TEST]), expected)
    copy = pickle.loads(pickle.dumps(tracin))
    np.testing.assert_array_equal(copy.influence(X[TEST], Y[TEST]), expected)
    explained = tracin.influence(X[TEST])
    predicted = tracin.influence(X[TEST], tracin.predict(X[TEST]))
    np.testing.assert_array_equal(explained, predicted)
    groups = np.arange(50) % 4
    by_group = tracin.group_influence(X[TEST], Y[TEST], groups=groups)
    np.testing.assert_allclose(by_group[:, 1], expected[:, groups == 1].sum(axis=1))


def test_grid_search_and_pipeline():
    search = GridSearchCV(
        TracIn(classifier(), random_state=0),
        {"estimator__lr": [1e-6, 0.1], "estimator__module__hidden": [4]},
        cv=2,
    ).fit(X, Y)
    assert search.best_params_["estimator__lr"] == 0.1
    inside = TracIn(make_pipeline(StandardScaler(), classifier()), random_state=0)
    inside.fit(X[TRAIN], Y[TRAIN])
    assert inside.fixed_steps_ == ["standardscaler"]
    scaler = StandardScaler().fit(X[TRAIN])
    outside = TracIn(classifier(), random_state=0)
    outside.fit(scaler.transform(X[TRAIN]), Y[TRAIN])
    np.testing.assert_allclose(
        inside.influence(X[TEST], Y[TEST]),
        outside.influence(scaler.transform(X[TEST]), Y[TEST]),
        rtol=1e-10,
    )
    behind = make_pipeline(StandardScaler(), TracIn(classifier(), random_state=0))
    assert behind.fit(X[TRAIN], Y[TRAIN]).score(X[TRAIN], Y[TRAIN]) > 0.4


def test_rows_held_out_by_train_split_have_no_influence():
    from skorch.dataset import ValidSplit

    net = classifier(train_split=ValidSplit(5, stratified=False))
    with pytest.warns(UserWarning, match="train_split=None to train on all rows"):
        tracin = TracIn(net).fit(X[TRAIN], Y[TRAIN])
    influence = tracin.influence(X[TEST], Y[TEST])
    np.testing.assert_array_equal(influence.any(axis=0), np.arange(50) >= 10)
    np.testing.assert_array_equal(tracin.self_influence() > 0, np.arange(50) >= 10)
    assert (tracin.sample_values(X[TEST], Y[TEST])[:10] == 0).all()


def regressor(n_out=1, **params):
    """Return a regressor that trains for six epochs."""
    defaults = {
        "module": Small,
        "module__n_out": n_out,
        "train_split": None,
        "max_epochs": 6,
        "batch_size": 16,
        "verbose": 0,
    }
    return NeuralNetRegressor(**defaults | params)


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


@pytest.mark.parametrize(
    ("tracin", "X", "y", "error", "match"),
    [
        (TracIn(classifier()), X.astype(np.float32), Y, ValueError, "dtype of the net"),
        (TracIn(classifier()), X.tolist(), Y, TypeError, "ndarray or a tensor"),
        (TracIn(classifier(module=Small())), X, Y, ValueError, "must be a class"),
        (TracIn(classifier(module__n_out=2)), X, Y, ValueError, "column per class"),
        (TracIn(regressor()), X, X[:, 0], ValueError, "reshape\\(-1, 1\\)"),
        (TracIn(regressor(2)), X, X[:, :1], ValueError, "give the last layer 1"),
        (TracIn(classifier(), loss="zero_one"), X, Y, TypeError, "no gradient"),
        (TracIn(classifier(), loss=brier), X, Y, TypeError, "no gradient"),
        (TracIn(classifier(), layers=["top"]), X, Y, ValueError, "'layers' parameter"),
        (TracIn(classifier(), checkpoints=[0]), X, Y, ValueError, "counted from 1"),
        (TracIn(classifier()), X[:9], Y, ValueError, "as many rows. Got 9 and 70"),
    ],
)
def test_bad_input_is_named(tracin, X, y, error, match):
    with pytest.raises(error, match=match):
        tracin.fit(X, y)


class Single(Small):
    """In float32, the default of torch."""

    def __init__(self):
        super().__init__()
        self.float()


def test_double_rows_of_a_single_net_are_refused():
    with pytest.raises(ValueError, match="float32. Got float64: pass X.astype"):
        TracIn(classifier(module=Single)).fit(X, Y)


@pytest.mark.parametrize("kind", [np.int32, np.uint8, np.float64, str])
def test_labels_of_any_type(kind):
    expected = TracIn(classifier(), random_state=0).fit(X[TRAIN], CLASS[TRAIN])
    labels = CLASS.astype(kind)
    tracin = TracIn(classifier(), random_state=0).fit(X[TRAIN], labels[TRAIN])
    np.testing.assert_array_equal(
        tracin.influence(X[TEST], labels[TEST]),
        expected.influence(X[TEST], CLASS[TEST]),
    )


def test_unknown_class_at_influence():
    tracin = TracIn(classifier()).fit(X[TRAIN], Y[TRAIN])
    with pytest.raises(ValueError, match="classes seen during fit"):
        tracin.influence(X[:2], ["dog", "cat"])


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
