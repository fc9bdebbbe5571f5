"""Detection of the targets of training-set attacks, and of the planted rows.

Rows are planted into the training set of a logistic regression. Targets are test rows
for which the attacked model, and not the model without the planted rows, predicts the
attacker's label: all of them for a backdoor, else the first of up to 40 for which the
attack succeeds. The others are all other test rows. Columns: AUROC of `score_samples`;
share of other rows reported (``contamination=0.05``); share of the planted rows among
the suspects of up to 12 targets, and of planted rows among these; share of targets with
suspects; seconds for fitting and for the suspects of one target. Means over seeds,
which draw the split and the planted rows; the first line of each has nothing planted.

    python benchmarks/bench_target_detection.py [seeds]
"""

import sys
import warnings
from time import process_time

from timing import restart_single_threaded

restart_single_threaded()

import numpy as np  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_digits  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence, TargetDetector  # noqa: E402
from skinfluence.datasets import (  # noqa: E402
    apply_trigger,
    plant_backdoor,
    plant_feature_collision,
    plant_label_flips,
)

LABEL = 1


def digits():
    """Pixels from 0 to 1; a backdoor is four bright corners."""
    X, y = load_digits(return_X_y=True)
    trigger = np.full(64, np.nan)
    trigger[[0, 7, 56, 63]] = 1.0
    return X / 16, y, trigger


def breast_cancer():
    """Standardised columns; a backdoor is three large fractal dimensions and errors."""
    X, y = load_breast_cancer(return_X_y=True)
    trigger = np.full(30, np.nan)
    trigger[[9, 14, 19]] = 3.0
    return StandardScaler().fit_transform(X), y, trigger


def backdoor(X, y, X_test, y_test, trigger, fraction, seed):
    """Plant a trigger."""
    planted = plant_backdoor(
        X, y, trigger=trigger, label=LABEL, fraction=fraction, random_state=seed
    )
    yield planted, apply_trigger(X_test[y_test != LABEL], trigger)


def collision(X, y, X_test, y_test, trigger, fraction, seed):
    """Aim at test rows of other classes, one after the other."""
    for target in aims(X_test[y_test != LABEL], seed):
        planted = plant_feature_collision(
            X,
            y,
            target,
            label=LABEL,
            fraction=fraction,
            strength=0.9,
            random_state=seed,
        )
        yield planted, target[None]


def label_flips(X, y, X_test, y_test, trigger, fraction, seed):
    """Label the rows around test rows of other classes, one after the other."""
    for target in aims(X_test[y_test != LABEL], seed):
        planted = plant_label_flips(X, y, fraction=fraction, target=target, label=LABEL)
        yield planted, target[None]


def aims(rows, seed):
    """Rows that the attacker tries, in the order of the seed."""
    return np.random.default_rng(seed).permutation(rows)[:40]


def first_that_works(model, clean, attempts):
    """Return the planted rows of an attack that works and its targets, or None."""
    for planted, candidates in attempts:
        poisoned = clone(model).fit(*planted[:2])
        hit = poisoned.predict(candidates) == LABEL
        targets = candidates[hit & (clean.predict(candidates) != LABEL)]
        if len(targets):
            return planted, targets
    return None


def measure(detector, planted, targets, X_test, seed):
    """Return AUROC, rate of false alarms, planted rows among suspects, seconds."""
    X, y, mask = planted
    start = process_time()
    detector.fit(X, y)
    fitted = process_time() - start
    is_other = [not (row == targets).all(axis=1).any() for row in X_test]
    others = X_test[is_other]
    false = (detector.predict(others) == -1).mean()
    scores = detector.score_samples(np.concatenate([others, targets]))
    truth = np.arange(len(scores)) < len(others)  # high = normal
    auroc = roc_auc_score(truth, scores)
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(targets))[:12]
    start = process_time()
    lists = detector.suspects(targets[chosen])
    seconds = (process_time() - start) / len(chosen)
    suspects = np.unique(np.concatenate(lists)).astype(int)
    turned = np.mean([len(rows) > 0 for rows in lists])
    precision = mask[suspects].mean() if len(suspects) else np.nan
    recall = mask[suspects].sum() / mask.sum()
    return auroc, false, recall, precision, turned, fitted, seconds


def main():
    """Print one line per data set, model, attack and method."""
    warnings.simplefilter("ignore")
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    names = "AUROC", "false", "recall", "prec.", "turned", "fit s", "s/row"
    print(f"{'':56}" + "".join(f"{name:>8}" for name in names))
    methods = {
        "leave-one-out": LeaveOneOutInfluence,
        "influence functions": InfluenceFunctions,
    }
    for data in (breast_cancer, digits):
        X, y, trigger = data()
        for C in (1.0, 100.0):
            model = LogisticRegression(C=C, max_iter=2000)
            for method, influence in methods.items():
                detector = TargetDetector(influence(model), random_state=0)
                runs = {}
                for seed in range(seeds):
                    A, B, a, b = train_test_split(
                        X, y, test_size=0.4, random_state=seed, stratify=y
                    )
                    clean = clone(model).fit(A, a)
                    detector.fit(A, a)
                    false = (detector.predict(B) == -1).mean()
                    runs.setdefault("nothing", []).append(
                        (np.nan, false, *[np.nan] * 5)
                    )
                    for attack in (backdoor, collision, label_flips):
                        for fraction in (0.01, 0.03):
                            attempts = attack(A, a, B, b, trigger, fraction, seed)
                            found = first_that_works(model, clean, attempts)
                            if found is not None:
                                found = measure(detector, *found, B, seed)
                                kind = attack.__name__.replace("_", " ")
                                name = f"{kind} {fraction:.0%}"
                                runs.setdefault(name, []).append(found)
                for name, results in runs.items():
                    head = f"{data.__name__} C={C:g} {method}, {name}"
                    means = np.mean(results, axis=0)
                    print(
                        f"{head:56}" + "".join(f"{value:8.3f}" for value in means),
                        f"({len(results)} of {seeds} attacks worked)",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
