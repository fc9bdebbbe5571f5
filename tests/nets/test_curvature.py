"""Influence functions of nets against dense algebra by torch.func and by hand."""

import pickle

import numpy as np
import pytest
import torch
from dense_nets import (
    CLASS,
    NETS,
    SIGNAL,
    TEST,
    TRAIN,
    Dense,
    N,
    Small,
    X,
    ask,
    close,
    fit,
    train,
)
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from skinfluence import InfluenceFunctions
from skinfluence.nets.curvature import (
    _conjugate_gradient,
    _ekfac,
    _exact,
    _gauss_newton,
    _preconditioned,
    _rotated,
)
from skinfluence.nets.gradients import _gram

torch.set_num_threads(1)


@pytest.mark.parametrize("name", NETS)
def test_exact_hessian_equals_dense_algebra(name):
    influence = fit(name, hessian="exact", damping=2.0)
    dense = Dense(name, influence)
    close(ask(name, influence), dense.influence(dense.hessian(), 2.0))
    assert influence.damping_ == 2.0


CURVATURES = ["gauss_newton", "kernel", "exact", "fisher", "ekfac", "cg"]


def of_kernel(hessian, monkeypatch):
    """Choose the kernel form of Gauss-Newton for "kernel"."""
    if hessian != "kernel":
        return hessian
    monkeypatch.setattr(_gauss_newton, "_ALL", 1)
    monkeypatch.setattr(_gauss_newton, "_SHARE", 1.0)
    return "gauss_newton"


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("hessian", ["gauss_newton", "kernel", "cg"])
def test_gauss_newton_equals_dense_algebra(name, hessian, monkeypatch):
    curvature = of_kernel(hessian, monkeypatch)
    influence = fit(name, hessian=curvature, damping=0.01, checkpoints=1)
    dense = Dense(name, influence)
    close(ask(name, influence), dense.influence(dense.gauss_newton(), 0.01), 1e-7)


def test_few_rows_of_the_kernel_hold_most_of_the_matrix(monkeypatch):
    options = {"hessian": "gauss_newton", "damping": 0.01, "checkpoints": 1}
    full = ask("softmax", fit("softmax", **options))
    monkeypatch.setattr(_gauss_newton, "_ALL", 1)
    monkeypatch.setattr(_gauss_newton, "_SHARE", 0.95)
    part = ask("softmax", fit("softmax", **options))
    error = np.abs(part - full).max() / np.abs(full).max()
    assert 1e-4 < error < 0.2
    assert np.corrcoef(part.ravel(), full.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("name", NETS)
def test_fisher_is_that_of_dense_algebra(name):
    influence = fit(name, hessian="fisher", damping=0.01, checkpoints=1)
    dense = Dense(name, influence)
    g = dense.gradients(TRAIN)
    close(ask(name, influence), dense.influence(g.T @ g / N, 0.01))


@pytest.mark.parametrize("name", ["softmax", "class weights", "two outputs"])
def test_last_layer_is_the_exact_hessian_of_its_parameters(name):
    influence = fit(name, hessian="last_layer", damping=0.01)
    dense = Dense(name, influence)
    last = slice(25, None)  # after the hidden layer's 20 weights and 5 biases
    H = dense.hessian()[last, last] + 0.01 * np.eye(len(dense.theta) - 25)
    g, test = dense.gradients(TRAIN)[:, last], dense.gradients(TEST, True)[:, last]
    close(ask(name, influence), test @ np.linalg.solve(H, g.T) / N)


@pytest.mark.parametrize("hessian", CURVATURES)
def test_means_and_self_influences_agree_with_the_matrix(hessian, monkeypatch):
    hessian = of_kernel(hessian, monkeypatch)
    y, weight = NETS["softmax"][1], np.linspace(0.5, 2.0, len(X) - N)
    influence = fit("softmax", hessian=hessian, damping=1.0, checkpoints=2)
    matrix = ask("softmax", influence)
    values = influence.sample_values(X[TEST], y[TEST], sample_weight=weight)
    close(values, weight @ matrix / weight.sum(), 1e-10)
    own = influence.influence(X[TRAIN], y[TRAIN]).diagonal()
    close(influence.self_influence(), own, 1e-10)


@pytest.mark.parametrize("hessian", CURVATURES)
def test_batches_do_not_change_the_answer(hessian, monkeypatch):
    hessian = of_kernel(hessian, monkeypatch)
    whole = ask("softmax", fit("softmax", hessian=hessian, damping=1.0))
    monkeypatch.setattr(_gram, "_batch_size", lambda factors: 7)
    monkeypatch.setattr(_preconditioned, "_NUMBERS", 1)
    monkeypatch.setattr(_preconditioned, "_OWN_ROWS", 7)
    monkeypatch.setattr(_rotated, "_NUMBERS", 1)
    monkeypatch.setattr(_ekfac, "_KEPT_BYTES", 0)
    monkeypatch.setattr(_exact, "_ROWS", 7)
    monkeypatch.setattr(_exact, "_COLUMNS", 5)
    monkeypatch.setattr(_conjugate_gradient, "_BYTES", 1)
    close(ask("softmax", fit("softmax", hessian=hessian, damping=1.0)), whole, 1e-9)


class Convolution(nn.Module):
    """A convolution, a norm and an embedding-like bias of no layer."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.norm = nn.LayerNorm([3, 2, 2])
        self.out = nn.Linear(12, 3)
        self.gain = nn.Parameter(torch.ones(3))
        self.double()

    def forward(self, x):
        x = torch.tanh(self.norm(self.conv(x.reshape(-1, 1, 4, 4))))
        return self.out(x.flatten(1)) * self.gain


@pytest.mark.parametrize("hessian", ["gauss_newton", "fisher", "ekfac", "cg"])
def test_convolutions_and_loose_parameters(hessian):
    rng = np.random.default_rng(1)
    images = rng.normal(size=(30, 16))
    y = np.digitize(images[:, 0], [-0.5, 0.5])
    net = train(NeuralNetClassifier, Convolution, nn.CrossEntropyLoss)
    params = {"hessian": hessian, "checkpoints": 1, "random_state": 0}
    influence = InfluenceFunctions(net, **params)
    got = influence.fit(images[:24], y[:24]).influence(images[24:], y[24:])
    assert np.isfinite(got).all()
    if hessian != "ekfac":
        return
    # Large damping leaves gradient products, whatever the eigenbases.
    influence.set_params(damping=1e8).fit(images[:24], y[:24])
    fisher = InfluenceFunctions(net, **params | {"hessian": "fisher", "damping": 1e8})
    close(
        influence.influence(images[24:], y[24:]),
        fisher.fit(images[:24], y[:24]).influence(images[24:], y[24:]),
        1e-6,
    )


# --------------------------------------------------- nets that are linear models


def linear_net(kind, criterion, n_out, l2):
    return train(
        kind,
        nn.Linear,
        criterion,
        module__in_features=4,
        module__out_features=n_out,
        module__bias=False,
        module__dtype=torch.float64,
        optimizer__weight_decay=l2,
        batch_size=-1,
        max_epochs=400,
        lr=0.4,
    )


LINEAR = {
    "ridge": (NeuralNetRegressor, nn.MSELoss, 1, SIGNAL[:, None]),
    "logistic": (
        NeuralNetBinaryClassifier,
        nn.BCEWithLogitsLoss,
        1,
        (CLASS > 0).astype(int),
    ),
    "multinomial": (NeuralNetClassifier, nn.CrossEntropyLoss, 3, CLASS),
}


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("hessian", ["gauss_newton", "exact", "cg", "last_layer"])
def test_a_net_that_is_a_linear_model_gives_its_influence(name, hessian):
    kind, criterion, n_out, y = LINEAR[name]
    l2 = 0.2
    net = linear_net(kind, criterion, n_out, l2)
    ours = InfluenceFunctions(net, hessian=hessian, damping=l2, random_state=0)
    ours = ours.fit(X[TRAIN], y[TRAIN])
    if name == "ridge":
        linear, target = Ridge(alpha=N * l2 / 2, fit_intercept=False), y[:, 0]
    else:
        linear = LogisticRegression(
            C=1 / (N * l2), fit_intercept=False, solver="newton-cholesky", tol=1e-12
        )
        target = y
    theirs = InfluenceFunctions(linear).fit(X[TRAIN], target[TRAIN])
    assert theirs.damping_ == 0.0
    close(
        ours.influence(X[TEST], y[TEST]),
        theirs.influence(X[TEST], target[TEST]),
        1e-6,
    )
    close(ours.self_influence(), theirs.self_influence(), 1e-6)


# ------------------------------------------------------------------- the contract


def test_labels_pipelines_pickles_and_sums():
    names = np.array(["bird", "cat", "plane"])[CLASS]
    net = NETS["softmax"][0]
    pipeline = make_pipeline(StandardScaler(), net)
    influence = InfluenceFunctions(pipeline, random_state=0).fit(X[TRAIN], names[TRAIN])
    assert influence.fixed_steps_ == ["standardscaler"]
    matrix = influence.influence(X[TEST], names[TEST])
    scaler = StandardScaler().fit(X[TRAIN])
    alone = clone(influence).set_params(estimator=net)
    alone.fit(scaler.transform(X[TRAIN]), CLASS[TRAIN])
    close(alone.influence(scaler.transform(X[TEST]), CLASS[TEST]), matrix, 1e-12)
    again = pickle.loads(pickle.dumps(influence))
    close(again.influence(X[TEST], names[TEST]), matrix, 1e-12)
    close(influence.sample_values(X[TEST], names[TEST]), matrix.mean(axis=0), 1e-12)
    own = influence.influence(X[TRAIN], names[TRAIN]).diagonal()
    close(influence.self_influence(), own, 1e-12)
    groups = np.arange(N) % 3
    close(
        influence.group_influence(X[TEST], names[TEST], groups=groups),
        np.stack([matrix[:, groups == g].sum(axis=1) for g in range(3)], axis=1),
        1e-12,
    )


def test_rows_that_were_held_out_have_no_influence():
    from skorch.dataset import ValidSplit

    net = clone(NETS["softmax"][0]).set_params(train_split=ValidSplit(4))
    with pytest.warns(UserWarning, match="train_split"):
        influence = InfluenceFunctions(net, random_state=0).fit(X[TRAIN], CLASS[TRAIN])
    held_out = (influence.influence(X[TEST], CLASS[TEST]) == 0).all(axis=0)
    assert held_out.sum() == N // 4


def test_float32_never_gives_nan():
    class Small32(Small):
        def __init__(self):
            super().__init__()
            self.float()

    x = X.astype(np.float32)
    net = train(
        NeuralNetClassifier, Small32, nn.CrossEntropyLoss, max_epochs=80, lr=0.5
    )
    for hessian in ("exact", "gauss_newton", "fisher", "ekfac", "last_layer", "cg"):
        influence = InfluenceFunctions(net, hessian=hessian, random_state=0)
        got = influence.fit(x[TRAIN], CLASS[TRAIN]).influence(x[TEST], CLASS[TEST])
        assert np.isfinite(got).all(), hessian


def test_impossible_settings_are_refused_by_name(monkeypatch):
    net, y = NETS["softmax"]
    with pytest.raises(ValueError, match=r"not positive definite.*Set damping above"):
        fit("softmax", hessian="exact", damping=0.0)
    for hessian in ("fisher", "cg", "ekfac"):
        with pytest.raises(ValueError, match="damping"):
            fit("softmax", hessian=hessian, damping=0.0)
    with pytest.raises(ValueError, match="'step' parameter must be 'infinitesimal'"):
        InfluenceFunctions(net, step="newton").fit(X[TRAIN], y[TRAIN])
    with pytest.raises(ValueError, match="'hessian' parameter must be 'auto'"):
        InfluenceFunctions(Ridge(), hessian="ekfac").fit(X[TRAIN], SIGNAL[TRAIN])
    monkeypatch.setattr(_exact, "_MOST_PARAMETERS", 10)
    with pytest.raises(ValueError, match="up to 10 parameters"):
        InfluenceFunctions(net, hessian="exact").fit(X[TRAIN], y[TRAIN])
