"""Linear datamodeling scores of default dampings, and of the best of a grid.

Nets of `net_problems.py`, none of which chose a rule for the damping; those of
`choosing_problems.py`, which did, are run if they are named. Ground truth:
mean test loss of 3 nets, of other seeds, trained on each of 40 random halves of the
rows by the library's retraining engine. Score:
`skinfluence.metrics.linear_datamodeling_score`, of one training run of each method.
``best`` is the score of the best of 9 dampings from a hundredth to a hundred times the
default, chosen on the ground truth, and ``regret`` what the default loses to it.
Seconds are of the CPU, without the training of the net.

    python benchmarks/bench_subset_prediction.py [problem ...]
"""

import copy
import sys
import warnings

import numpy as np
import torch
from choosing_problems import CHOOSING
from net_problems import PROBLEMS, rows_of, truth
from timing import cpu, restart_single_threaded, table

from skinfluence import TRAK, InfluenceFunctions, RepresenterPoints, TracIn
from skinfluence.metrics import linear_datamodeling_score

ALL = PROBLEMS | CHOOSING
N_SUBSETS, N_SEEDS = 40, 3
FACTORS = 10.0 ** np.arange(-2, 2.1, 0.5)


def methods(net):
    """Yield the name and the unfitted estimator of each method."""
    yield "InfluenceFunctions", InfluenceFunctions(net, random_state=0)
    yield "TRAK", TRAK(net, random_state=0)
    yield "TRAK, 5 checkpoints", TRAK(net, checkpoints=5, random_state=0)
    for hessian in ("ekfac", "gauss_newton", "fisher", "last_layer"):
        influence = InfluenceFunctions(
            net, hessian=hessian, checkpoints=1, random_state=0
        )
        yield f"{hessian}, at the end", influence
    yield "TracIn, 20 checkpoints", TracIn(net, checkpoints=20, random_state=0)
    yield "RepresenterPoints", RepresenterPoints(net, random_state=0)


def at_damping(method, damping):
    """Return a copy of a fitted method with another damping, without training."""
    other = copy.copy(method)
    other.damping = damping
    other._fit_influence(method._fit_X, method._fit_y, {})
    return other


def score(name, masks, losses):
    """Yield a row of the table for each method."""
    X, y, X_test, y_test = rows_of(ALL[name])
    for title, method in methods(ALL[name][0]):
        method.fit(X, y)
        rows = method._fit_X, method._fit_y
        preparing, _ = cpu(method._fit_influence, *rows, {})
        asking, influence = cpu(method.influence, X_test, y_test)
        found = linear_datamodeling_score(influence, masks, losses)
        row = {
            "problem": name,
            "method": title,
            "score": f"{found:.3f}",
            "seconds": f"{preparing + asking:.2f}",
        }
        if hasattr(method, "damping_"):
            start = np.atleast_1d(method.damping_)[-1]
            scores = [found] + [
                linear_datamodeling_score(
                    at_damping(method, start * factor).influence(X_test, y_test),
                    masks,
                    losses,
                )
                for factor in FACTORS
            ]
            row["best"] = f"{max(scores):.3f}"
            row["regret"] = f"{max(scores) - found:.3f}"
        yield row


def summary(rows):
    """Mean score, and mean and largest regret, of each method."""
    for title in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == title]
        out = {
            "method": title,
            "mean score": f"{np.mean([float(row['score']) for row in own]):.3f}",
            "mean seconds": f"{np.mean([float(row['seconds']) for row in own]):.2f}",
        }
        if "regret" in own[0]:
            regrets = [float(row["regret"]) for row in own]
            out["mean regret"] = f"{np.mean(regrets):.3f}"
            out["largest"] = f"{max(regrets):.3f}"
        yield out


def main():
    """Print the tables."""
    rows = []
    for name in sys.argv[1:] or PROBLEMS:
        rows += score(name, *truth(ALL[name], N_SUBSETS, N_SEEDS))
        print(name, "done", file=sys.stderr, flush=True)
    table(rows, ["problem", "method", "score", "best", "regret", "seconds"])
    print()
    columns = ["method", "mean score", "mean regret", "largest", "mean seconds"]
    table(list(summary(rows)), columns)


if __name__ == "__main__":
    restart_single_threaded()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    main()
