"""Linear datamodeling score on digits: which attribution predicts retraining?

1,000 training rows, 400 test rows, a small perceptron (64-64-32-10, ReLU). Truth: mean
test log loss over 3 seeds of nets trained on random halves. Score: rank correlation,
over the halves, of a test row's true loss with minus the sum of the influences of the
rows kept; mean over test rows. Each method sees one training run; dampings are the
defaults, which no truth was used to choose.

    python benchmarks/bench_subset_prediction.py [n_subsets] [method ...]
"""

import sys

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.datasets import load_digits
from skorch import NeuralNetClassifier
from timing import cpu, restart_single_threaded
from torch import nn

from skinfluence import TRAK, InfluenceFunctions, RepresenterPoints, TracIn

SEEDS = 3


class Perceptron(nn.Sequential):
    """64-64-32-10 with ReLU."""

    def __init__(self):
        super().__init__(
            nn.Linear(64, 64),
            nn.ReLU(),
            nn.Linear(64, 32),
            nn.ReLU(),
            nn.Linear(32, 10),
        )


def net():
    """Return the net, trained for 800 steps on 1,000 rows."""
    return NeuralNetClassifier(
        Perceptron,
        criterion=nn.CrossEntropyLoss,
        lr=0.01,
        optimizer__momentum=0.9,
        batch_size=50,
        iterator_train__shuffle=True,
        max_epochs=40,
        train_split=None,
        verbose=0,
    )


def losses(X, y, X_test, y_test, seed):
    """Test log losses of one training."""
    torch.manual_seed(seed)
    p = net().fit(X, y).predict_proba(X_test)
    return -np.log(np.maximum(p[np.arange(len(y_test)), y_test], 1e-12))


METHODS = {
    "TRAK": lambda: TRAK(net(), random_state=0),
    "TracIn, 20 checkpoints": lambda: TracIn(net(), checkpoints=20, random_state=0),
    "Representer points": lambda: RepresenterPoints(net(), random_state=0),
    **{
        f"Influence functions, {hessian}": (
            lambda hessian=hessian: InfluenceFunctions(
                net(), hessian=hessian, random_state=0
            )
        )
        for hessian in ("gauss_newton", "fisher", "ekfac", "last_layer")
    },
}


def main():
    """Print the table."""
    n_subsets = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    chosen = [m for m in METHODS if not sys.argv[2:] or m in sys.argv[2:]]
    X, y = load_digits(return_X_y=True)
    X, rng = (X / 16).astype(np.float32), np.random.default_rng(0)
    order = rng.permutation(len(X))
    train, test = order[:1000], order[1000:1400]
    data = X[train], y[train], X[test], y[test]
    kept = np.array([rng.permutation(1000) < 500 for _ in range(n_subsets)])
    spent, truth = cpu(
        lambda: np.array(
            [
                np.mean(
                    [
                        losses(data[0][m], data[1][m], *data[2:], 1000 * s + k)
                        for s in range(SEEDS)
                    ],
                    axis=0,
                )
                for k, m in enumerate(kept)
            ]
        )
    )
    print(f"{n_subsets} subsets x {SEEDS} seeds: {spent:.0f} s", flush=True)
    for name in chosen:
        fitting, method = cpu(lambda: METHODS[name]().fit(*data[:2]))  # noqa: B023
        asking, influence = cpu(method.influence, *data[2:])
        guess = -influence @ kept.T
        scores = [spearmanr(truth[:, t], guess[t])[0] for t in range(len(guess))]
        print(
            f"{name:36s} {np.nanmean(scores):.3f}  fit {fitting:5.1f} s, "
            f"influence {asking:5.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    restart_single_threaded()
    main()
