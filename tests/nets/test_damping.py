"""The default damping of nets against its rules, computed from autograd and by hand."""

import numpy as np
import pytest
import torch
from dense_nets import CLASS, NETS, TRAIN, Dense, N, X, fit, row_losses
from numpy.testing import assert_allclose
from sklearn.base import clone
from skorch.callbacks import Callback

from skinfluence import TRAK, InfluenceFunctions
from skinfluence.nets.curvature._damping import (
    Descent,
    evidence_damping,
    fisher_damping,
    gauss_newton_damping,
)

torch.set_num_threads(1)


class Saver(Callback):
    """Keep the parameters before training and after every epoch."""

    def _save(self, net):
        parts = [v.detach().reshape(-1) for v in net.module_.parameters()]
        self.saved_.append(torch.cat(parts).clone())

    def on_train_begin(self, net, **kwargs):
        self.saved_ = []
        self._save(net)

    def on_epoch_end(self, net, **kwargs):
        self._save(net)


def run_of(name):
    """Parameters of the run with random_state=0, by a callback of the test's own."""
    net, y = NETS[name]
    net = clone(net).set_params(callbacks=[("saver", Saver())])
    influence = InfluenceFunctions(net, hessian="last_layer", random_state=0)
    influence.fit(X[TRAIN], y[TRAIN])
    return dict(influence.estimator_.net_.callbacks_)["saver"].saved_


def at(dense, theta):
    """The same derivatives at other parameters."""
    dense.theta = theta
    return dense


def mean_loss(name, dense):
    rows = zip(dense.x[TRAIN], dense.y[TRAIN], strict=True)
    losses = [row_losses(name)(dense.outputs(dense.theta, x), y) for x, y in rows]
    return float(sum(losses) / len(losses))


def gain_per_squared_move(name, dense, saved, theta):
    first = mean_loss(name, at(dense, saved[0]))
    last = mean_loss(name, at(dense, theta))
    return (first - last) / float(((theta - saved[0]) ** 2).sum())


@pytest.mark.parametrize("name", ["softmax", "class weights", "two outputs"])
def test_gauss_newton_and_fisher(name):
    saved = run_of(name)
    influence = fit(name, hessian="gauss_newton", checkpoints=1)
    dense = Dense(name, influence)
    s = gain_per_squared_move(name, dense, saved, saved[-1])
    trace = np.trace(dense.gauss_newton())
    expected = max(trace / N, 2 * s)
    assert 2 * s > trace / N  # or the test would not see it
    assert_allclose(influence.damping_, expected, rtol=1e-8)
    assert_allclose(fit(name, hessian="cg").damping_, expected, rtol=1e-8)
    fisher = (dense.gradients(TRAIN) ** 2).sum() / N
    expected = fisher / N * max(1.0, 2 * s * N / trace)
    at_end = fit(name, hessian="fisher", checkpoints=1)
    assert_allclose(at_end.damping_, expected, rtol=1e-8)
    values = np.linalg.eigvalsh(dense.hessian())
    expected = max(values.clip(0).sum() / N, 2 * s) - min(values[0], 0.0)
    assert_allclose(fit(name, hessian="exact").damping_, expected, rtol=1e-8)


def test_gauss_newton_is_at_least_the_trace_over_the_rows():
    descent = Descent(1.0, 100.0, squared_move_of_all=100.0)
    assert gauss_newton_damping(20.0, 10, descent) == 2.0
    assert gauss_newton_damping(0.02, 10, descent) == 0.02
    assert fisher_damping(3.0, 20.0, 10, descent) == 0.3
    assert_allclose(fisher_damping(3.0, 0.05, 10, descent), 1.2)
    worse = Descent(-1.0, 100.0, 100.0)  # training has raised the loss
    assert gauss_newton_damping(20.0, 10, worse) == 2.0


@pytest.mark.parametrize("squared_move", [1e-6, 0.3, 50.0, 1e8])
def test_evidence_is_a_fixed_point(squared_move):
    values = np.random.default_rng(0).gamma(0.1, size=200)
    values[:50] = 0.0
    n, alpha = 30, 1.0
    for _ in range(20_000):  # as MacKay iterates
        determined = np.sum(n * values / (n * values + alpha))
        determined = 1 / (1 / determined + 1 / n)
        alpha, before = determined / squared_move, alpha
        if abs(alpha - before) < 1e-15 * alpha:
            break
    damping = evidence_damping(values, n, Descent(1.0, squared_move, squared_move))
    assert_allclose(damping, alpha / n, rtol=1e-7)


def test_ekfac_at_the_last_checkpoint_and_in_proportion_before():
    saved = run_of("softmax")
    influence = fit("softmax", hessian="ekfac", checkpoints=5)
    values = [
        torch.cat([part.values.reshape(-1) for part in point.curvature._parts]).numpy()
        for point in influence._model.points
    ]
    moved = float(((saved[-1] - saved[0]) ** 2).sum())
    alpha = N * influence.damping_[-1]
    determined = np.sum(N * values[-1] / (N * values[-1] + alpha))
    assert_allclose(alpha * moved, 1 / (1 / determined + 1 / N), rtol=1e-8)
    traces = np.array([v.sum() for v in values])
    expected = influence.damping_[-1] * traces / traces[-1]
    assert_allclose(influence.damping_, expected, rtol=1e-10)
    assert np.ptp(traces) > 0.01 * traces[-1]
    # The trace of EK-FAC is that of Gauss-Newton.
    dense = at(Dense("softmax", influence), saved[-1])
    assert_allclose(traces[-1], np.trace(dense.gauss_newton()), rtol=1e-8)


@pytest.mark.parametrize("name", ["softmax", "two outputs"])
def test_trak(name):
    saved = run_of(name)
    net, y = NETS[name]
    trak = TRAK(net, checkpoints=5, random_state=0).fit(X[TRAIN], y[TRAIN])
    dense, logs = Dense(name, fit(name, hessian="last_layer")), []
    for theta in saved[1:]:
        s = gain_per_squared_move(name, dense, saved, theta)
        sizes, bends = [], []
        for x, own in zip(dense.x[TRAIN], dense.y[TRAIN], strict=True):
            theta = theta.clone().requires_grad_()
            z = dense.outputs(theta, x)
            if name == "softmax":
                p = torch.softmax(z, 0)[own]
                functions = [torch.log(p / (1 - p))]
                bend = float((p * (1 - p)).detach())
            else:  # the mean of two squares
                functions, bend = list(z), 1.0
            grads = [
                torch.autograd.grad(f, theta, retain_graph=True)[0] for f in functions
            ]
            sizes.append(np.mean([float((g**2).sum()) for g in grads]))
            bends.append(bend)
        sizes, bends = np.array(sizes), np.array(bends)
        kernel = min(sizes.mean() * bends.mean(), (sizes * bends).mean())
        logs.append(np.log(N * s / kernel))
    expected = np.exp(np.mean(logs))
    assert expected > 1.0  # or the test would not see it
    assert_allclose(trak.damping_, expected, rtol=1e-8)


def test_confident_rows_with_large_gradients_need_more():
    """The second denominator of TRAK's rule, where it is the smaller one."""
    from skinfluence.nets.run import _margin_kernel

    net, y = NETS["softmax"]
    trak = TRAK(net, checkpoints=1, random_state=0).fit(X[TRAIN], y[TRAIN])
    sizes = np.linspace(1.0, 30.0, N)
    q = np.linspace(0.5, 1e-6, N)[:, None]
    bend = (q * (1 - q))[:, 0]
    assert (bend * sizes).mean() < 0.8 * bend.mean() * sizes.mean()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_margin_kernel, "self_dot", lambda *args, **kwargs: sizes)
        patch.setattr(_margin_kernel, "_error_probability", lambda *args: q)
        got = _margin_kernel.kernel_damping(trak._runs, (X[TRAIN], y[TRAIN]), True)
    (run,) = trak._runs
    descent = run.descent(run.checkpoints[0], run.rows(X[TRAIN], y[TRAIN]))
    expected = N * descent.gain / descent.squared_move / (bend * sizes).mean()
    assert_allclose(got, expected, rtol=1e-10)


def test_a_net_that_training_has_not_moved_falls_back_and_says_so():
    net = clone(NETS["softmax"][0]).set_params(lr=0.0)
    for hessian in ("gauss_newton", "ekfac", "fisher"):
        influence = InfluenceFunctions(net, hessian=hessian, random_state=0)
        with pytest.warns(UserWarning, match="training has not changed"):
            influence.fit(X[TRAIN], CLASS[TRAIN])
        if hessian != "fisher":
            trace = np.trace(Dense("softmax", influence).gauss_newton())
            assert_allclose(influence.damping_, trace / N, rtol=1e-8)
    with pytest.warns(UserWarning, match="training has not changed"):
        trak = TRAK(net, checkpoints=2, random_state=0).fit(X[TRAIN], CLASS[TRAIN])
    assert trak.damping_ == 1.0
    influence._runs[0].recorder.start_ = None
    with pytest.warns(UserWarning, match="were not recorded"):
        influence._fit_influence(X[TRAIN], CLASS[TRAIN], {})


def test_layers_alone_are_not_given_the_gain_of_the_whole_net():
    influence = fit("softmax", hessian="last_layer")
    last = slice(25, None)  # after the hidden layer's 20 weights and 5 biases
    matrix = Dense("softmax", influence).gauss_newton()[last, last]
    assert_allclose(influence.damping_, np.trace(matrix) / N, rtol=1e-8)
    saved = run_of("softmax")
    params = {"checkpoints": 1, "layers": "last", "random_state": 0}
    (run,) = TRAK(NETS["softmax"][0], **params).fit(X[TRAIN], CLASS[TRAIN])._runs
    descent = run.descent(run.checkpoints[0], run.rows(X[TRAIN], CLASS[TRAIN]))
    moved = (saved[-1] - saved[0]) ** 2
    assert_allclose(descent.squared_move, float(moved[last].sum()), rtol=1e-10)
    expected = descent.gain / float(moved.sum())
    assert_allclose(descent.per_squared_move, expected, rtol=1e-10)


def test_losses_without_curvature():
    """The absolute error bends nowhere: what training gained is left."""
    net = clone(NETS["absolute"][0]).set_params(criterion=torch.nn.L1Loss)
    rows = X[TRAIN], NETS["absolute"][1][TRAIN]
    found = {}
    for hessian in ("ekfac", "gauss_newton", "cg"):
        params = {"hessian": hessian, "checkpoints": 1, "random_state": 0}
        found[hessian] = InfluenceFunctions(net, **params).fit(*rows)
    (run,) = found["ekfac"]._runs
    descent = run.descent(run.checkpoints[-1], run.rows(*rows))
    expected = 2 * descent.gain / descent.squared_move
    for influence in found.values():
        assert_allclose(influence.damping_, expected, rtol=1e-10)
    several = InfluenceFunctions(net, random_state=0).fit(*rows)
    assert_allclose(several.damping_, expected, rtol=1e-10)
    last = InfluenceFunctions(net, hessian="last_layer", random_state=0).fit(*rows)
    assert_allclose(last.damping_, expected, rtol=1e-10)
    assert TRAK(net, random_state=0).fit(*rows).damping_ == 1.0


def test_neither_curvature_nor_gain_is_refused_by_name():
    """Rows of zeros, which no weight and no training can change."""
    layer = {"in_features": 4, "out_features": 3, "bias": False}
    params = {f"module__{name}": value for name, value in layer.items()}
    net = clone(NETS["softmax"][0]).set_params(module=torch.nn.Linear, **params)
    zeros = np.zeros((N, 4), dtype=np.float32)
    for hessian in ("ekfac", "gauss_newton", "fisher", "exact", "cg", "last_layer"):
        with (
            pytest.warns(UserWarning, match="training has not changed"),
            pytest.raises(ValueError, match=r"damping='auto' is zero.*set 'damping'"),
        ):
            InfluenceFunctions(net, hessian=hessian).fit(zeros, CLASS[TRAIN])


def test_checkpoints_above_the_start_say_nothing_to_trak(monkeypatch):
    from skinfluence.nets.run._checkpoint_run import CheckpointRun

    net, descent = NETS["softmax"][0], CheckpointRun.descent

    def of_a_bad_first_epoch(run, checkpoint, train):
        found = descent(run, checkpoint, train)
        found.gain *= -1 if checkpoint.epoch == 1 else 1
        return found

    def damping(checkpoints):
        trak = TRAK(net, checkpoints=checkpoints, random_state=0)
        trak.fit(X[TRAIN], CLASS[TRAIN])
        return trak.damping_

    one, five = damping(1), damping(5)
    with monkeypatch.context() as patch:
        patch.setattr(CheckpointRun, "descent", of_a_bad_first_epoch)
        without = damping(5)
    assert min(one, five) > 1.0
    assert 0.2 < without / five < 5.0
    assert without != five
