"""A small model of every kind that `suggest` tells apart."""

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn


def net(kind, n_out, criterion):
    """One epoch of a linear layer."""
    torch.manual_seed(0)
    return kind(
        nn.Linear,
        module__in_features=3,
        module__out_features=n_out,
        criterion=criterion,
        max_epochs=1,
        lr=0.1,
        train_split=None,
        verbose=0,
    )


MLP = {"hidden_layer_sizes": (3,), "solver": "sgd", "max_iter": 12, "random_state": 0}
LBFGS = {"solver": "lbfgs", "max_iter": 2, "random_state": 0}
CLASSIFIERS = {
    "linear": LogisticRegression(),
    "closed form": GaussianNB(),
    "neighbours": KNeighborsClassifier(3),
    "trees": GradientBoostingClassifier(n_estimators=2, max_depth=2, random_state=0),
    "forest": RandomForestClassifier(8, max_depth=3, random_state=0),
    "bagging": BaggingClassifier(GaussianNB(), 6, random_state=0),
    "perceptron": MLPClassifier(**MLP),
    "net": net(NeuralNetClassifier, 2, nn.CrossEntropyLoss),
    "other": MLPClassifier(hidden_layer_sizes=(2,), **LBFGS),
}
REGRESSORS = {
    "linear": make_pipeline(StandardScaler(), Ridge()),
    "closed form": KernelRidge(),
    "neighbours": KNeighborsRegressor(3),
    "trees": GradientBoostingRegressor(n_estimators=2, max_depth=2, random_state=0),
    "forest": RandomForestRegressor(8, max_depth=3, random_state=0),
    "bagging": BaggingRegressor(Ridge(), 6, random_state=0),
    "perceptron": MLPRegressor(**MLP),
    "net": net(NeuralNetRegressor, 1, nn.MSELoss),
    "other": MLPRegressor(hidden_layer_sizes=(2,), **LBFGS),
}


def table(n_rows, model):
    """Return what the suggested code takes for granted, the model included."""
    classification = is_classifier(model)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows + 6, 3)).astype(np.float32)
    y = X[:, 0] + 0.5 * rng.normal(size=len(X)).astype(np.float32)
    if classification:
        y = (y > np.median(y)).astype(np.int64)
    elif isinstance(model, NeuralNetRegressor):
        y = y[:, None]
    return {
        "model": model,
        "X": X[:n_rows],
        "y": y[:n_rows],
        "X_test": X[n_rows:],
        "y_test": y[n_rows:],
        "groups": np.arange(n_rows) % 3,
    }
