"""Columns that know the target: copies of it, and those that predict it too well."""

import numpy as np
from scipy.stats import spearmanr
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skinfluence._shown import shown
from skinfluence.audit._findings import HIGH, MEDIUM, Finding
from skinfluence.audit._leaking_texts import leaking_text

# Copies of the target with 1% of the values changed reach .95 on a few hundred rows,
# .98 on a thousand. Of columns of public tables that are no copies the best has .93, a
# petal of iris.
COPY_SKILL = 0.98
SUSPICIOUS_SKILL = 0.95
MIN_ROWS = 20
N_FOLDS = 5
MAX_ROWS = 20_000
FIX = (
    "Ask when the value is known: if only after the target, remove the column, also "
    "where the model is used."
)


def leaking_columns(columns, y, classification, random_state):
    """Find columns that predict the target nearly without error, each alone.

    The skill of a column is the share of the error of a constant prediction that is
    avoided on held-out rows by a small tree on this column, for categories by the
    usual target of each: accuracy less one standard error for labels, R^2 for numbers.
    A value that is missing counts as a value.

    Parameters
    ----------
    columns : list of Column
        Features.
    y : ndarray of shape (n,)
        Codes of labels, or numbers.
    classification : bool
        Whether y holds codes.
    random_state : int
        Seeds the folds.
    """
    n = len(y)
    if n < MIN_ROWS or len(np.unique(y)) < 2:
        return []
    rows = np.arange(n)
    if n > MAX_ROWS:
        rng = np.random.default_rng(random_state)
        rows = np.sort(rng.choice(n, MAX_ROWS, replace=False))
    findings = []
    for column in columns:
        if column.n_distinct + column.missing.any() < 2:
            continue
        if _is_copy(column, y, classification):
            findings.append(
                Finding(
                    "leakage",
                    HIGH,
                    f"column {shown(column.name)}",
                    "is the target under another name: each of its values belongs to "
                    "one value of the target, and the other way round",
                    FIX,
                )
            )
            continue
        cv = _folds(y[rows], classification, random_state)
        text = leaking_text(column, y, rows, cv, classification, _of_labels)
        if text is not None:
            where = f"column {shown(column.name)}"
            findings.append(Finding("leakage", text[0], where, text[1], FIX))
            continue
        skill = _skill(column, y, rows, cv, classification, random_state)
        if skill >= SUSPICIOUS_SKILL:
            measure = "of the errors of one label" if classification else "R^2"
            findings.append(
                Finding(
                    "leakage",
                    HIGH if skill >= COPY_SKILL else MEDIUM,
                    f"column {shown(column.name)}",
                    f"predicts held-out targets alone: at least {skill:.1%} {measure}"
                    + (" avoided" if classification else ""),
                    FIX,
                )
            )
    return findings


def _is_copy(column, y, classification):
    if column.missing.any():
        return False
    if classification:
        pairs = len(np.unique(np.column_stack([column.codes, y]), axis=0))
        return pairs == column.n_distinct == len(np.unique(y))
    if column.numbers is None or column.n_distinct < MIN_ROWS:
        return False
    return abs(spearmanr(column.numbers, y).statistic) > 1 - 1e-9


def _folds(y, classification, random_state):
    folds = KFold
    if classification and np.unique(y, return_counts=True)[1].min() >= N_FOLDS:
        folds = StratifiedKFold
    return folds(N_FOLDS, shuffle=True, random_state=random_state)


def _skill(column, y, rows, cv, classification, random_state):
    y = y[rows]
    if column.numbers is not None:
        tree = DecisionTreeClassifier if classification else DecisionTreeRegressor
        model = tree(max_leaf_nodes=64, min_samples_leaf=2, random_state=random_state)
        predicted = cross_val_predict(model, column.numbers[rows, np.newaxis], y, cv=cv)
    else:
        codes = column.codes[rows] + 1  # 0 is a missing value
        predicted = np.empty(len(y))
        for train, test in cv.split(codes, y):
            by_code = _by_code(codes[train], y[train], codes.max() + 1, classification)
            predicted[test] = by_code[codes[test]]
    if classification:
        return _of_labels(predicted, y)
    return 1 - np.mean((predicted - y) ** 2) / np.var(y)


def _of_labels(predicted, y):
    base = len(y) - np.unique(y, return_counts=True)[1].max()
    errors = np.sum(predicted != y)
    # An upper bound of the errors, by one standard error and one error.
    return 1 - (errors + np.sqrt(errors) + 1) / max(base, 1)


def _by_code(codes, y, n_codes, classification):
    """Predict the usual label, or the mean, of each code; of all rows if it is new."""
    if classification:
        counts = np.zeros((n_codes, int(y.max()) + 1))
        np.add.at(counts, (codes, y.astype(int)), 1)
        counts += 1e-9 * counts.sum(axis=0)
        return counts.argmax(axis=1)
    count = np.bincount(codes, minlength=n_codes)
    mean = np.bincount(codes, y, minlength=n_codes) / np.maximum(count, 1)
    return np.where(count > 0, mean, y.mean())
