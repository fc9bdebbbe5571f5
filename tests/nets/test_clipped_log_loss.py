"""The log loss of nets that are certain and wrong, against `sklearn.metrics`."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import expit
from sklearn.metrics import log_loss
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from torch import nn

from skinfluence import (
    SOURCE,
    HyDRA,
    InfluenceFunctions,
    LeaveOneOutInfluence,
    TracIn,
)
from skinfluence._losses import LogLoss
from skinfluence.nets.net._target import NetTarget

torch.set_num_threads(1)

X = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
FAR = np.concatenate([X[:4], X[:8] * np.geomspace(10, 1e4, 8)[:, None]])
FAR = FAR.astype(np.float32)


class Linear(nn.Sequential):
    """Logits, one for each class or one for both."""

    def __init__(self, n_out=2):
        super().__init__(nn.Linear(3, n_out))


class Probabilities(Linear):
    """A module that ends in Softmax, as skorch's NLLLoss needs it."""

    def forward(self, x):
        """Return probabilities."""
        return torch.softmax(super().forward(x), dim=1)


def make_net(name):
    """Return a net of a kind; all learn in a few steps."""
    params = {"train_split": None, "verbose": 0, "max_epochs": 30, "lr": 0.5}
    return {
        "softmax": lambda: NeuralNetClassifier(
            Linear, criterion=nn.CrossEntropyLoss, **params
        ),
        "probabilities": lambda: NeuralNetClassifier(Probabilities, **params),
        "logistic": lambda: NeuralNetBinaryClassifier(
            Linear, module__n_out=1, **params
        ),
    }[name]()


nets = pytest.mark.parametrize("name", ["softmax", "probabilities", "logistic"])


@nets
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_loss_of_a_net_follows_from_its_probabilities(name, dtype):
    torch.manual_seed(0)
    net = make_net(name).initialize()
    net.module_.to(torch.float64 if dtype == np.float64 else torch.float32)
    rows = FAR.astype(dtype)
    target = NetTarget(net)
    for label in (0, 1):
        y = np.full(len(rows), label)
        inputs, targets = target.batch(rows, y)
        with target.at():
            output = target.output(inputs).detach().requires_grad_()
            loss = target.measure(LogLoss())(output, targets, inputs)
            (gradient,) = torch.autograd.grad(loss.sum(), output)
        logits = (
            rows.astype(float) @ net.module_[0].weight.detach().double().numpy().T
            + net.module_[0].bias.detach().double().numpy()
        )
        against = logits[:, 0] if name == "logistic" else logits[:, 1] - logits[:, 0]
        p = expit(against if label else -against)
        truth = [log_loss([1], [[1 - q, q]], labels=[0, 1]) for q in p]
        impossible = p < 1e-17
        assert impossible.any()
        # a probability in single precision has six digits, a p near one fewer of 1 - p
        rtol = 1e-5 if dtype == np.float32 else 1e-9
        assert_allclose(loss.detach().numpy(), truth, rtol=rtol, atol=1e-6)
        assert (gradient[torch.as_tensor(impossible)] == 0).all()
        assert (gradient[torch.as_tensor((p > 1e-14) & (p < 0.9))] != 0).any()


@nets
@pytest.mark.parametrize(
    "method",
    [
        InfluenceFunctions,
        HyDRA,
        SOURCE,
        lambda net: TracIn(net, checkpoints=2),
    ],
    ids=["InfluenceFunctions", "HyDRA", "SOURCE", "TracIn"],
)
def test_no_row_moves_a_loss_beyond_the_clip(name, method):
    torch.manual_seed(0)
    influence = method(make_net(name)).fit(X, Y)
    p = influence.predict_proba(FAR)
    wrong = np.where(p[:, 0] > 0.5, 1, 0)
    matrix = influence.influence(FAR, wrong)
    assert np.isfinite(matrix).all()
    assert (matrix[p.min(axis=1) == 0][-2:] == 0).all()
    assert (matrix[:4] != 0).any(axis=1).all()


def test_retrained_nets_have_the_same_clip():
    torch.manual_seed(0)
    influence = LeaveOneOutInfluence(make_net("softmax"), random_state=0).fit(X, Y)
    p = influence.predict_proba(FAR)
    certain = p.min(axis=1) == 0
    assert certain.any()
    wrong = np.where(p[:, 0] > 0.5, 1, 0)
    matrix = influence.influence(FAR, wrong)
    assert np.isfinite(matrix).all()
    assert np.abs(matrix).max() <= 52 * np.log(2) + 1e-5
