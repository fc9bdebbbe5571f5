"""The common checks on methods that watch a training run; scikit-learn's where no net.

A FunctionTransformer makes arrays of what nets refuse: lists, tables, other types.
"""

import numpy as np
import pytest
import torch
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from skinfluence import SOURCE, HyDRA, TracIn
from skinfluence.testing import parametrize_with_influence_checks


class Zeros(nn.LazyLinear):
    """Linear, starting from zero: no class is preferred."""

    def reset_parameters(self):
        """Fill, once the number of columns is known."""
        if not self.has_uninitialized_params():
            for parameter in self.parameters():
                nn.init.zeros_(parameter)


class Curve(nn.Module):
    """A few tanh units beside a linear model, in float64."""

    def __init__(self, n_outputs=1):
        super().__init__()
        self.units = nn.LazyLinear(3, dtype=torch.float64)
        self.top = Zeros(n_outputs, dtype=torch.float64)

    def forward(self, X):
        """Raw predictions; one output is a vector."""
        raw = self.top(torch.cat([X, torch.tanh(self.units(X))], dim=1))
        return raw[:, 0] if raw.shape[1] == 1 else raw


def as_double(X):
    """Return an array of float64."""
    return X.astype(np.float64)


def piped(kind, **params):
    """Full batches: the order of the training rows does not matter."""
    settings = {"train_split": None, "verbose": 0, "batch_size": -1}
    net = kind(Curve, **settings | {"max_epochs": 12, **params})
    return make_pipeline(FunctionTransformer(as_double, validate=True), net)


classifier = piped(
    NeuralNetClassifier, module__n_outputs=2, criterion=nn.CrossEntropyLoss, lr=0.5
)
regressor = piped(NeuralNetRegressor, lr=0.05, optimizer__momentum=0.5, max_epochs=40)


@parametrize_with_influence_checks(
    [
        HyDRA(classifier, random_state=0),
        SOURCE(classifier, random_state=0),
        TracIn(classifier, random_state=0, checkpoints=3),
    ],
)
def test_influence_estimator(influence_estimator, check):
    check(type(influence_estimator).__name__, influence_estimator)


@pytest.mark.slow
@parametrize_with_influence_checks(
    [
        HyDRA(regressor, random_state=0),
        HyDRA(classifier, approximation="fast", random_state=0, loss="brier"),
        TracIn(classifier, random_state=0, checkpoints="all"),
    ],
)
def test_slow_influence_estimator(influence_estimator, check):
    check(type(influence_estimator).__name__, influence_estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        TracIn(SGDClassifier(loss="log_loss", max_iter=10)),
        TracIn(SGDRegressor(max_iter=10)),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
@parametrize_with_checks(
    [TracIn(MLPClassifier((8,), max_iter=60, learning_rate_init=0.02))]
)
def test_slow_scikit_learn_contract(estimator, check):
    check(estimator)


def test_torch_generators_are_left_alone():
    X = np.random.default_rng(0).normal(size=(12, 3))
    y = (X[:, 0] > 0).astype(int)
    for method in (HyDRA, TracIn):
        before = torch.get_rng_state()
        fitted = method(classifier, random_state=0).fit(X, y)
        fitted.influence(X[:2], y[:2])
        fitted.self_influence()
        assert torch.equal(torch.get_rng_state(), before)
