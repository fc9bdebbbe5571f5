"""The loss of a row does not depend on the criterion's reduction."""

import numpy as np
import pytest
import torch
from layer_nets import N, autograd_rows, flat
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from skinfluence._losses import LogLoss
from skinfluence.nets.gradients._gram import gram
from skinfluence.nets.gradients._row_gradients import RowGradients
from skinfluence.nets.net._target import NetTarget


class Probabilities(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(6, 3), nn.Softmax(dim=-1))
        self.double()


class Raw(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(6, 3))
        self.double()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("module", "criterion"),
    [(Probabilities, nn.NLLLoss), (Raw, nn.CrossEntropyLoss)],
)
def test_losses_are_per_row_whatever_the_reduction(module, criterion, reduction):
    torch.manual_seed(0)
    net = NeuralNetClassifier(
        module, criterion=criterion, criterion__reduction=reduction
    ).initialize()
    X, y = flat(torch.float64), np.arange(N) % 3
    target = NetTarget(net)
    inputs, targets = target.batch(X, y)
    p = net.predict_proba(X)[np.arange(N), y]
    for measure in (target.training_loss, target.measure(LogLoss())):
        with target.at(), torch.no_grad():
            losses = measure(target.output(inputs), targets, inputs)
        np.testing.assert_allclose(losses, -np.log(p), rtol=1e-12)
    assert net.criterion_.reduction == reduction


class Doubled(nn.Module):
    """A criterion of the user's own, without a reduction."""

    def forward(self, output, target):
        return (2 * (output - target) ** 2).mean()


def test_criterion_without_reduction():
    class One(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(6, 1))
            self.double()

    net = NeuralNetRegressor(One, criterion=Doubled).initialize()
    X, y = flat(torch.float64), np.linspace(0, 1, N)[:, None]
    target = NetTarget(net)
    gradients = RowGradients(target)
    truth = autograd_rows(target, X, y)
    found = gram(gradients, (X, y), (X, y))
    np.testing.assert_allclose(found, truth @ truth.T, rtol=1e-10)
    residual = net.predict(X) - y
    expected = (4 * residual) ** 2 * ((X.numpy() ** 2).sum(1, keepdims=True) + 1)
    np.testing.assert_allclose(np.diag(found), expected[:, 0], rtol=1e-10)
