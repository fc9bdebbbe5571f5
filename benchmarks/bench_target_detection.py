"""Detection of the targets of training-set attacks, and of the planted rows.

Rows are planted into the training set of a logistic regression. Targets are test rows
for which the attacked model, and not the model without the planted rows, predicts the
attacker's label: all of them for a backdoor, else the first of up to 40 for which the
attack succeeds. The others are all other test rows. Columns: AUROC of `score_samples`;
shares of targets and of other rows reported (``contamination=0.05``); share of the
planted rows among the suspects of up to 12 targets, and of planted rows among these;
share of targets with suspects; seconds for fitting and for the suspects of one target.
Means over seeds, which draw the split and the planted rows; the first line of each has
nothing planted.

With ``nets`` the models are a perceptron and a convolutional net on 700 digits,
explained by TracIn's cosines over ten checkpoints.

    python benchmarks/bench_target_detection.py [seeds [nets [first seed]]]
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


def measure(detector, planted, targets, X_test, seed, most=12):
    """Return AUROC, rates of reports, planted rows among suspects, seconds.

    None if the detector's own model does not predict the attacker's label.
    """
    X, y, mask = planted
    start = process_time()
    detector.fit(X, y)
    fitted = process_time() - start
    targets = targets[detector.influence_.predict(targets) == LABEL]
    if not len(targets):
        return None
    is_other = [not (row == targets).all(axis=1).any() for row in X_test]
    others = X_test[is_other]
    false = (detector.predict(others) == -1).mean()
    reported = (detector.predict(targets) == -1).mean()
    scores = detector.score_samples(np.concatenate([others, targets]))
    truth = np.arange(len(scores)) < len(others)  # high = normal
    auroc = roc_auc_score(truth, scores)
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(targets))[:most]
    start = process_time()
    lists = detector.suspects(targets[chosen])
    seconds = (process_time() - start) / len(chosen)
    suspects = np.unique(np.concatenate(lists)).astype(int)
    turned = np.mean([len(rows) > 0 for rows in lists])
    precision = mask[suspects].mean() if len(suspects) else np.nan
    recall = mask[suspects].sum() / mask.sum()
    return auroc, reported, false, recall, precision, turned, fitted, seconds


def linear():
    """Yield data set, name of the model, model and detectors."""
    for data in (breast_cancer, digits):
        for C in (1.0, 100.0):
            model = LogisticRegression(C=C, max_iter=2000)
            loo, first_order = LeaveOneOutInfluence(model), InfluenceFunctions(model)
            detectors = {
                "leave-one-out": (TargetDetector(loo, random_state=0), 12),
                "influence functions": (
                    TargetDetector(first_order, random_state=0),
                    12,
                ),
            }
            yield data, f"C={C:g}", model, detectors, 0.6


def nets():
    """Yield the same for nets on digits."""
    import torch
    from skorch import NeuralNetClassifier
    from torch import nn

    from skinfluence import TracIn

    torch.set_num_threads(1)

    class Perceptron(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    class Convolutions(nn.Sequential):
        def __init__(self):
            super().__init__(
                nn.Unflatten(1, (1, 8, 8)),
                nn.Conv2d(1, 8, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(8, 16, 3, padding=1),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(256, 10),
            )

    def data():
        torch.manual_seed(0)  # the nets that only show whether an attack works
        X, y, trigger = digits()
        return X.astype("float32"), y, trigger

    data.__name__ = "digits"
    for module, lr, momentum in ((Perceptron, 0.1, 0.5), (Convolutions, 0.05, 0.9)):
        net = NeuralNetClassifier(
            module,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.SGD,
            optimizer__momentum=momentum,
            lr=lr,
            max_epochs=20,
            batch_size=32,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        )
        cosines = TracIn(net, normalize=True, random_state=0)
        detectors = {"cosines": (TargetDetector(cosines, random_state=0), 12)}
        yield data, module.__name__, net, detectors, 700


def one_seed(data, model, detectors, train_size, seed):
    """Yield the name of a detector and of an attack, and the figures or None."""
    X, y, trigger = data()
    A, B, a, b = train_test_split(
        X, y, train_size=train_size, random_state=seed, stratify=y
    )
    clean = clone(model).fit(A, a)
    for method, (detector, _) in detectors.items():
        false = (detector.fit(A, a).predict(B) == -1).mean()
        yield method, "nothing", (np.nan, np.nan, false, *[np.nan] * 5)
    for attack in (backdoor, collision, label_flips):
        for fraction in (0.01, 0.03):
            name = f"{attack.__name__.replace('_', ' ')} {fraction:.0%}"
            attempts = (
                ((P.astype(X.dtype), p, mask), targets.astype(X.dtype))
                for (P, p, mask), targets in attack(A, a, B, b, trigger, fraction, seed)
            )
            found = first_that_works(model, clean, attempts)
            for method, (detector, most) in detectors.items():
                yield method, name, found and measure(detector, *found, B, seed, most)


def main():
    """Print one line per data set, model, attack and method."""
    warnings.simplefilter("ignore")
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    names = "AUROC", "targets", "false", "found", "right", "turned", "fit s", "s/row"
    print(f"{'':56}" + "".join(f"{name:>8}" for name in names))
    for data, label, model, detectors, size in (
        nets() if "nets" in sys.argv else linear()
    ):
        runs = {}
        for seed in range(first, first + seeds):
            for method, name, figures in one_seed(data, model, detectors, size, seed):
                results = runs.setdefault((method, name), [])
                if figures is not None:
                    results.append(figures)
        for (method, name), results in runs.items():
            head = f"{data.__name__} {label} {method}, {name}"
            means = np.mean(results, axis=0) if results else [np.nan] * len(names)
            print(
                f"{head:56}" + "".join(f"{value:8.3f}" for value in means),
                f"({len(results)} of {seeds} attacks worked)",
                flush=True,
            )


if __name__ == "__main__":
    main()
