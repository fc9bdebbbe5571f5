"""What the command line computes: suspects, reasons and an honest comparison."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils.parallel import Parallel, delayed

from skinfluence._sklearn import take_rows
from skinfluence.cleaning._cleaner import InfluenceCleaner
from skinfluence.cleaning._folds import folds
from skinfluence.cleaning._scorer import score_rows
from skinfluence.cleaning._table import default_preprocessor
from skinfluence.cleaning._values import kept_rows, value_rows
from skinfluence.retraining import LeaveOneOutInfluence
from skinfluence.static import InfluenceFunctions

METHODS = ("auto", "loo", "influence-functions")
N_FOLDS = 5


@dataclass
class Analysis:
    """Everything that is known about the rows.

    Attributes
    ----------
    values : ndarray of shape (n_samples,)
        Low = suspect.
    expected : ndarray of shape (n_samples,)
        Label or number that a model without the row predicts.
    reasons : list of str
        Why the row has its value.
    kept : ndarray of bool, shape (n_samples,)
        Rows of the cleaned table.
    before, after : ndarray of shape (n_folds,)
        Held-out scores of the model trained on all rows of the training folds, and
        on those that cleaning keeps of them.
    """

    values: np.ndarray
    expected: np.ndarray
    reasons: list
    kept: np.ndarray
    before: np.ndarray
    after: np.ndarray


def default_model(X, classification):
    """Return the pipeline of the command line and the columns it leaves out."""
    preprocessor, left_out = default_preprocessor(X)
    model = LogisticRegression(max_iter=1000) if classification else Ridge()
    return make_pipeline(preprocessor, model), left_out


def analyse(task, model, method, drop_fraction, seed, n_jobs=None, step=None):
    """Value the rows and compare the model with and without the lowest.

    Parameters
    ----------
    task : Task
        The table.
    model : estimator
        What is compared, and what influence is measured on.
    method : {"auto", "loo", "influence-functions"}
        "auto" is the fixed scorer.
    drop_fraction : float
        Share of the rows to drop.
    seed : int
        Cuts the folds.
    n_jobs : int, default=None
        Folds at once.
    step : callable, default=None
        Called after each of the ``N_FOLDS + 1`` parts of the work.

    Returns
    -------
    analysis : Analysis
    """
    step = step or (lambda: None)
    X, y, classification = task.X, task.y, task.classification
    influence = {
        "auto": None,
        "loo": LeaveOneOutInfluence(model, solver="exact", tol=1e-4),
        "influence-functions": InfluenceFunctions(model),
    }[method]
    scores = score_rows(X, y, classification)
    values = scores.values
    if influence is not None:
        values = value_rows(
            X,
            y,
            classification=classification,
            influence=influence,
            influence_params={},
            cv=N_FOLDS,
            groups=None,
            memory=None,
            n_jobs=n_jobs,
            random_state=seed,
        ).values
    step()
    cleaner = InfluenceCleaner(
        model, influence=influence, drop_fraction=drop_fraction, random_state=seed
    )
    pairs = []
    for pair in Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_compare)(model, cleaner, X, y, train, test)
        for train, test in folds(y, N_FOLDS, classification, seed)
    ):
        pairs.append(pair)
        step()
    before, after = np.array(pairs).T
    reasons = _reasons(y, scores, classification)
    if influence is not None:
        reasons = [
            f"{_effect(value)}; {reason}"
            for value, reason in zip(values, reasons, strict=True)
        ]
    kept = kept_rows(values, y, drop_fraction, classification)
    return Analysis(values, scores.expected, reasons, kept, before, after)


def _compare(model, cleaner, X, y, train, test):
    """Score on rows that no cleaning has touched."""
    X_train, X_test = take_rows(X, train), take_rows(X, test)
    return [
        clone(estimator).fit(X_train, y[train]).score(X_test, y[test])
        for estimator in (model, cleaner)
    ]


def _reasons(y, scores, classification):
    if classification:
        return [
            _label_reason(*row)
            for row in zip(y, scores.expected, scores.probability, strict=True)
        ]
    error = y - scores.expected
    typical = np.sqrt(np.mean(error**2)) or 1.0
    return [
        f"a model without this row predicts {expected:.4g}: the value is "
        f"{abs(e) / typical:.1f} typical errors {'above' if e > 0 else 'below'}"
        for expected, e in zip(scores.expected, error, strict=True)
    ]


def _label_reason(label, expected, probability):
    if label == expected:
        return (
            f"a model without this row agrees with the label (probability "
            f"{_percent(probability)})"
        )
    return (
        f"a model without this row expects {expected} and gives {label} a probability "
        f"of {_percent(probability)}"
    )


def _percent(probability):
    if probability < 0.001:
        return "below 0.1%"
    return f"{probability:.1%}"


def _effect(value):
    change = "better" if value < 0 else "worse"
    return f"without it held-out rows are predicted {change} ({-value:+.2g} mean loss)"
