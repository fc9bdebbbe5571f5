"""TRAK against its definition, row by row and densely, over checkpoints of our own."""

import pickle

import numpy as np
import pytest
import torch
from dense_nets import CLASS, NETS, SIGNAL, TEST, TRAIN, N, Small, X, train
from numpy.testing import assert_allclose
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import Callback
from torch import nn

from skinfluence import TRAK, InfluenceFunctions

NAMES = np.array(["bird", "cat", "plane"])
CASES = {
    name: (clone(NETS[name][0]).set_params(max_epochs=4), y)
    for name, y in {
        "softmax": NAMES[CLASS],
        "probabilities": NAMES[CLASS],
        "logistic": NAMES[NETS["logistic"][1]],
        "two outputs": NETS["two outputs"][1],
    }.items()
}


class Saver(Callback):
    """Keep every epoch's parameters."""

    def on_train_begin(self, net, **kwargs):
        self.saved_ = []

    def on_epoch_end(self, net, **kwargs):
        state = net.module_.state_dict()
        self.saved_.append({k: v.clone() for k, v in state.items()})


def functions(name, module, x, y):
    """Outputs to attribute for one row, q of the row, and q of it as a test row."""
    z = module(x[None])[0]
    if name == "two outputs":
        r = (y - z).detach()
        return list(z), r, r  # minus the slope of a mean of two squares
    if name == "logistic":
        p = torch.sigmoid(z[0])
        p = torch.stack([1 - p, p])
    else:
        p = z if name == "probabilities" else torch.softmax(z, 0)
    p = p[int(y)]
    doubt = (1 - p).detach()[None]
    return [torch.log(p) - torch.log(1 - p)], doubt, doubt


def by_definition(name, saved, target, damping, layers=None):
    """Mean over checkpoints of kernel ridge solves, from autograd row by row."""
    module = CASES[name][0].module(**CASES[name][0].get_params_for("module"))
    raised, slopes = 0.0, 0.0
    for state in saved:
        module.load_state_dict(state)
        params = [
            v
            for k, v in module.named_parameters()
            if layers is None or k.split(".")[0] in layers
        ]
        G, q, slope = [], [], []
        for x, y in zip(torch.as_tensor(X), torch.as_tensor(target), strict=True):
            f, own, as_test = functions(name, module, x, y)
            rows = []
            for part in f:
                g = torch.autograd.grad(part, params, retain_graph=True)
                rows.append(torch.cat([v.reshape(-1) for v in g]))
            G.append(torch.stack(rows))
            q.append(own)
            slope.append(as_test)
        G = torch.stack(G).numpy()
        q, slope = torch.stack(q).numpy(), torch.stack(slope).numpy()
        parts = []
        for c in range(G.shape[1]):
            K = G[TRAIN, c] @ G[TRAIN, c].T
            ridge = damping * np.diag(K).mean() * np.eye(N)
            solved = np.linalg.solve(K + ridge, G[TRAIN, c] @ G[TEST, c].T)
            parts.append((q[TRAIN, c, None] * solved).T)
        raised, slopes = raised + np.array(parts), slopes + slope[TEST]
    n = len(saved)
    return np.einsum("tc,cti->ti", slopes / n, raised / n)


def saved_run(name):
    """Train with a callback of the test's own."""
    net, y = CASES[name]
    net = clone(net).set_params(callbacks=[("saver", Saver())])
    target = np.unique(y, return_inverse=True)[1] if y.dtype.kind == "U" else y
    labels = target.astype(np.float64) if name == "logistic" else target
    return net, labels, target


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("damping", [1.0, 0.1])
def test_it_is_its_definition(name, damping):
    net, labels, target = saved_run(name)
    torch.manual_seed(3)
    net.fit(X[TRAIN], labels[TRAIN])
    saved = dict(net.callbacks_)["saver"].saved_
    torch.manual_seed(3)
    plain, y = CASES[name]
    trak = TRAK(plain, checkpoints=4, damping=damping).fit(X[TRAIN], y[TRAIN])
    expected = by_definition(name, saved, target, damping)
    got = trak.influence(X[TEST], y[TEST])
    assert_allclose(got, expected, rtol=1e-7, atol=1e-9 * np.abs(expected).max())
    torch.manual_seed(3)
    last = clone(trak).set_params(checkpoints=1, layers="last")
    got = last.fit(X[TRAIN], y[TRAIN]).influence(X[TEST], y[TEST])
    expected = by_definition(name, saved[-1:], target, damping, layers=["out"])
    assert_allclose(got, expected, rtol=1e-7, atol=1e-9 * np.abs(expected).max())


def test_of_a_squared_loss_each_checkpoint_is_gauss_newton():
    """A relative damping of 1 is a damping of the trace over n."""
    net = train(NeuralNetRegressor, Small, nn.MSELoss, module__n_out=1, lr=0.05)
    y = SIGNAL[:, None]
    trak = TRAK(net, checkpoints=1, damping=1.0, random_state=0)
    trak.fit(X[TRAIN], y[TRAIN])
    params = {"hessian": "gauss_newton", "checkpoints": 1, "random_state": 0}
    start = InfluenceFunctions(net, **params).fit(X[TRAIN], y[TRAIN])
    trace = start._model.points[0].curvature.trace
    plain = InfluenceFunctions(net, damping=trace / N, **params)
    plain.fit(X[TRAIN], y[TRAIN])
    got = trak.influence(X[TEST], y[TEST])
    expected = plain.influence(X[TEST], y[TEST])
    assert_allclose(got, expected, atol=1e-8 * np.abs(expected).max())


def test_predicts_retraining_of_a_linear_net():
    """Subsets of a convex problem: the sum of influences ranks their losses."""
    x, y = X.astype(np.float32), (SIGNAL > 0).astype(int)
    net = train(
        NeuralNetClassifier,
        nn.Linear,
        nn.CrossEntropyLoss,
        module__in_features=4,
        module__out_features=2,
        max_epochs=40,
    )
    influence = TRAK(net, checkpoints=4, random_state=0).fit(x[TRAIN], y[TRAIN])
    matrix = influence.influence(x[TEST], y[TEST])
    rng, truth, guess = np.random.default_rng(0), [], []
    for _ in range(60):
        kept = np.sort(rng.permutation(N)[: N // 2])
        model = LogisticRegression(C=3.0).fit(x[kept], y[kept])
        p = model.predict_proba(x[TEST])[np.arange(len(y[TEST])), y[TEST]]
        truth.append(-np.log(p))
        guess.append(-matrix[:, kept].sum(axis=1))
    truth, guess = np.array(truth), np.array(guess)
    scores = [spearmanr(truth[:, t], guess[:, t])[0] for t in range(len(matrix))]
    assert np.mean(scores) > 0.5


def test_pipelines_pickles_seeds_and_the_disk(tmp_path):
    net, y = CASES["softmax"]
    pipeline = make_pipeline(StandardScaler(), net)
    trak = TRAK(pipeline, checkpoints=3, random_state=0).fit(X[TRAIN], y[TRAIN])
    assert trak.fixed_steps_ == ["standardscaler"]
    matrix = trak.influence(X[TEST], y[TEST])
    again = pickle.loads(pickle.dumps(trak)).influence(X[TEST], y[TEST])
    assert_allclose(again, matrix, rtol=1e-12)
    scaler = StandardScaler().fit(X[TRAIN])
    before = torch.get_rng_state()
    alone = clone(trak).set_params(estimator=net, memory=str(tmp_path))
    alone.fit(scaler.transform(X[TRAIN]), y[TRAIN])
    assert torch.equal(before, torch.get_rng_state())
    assert_allclose(alone.influence(scaler.transform(X[TEST]), y[TEST]), matrix)
    assert len(list(tmp_path.rglob("*.pt"))) == 4  # and the start of training
    assert_allclose(trak.sample_values(X[TEST], y[TEST]), matrix.mean(axis=0))
    assert list(trak.predict(X[TEST])) == list(trak.estimator_.predict(X[TEST]))


def test_rows_that_are_fitted_perfectly_do_not_become_nan():
    class Sure(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(1, 2)

        def forward(self, x):
            return 1e4 * self.linear(x)

    x = np.array([[-1.0], [1.0]] * 5, dtype=np.float32)
    net = train(NeuralNetClassifier, Sure, nn.CrossEntropyLoss, lr=1e-6)
    trak = TRAK(net, checkpoints=2, random_state=0).fit(x, [0, 1] * 5)
    assert np.isfinite(trak.influence(x, [0, 1] * 5)).all()


def test_models_that_it_does_not_explain_are_refused():
    with pytest.raises(TypeError, match="must be a skorch net.*Got Ridge"):
        TRAK(Ridge()).fit(X[TRAIN], SIGNAL[TRAIN])
    net, y = CASES["softmax"]
    with pytest.raises(ValueError, match=r"for classifiers.*'brier'"):
        TRAK(net, loss="brier").fit(X[TRAIN], y[TRAIN])
