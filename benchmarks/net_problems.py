"""Nets, tables, and the losses of nets trained on random halves of the rows."""

import numpy as np
import torch
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
    make_friedman3,
    make_moons,
)
from sklearn.preprocessing import scale
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from skinfluence._losses import LogLoss, SquaredError
from skinfluence.retraining.engine._coalitions import Coalitions
from skinfluence.retraining.engine._evaluation import Evaluation
from skinfluence.retraining.engine._retrain import trainable

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}
OPTIMISERS = {
    "momentum": {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9},
    "sgd": {"optimizer": torch.optim.SGD},
    "adam": {"optimizer": torch.optim.Adam},
    "adamw": {"optimizer": torch.optim.AdamW},
    "rmsprop": {"optimizer": torch.optim.RMSprop},
}
SEED, TRAINING_SEED = 11, 1


class Perceptron(nn.Module):
    """Linear layers, with batch normalisation or dropout between them."""

    def __init__(self, widths, act="relu", norm=False, drop=0.0):
        super().__init__()
        layers = []
        for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
            layers.append(nn.Linear(a, b))
            if i < len(widths) - 2:
                layers += [nn.BatchNorm1d(b)] if norm else []
                layers.append(ACTIVATIONS[act]())
                layers += [nn.Dropout(drop)] if drop else []
        self.body = nn.Sequential(*layers)

    def forward(self, x):
        return self.body(x)


class Convolutions(nn.Module):
    """Two convolutions with max pooling on 8 x 8 images, and a Linear layer."""

    def __init__(self, c1, c2, norm=False, act="relu"):
        super().__init__()
        activation = ACTIVATIONS[act]
        layers = [nn.Conv2d(1, c1, 3, padding=1)]
        layers += [nn.BatchNorm2d(c1)] if norm else []
        layers += [activation(), nn.MaxPool2d(2), nn.Conv2d(c1, c2, 3, padding=1)]
        layers += [nn.BatchNorm2d(c2)] if norm else []
        layers += [activation(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(c2 * 4, 10)]
        self.body = nn.Sequential(*layers)

    def forward(self, x):
        return self.body(x.reshape(-1, 1, 8, 8))


class Tuned(nn.Module):
    """Starts from the weights of a perceptron trained on even digits."""

    WIDTHS, ACT = (64, 40, 20, 5), "tanh"
    TRAINING = {"optimizer": "adam", "lr": 0.003, "epochs": 25}
    SEED, PARITY = 7, 0
    states: dict = {}

    def __init__(self):
        super().__init__()
        net = Perceptron(self.WIDTHS, self.ACT)
        with torch.random.fork_rng():
            net.load_state_dict(self.source())
        net.body[-1] = nn.Linear(*self.WIDTHS[-2:])
        self.body = net

    @classmethod
    def source(cls):
        """Train once."""
        if not cls.states:
            X, y = digits()
            rows = y % 2 == cls.PARITY
            torch.manual_seed(cls.SEED)
            params = {"widths": cls.WIDTHS, "act": cls.ACT, **cls.TRAINING}
            net = make_net(Perceptron, **params)
            cls.states["source"] = net.fit(X[rows], y[rows] // 2).module_.state_dict()
        return cls.states["source"]

    def forward(self, x):
        return self.body(x)


def make_net(module, optimizer="momentum", lr=0.01, epochs=25, kind="class", **params):
    """Return a net with batches of 32 rows."""
    regressor = kind == "number"
    return (NeuralNetRegressor if regressor else NeuralNetClassifier)(
        module,
        criterion=nn.MSELoss if regressor else nn.CrossEntropyLoss,
        lr=lr,
        batch_size=32,
        iterator_train__shuffle=True,
        max_epochs=epochs,
        train_split=None,
        verbose=0,
        **OPTIMISERS[optimizer],
        **{f"module__{name}": value for name, value in params.items()},
    )


def digits():
    """Images of digits in [0, 1]."""
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def odd_digits():
    """Images of 1, 3, 5, 7 and 9."""
    X, y = digits()
    return X[y % 2 == 1], y[y % 2 == 1] // 2


def scaled(load, **params):
    """Load a table with columns (and numbers to predict) of unit variance."""

    def rows():
        X, y = load(**params)
        X = scale(X).astype(np.float32)
        return X, y if y.dtype.kind == "i" else scale(y)[:, None].astype(np.float32)

    return rows


CANCER = scaled(load_breast_cancer, return_X_y=True)
WINE = scaled(load_wine, return_X_y=True)
DIABETES = scaled(load_diabetes, return_X_y=True)
FRIEDMAN = scaled(make_friedman3, n_samples=800, noise=0.1, random_state=5)
MOONS = scaled(make_moons, n_samples=800, noise=0.25, random_state=1)

# Name: (net, table, training rows, test rows).
PROBLEMS = {
    "digits, ReLU": (
        make_net(Perceptron, widths=(64, 64, 32, 10)),
        (digits, 500, 200),
    ),
    "digits, tanh": (
        make_net(Perceptron, lr=0.02, widths=(64, 48, 10), act="tanh"),
        (digits, 400, 200),
    ),
    "digits, convolutions": (
        make_net(Convolutions, lr=0.03, epochs=18, c1=10, c2=12, act="gelu"),
        (digits, 400, 200),
    ),
    "friedman3": (
        make_net(Perceptron, "adam", 0.003, 30, "number", widths=(4, 32, 16, 1)),
        (FRIEDMAN, 300, 150),
    ),
    "wine, dropout": (
        make_net(Perceptron, epochs=30, widths=(13, 32, 16, 3), drop=0.25),
        (WINE, 120, 58),
    ),
    "digits, convolutions, batch norm": (
        make_net(Convolutions, "adam", 0.003, 12, norm=True, act="tanh", c1=8, c2=8),
        (digits, 350, 150),
    ),
    "odd digits, fine-tuned": (
        make_net(Tuned, "adam", lr=0.002, epochs=10),
        (odd_digits, 250, 150),
    ),
    "breast_cancer, batch norm": (
        make_net(Perceptron, epochs=20, widths=(30, 24, 12, 2), norm=True),
        (CANCER, 250, 150),
    ),
    "moons, GELU": (
        make_net(Perceptron, "adam", 0.005, 40, widths=(2, 24, 24, 2), act="gelu"),
        (MOONS, 250, 150),
    ),
    "diabetes, dropout": (
        make_net(
            Perceptron, epochs=30, kind="number", widths=(10, 32, 16, 1), drop=0.1
        ),
        (DIABETES, 280, 150),
    ),
}


def rows_of(problem):
    """Return X, y, X_test, y_test of a problem, as `PROBLEMS` holds them."""
    load, n_train, n_test = problem[1]
    X, y = load()
    order = np.random.default_rng(SEED).permutation(len(X))[: n_train + n_test]
    train, test = order[:n_train], order[n_train:]
    return X[train], y[train], X[test], y[test]


def truth(problem, n_subsets, n_seeds):
    """Return masks of halves, and mean test losses of nets trained on them.

    Trained by the library's retraining engine.
    """
    X, y, X_test, y_test = rows_of(problem)
    rng, n = np.random.default_rng(100 + SEED), len(X)
    masks = np.array([rng.permutation(n) < n // 2 for _ in range(n_subsets)])
    subsets = [np.flatnonzero(mask) for mask in masks for _ in range(n_seeds)]
    if y.ndim == 1:
        evaluation = Evaluation(X_test, y_test, LogLoss(), np.unique(y))
    else:
        evaluation = Evaluation(X_test, y_test.astype(float), SquaredError(), None)
    net = trainable(problem[0], y)
    losses = Coalitions(net, X, y, {}, seed=TRAINING_SEED).losses(
        subsets, range(len(subsets)), evaluation
    )
    return masks, losses.reshape(n_subsets, n_seeds, -1).mean(axis=1)
