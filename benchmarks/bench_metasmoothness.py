"""Whether `HyDRA.metasmoothness` says how well removals of rows will be predicted.

150 training rows in batches of 25. Agreement: rank correlation over 50 rows between
the exact derivative and the removal of each from the same run, mean over 50 test rows.
The two numbers of `metasmoothness` are computed from 10 other training rows. The
problems "chosen" were used to choose among 22 such numbers (half and whole removals or
random directions; parameters or losses; signs, cosines, ranks), by their rank
correlation with the agreement; "other" ones were looked at afterwards.

    python benchmarks/bench_metasmoothness.py
"""

import sys
import warnings

import numpy as np
import torch
from net_problems import (
    CANCER,
    DIABETES,
    MOONS,
    Convolutions,
    Perceptron,
    digits,
    make_net,
)
from scipy.stats import spearmanr
from timing import restart_single_threaded, table

from skinfluence import HyDRA

N_TRAIN, N_TEST, N_LEFT_OUT, N_CHECKED = 150, 50, 50, 10

# Table: (load, seed, kind, layers, epochs, [(activation, learning rate, optimiser)]).
CHOSEN = {
    "digits": (
        digits,
        0,
        "class",
        (64, 32, 16, 10),
        30,
        [
            *[(act, 0.01, "momentum") for act in ("tanh", "gelu", "relu")],
            *[(act, 0.05, "momentum") for act in ("tanh", "gelu", "relu")],
            ("relu", 0.002, "momentum"),
            ("tanh", 0.2, "momentum"),
            ("gelu", 0.1, "momentum"),
            ("relu", 0.003, "adam"),
            ("tanh", 0.003, "adam"),
            ("gelu", 0.02, "adam"),
            ("tanh", 0.02, "adam"),
        ],
    ),
}
OTHER = {
    "breast_cancer": (
        CANCER,
        1,
        "class",
        (30, 24, 12, 2),
        25,
        [
            ("tanh", 0.02, "momentum"),
            ("relu", 0.02, "momentum"),
            ("relu", 0.1, "momentum"),
            ("gelu", 0.01, "adam"),
            ("relu", 0.001, "adam"),
        ],
    ),
    "diabetes": (
        DIABETES,
        2,
        "number",
        (10, 24, 12, 1),
        25,
        [
            ("tanh", 0.01, "momentum"),
            ("relu", 0.01, "momentum"),
            ("gelu", 0.05, "momentum"),
            ("relu", 0.01, "adam"),
        ],
    ),
    "moons": (
        MOONS,
        3,
        "class",
        (2, 24, 24, 2),
        40,
        [
            ("tanh", 0.1, "momentum"),
            ("relu", 0.03, "momentum"),
            ("gelu", 0.02, "momentum"),
            ("tanh", 0.01, "adam"),
        ],
    ),
    "digits, convolutions": (
        digits,
        4,
        "class",
        None,
        20,
        [(act, lr, "momentum") for act, lr in (("gelu", 0.02), ("relu", 0.02))]
        + [("relu", 0.08, "momentum")],
    ),
}


def rank_correlation(estimate, truth):
    """Mean over test rows."""
    pairs = zip(estimate, truth, strict=True)
    ranks = [spearmanr(e, t).statistic for e, t in pairs if np.ptp(e) and np.ptp(t)]
    return np.mean(ranks)


def runs(problems):
    """Yield a row of the table for each run."""
    for name, (load, seed, kind, widths, epochs, nets) in problems.items():
        X, y = load()
        order = np.random.default_rng(seed).permutation(len(X))
        train, test = order[:N_TRAIN], order[N_TRAIN : N_TRAIN + N_TEST]
        mixed = np.random.default_rng(seed + 1).permutation(N_TRAIN)
        left_out, checked = np.split(mixed[: N_LEFT_OUT + N_CHECKED], [N_LEFT_OUT])
        for act, lr, optimizer in nets:
            module, params = Perceptron, {"widths": widths}
            if widths is None:
                module, params = Convolutions, {"c1": 6, "c2": 8}
            net = make_net(module, optimizer, lr, epochs, kind, act=act, **params)
            net.set_params(batch_size=25)
            hydra = HyDRA(net, random_state=seed).fit(X[train], y[train])
            rows = X[test], y[test]
            estimate = hydra._derivative.influence_of(left_out, rows, hydra._loss)
            masks = np.eye(N_TRAIN, dtype=bool)[left_out]
            truth = hydra.replayed_influence(*rows, groups=masks)
            found = hydra._metasmoothness(checked, *rows, hydra._loss)
            yield {
                "net": f"{name}, {act}, {lr}, {optimizer}",
                "agreement": rank_correlation(estimate, truth),
                "losses": found.losses,
                "parameters": found.parameters,
            }
            print(name, act, lr, optimizer, file=sys.stderr, flush=True)


def main():
    """Print the tables."""
    for title, problems in {"chosen": CHOSEN, "other": OTHER}.items():
        rows = sorted(runs(problems), key=lambda row: -row["agreement"])
        actual = [row["agreement"] for row in rows]
        print(title)
        for name in ("losses", "parameters"):
            found = [row[name] for row in rows]
            error = np.abs(np.subtract(found, actual)).mean()
            rank = spearmanr(found, actual).statistic
            print(f"{name}: rank correlation {rank:.2f}, mean distance {error:.2f}")
        shown = [
            {k: v if k == "net" else f"{v:.2f}" for k, v in row.items()} for row in rows
        ]
        table(shown, list(shown[0]))


if __name__ == "__main__":
    restart_single_threaded()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    main()
