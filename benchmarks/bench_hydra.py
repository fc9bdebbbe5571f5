"""Agreement of HyDRA with runs that leave a row out, and its cost.

Digits, 1,000 training rows, a perceptron 64-64-32-10, batches of 50, momentum 0.9, 800
steps, float32. As ground truth each of some rows is left out of the run by replay, with
the same order and seed. Agreement: mean over test rows of the rank correlation over the
rows left out, then the linear correlation of all pairs. "noise" is the effect of
another seed: the standard deviation of a test row's loss over seeds, divided by that of
its influences (root mean squares over test rows). Costs are in multiples of the
training of the same net by a plain torch loop, in one process; for "fast" with 500 test
rows.

    python benchmarks/bench_hydra.py [n_rows_left_out] [n_test]
"""

import sys
from functools import partial

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.datasets import load_digits
from skorch import NeuralNetClassifier
from timing import cpu, restart_single_threaded, table
from torch import nn

from skinfluence import HyDRA, TracIn

STEPS, BATCH = 800, 50


class Perceptron(nn.Module):
    """64-64-32-10."""

    def __init__(self, activation):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, 64),
            activation(),
            nn.Linear(64, 32),
            activation(),
            nn.Linear(32, 10),
        )

    def forward(self, X):
        """Logits."""
        return self.layers(X)


def plain_training(X, y, activation):
    """Train by a loop of nothing but torch."""
    module = Perceptron(activation)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    for _ in range(STEPS * BATCH // len(X)):
        for rows in torch.randperm(len(X)).split(BATCH):
            optimiser.zero_grad()
            nn.functional.cross_entropy(module(X[rows]), y[rows]).backward()
            optimiser.step()


def agreement(estimate, truth):
    """Mean rank correlation over test rows, and linear correlation of all pairs."""
    ranks = [
        spearmanr(e, t).statistic
        for e, t in zip(estimate, truth, strict=True)
        if np.ptp(t) > 0  # no row matters: the loss is zero, to rounding
    ]
    linear = np.corrcoef(estimate.ravel(), truth.ravel())[0, 1]
    return f"{np.mean(ranks):.3f} / {linear:.3f}"


def seed_noise(net, X, y, X_test, y_test, truth, n_seeds=6):
    """Spread of test losses over seeds, over that of the influences of single rows."""
    losses = []
    for seed in range(1, 1 + n_seeds):
        torch.manual_seed(seed)
        proba = clone(net).fit(X, y).predict_proba(X_test)
        losses.append(-np.log(proba[np.arange(len(y_test)), y_test]))
    return np.sqrt(np.var(losses, axis=0, ddof=1).mean() / np.mean(truth**2))


def main(n_left_out=150, n_test=200):
    """Print one line per activation and learning rate."""
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    X, y = (X[order] / 16).astype(np.float32), y[order].astype(np.int64)
    X_train, y_train = X[:1000], y[:1000]
    X_test, y_test = X[1000 : 1000 + n_test], y[1000 : 1000 + n_test]
    rows = np.random.default_rng(1).choice(1000, n_left_out, replace=False)
    lines = []
    for activation, lr in [
        (nn.Tanh, 0.01),
        (nn.GELU, 0.01),
        (nn.ReLU, 0.01),
        (nn.ReLU, 0.05),
    ]:
        net = NeuralNetClassifier(
            Perceptron,
            module__activation=activation,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.SGD,
            optimizer__momentum=0.9,
            lr=lr,
            batch_size=BATCH,
            max_epochs=STEPS * BATCH // 1000,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        )
        fit, exact = cpu(HyDRA(net, random_state=0).fit, X_train, y_train)
        fast = HyDRA(net, approximation="fast", random_state=0).fit(X_train, y_train)
        masks = np.eye(len(X_train), dtype=bool)[rows]
        leave_out = partial(exact.replayed_influence, groups=masks)
        truth_time, truth = cpu(leave_out, X_test, y_test)
        exact.sample_values(X_test, y_test)  # loads what torch loads on first use
        pairs = [
            (
                cpu(plain_training, X_train, y_train, activation)[0],
                cpu(exact.sample_values, X_test, y_test)[0],
            )
            for _ in range(5)
        ]
        plain, mean_time = map(min, zip(*pairs, strict=True))
        exact_time, by_exact = cpu(exact.influence, X_test, y_test)
        by_fast = fast.influence(X_test, y_test)
        fast_time, _ = cpu(fast.influence, X[1000:1500], y[1000:1500])
        tracin = TracIn(net, checkpoints="all", random_state=0).fit(X_train, y_train)
        by_tracin = tracin.influence(X_test, y_test)
        noise = seed_noise(net, X_train, y_train, X_test, y_test, truth)
        lines.append(
            {
                "net": f"{activation.__name__}, lr {lr}",
                "exact": agreement(by_exact[:, rows], truth),
                "fast": agreement(by_fast[:, rows], truth),
                "TracIn": agreement(by_tracin[:, rows], truth),
                "noise": f"{noise:.0f}",
                "fit": f"{fit / plain:.1f}",
                "sample_values": f"{mean_time / plain:.2f}",
                "exact per test row": f"{exact_time / plain / n_test:.3f}",
                "fast per test row": f"{fast_time / plain / 500:.4f}",
                "left out per row": f"{truth_time / plain / n_left_out:.3f}",
                "training [s]": f"{plain:.2f}",
            }
        )
        table(lines[-1:], list(lines[-1]))
    print()
    table(lines, list(lines[0]))


if __name__ == "__main__":
    restart_single_threaded()
    main(*map(int, sys.argv[1:]))
