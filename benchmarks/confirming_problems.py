"""Nets and tables on which rules for the damping are confirmed, built after them.

Other tables, widths, seeds and optimisers than in `net_problems.PROBLEMS`,
`choosing_problems.CHOOSING` and `compared_problems.COMPARED`.
"""

import numpy as np
from net_problems import Convolutions, Perceptron, digits, make_net, scaled
from sklearn.datasets import make_blobs, make_hastie_10_2, make_swiss_roll
from sklearn.preprocessing import scale


def hastie():
    """Whether ten normal columns have a large sum of squares (Hastie et al., 2009)."""
    X, y = make_hastie_10_2(n_samples=800, random_state=21)
    return X.astype(np.float32), (y > 0).astype(int)


def spirals():
    """Three arms in the plane."""
    rng = np.random.default_rng(22)
    y, t = rng.integers(3, size=700), 1 + 5 * rng.random(700)
    angle = t + 2 * np.pi * y / 3
    X = t[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return scale(X + 0.35 * rng.normal(size=X.shape)).astype(np.float32), y


def two_numbers():
    """Two numbers that six columns predict."""
    rng = np.random.default_rng(23)
    X = rng.normal(size=(700, 6))
    y = np.column_stack(
        [np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2], abs(X[:, 3]) + X[:, 4]]
    )
    y = scale(y + 0.4 * rng.normal(size=y.shape))
    return X.astype(np.float32), y.astype(np.float32)


def checkerboard():
    """Squares of nine of two colours, one label in twenty wrong."""
    rng = np.random.default_rng(24)
    X = rng.uniform(-1.5, 1.5, size=(800, 2))
    y = np.floor(X + 0.5).sum(axis=1).astype(int) % 2
    y = np.where(rng.random(len(y)) < 0.05, 1 - y, y)
    return (X * 1.2).astype(np.float32), y


def large_digits():
    """Whether a digit is 5 or more."""
    X, y = digits()
    return X, (y > 4).astype(int)


def wrong_digits():
    """Digits, one label in seven drawn at random."""
    X, y = digits()
    rng = np.random.default_rng(25)
    return X, np.where(rng.random(len(y)) < 1 / 7, rng.integers(10, size=len(y)), y)


ROLL = scaled(make_swiss_roll, n_samples=700, noise=0.8, random_state=26)
BLOBS = scaled(
    make_blobs,
    n_samples=800,
    n_features=5,
    centers=6,
    cluster_std=3.5,
    random_state=27,
)

# Name: (net, (table, training rows, test rows)).
CONFIRMING = {
    "hastie, RMSprop": (
        make_net(Perceptron, "rmsprop", 0.002, 20, widths=(10, 40, 20, 2)),
        (hastie, 350, 150),
    ),
    "swiss roll, AdamW": (
        make_net(
            Perceptron, "adamw", 0.006, 35, "number", widths=(3, 28, 14, 1), act="tanh"
        ),
        (ROLL, 280, 150),
    ),
    "spirals, dropout": (
        make_net(
            Perceptron, "adam", 0.008, 45, widths=(2, 48, 24, 3), act="gelu", drop=0.15
        ),
        (spirals, 240, 150),
    ),
    "two numbers": (
        make_net(Perceptron, "momentum", 0.02, 30, "number", widths=(6, 36, 2)),
        (two_numbers, 320, 150),
    ),
    "checkerboard, dropout": (
        make_net(Perceptron, "adam", 0.01, 50, widths=(2, 40, 40, 2), drop=0.1),
        (checkerboard, 300, 150),
    ),
    "large digits, plain SGD": (
        make_net(Perceptron, "sgd", 0.1, 25, widths=(64, 20, 20, 2), act="tanh"),
        (large_digits, 260, 150),
    ),
    "wrong digits, convolutions, batch norm": (
        make_net(Convolutions, "adamw", 0.004, 14, norm=True, act="gelu", c1=7, c2=9),
        (wrong_digits, 320, 150),
    ),
    "blobs, batch norm": (
        make_net(Perceptron, "rmsprop", 0.002, 15, widths=(5, 30, 6), norm=True),
        (BLOBS, 270, 150),
    ),
}
