"""Small nets in float64, with the rows on which TracIn is tested."""

import numpy as np
import torch
from sklearn.datasets import make_classification
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

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


def brier(output, target):
    truth = nn.functional.one_hot(target, output.shape[1])
    return ((output.softmax(dim=1) - truth) ** 2).sum()
