"""Linear datamodeling scores of default dampings, and of the best of a grid.

Nets of `net_problems.py`, none of which chose a rule for the damping; those of
`choosing_problems.py`, which did, and of `confirming_problems.py`, which were built
after the rules, are run if they are named. Ground truth:
mean test loss of 3 nets, of other seeds, trained on each of 40 random halves of the
rows by the library's retraining engine. Score:
`skinfluence.metrics.linear_datamodeling_score`, of one training run of each method.
``best`` is the score of the best of 9 dampings from a hundredth to a hundred times the
default, chosen on the ground truth, and ``regret`` what the default loses to it: too
much, as the largest of noisy scores is above the score of the best damping. ``halved``
chooses the best damping on one half of the subsets and scores it on the other, mean
over 20 divisions: too little, as the choice is noisy. Its standard error is over nets.
Seconds are of the CPU, without the training of the net.

    python benchmarks/bench_subset_prediction.py [problem ...]
"""

import copy
import sys
import warnings

import numpy as np
import torch
from choosing_problems import CHOOSING
from confirming_problems import CONFIRMING
from net_problems import PROBLEMS, rows_of, truth
from timing import cpu, restart_single_threaded, table

from skinfluence import TRAK, InfluenceFunctions, RepresenterPoints, TracIn
from skinfluence.metrics import linear_datamodeling_score

ALL = PROBLEMS | CHOOSING | CONFIRMING
N_SUBSETS, N_SEEDS, DIVISIONS = 40, 3, 20
FACTORS = 10.0 ** np.arange(-2, 2.1, 0.5)


def methods(net):
    """Yield the name and the unfitted estimator of each method."""
    yield "InfluenceFunctions", InfluenceFunctions(net, random_state=0)
    yield "TRAK", TRAK(net, random_state=0)
    yield "TRAK, 5 checkpoints", TRAK(net, checkpoints=5, random_state=0)
    for hessian in ("fisher", "gauss_newton"):
        yield hessian, InfluenceFunctions(net, hessian=hessian, random_state=0)
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


def scores_of(influences, masks, losses):
    """Return the score of each matrix."""
    return np.array([linear_datamodeling_score(m, masks, losses) for m in influences])


def halved_regret(influences, masks, losses):
    """What the first matrix loses to the best one of the other half of the subsets."""
    rng, regrets = np.random.default_rng(0), []
    for _ in range(DIVISIONS):
        halves = np.array_split(rng.permutation(len(masks)), 2)
        one, other = (scores_of(influences, masks[h], losses[h]) for h in halves)
        regrets += [other[one.argmax()] - other[0], one[other.argmax()] - one[0]]
    return np.mean(regrets)


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
            others = (at_damping(method, start * factor) for factor in FACTORS)
            grid = [influence, *(other.influence(X_test, y_test) for other in others)]
            scores = scores_of(grid, masks, losses)
            row["best"] = f"{scores.max():.3f}"
            row["regret"] = f"{scores.max() - scores[0]:.3f}"
            row["halved"] = f"{halved_regret(grid, masks, losses):.3f}"
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
            halved = [float(row["halved"]) for row in own]
            error = np.std(halved, ddof=1) / np.sqrt(len(halved)) if own[1:] else np.nan
            out["halved"] = f"{np.mean(halved):.3f} +- {error:.3f}"
            out["largest halved"] = f"{max(halved):.3f}"
        yield out


def main():
    """Print the tables."""
    rows = []
    for name in sys.argv[1:] or PROBLEMS:
        rows += score(name, *truth(ALL[name], N_SUBSETS, N_SEEDS))
        print(name, "done", file=sys.stderr, flush=True)
    table(rows, ["problem", "method", "score", "best", "regret", "halved", "seconds"])
    print()
    regrets = ["mean regret", "largest", "halved", "largest halved"]
    table(list(summary(rows)), ["method", "mean score", *regrets, "mean seconds"])


if __name__ == "__main__":
    restart_single_threaded()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    main()
