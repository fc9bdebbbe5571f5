"""Wrong labels that a reviewer finds in the first hundred rows of several orders.

A simulated reviewer knows the right labels, looks at 25 rows at a time, and relabels
or keeps each. Orders: that of `InfluenceCleaner.review_table`, which learns from the
verdicts after every 25; the same without learning; the values of the fixed scorer;
cleanlab's label quality with logistic regression; chance. "found" is a share of what
can be found: the wrong labels, or a hundred if there are more.

Then what `estimate_wrong` says after those verdicts ("top"), and after 80 of them and
20 on rows drawn at random ("mixed"): how often its 95% interval of the share of wrong
rows holds the truth, the mean width of the interval, and the error of the estimate.
Last the CPU time of one update as a share of that of the fit.

    python benchmarks/bench_review.py [seeds] [table.csv target]

Labels are flipped to any other, to the next class and from every second class only
("one way"), or preferably where a model is in doubt ("in doubt"); seeds count from 300,
which no constant was chosen on. The table adds 1,000 random rows of a data set.
cleanlab's rows need cleanlab installed.
"""

import sys
from time import process_time

from timing import restart_single_threaded

restart_single_threaded()

import numpy as np  # noqa: E402
from bench_noise_detection import (  # noqa: E402
    LINEAR,
    CleanLearning,
    cleanlab,
)
from noisy_tables import diamonds, rows_of  # noqa: E402
from sklearn.datasets import (  # noqa: E402
    load_breast_cancer,
    load_digits,
    load_wine,
    make_classification,
)
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import cross_val_predict  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402

from skinfluence import InfluenceCleaner  # noqa: E402
from skinfluence.cleaning.surprise._preprocessing import (  # noqa: E402
    default_preprocessor,
)
from skinfluence.cleaning.surprise._scorer_matrix import scorer_matrix  # noqa: E402

FIRST_SEED, N_LOOKS, N_AT_ONCE = 300, 100, 25


def shipped(load):
    """Return a maker of at most 900 random rows of a table of scikit-learn."""

    def make(seed):
        X, y = load(return_X_y=True)
        rows = np.random.default_rng(seed).permutation(len(y))[:900]
        return X[rows], y[rows]

    return make


def generated(seed):
    """Make a table of three classes that overlap little."""
    return make_classification(
        700, 15, n_informative=8, n_classes=3, flip_y=0, random_state=seed
    )


def flipped(X, y, kind, rate, rng):
    """Flip a share of the labels."""
    n, k, share = len(y), y.max() + 1, np.ones(len(y))
    if kind == "one way":
        share = (y % 2 == 0).astype(float)
    elif kind == "in doubt":
        P = cross_val_predict(LINEAR, scorer_matrix(X), y, method="predict_proba")
        share = 0.02 + np.sqrt(1 - P[np.arange(n), y])
    rows = rng.choice(n, int(rate * n), replace=False, p=share / share.sum())
    noisy = y.copy()
    move = 1 if kind == "one way" else rng.integers(1, k, len(rows))
    noisy[rows] = (y[rows] + move) % k
    return noisy


def verdicts_on(rows, y, right):
    """Say what the reviewer decides."""
    wrong = y[rows] != right[rows]
    names = np.where(wrong, "relabel", "keep")
    return {"row": rows, "verdict": names, "value": right[rows], "given": y[rows]}


def reviewed(cleaner, y, right, n_looks, learn=True):
    """Return the rows that are looked at, a few at a time."""
    rows = np.empty(0, dtype=int)
    while len(rows) < n_looks:
        so_far = verdicts_on(rows, y, right) if learn else None
        n = min(N_AT_ONCE, n_looks - len(rows))
        table = cleaner.review_table(so_far, n_rows=n if learn else n_looks)
        rows = np.concatenate([rows, table["row"]])
    return rows


def orders(cleaner, X, y, right, seed):
    """Return the rows that are looked at by each order."""
    rng = np.random.default_rng(seed)
    found = {
        "review_table": reviewed(cleaner, y, right, N_LOOKS),
        "not learning": reviewed(cleaner, y, right, N_LOOKS, learn=False),
        "values": cleaner.sample_values_.argsort()[:N_LOOKS],
    }
    if CleanLearning:
        quality = cleanlab(LINEAR, scorer_matrix(X), y)
        found["cleanlab"] = quality.argsort()[:N_LOOKS]
    found["chance"] = rng.permutation(len(y))[:N_LOOKS]
    return found


def estimates(cleaner, y, right, top):
    """Return coverage, width, error and time of the estimate, for both samples."""
    truth, out = (y != right).mean(), []
    first = top[: N_LOOKS * 4 // 5]
    drawn = cleaner.review_table(
        verdicts_on(first, y, right), n_rows=0, n_random=N_LOOKS - len(first)
    )
    for rows in (top, np.concatenate([first, drawn["row"]])):
        verdicts, start = verdicts_on(rows, y, right), process_time()
        said = cleaner.estimate_wrong(verdicts)
        seconds = process_time() - start
        low, high = said.share_interval
        out.append((low <= truth <= high, high - low, abs(said.share - truth), seconds))
    return np.array(out)


def main(seeds="3", *table):
    """Print one line for each table and kind of noise."""
    tables = {
        "digits": shipped(load_digits),
        "breast_cancer": shipped(load_breast_cancer),
        "wine": shipped(load_wine),
        "generated": generated,
        "diamonds": diamonds(900, True),
    }
    tables = {k: tables[k] for k in ("breast_cancer", "diamonds")}
    if table:
        tables["table"] = rows_of(*table, 1000)
    kinds = "any other", "one way", "in doubt"
    names = None
    every, of_kind, said, share_of_fit = [], {kind: [] for kind in kinds}, [], []
    for name, make in tables.items():
        runs = []
        for seed in range(FIRST_SEED, FIRST_SEED + int(seeds)):
            X, right = make(seed)
            for kind in kinds:
                for rate in (0.05, 0.1, 0.25):
                    rng = np.random.default_rng(seed)
                    y, start = flipped(X, right, kind, rate, rng), process_time()
                    model = make_pipeline(
                        default_preprocessor(X)[0], LogisticRegression(max_iter=500)
                    )
                    cleaner = InfluenceCleaner(model).fit(X, y)
                    seconds = process_time() - start
                    looked = orders(cleaner, X, y, right, seed)
                    most = min(N_LOOKS, (y != right).sum())
                    found = [(y != right)[r].sum() / most for r in looked.values()]
                    names = list(looked)
                    runs.append(found)
                    of_kind[kind].append(found)
                    said.append(estimates(cleaner, y, right, looked["review_table"]))
                    share_of_fit.append(said[-1][0, 3] / seconds)
        if not every:
            print(" ".join(f"{n:>14}" for n in ["found", *names]))
        every += runs
        _line(name, np.mean(runs, axis=0))
    for kind, found in of_kind.items():
        _line(kind, np.mean(found, axis=0))
    _line("all", np.mean(every, axis=0))
    said = np.array(said)
    print(f"\n{'':>14} {'covered':>9} {'width':>9} {'error':>9}, {len(said)} reviews")
    for i, sample in enumerate(("top", "mixed")):
        covered, width, error, _ = said[:, i].mean(axis=0)
        print(f"{sample:>14} {covered:>9.3f} {width:>9.3f} {error:>9.3f}")
    print(f"one update: {np.median(share_of_fit):.2%} of a fit (median)")


def _line(name, found):
    shown = " ".join(f"{share:>14.3f}" for share in found)
    print(f"{name:>14} {shown}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
