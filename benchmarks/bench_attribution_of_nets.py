"""Attributions of nets by this library and by others: scores and costs.

The problems of `compared_problems.py`: three architectures on three tables. Ground
truth: mean test loss of 2 nets, of other seeds, trained on each of 40 random halves of
the rows by the library's retraining engine. Score:
`skinfluence.metrics.linear_datamodeling_score`, for three trained nets that differ by
their seeds. All methods get the same trained nets; those that use checkpoints get the
same checkpoints. ``default`` is the score with the method's default settings (for
pyDVL, which does not damp by default, with a damping of .1), with its standard error
over the three nets; ``best`` that of the best of three (this library: seven) dampings
and the default, chosen on the ground truth; captum's TracInCP has none.
Seconds are of the CPU, without the training of the net, for one setting,
the median (the first call of a library imports it).

Other libraries that are not installed are left out, which is said first, and so are
nets and settings with which a library fails. To have them (pyDVL asks for an older
numpy, but its EK-FAC works with the present one):

    pip install kronfluence==1.0.1 dattri==0.3.0 captum zarr distributed pyDeprecate
    pip install --no-deps pyDVL==0.10.0

    python benchmarks/bench_attribution_of_nets.py [problem ...]
"""

import importlib.util
import logging
import sys
import warnings

import numpy as np
import torch
from attribution_peers import PEERS
from bench_subset_prediction import at_damping
from compared_problems import COMPARED
from net_problems import rows_of, truth
from timing import cpu, median, restart_single_threaded, table

from skinfluence import TRAK, InfluenceFunctions
from skinfluence.metrics import linear_datamodeling_score

N_SUBSETS, N_SEEDS, NETS = 40, 2, 3
FACTORS = 10.0 ** np.linspace(-2, 2, 7)
OURS = {
    "InfluenceFunctions": lambda net, seed: InfluenceFunctions(net, random_state=seed),
    "InfluenceFunctions, at the end": lambda net, seed: InfluenceFunctions(
        net, checkpoints=1, random_state=seed
    ),
    "TRAK": lambda net, seed: TRAK(net, random_state=seed),
    "TRAK, 5 checkpoints": lambda net, seed: TRAK(
        net, checkpoints=5, random_state=seed
    ),
}


def ours(method, test):
    """Return the CPU seconds of a fitted method, its influences, those of a grid."""
    preparing, _ = cpu(method._fit_influence, method._fit_X, method._fit_y, {})
    asking, influence = cpu(method.influence, *test)
    grid = method.damping_ if np.ndim(method.damping_) == 0 else method.damping_[-1]
    others = (at_damping(method, grid * f).influence(*test) for f in FACTORS)
    return preparing + asking, influence, others


def theirs(library, run, train, test):
    """Return the same of another library."""
    prepare, default, others = PEERS[library]
    states = [dict(checkpoint.state) for checkpoint in run.checkpoints]
    module = run.gradients().target.net.module_.eval()
    preparing, attribute = cpu(prepare, module, states, train)
    asking, influence = cpu(attribute, test, default)
    return preparing + asking, influence, working(library, attribute, test, others)


def working(library, attribute, test, settings):
    """Yield the influences of the settings with which a library does not fail."""
    for setting in settings:
        try:
            influence = attribute(test, setting)
        except Exception as error:
            print(f"{library} fails with {setting}: {type(error).__name__}")
            continue
        yield influence


def scores(name, seed, libraries, masks, losses):
    """Yield a row for each method, of one training of the net."""
    net, rows = COMPARED[name][0], rows_of(COMPARED[name])
    train, test = rows[:2], rows[2:]

    def score(influence):
        finite = np.nan_to_num(influence, posinf=0, neginf=0)
        return linear_datamodeling_score(finite, masks, losses)

    runs = {}
    for title, make in OURS.items():
        method = make(net, seed).fit(*train)
        runs[title] = method._runs[0]
        yield row(name, title, seed, ours(method, test), score)
    for library in libraries:
        try:
            found = theirs(library, runs["TRAK, 5 checkpoints"], train, test)
        except Exception as error:  # of the library, on this net
            print(f"{library} fails on {name}, net {seed}: {type(error).__name__}")
            continue
        yield row(name, library, seed, found, score)


def row(name, title, seed, found, score):
    """Score what `ours` or `theirs` returns."""
    seconds, influence, others = found
    default = score(influence)
    best = max([default, *map(score, others)])
    return {
        "problem": name,
        "method": title,
        "seed": seed,
        "default": default,
        "best": best,
        "seconds": seconds,
    }


def means(rows, by):
    """Mean scores and median seconds of rows that agree in the columns ``by``."""
    for key in dict.fromkeys(tuple(row[c] for c in by) for row in rows):
        own = [row for row in rows if tuple(row[c] for c in by) == key]
        out = dict(zip(by, key, strict=True))
        for column in ("default", "best"):
            out[column] = f"{np.mean([row[column] for row in own]):.3f}"
        of_seeds = [
            np.mean([row["default"] for row in own if row["seed"] == seed])
            for seed in sorted({row["seed"] for row in own})
        ]
        spread = np.std(of_seeds, ddof=1) if len(of_seeds) > 1 else np.nan
        out["error"] = f"{spread / np.sqrt(len(of_seeds)):.3f}"
        out["seconds"] = f"{median([row['seconds'] for row in own]):.2f}"
        regrets = [row["best"] - row["default"] for row in own]
        yield {
            **out,
            "regret": f"{np.mean(regrets):.3f}",
            "largest": f"{max(regrets):.3f}",
        }


def main():
    """Print the tables."""
    libraries = [name for name in PEERS if importlib.util.find_spec(name)]
    missing = [name for name in PEERS if name not in libraries]
    if missing:
        print("Not installed and left out:", ", ".join(missing))
    rows, figures = [], ["default", "error", "best", "regret", "largest", "seconds"]
    for name in sys.argv[1:] or COMPARED:
        found = truth(COMPARED[name], N_SUBSETS, N_SEEDS)
        own = [
            row for seed in range(NETS) for row in scores(name, seed, libraries, *found)
        ]
        table(list(means(own, ["problem", "method"])), ["problem", "method", *figures])
        rows += own
    print()
    table(list(means(rows, ["method"])), ["method", *figures])


if __name__ == "__main__":
    restart_single_threaded()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    main()
