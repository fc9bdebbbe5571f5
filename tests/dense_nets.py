"""Small nets, and their derivatives as dense matrices by autograd, for tests."""

import numpy as np
import torch
from numpy.testing import assert_allclose
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from torch import nn
from torch.func import functional_call, jacrev

from skinfluence import InfluenceFunctions

torch.set_num_threads(1)

N, RNG = 40, np.random.default_rng(0)
X = RNG.normal(size=(N + 9, 4))
SIGNAL = X @ [1.0, -0.7, 0.4, 0.0] + 0.5 * RNG.normal(size=len(X))
CLASS = np.digitize(SIGNAL, [-0.6, 0.6])
TRAIN, TEST = slice(0, N), slice(N, None)


class Small(nn.Module):
    """Two layers in float64."""

    def __init__(self, n_out=3):
        super().__init__()
        self.hidden = nn.Linear(4, 5)
        self.out = nn.Linear(5, n_out)
        self.double()

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(x)))


class Probabilities(Small):
    """Returns what `torch.nn.NLLLoss` of skorch takes."""

    def forward(self, x):
        return torch.softmax(super().forward(x), dim=1)


def train(kind, module, criterion, **params):
    """Return a net that trains on all rows."""
    defaults = {
        "train_split": None,
        "max_epochs": 5,
        "batch_size": 10,
        "lr": 0.1,
        "verbose": 0,
    }
    return kind(module, criterion=criterion, **defaults | params)


NETS = {
    "softmax": (train(NeuralNetClassifier, Small, nn.CrossEntropyLoss), CLASS),
    "class weights": (
        train(
            NeuralNetClassifier,
            Small,
            nn.CrossEntropyLoss,
            criterion__weight=torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
        ),
        CLASS,
    ),
    "probabilities": (train(NeuralNetClassifier, Probabilities, nn.NLLLoss), CLASS),
    "logistic": (
        train(
            NeuralNetBinaryClassifier,
            Small,
            nn.BCEWithLogitsLoss,
            module__n_out=1,
        ),
        (CLASS > 1).astype(int),
    ),
    "two outputs": (
        train(NeuralNetRegressor, Small, nn.MSELoss, module__n_out=2, lr=0.05),
        np.column_stack([SIGNAL, np.sin(SIGNAL)]),
    ),
    "absolute": (
        train(NeuralNetRegressor, Small, nn.HuberLoss, module__n_out=1, lr=0.05),
        SIGNAL[:, None],
    ),
}


def row_losses(name):
    """The training loss of one row as a function of outputs and target, by hand."""
    weight = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    return {
        "softmax": lambda z, y: -torch.log_softmax(z, 0)[y],
        "class weights": lambda z, y: -weight[y] * torch.log_softmax(z, 0)[y],
        "probabilities": lambda z, y: -torch.log(z + torch.finfo(z.dtype).eps)[y],
        "logistic": lambda z, y: nn.functional.softplus((1 - 2 * y) * z[0]),
        "two outputs": lambda z, y: ((z - y) ** 2).mean(),
        "absolute": lambda z, y: nn.functional.huber_loss(z, y),
    }[name]


def test_losses(name, z, y):
    """Evaluation losses by hand, with the sign that good predictions are small."""
    if name == "absolute":  # evaluated by the squared error
        return ((z - y) ** 2).mean()
    if name == "class weights":
        return -torch.log_softmax(z, 0)[y]
    if name == "probabilities":  # trained with an eps that the log loss has not
        return -torch.log(z)[y]
    return row_losses(name)(z, y)


test_losses.__test__ = False


class Dense:
    """Derivatives of a fitted net, one row at a time, as dense matrices."""

    def __init__(self, name, influence):
        self.name, self.loss = name, row_losses(name)
        module = influence.estimator_.net_.module_
        self.params = {k: v.detach() for k, v in module.named_parameters()}
        self.sizes = [v.numel() for v in self.params.values()]
        self.theta = torch.cat([v.reshape(-1) for v in self.params.values()])
        self.module = module.eval()
        y = NETS[name][1]
        self.y = torch.as_tensor(y)
        self.x = torch.as_tensor(X)

    def outputs(self, theta, x):
        parts = theta.split(self.sizes)
        params = {
            k: part.reshape(v.shape)
            for (k, v), part in zip(self.params.items(), parts, strict=True)
        }
        return functional_call(self.module, params, (x[None],))[0]

    def gradients(self, rows, evaluation=False):
        out = []
        for x, y in zip(self.x[rows], self.y[rows], strict=True):
            theta = self.theta.clone().requires_grad_()
            z = self.outputs(theta, x)
            if evaluation:
                loss = test_losses(self.name, z, y)
            else:
                loss = row_losses(self.name)(z, y)
            out.append(torch.autograd.grad(loss, theta)[0])
        return torch.stack(out).numpy()

    def hessian(self):
        total = 0.0
        for x, y in zip(self.x[TRAIN], self.y[TRAIN], strict=True):
            total = total + torch.autograd.functional.hessian(
                lambda theta, x=x, y=y: self.loss(self.outputs(theta, x), y), self.theta
            )
        return total.numpy() / N

    def gauss_newton(self):
        total = 0.0
        for x, y in zip(self.x[TRAIN], self.y[TRAIN], strict=True):
            J = jacrev(self.outputs)(self.theta, x)
            z = self.outputs(self.theta, x)
            H = torch.autograd.functional.hessian(lambda z, y=y: self.loss(z, y), z)
            total = total + J.T @ H @ J
        return total.numpy() / N

    def influence(self, matrix, damping):
        """Influences in units of a removal, by a general solver."""
        g = self.gradients(TRAIN)
        test = self.gradients(TEST, evaluation=True)
        damped = matrix + damping * np.eye(len(matrix))
        return test @ np.linalg.solve(damped, g.T) / N


def fit(name, **params):
    net, y = NETS[name]
    return InfluenceFunctions(net, random_state=0, **params).fit(X[TRAIN], y[TRAIN])


def ask(name, influence):
    return influence.influence(X[TEST], NETS[name][1][TEST])


def close(actual, desired, tolerance=1e-8):
    assert_allclose(actual, desired, rtol=0, atol=tolerance * np.abs(desired).max())
