"""Influence methods on small nets of a given device, for tests that compare devices."""

import elsewhere
import numpy as np
import torch
from nets_for_replay import OPTIMISERS
from skorch import NeuralNetClassifier
from torch import nn

from skinfluence import (
    SOURCE,
    TRAK,
    HyDRA,
    InfluenceFunctions,
    RepresenterPoints,
    TracIn,
)


class Columns(nn.Module):
    """Any layer between two Linear layers, from the same numbers on every device."""

    def __init__(self, kind="Tanh", dtype=torch.float64):
        super().__init__()
        self.before = nn.Linear(4, 6)
        self.layer = LAYERS[kind]()
        self.after = nn.Linear(6, 3)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in self.parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(0.5 * noise)
        self.to(dtype)

    def forward(self, X):
        """Logits."""
        return self.after(torch.tanh(self.layer(self.before(X))))


class _Reshaped(nn.Module):
    """A layer on the six columns in another shape."""

    def __init__(self, layer, *shape):
        super().__init__()
        self.layer, self.shape = layer, shape

    def forward(self, X):
        X = self.layer(X.reshape(-1, *self.shape))
        return (X[0] if isinstance(X, tuple) else X).reshape(-1, 6)


class _Tokens(nn.Embedding):
    """Adds the vector of a token that depends on the first column."""

    def forward(self, X):
        return X + super().forward((X[:, 0].detach() > 0).long())


LAYERS = {
    "Tanh": nn.Tanh,
    "Conv1d": lambda: _Reshaped(nn.Conv1d(1, 1, 3, padding=1), 1, 6),
    "Conv2d": lambda: _Reshaped(nn.Conv2d(1, 1, 3, padding=1), 1, 2, 3),
    "Embedding": lambda: _Tokens(2, 6),
    "LayerNorm": lambda: nn.LayerNorm(6),
    "GroupNorm": lambda: nn.GroupNorm(2, 6),
    "BatchNorm1d": lambda: nn.BatchNorm1d(6),
    "own": lambda: _Scaled(),  # without a rule
    "RNN": lambda: _Reshaped(nn.RNN(3, 3, batch_first=True), 2, 3),
    "Dropout": lambda: nn.Dropout(0.3),
}


class _Scaled(nn.Module):
    """A module of the user's own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(6))

    def forward(self, X):
        return X * self.scale


METHODS = {
    "TracIn": lambda net: TracIn(net, checkpoints=2, random_state=0),
    "TracIn, every step": lambda net: TracIn(net, checkpoints="all", random_state=0),
    "TRAK": lambda net: TRAK(net, checkpoints=2, random_state=0),
    "HyDRA": lambda net: HyDRA(net, random_state=0),
    "SOURCE": lambda net: SOURCE(net, n_segments=2, checkpoints=2, random_state=0),
    "fast HyDRA": lambda net: HyDRA(net, approximation="fast", random_state=0),
    "RepresenterPoints": RepresenterPoints,
    "refined": lambda net: InfluenceFunctions(net, refine=2, checkpoints=1),
    **{
        hessian: lambda net, hessian=hessian: InfluenceFunctions(
            net,
            hessian=hessian,
            checkpoints=1,
            damping=30.0 if hessian == "cg" else 1.0,  # fewer iterations
        )
        for hessian in (
            "exact",
            "gauss_newton",
            "last_layer",
            "fisher",
            "ekfac",
            "cg",
        )
    },
}


def fitted(
    method,
    *,
    device,
    layer="Tanh",
    optimiser="SGD",
    dtype="float64",
    n_test=3,
    **params,
):
    """Fit a method on 12 rows; return it with the test rows."""
    y = np.arange(12 + n_test) % 3
    X = np.random.default_rng(0).normal(size=(len(y), 4)) + np.eye(3, 4)[y]
    optimizer, settings = OPTIMISERS[optimiser]
    net = NeuralNetClassifier(
        Columns,
        module__kind=layer,
        module__dtype=getattr(torch, dtype),
        criterion=nn.CrossEntropyLoss,
        optimizer=optimizer,
        **{f"optimizer__{key}": value for key, value in settings.items()},
        **{
            "lr": 0.02,
            "batch_size": 8,
            "max_epochs": 2,
            "iterator_train__shuffle": True,
            "train_split": None,
            "verbose": 0,
            "device": device,
            **params,
        },
    )
    torch.manual_seed(0)
    influence = METHODS[method](net).fit(X[:12].astype(dtype), y[:12])
    return influence, X[12:].astype(dtype), y[12:]


def readings(*args, **params):
    """Influence matrix, its mean over test rows and its diagonal, as arrays."""
    influence, X, y = fitted(*args, **params)
    return [
        influence.influence(X, y),
        influence.sample_values(X, y),
        influence.self_influence(),
    ]


def matrix(*args, **params):
    """Return the influence matrix alone, in a list."""
    influence, X, y = fitted(*args, **params)
    return [influence.influence(X, y)]


def smoothness(device):
    """Smoothness of the run in the weights of three of its rows."""
    hydra, X, y = fitted("HyDRA", device=device)
    found = hydra.metasmoothness(3, X, y)
    return [np.array([found.losses, found.parameters, *found.rows], dtype=float)]


def without_room(device):
    """Conjugate gradients with the training rows on the CPU, in an influence matrix."""
    before, elsewhere.FREE_BYTES = elsewhere.FREE_BYTES, 64
    try:
        return matrix("cg", device=device)
    finally:
        elsewhere.FREE_BYTES = before


def left_out(device):
    """Influence of rows that are left out, together or alone, in a replay."""
    hydra, X, y = fitted("HyDRA", device=device)
    masks = np.zeros((2, 12), dtype=bool)
    masks[0, 3] = masks[1, 1] = masks[1, 7] = True
    return hydra.replayed_influence(X, y, groups=masks)


def dropout(device):
    """Drift of the replay; differences of blocks of test rows from single ones."""
    hydra, X, y = fitted("HyDRA", device=device, layer="Dropout")
    alone = [hydra.influence(X[[t]], y[[t]])[0] for t in range(len(y))]
    together = hydra.influence(X, y)
    return hydra.replay_drift_, np.abs(together - alone).max() / np.abs(together).max()


def transfers(method, device, **params):
    """Count what `elsewhere` moves between the devices for an influence matrix."""
    influence, X, y = fitted(method, device=device, **params)
    elsewhere.TRANSFERS.clear()
    influence.influence(X, y)
    return dict(elsewhere.TRANSFERS)


def iterations(hessian, damping, device, **params):
    """Count what conjugate gradients move, and their products with the matrix."""
    from skinfluence.nets.curvature._conjugate_gradient import ConjugateGradient

    influence, X, y = fitted("ekfac", device=device)
    influence.set_params(hessian=hessian, damping=damping, **params)
    influence.fit(influence._fit_X, influence._fit_y)
    count, product = [], ConjugateGradient._product
    ConjugateGradient._product = lambda *args: count.append(1) or product(*args)
    elsewhere.TRANSFERS.clear()
    try:
        influence.influence(X, y)
    finally:
        ConjugateGradient._product = product
    return len(count), dict(elsewhere.TRANSFERS)


def mixed():
    """Add tensors of two devices."""
    return torch.ones(2) + torch.ones(2, device=elsewhere.NAME)


def mixed_index():
    """Index a tensor of the device by one of the CPU, which torch would move."""
    return torch.ones(2, device=elsewhere.NAME)[torch.arange(2)]


def block_sizes():
    """Rows at a time of a run, before and after four times the memory is free."""
    hydra, _, _ = fitted("HyDRA", device=elsewhere.NAME)
    sizes, before = [], elsewhere.FREE_BYTES
    for elsewhere.FREE_BYTES in (2**17, 2**19):
        sizes.append(len(next(hydra._run.blocks(10_000))))
    elsewhere.FREE_BYTES = before
    return sizes
