"""Linear datamodeling scores: how well attributions predict retraining.

Perceptrons on digits (64-64-32-10, ReLU, 1,000 training rows, 400 test rows),
breast_cancer (30-32-16-2) and diabetes (10-32-16-1). Ground truth: mean test loss over
3 seeds of nets trained on random halves. Score: rank correlation, over the halves, of a
test row's true loss with minus the sum of the influences of the rows kept; mean over
test rows. Each method uses one training run and its default damping, which was not
tuned on the ground truth. Then, on digits, the kernel form of the Gauss-Newton matrix
is compared with the explicit p x p matrix.

    python benchmarks/bench_subset_prediction.py [n_subsets] [data ...]
"""

import sys

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.preprocessing import scale
from skorch import NeuralNetClassifier, NeuralNetRegressor
from timing import cpu, restart_single_threaded
from torch import nn

from skinfluence import TRAK, InfluenceFunctions, RepresenterPoints, TracIn
from skinfluence._losses import LogLoss
from skinfluence.nets.curvature._gauss_newton import (
    ExplicitGaussNewton,
    KernelGaussNewton,
)

SEEDS = 3


class Perceptron(nn.Sequential):
    """Two hidden layers with ReLU."""

    def __init__(self, *widths):
        super().__init__(
            nn.Linear(widths[0], widths[1]),
            nn.ReLU(),
            nn.Linear(widths[1], widths[2]),
            nn.ReLU(),
            nn.Linear(widths[2], widths[3]),
        )


class Digits(Perceptron):
    """64-64-32-10."""

    def __init__(self):
        super().__init__(64, 64, 32, 10)


class Cancer(Perceptron):
    """30-32-16-2."""

    def __init__(self):
        super().__init__(30, 32, 16, 2)


class Diabetes(Perceptron):
    """10-32-16-1."""

    def __init__(self):
        super().__init__(10, 32, 16, 1)


def make_net(kind, module, criterion):
    """Return a net that is trained for 40 epochs."""
    return kind(
        module,
        criterion=criterion,
        lr=0.01,
        optimizer__momentum=0.9,
        batch_size=50,
        iterator_train__shuffle=True,
        max_epochs=40,
        train_split=None,
        verbose=0,
    )


def problem(name):
    """Return a net, X, y, X_test, y_test."""
    load = {
        "digits": load_digits,
        "breast_cancer": load_breast_cancer,
        "diabetes": load_diabetes,
    }[name]
    X, y = load(return_X_y=True)
    X = (X / 16 if name == "digits" else scale(X)).astype(np.float32)
    if name == "diabetes":
        net = make_net(NeuralNetRegressor, Diabetes, nn.MSELoss)
        y = scale(y).astype(np.float32)[:, None]
    else:
        module = Digits if name == "digits" else Cancer
        net = make_net(NeuralNetClassifier, module, nn.CrossEntropyLoss)
    n_train, n_test = (1000, 400) if name == "digits" else (300, 140)
    order = np.random.default_rng(0).permutation(len(X))[: n_train + n_test]
    train, test = order[:n_train], order[n_train:]
    return net, X[train], y[train], X[test], y[test]


def losses(net, X, y, X_test, y_test, seed):
    """Test losses of one training."""
    torch.manual_seed(seed)
    model = clone(net).fit(X, y)
    if y.ndim == 2:
        return ((model.predict(X_test) - y_test) ** 2)[:, 0]
    p = model.predict_proba(X_test)
    return -np.log(np.maximum(p[np.arange(len(y_test)), y_test], 1e-12))


def methods(net):
    """Yield the name and the unfitted estimator of each method."""
    yield "TRAK", TRAK(net, random_state=0)
    yield "TracIn, 20 checkpoints", TracIn(net, checkpoints=20, random_state=0)
    yield "Representer points", RepresenterPoints(net, random_state=0)
    for hessian in ("gauss_newton", "fisher", "ekfac", "last_layer"):
        influence = InfluenceFunctions(net, hessian=hessian, random_state=0)
        yield f"Influence functions, {hessian}", influence


def against_explicit(net, X, y, X_test, y_test):
    """Time both forms of the Gauss-Newton matrix, and compare their influences."""
    method = InfluenceFunctions(net, hessian="fisher", random_state=0).fit(X, y)
    run = method._run
    gradients, train = run.gradients(), run.rows(X, y)
    measure = gradients.target.measure(LogLoss())
    results = []
    for form in (KernelGaussNewton, ExplicitGaussNewton):
        fitting, curvature = cpu(form, gradients, train, "auto")
        asking, influence = cpu(curvature.influence, (X_test, y_test), measure)
        results.append((fitting + asking, influence.ravel()))
    (kernel, ours), (explicit, theirs) = results
    print(
        f"kernel form {kernel:.1f} s, explicit {explicit:.1f} s, correlation "
        f"{np.corrcoef(ours, theirs)[0, 1]:.6f}"
    )


def score(name, n_subsets):
    """Print the scores of all methods on one data set."""
    net, X, y, X_test, y_test = problem(name)
    rng, n = np.random.default_rng(1), len(X)
    kept = np.array([rng.permutation(n) < n // 2 for _ in range(n_subsets)])

    def truths():
        return [
            np.mean(
                [
                    losses(net, X[m], y[m], X_test, y_test, 1000 * seed + k)
                    for seed in range(SEEDS)
                ],
                axis=0,
            )
            for k, m in enumerate(kept)
        ]

    spent, truth = cpu(truths)
    truth = np.array(truth)
    print(f"{name}: {n_subsets} subsets x {SEEDS} seeds, {spent:.0f} s", flush=True)
    for title, method in methods(net):
        fitting, _ = cpu(method.fit, X, y)
        asking, influence = cpu(method.influence, X_test, y_test)
        guess = -influence @ kept.T
        scores = [spearmanr(truth[:, t], guess[t])[0] for t in range(len(guess))]
        print(
            f"{title:36s} {np.nanmean(scores):.3f}  fit {fitting:5.1f} s, "
            f"influence {asking:5.1f} s",
            flush=True,
        )
    if name == "digits":
        against_explicit(net, X, y, X_test, y_test)


def main():
    """Print the tables."""
    n_subsets = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    for name in sys.argv[2:] or ["digits", "breast_cancer", "diabetes"]:
        score(name, n_subsets)


if __name__ == "__main__":
    restart_single_threaded()
    main()
