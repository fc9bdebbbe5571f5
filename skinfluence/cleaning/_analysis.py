"""What the command line computes: suspects, reasons and an honest comparison."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils.parallel import Parallel, delayed

from skinfluence._sklearn import take_rows
from skinfluence.cleaning._cleaner import InfluenceCleaner
from skinfluence.cleaning._drop_fraction import DropSearch
from skinfluence.cleaning._folds import folds
from skinfluence.cleaning._scorer import score_rows
from skinfluence.cleaning._table import default_preprocessor
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
        False for suspects.
    false_discovery_rate : float
        Estimated share of suspects that are fine.
    suspects : Bunch
        See `InfluenceCleaner.suspects_`.
    search : DropSearch or None
        How the share was chosen.
    out_of_fold : ndarray of shape (n_samples,)
        The baseline: loss of each row under the model trained on the other folds. NaN
        where no fold holds it out.
    before, after : ndarray of shape (n_folds,)
        Held-out scores of the model trained on all rows of the training folds, and
        on those that cleaning keeps of them.
    """

    values: np.ndarray
    expected: np.ndarray
    reasons: list
    kept: np.ndarray
    false_discovery_rate: float
    suspects: dict
    search: DropSearch | None
    out_of_fold: np.ndarray
    before: np.ndarray
    after: np.ndarray


def default_model(X, classification):
    """Return the pipeline of the command line and the columns it leaves out."""
    preprocessor, left_out = default_preprocessor(X)
    model = LogisticRegression(max_iter=1000) if classification else Ridge()
    return make_pipeline(preprocessor, model), left_out


def analyse(
    task,
    model,
    method,
    drop_fraction,
    seed,
    n_jobs=None,
    step=None,
    *,
    action="drop",
    per_class=False,
):
    """Value the rows and compare the model with and without cleaning.

    Parameters
    ----------
    task : Task
        The table.
    model : estimator
        What is compared, and what influence is measured on.
    method : {"auto", "loo", "influence-functions"}
        "auto" is the fixed scorer.
    drop_fraction : float or "auto"
        Share of the rows to flag.
    seed : int
        Cuts the folds.
    n_jobs : int, default=None
        Folds at once.
    step : callable, default=None
        Called after each of the ``N_FOLDS + 1`` parts of the work.
    action : {"drop", "relabel", "weight"}, default="drop"
        What happens to suspects.
    per_class : bool, default=False
        Whether the share is that of every class.

    Returns
    -------
    analysis : Analysis
    """
    step = step or (lambda: None)
    X, y, classification, groups = task.X, task.y, task.classification, task.groups
    influence = {
        "auto": None,
        "loo": LeaveOneOutInfluence(model, solver="exact", tol=1e-4),
        "influence-functions": InfluenceFunctions(model),
    }[method]
    cleaner = InfluenceCleaner(
        model,
        influence=influence,
        drop_fraction=drop_fraction,
        action=action,
        per_class=per_class,
        cv=N_FOLDS,
        random_state=seed,
    )
    pairs = folds(y, N_FOLDS, classification, seed, X, groups)
    fitted = clone(cleaner).set_params(n_jobs=n_jobs).fit(X, y, groups=groups)
    scores = score_rows(X, y, classification, None if groups is None else pairs)
    step()
    compared = []
    for result in Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_compare)(model, cleaner, X, y, groups, train, test)
        for train, test in pairs
    ):
        compared.append(result)
        step()
    before, after = np.array([scores for scores, _ in compared]).T
    out_of_fold = np.full(len(y), np.nan)
    for (_, test), (_, losses) in zip(pairs, compared, strict=True):
        out_of_fold[test] = losses
    values = fitted.sample_values_
    reasons = _reasons(y, scores, classification)
    if influence is not None:
        reasons = [
            f"{_effect(value)}; {reason}"
            for value, reason in zip(values, reasons, strict=True)
        ]
    return Analysis(
        values,
        scores.expected,
        reasons,
        fitted.sample_mask_,
        fitted.false_discovery_rate_,
        fitted.suspects_,
        fitted.drop_search_,
        out_of_fold,
        before,
        after,
    )


def _compare(model, cleaner, X, y, groups, train, test):
    """Score on rows that no cleaning has touched; their loss without cleaning."""
    X_train, X_test = take_rows(X, train), take_rows(X, test)
    plain = clone(model).fit(X_train, y[train])
    own = None if groups is None else groups[train]
    cleaned = clone(cleaner).fit(X_train, y[train], groups=own)
    scores = [fitted.score(X_test, y[test]) for fitted in (plain, cleaned)]
    return scores, _losses(plain, X_test, y[test])


def _losses(model, X, y):
    if not hasattr(model, "predict_proba"):
        return (model.predict(X) - y) ** 2
    probability = model.predict_proba(X)
    own = probability[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    return -np.log(np.maximum(own, np.finfo(own.dtype).eps))


def overlap(analysis):
    """Count suspects among as many rows with the largest out-of-fold loss."""
    suspects = ~analysis.kept
    loss = np.where(np.isnan(analysis.out_of_fold), -np.inf, analysis.out_of_fold)
    worst = np.argsort(-loss, kind="stable")[: suspects.sum()]
    return int(suspects[worst].sum())


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
