"""Small nets in float64, and data for them."""

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn


class Perceptron(nn.Module):
    """Linear, tanh, dropout, Linear; in float64."""

    def __init__(self, dropout=0.0, n_hidden=5, dtype=torch.float64):
        super().__init__()
        self.hidden = nn.Linear(4, n_hidden, dtype=dtype)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(n_hidden, 3, dtype=dtype)

    def forward(self, X):
        """Logits."""
        return self.out(self.dropout(torch.tanh(self.hidden(X))))


def make_net(optimizer=torch.optim.SGD, **params):
    """Batches of 8 out of 21 rows: the last is ragged."""
    return NeuralNetClassifier(
        **{
            "module": Perceptron,
            "criterion": nn.CrossEntropyLoss,
            "optimizer": optimizer,
            "lr": 0.05,
            "batch_size": 8,
            "max_epochs": 3,
            "iterator_train__shuffle": True,
            "train_split": None,
            "verbose": 0,
            **params,
        },
    )


def make_rows(n=21, n_test=4, seed=0):
    """Return X, y, X_test, y_test; three classes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n + n_test, 4))
    y = (X[:, 0] + 0.5 * rng.normal(size=n + n_test) > 0).astype(int)
    y += X[:, 1] > 0.8
    return X[:n], y[:n], X[n:], y[n:]


OPTIMISERS = {
    "SGD": (torch.optim.SGD, {}),
    "decay": (torch.optim.SGD, {"weight_decay": 0.02}),
    "momentum": (
        torch.optim.SGD,
        {"momentum": 0.9, "dampening": 0.2, "weight_decay": 0.02},
    ),
    "Nesterov": (
        torch.optim.SGD,
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.02},
    ),
    "Adam": (torch.optim.Adam, {"weight_decay": 0.02}),
    "AdamW": (torch.optim.AdamW, {"weight_decay": 0.1, "betas": (0.8, 0.95)}),
    "RMSprop": (torch.optim.RMSprop, {"weight_decay": 0.02, "eps": 1e-4}),
    "RMSprop-momentum": (
        torch.optim.RMSprop,
        {"weight_decay": 0.02, "momentum": 0.5, "eps": 1e-4},
    ),
}


def optimised_net(name, **params):
    """`make_net` with one of OPTIMISERS."""
    optimizer, settings = OPTIMISERS[name]
    settings = {f"optimizer__{key}": value for key, value in settings.items()}
    return make_net(optimizer, **settings, **params)


def masks_of(groups, n=21):
    """Return boolean masks of rows, or of groups of rows, among n."""
    masks = np.zeros((len(groups), n), dtype=bool)
    for mask, rows in zip(masks, groups, strict=True):
        mask[rows] = True
    return masks
