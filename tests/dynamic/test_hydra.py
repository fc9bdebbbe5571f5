"""HyDRA against finite differences, forward mode, and rows left out of the run."""

import pickle

import numpy as np
import pytest
import torch
from nets_for_replay import (
    OPTIMISERS,
    Perceptron,
    make_net,
    make_rows,
    masks_of,
    optimised_net,
)
from numpy.testing import assert_allclose
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch import NeuralNetBinaryClassifier, NeuralNetRegressor
from skorch.callbacks import GradientNormClipping, LRScheduler
from skorch.dataset import ValidSplit
from torch import nn
from torch.optim.lr_scheduler import StepLR

from skinfluence import HyDRA
from skinfluence.nets._device import random_state
from skinfluence.nets.run._adjoint import fast, sensitivity, takes_factors


def fitted(net, **params):
    X, y, X_test, y_test = make_rows()
    return HyDRA(net, random_state=0, **params).fit(X, y), X_test, y_test


def forwards_influence(hydra, X, y):
    """Go through the run forwards, which fewer test rows would not choose."""
    derivative = hydra._derivative
    by_rows = derivative.parameters_by_rows()
    return -derivative.gradients((X, y), hydra._loss) @ by_rows.T


def finite_differences(hydra, X, y, eps=1e-5):
    """Replay with every weight at 1 + eps and 1 - eps, and measure log loss."""
    replay, n = hydra._run.replay, hydra.n_samples_fit_
    weights = torch.ones(2 * n, n, dtype=torch.float64)
    weights[:n] += eps * torch.eye(n)
    weights[n:] -= eps * torch.eye(n)
    net = hydra.estimator_.net_
    module = net.module_
    names = [name for name, _ in module.named_parameters()]
    losses = []
    for end in replay.run_many(weights):
        parts = end.split(replay.functions.sizes)
        values = {
            name: part.reshape(shape)
            for name, part, shape in zip(
                names, parts, replay.functions.shapes, strict=True
            )
        }
        with torch.no_grad():
            logits = torch.func.functional_call(
                module.eval(), values, torch.as_tensor(X)
            )
        log_proba = torch.log_softmax(logits, dim=1).numpy()
        losses.append(-log_proba[np.arange(len(y)), y])
    losses = np.array(losses)
    return -(losses[:n] - losses[n:]).T / (2 * eps)


@pytest.mark.parametrize("clip", [None, 0.4])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_exact_is_the_derivative_of_the_run(name, clip):
    callbacks = [LRScheduler(StepLR, step_size=1, gamma=0.7)]
    if clip is not None:
        callbacks.append(GradientNormClipping(clip))
    net = optimised_net(name, module__dropout=0.2, callbacks=callbacks)
    hydra, X, y = fitted(net)
    actual = hydra.influence(X, y)
    expected = finite_differences(hydra, X, y)
    assert np.abs(expected).max() > 1e-3
    assert_allclose(actual, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
    forwards = forwards_influence(hydra, X, y)
    assert_allclose(actual, forwards, rtol=1e-10, atol=1e-13)
    one_pass = hydra.sample_values(X, y, sample_weight=[1, 2, 3, 4])
    assert_allclose(one_pass, np.average(actual, axis=0, weights=[1, 2, 3, 4]))


@pytest.mark.parametrize(
    "params",
    [
        {
            "optimizer__momentum": 0.9,
            "optimizer__weight_decay": 0.1,
            "optimizer__param_groups": [("hidden.*", {"lr": 0.01, "momentum": 0.5})],
        },
        {"criterion__reduction": "sum", "lr": 0.005},
        {"criterion__weight": torch.tensor([0.5, 1.0, 2.0]).double()},
        {
            "iterator_train__shuffle": False,
            "iterator_train__sampler": torch.utils.data.RandomSampler(
                range(21), replacement=True
            ),
        },
    ],
    ids=lambda params: "-".join(params),
)
def test_exact_is_the_derivative_of_other_runs(params):
    hydra, X, y = fitted(make_net(**params))
    expected = finite_differences(hydra, X, y)
    atol = 1e-6 * np.abs(expected).max()
    assert_allclose(hydra.influence(X, y), expected, atol=atol)
    assert_allclose(hydra.sample_values(X, y), expected.mean(axis=0), atol=atol)
    forwards = forwards_influence(hydra, X, y)
    assert_allclose(hydra.influence(X, y), forwards, rtol=1e-10, atol=1e-13)


def hessian_free(hydra, X, y, dropout):
    """The recursion of the paper without the Hessian, one vector per training row.

    Forward mode of torch through the optimiser's step, whose gradient's dependence on
    the parameters is left out.
    """
    replay = hydra._run.replay
    module = Perceptron(dropout)
    sizes, rule = replay.functions.sizes, replay.trajectory.optimiser

    def gradients(theta, X, y, random=None):
        for parameter, part in zip(
            module.parameters(), theta.split(sizes), strict=True
        ):
            parameter.data = part.reshape(parameter.shape)
        module.train(random is not None)
        with random_state(random, torch.device("cpu")):
            logits = module(torch.as_tensor(X))
        losses = nn.functional.cross_entropy(
            logits, torch.as_tensor(y), reduction="none"
        )
        rows = [
            torch.autograd.grad(loss, list(module.parameters()), retain_graph=True)
            for loss in losses
        ]
        return torch.stack([torch.cat([g.reshape(-1) for g in row]) for row in rows])

    zeros = torch.zeros(hydra.n_samples_fit_, sum(sizes), dtype=torch.float64)
    moved = tuple(zeros for _ in range(1 + len(rule.slots)))
    for k, state in replay.forward():
        step = replay.trajectory.steps[k]
        rows = gradients(
            state[0], replay.X[step.rows], replay.y[step.rows], step.random_state
        )
        own = zeros.index_add(0, step.rows, rows / len(rows))
        total, settings = rows.mean(dim=0), replay.trajectory.settings(k)

        def advance(*inputs, k=k, settings=settings):
            return rule.step(inputs[:-1], inputs[-1], settings, k)

        def tangent(*tangents, inputs=(*state, total), advance=advance):
            return torch.func.jvp(advance, inputs, tangents)[1]

        moved = torch.func.vmap(tangent)(*moved, own)
    tests = gradients(replay.functions.parameters, X, y)
    return -(tests @ moved[0].T).numpy()


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_fast_is_the_recursion_without_the_hessian(name, dropout):
    net = optimised_net(name, module__dropout=dropout)
    hydra, X, y = fitted(net, approximation="fast")
    expected = hessian_free(hydra, X, y, dropout)
    close = {"rtol": 1e-10, "atol": 1e-12 * np.abs(expected).max()}
    assert_allclose(hydra.influence(X, y), expected, **close)
    gradients = hydra._derivative.gradients((X, y), hydra._loss)
    assert_allclose(fast(hydra._run.replay, gradients), expected, **close)
    assert_allclose(hydra.sample_values(X, y), expected.mean(axis=0), **close)


@pytest.mark.parametrize("params", [{}, {"callbacks": [GradientNormClipping(0.3)]}])
def test_fast_on_factors_is_fast_on_gradients(params):
    groups = [("hidden.*", {"lr": 0.01})]
    net = make_net(
        optimizer__momentum=0.9,
        optimizer__weight_decay=0.02,
        optimizer__param_groups=groups,
        **params,
    )
    hydra, X, y = fitted(net, approximation="fast")
    assert takes_factors(hydra._run.replay)
    gradients = hydra._derivative.gradients((X, y), hydra._loss)
    expected = fast(hydra._run.replay, gradients)
    assert_allclose(hydra.influence(X, y), expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("approximation", ["exact", "fast"])
def test_readings_agree(approximation):
    hydra, X, y = fitted(make_net(torch.optim.Adam), approximation=approximation)
    matrix = hydra.influence(X, y)
    X_fit, y_fit = make_rows()[:2]
    own = hydra.influence(X_fit, y_fit)
    assert_allclose(hydra.self_influence(), np.diag(own), rtol=1e-9, atol=1e-14)
    many = hydra.influence(np.tile(X, (6, 1)), np.tile(y, 6))  # 24 test, 21 fitted
    assert_allclose(many[:4], matrix, rtol=1e-9, atol=1e-14)
    groups = np.arange(21) % 3
    grouped = hydra.group_influence(X, y, groups=groups)
    expected = np.stack([matrix[:, groups == g].sum(axis=1) for g in range(3)], axis=1)
    assert_allclose(grouped, expected, rtol=1e-9, atol=1e-14)


def test_forward_mode_of_some_rows():
    hydra, _, _ = fitted(make_net(module__dropout=0.3))
    some = sensitivity(hydra._run.replay, np.array([5, 2]))
    assert_allclose(
        some, hydra._derivative.parameters_by_rows()[[5, 2]], rtol=1e-10, atol=1e-15
    )


def test_spot_check_agrees_on_a_smooth_run():
    X, y, X_test, y_test = make_rows(n=60, n_test=10)
    hydra = HyDRA(make_net(lr=0.02), random_state=0).fit(X, y)
    check = hydra.spot_check(12, X_test, y_test)
    assert check.predicted.shape == check.actual.shape == (10, 12)
    assert check.spearman > 0.97
    assert check.pearson > 0.99
    actual = hydra.replayed_influence(X_test, y_test, groups=masks_of(check.rows, 60))
    assert_allclose(check.actual, actual)
    ranks = [
        spearmanr(*pair).statistic
        for pair in zip(check.predicted, check.actual, strict=True)
    ]
    assert check.spearman == pytest.approx(np.mean(ranks))
    assert hydra.spot_check(4).actual.shape == (60, 4)


def test_spot_check_tells_a_bad_approximation():
    X, y, X_test, y_test = make_rows(n=60, n_test=10)
    net = make_net(lr=0.5, max_epochs=12, optimizer__momentum=0.9)
    checks = [
        HyDRA(net, approximation=how, random_state=0)
        .fit(X, y)
        .spot_check(12, X_test, y_test)
        for how in ("exact", "fast")
    ]
    assert_allclose(checks[0].actual, checks[1].actual)
    assert checks[1].pearson < 0.8


# ------------------------------------------------------------------ other nets


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


class Recurrent(nn.Module):
    """Cannot be batched by vmap; draws random numbers."""

    def __init__(self):
        super().__init__()
        self.memory = nn.GRU(1, 3, batch_first=True, dtype=torch.float64)
        self.dropout = nn.Dropout(0.2)
        self.out = nn.Linear(3, 3, dtype=torch.float64)

    def forward(self, X):
        """Logits of a sequence of four numbers."""
        return self.out(self.dropout(self.memory(X[:, :, None])[1][0]))


@pytest.mark.parametrize("name", ["momentum", "Adam"])
def test_module_that_cannot_be_batched(name):
    net = optimised_net(name, module=Recurrent, max_epochs=1)
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


# ----------------------------------------------------------------- the contract


def test_pickle_clone_and_search():
    hydra, X, y = fitted(make_net(), approximation="fast")
    expected = hydra.influence(X, y)
    again = pickle.loads(pickle.dumps(hydra))
    assert_allclose(again.influence(X, y), expected)
    assert clone(hydra).approximation == "fast"
    X_fit, y_fit = make_rows(n=60)[:2]
    grid = {"estimator__lr": [1e-6, 0.1]}
    search = GridSearchCV(hydra, grid, cv=2, error_score="raise").fit(X_fit, y_fit)
    assert search.best_params_ == {"estimator__lr": 0.1}
    assert search.best_estimator_.n_steps_ == 24


def test_small_blocks_give_the_same():
    import sklearn

    for how in ("exact", "fast"):
        hydra, X, y = fitted(make_net(), approximation=how)
        whole = hydra.influence(X, y)
        with sklearn.config_context(working_memory=1e-6):
            assert_allclose(hydra.influence(X, y), whole, rtol=1e-9, atol=1e-15)
            mean = hydra.sample_values(X, y)
        assert_allclose(mean, whole.mean(axis=0), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: HyDRA(LogisticRegression()), TypeError, "must be a skorch net"),
        (lambda: HyDRA(make_net(module=Perceptron())), ValueError, "must be a class"),
        (lambda: HyDRA(make_net(), loss="zero_one"), TypeError, "no gradient"),
        (lambda: HyDRA(make_net(), approximation="slow"), ValueError, "approximation"),
    ],
    ids=["not a net", "module instance", "loss", "approximation"],
)
def test_refused(make, error, match):
    X, y, _, _ = make_rows()
    with pytest.raises(error, match=match):
        make().fit(X, y)


def test_groups_left_out_by_masks_or_labels():
    hydra, X, y = fitted(make_net())
    masks = masks_of([[2, 9], 4])
    expected = hydra.replayed_influence(X, y, groups=masks)
    labels = np.full(21, "kept")
    labels[[2, 9]], labels[4] = "a", "b"
    by_label = hydra.replayed_influence(X, y, groups=labels)
    assert_allclose(by_label[:, :2], expected)
    assert by_label.shape == (len(X), 3)
    assert np.abs(expected).min() > 0
    # To first order the sum over the rows.
    first = hydra.group_influence(X, y, groups=masks)
    assert np.corrcoef(first.ravel(), expected.ravel())[0, 1] > 0.98


def test_wrong_groups_and_counts_are_refused():
    hydra, X, y = fitted(make_net())
    with pytest.raises(ValueError, match="'groups' .* one label per training row"):
        hydra.replayed_influence(X, y, groups=[3, 20])  # positions
    with pytest.raises(ValueError, match="'n_rows' .* between 3 and"):
        hydra.spot_check(2)
