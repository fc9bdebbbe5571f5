"""Pairs of removals and test rows whose truth must be inside certified intervals."""

import warnings

import numpy as np

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator

METHODS = {
    "loo": LeaveOneOutInfluence,
    "newton": lambda model: InfluenceFunctions(model, step="newton"),
    "infinitesimal": InfluenceFunctions,
}


def methods(case, names=METHODS):
    """Fitted methods, whose base models may have stopped early."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [case.fit(METHODS[name](case.estimator)) for name in names]


def check(case, truth, bounds):
    lower, upper = bounds
    assert lower.shape == upper.shape == truth.shape
    outside = (truth < lower) | (truth > upper)
    assert not np.isnan([lower, upper]).any(), case.name
    assert not outside.any(), (case.name, outside.sum(), np.argwhere(outside)[:5])
    return truth.size


def resolved(case, sets):
    """Sets after which both (all) classes are left, and something at all."""
    kept = [np.setdiff1d(np.flatnonzero(case.s > 0), rows) for rows in sets]
    if not hasattr(case.estimator, "decision_function"):
        return [i for i, rows in enumerate(kept) if len(rows) > case.X.shape[1]]
    classes = len(np.unique(case.y))
    return [i for i, rows in enumerate(kept) if len(np.unique(case.y[rows])) == classes]


def single_rows(case, n_test, names=METHODS, rows=slice(None)):
    """Pairs of single rows and test rows that were checked."""
    X, y = case.test_rows(n_test)
    sets = np.arange(len(case.y))[rows, None]
    keep = resolved(case, sets)
    truth = case.truth(list(sets[keep]), X, y)
    count = 0
    for method in methods(case, names):
        bounds = [b[:, rows][:, keep] for b in method.influence_bounds(X, y)]
        count += check(case, truth, bounds)
    return count


def sets_of_rows(case, n_test, n_sets, names=METHODS):
    """Pairs of sets and test rows that were checked."""
    X, y = case.test_rows(n_test)
    rng = np.random.default_rng(case.seed)
    n = len(case.y)
    size = np.exp(rng.uniform(np.log(2), np.log(n / 3), n_sets))
    masks = rng.random((n_sets, n)) < size[:, None] / n
    # sets that lie together, too: those that move a model most
    for i in range(0, n_sets, 3):
        order = np.argsort(case.X @ rng.normal(size=case.X.shape[1]))
        masks[i] = False
        masks[i, order[: max(2, int(size[i]))]] = True
    masks = masks[masks.any(axis=1)]
    sets = [np.flatnonzero(mask) for mask in masks]
    keep = resolved(case, sets)
    truth = case.truth([sets[i] for i in keep], X, y)
    count = 0
    for method in methods(case, names):
        bounds = method.group_influence_bounds(X, y, groups=masks)
        count += check(case, truth, [b[:, keep] for b in bounds])
    return count


def both(case, n_test, n_sets, rows=slice(None)):
    """Check rows and sets; False for a model of which nothing is said."""
    try:
        single_rows(case, n_test, rows=rows)
    except UnsupportedEstimator as error:
        assert "double precision" in str(error)  # noqa: PT017 (most are not refused)
        return False
    sets_of_rows(case, n_test, n_sets)
    return True
