"""Every method on nets: how it is fitted, and what it is asked.

A new method is one line of `METHODS`.
"""

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn

from skinfluence import (
    SOURCE,
    TRAK,
    DownsamplingInfluence,
    HyDRA,
    InfluenceCleaner,
    InfluenceFunctions,
    InfluenceSampler,
    LeaveOneOutInfluence,
    RepresenterPoints,
    ShapleyInfluence,
    TargetDetector,
    TracIn,
    datamodels,
)
from skinfluence.metrics import removal_curve

torch.set_num_threads(1)

N = 9
X = np.random.default_rng(1).normal(size=(N + 4, 4)).astype(np.float32)
TARGET = X[:, :1] - X[:, 1:2]
THREE = np.arange(N + 4) % 3


class Layers(nn.Sequential):
    """Linear, tanh, Linear."""

    def __init__(self, n_out=1):
        super().__init__(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, n_out))


def make_net(kind=NeuralNetClassifier, n_out=1, module=Layers, **params):
    """One epoch on all rows."""
    if kind is NeuralNetClassifier:
        params.setdefault("criterion", nn.CrossEntropyLoss)
    if module is Layers:
        params["module__n_out"] = n_out
    params = {"train_split": None, "verbose": 0, "max_epochs": 1, "lr": 0.5, **params}
    return kind(module, **params)


class Asked:
    """An influence estimator: numbers about test rows, and its predictions."""

    def __init__(self, make):
        self.make = make

    def fit(self, net, X, y):
        """Fit the estimator."""
        return self.make(net).set_params(random_state=0).fit(X, y)

    def ask(self, fitted, X, y):
        """Return numbers and predicted labels."""
        numbers = [
            fitted.influence(X, y),
            fitted.influence(X),
            fitted.sample_values(X, y),
            fitted.self_influence(),
            [fitted.score(X, y)],
        ]
        return numbers, fitted.predict(X)


class AskedAtFit(Asked):
    """Models are evaluated and let go."""

    def fit(self, net, X, y):
        """Fit with test rows, as retraining methods may."""
        method = self.make(net).set_params(random_state=0)
        return method.fit(X[:N], y[:N], X[N - 2 : N], y[N - 2 : N])

    def ask(self, fitted, X, y):
        """Return numbers and predicted labels."""
        return [fitted.influence()], fitted.predict(X)


class Datamodels(Asked):
    """A linear model of a downsampling estimator's losses."""

    def ask(self, fitted, X, y):
        """Return numbers and predicted labels."""
        return [datamodels(fitted, X, y).weights], fitted.predict(X)


class Cleaned(Asked):
    """The cleaner, by the fixed scorer or by an influence."""

    def ask(self, fitted, X, y):
        """Return numbers and predicted labels."""
        numbers = [fitted.sample_values_, [fitted.score(X, y)]]
        if hasattr(fitted, "predict_proba"):
            numbers.append(fitted.predict_proba(X))
        return numbers, fitted.predict(X)


class Sampled(Asked):
    """The sampler, whose influence trains."""

    def ask(self, fitted, X, y):
        """Return numbers; there are no predictions, only labels that were kept."""
        return [fitted.sample_values_, fitted.sample_indices_], None


class Detected(Asked):
    """The target detector, which refits to find suspects."""

    def fit(self, net, X, y):
        """Fit."""
        influence = TracIn(net, checkpoints=1, random_state=0)
        detector = TargetDetector(influence, max_removed=0.6, random_state=0)
        return detector.fit(X, y)

    def ask(self, fitted, X, y):
        """Return numbers and predicted labels."""
        suspects = [[len(rows), *rows] for rows in fitted.suspects(X)]
        return [fitted.score_samples(X), *suspects], fitted.influence_.predict(X)


class Curve(Asked):
    """The removal curve, which trains without the rows of the lowest values."""

    def fit(self, net, X, y):
        """Train at once."""
        values = np.arange(len(X), dtype=float)
        return removal_curve(
            net, values, X, y, X, y, fractions=[0.2], n_random=1, random_state=0
        )

    def ask(self, fitted, X, y):
        """Return numbers; there are no predictions."""
        return [[fitted.all_rows], fitted.lowest, fitted.highest, fitted.random], None


def clean(net, **params):
    """Return a cleaner that drops a quarter of the rows."""
    return InfluenceCleaner(net, drop_fraction=0.25, cv=3, **params)


METHODS = {
    "TracIn": Asked(lambda net: TracIn(net, checkpoints=1)),
    "TracIn, every step": Asked(lambda net: TracIn(net, checkpoints="all")),
    "HyDRA": Asked(HyDRA),
    "SOURCE": Asked(SOURCE),
    "TRAK": Asked(lambda net: TRAK(net, checkpoints=1)),
    "InfluenceFunctions": Asked(InfluenceFunctions),
    "RepresenterPoints": Asked(RepresenterPoints),
    "LeaveOneOut": Asked(LeaveOneOutInfluence),
    "Downsampling": Asked(lambda net: DownsamplingInfluence(net, n_retrainings=8)),
    "Downsampling, X_val": AskedAtFit(
        lambda net: DownsamplingInfluence(net, n_retrainings=8)
    ),
    "Shapley": Asked(lambda net: ShapleyInfluence(net, max_retrainings=2 * N)),
    "Shapley, X_val": AskedAtFit(
        lambda net: ShapleyInfluence(net, max_retrainings=2 * N)
    ),
    "datamodels": Datamodels(lambda net: DownsamplingInfluence(net, n_retrainings=8)),
    "cleaner": Cleaned(clean),
    "cleaner, relabel": Cleaned(lambda net: clean(net, action="relabel")),
    "cleaner, auto": Cleaned(
        lambda net: InfluenceCleaner(net, drop_fraction="auto", cv=3)
    ),
    "cleaner, TracIn": Cleaned(
        lambda net: clean(net, influence=TracIn(net, checkpoints=1))
    ),
    "cleaner, LeaveOneOut": Cleaned(
        lambda net: clean(net, influence=LeaveOneOutInfluence(net))
    ),
    "sampler, TracIn": Sampled(
        lambda net: InfluenceSampler(
            net, influence=TracIn(net, checkpoints=1), drop_fraction=0.25, cv=3
        )
    ),
    "TargetDetector": Detected(None),
    "removal_curve": Curve(None),
}


def asked(name, net, X, y, container=np.asarray):
    """Fit on the first rows and ask about the others, in its labels."""
    method = METHODS[name]
    fitted = method.fit(net, X[:N], container(y[:N]))
    return method.ask(fitted, X[N:], container(y[N:]))
