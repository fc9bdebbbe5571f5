"""Nets and tables on which defaults of nets were chosen; others are reported.

The factor of the damping of Gauss-Newton and Fisher curvatures, and TRAK's number of
checkpoints. No net is one of `net_problems.PROBLEMS` or `compared_problems.COMPARED`.
"""

from net_problems import (
    CANCER,
    DIABETES,
    MOONS,
    WINE,
    Convolutions,
    Perceptron,
    Tuned,
    digits,
    make_net,
    odd_digits,
    scaled,
)
from sklearn.datasets import (
    load_iris,
    make_circles,
    make_classification,
    make_friedman1,
    make_friedman2,
    make_gaussian_quantiles,
    make_sparse_uncorrelated,
)


class TunedOnEven(Tuned):
    """Starts from the weights of a perceptron trained on odd digits."""

    WIDTHS, ACT = (64, 32, 16, 5), "relu"
    TRAINING = {"lr": 0.02, "epochs": 25}
    SEED, PARITY = 3, 1
    states: dict = {}


def even_digits():
    """Images of 0, 2, 4, 6 and 8."""
    X, y = digits()
    return X[y % 2 == 0], y[y % 2 == 0] // 2


IRIS = scaled(load_iris, return_X_y=True)
FRIEDMAN1 = scaled(make_friedman1, n_samples=700, noise=1.0, random_state=2)
FRIEDMAN2 = scaled(make_friedman2, n_samples=700, noise=50.0, random_state=2)
CIRCLES = scaled(make_circles, n_samples=600, noise=0.2, factor=0.5, random_state=3)
SPARSE = scaled(make_sparse_uncorrelated, n_samples=600, random_state=6)
QUANTILES = scaled(
    make_gaussian_quantiles, n_samples=600, n_features=6, n_classes=3, random_state=8
)


def _clusters(n_samples, n_features, n_informative, random_state, **params):
    return scaled(
        make_classification,
        n_samples=n_samples,
        n_features=n_features,
        n_informative=n_informative,
        random_state=random_state,
        **params,
    )


FOUR = _clusters(700, 20, 8, 4, n_classes=4, flip_y=0.05)
SIX = _clusters(800, 25, 10, 14, n_classes=6, n_clusters_per_class=1, class_sep=1.5)
TWO = _clusters(700, 12, 6, 15, flip_y=0.08)


def _momentum(*widths, lr=0.01, epochs=25, kind="class", **params):
    return make_net(
        Perceptron, lr=lr, epochs=epochs, kind=kind, widths=widths, **params
    )


def _adam(*widths, lr=0.005, epochs=25, kind="class", **params):
    return make_net(Perceptron, "adam", lr, epochs, kind, widths=widths, **params)


NORM, NUMBER = {"norm": True}, {"kind": "number"}
# Name: (net, (table, training rows, test rows)).
CHOOSING = {
    "cancer, ReLU": (_momentum(30, 16, 2), (CANCER, 250, 150)),
    "wine, tanh": (_adam(13, 20, 3, act="tanh"), (WINE, 120, 58)),
    "iris, GELU": (
        _momentum(4, 16, 16, 3, lr=0.03, epochs=30, act="gelu"),
        (IRIS, 100, 50),
    ),
    "diabetes, ReLU": (_momentum(10, 24, 12, 1, **NUMBER), (DIABETES, 280, 150)),
    "digits, ReLU, batch norm": (
        _adam(64, 32, 10, lr=0.004, epochs=12, **NORM),
        (digits, 300, 150),
    ),
    "digits, convolutions, ReLU, batch norm": (
        make_net(Convolutions, lr=0.03, epochs=12, norm=True, c1=6, c2=10),
        (digits, 300, 150),
    ),
    "cancer, tanh, batch norm": (
        _adam(30, 20, 2, lr=0.004, epochs=20, act="tanh", **NORM),
        (CANCER, 250, 150),
    ),
    "friedman1, batch norm": (
        _adam(10, 24, 12, 1, act="gelu", **NORM, **NUMBER),
        (FRIEDMAN1, 300, 150),
    ),
    "four classes, dropout": (
        _adam(20, 32, 16, 4, lr=0.004, drop=0.2),
        (FOUR, 300, 150),
    ),
    "circles, batch norm": (
        _momentum(2, 16, 16, 2, lr=0.03, epochs=30, act="tanh", **NORM),
        (CIRCLES, 250, 150),
    ),
    "even digits, fine-tuned": (
        make_net(TunedOnEven, lr=0.02, epochs=12),
        (even_digits, 250, 150),
    ),
    "digits, wide": (
        _adam(64, 200, 10, lr=0.001, epochs=15, act="tanh"),
        (digits, 300, 150),
    ),
    "digits, convolutions, tanh": (
        make_net(Convolutions, "adam", 0.005, 20, act="tanh", c1=8, c2=8),
        (digits, 300, 150),
    ),
    "sparse, ReLU": (_momentum(10, 32, 1, epochs=20, **NUMBER), (SPARSE, 250, 150)),
    "quantiles, ReLU": (
        _momentum(6, 32, 16, 3, lr=0.05, epochs=40),
        (QUANTILES, 250, 150),
    ),
    "friedman2, tanh": (
        _adam(4, 24, 1, epochs=30, act="tanh", **NUMBER),
        (FRIEDMAN2, 250, 150),
    ),
    "wine, batch norm": (
        _momentum(13, 20, 10, 3, lr=0.02, epochs=20, **NORM),
        (WINE, 120, 58),
    ),
    "six classes, batch norm": (
        _momentum(25, 32, 16, 6, lr=0.02, epochs=20, **NORM),
        (SIX, 300, 150),
    ),
    "two classes, batch norm": (
        _momentum(12, 24, 12, 2, lr=0.02, epochs=20, **NORM),
        (TWO, 250, 150),
    ),
    "two classes, ReLU": (_adam(12, 24, 2), (TWO, 250, 150)),
    "diabetes, batch norm": (
        _momentum(10, 20, 10, 1, lr=0.005, epochs=20, **NORM, **NUMBER),
        (DIABETES, 280, 150),
    ),
    "moons, batch norm": (_adam(2, 20, 20, 2, lr=0.01, **NORM), (MOONS, 250, 150)),
    "odd digits, batch norm": (
        _momentum(64, 24, 12, 5, epochs=15, act="gelu", **NORM),
        (odd_digits, 250, 150),
    ),
    "cancer, deep, batch norm": (
        _momentum(30, 20, 20, 10, 2, lr=0.02, epochs=15, act="gelu", **NORM),
        (CANCER, 250, 150),
    ),
    "iris, batch norm": (_adam(4, 16, 3, lr=0.01, epochs=20, **NORM), (IRIS, 100, 50)),
}
