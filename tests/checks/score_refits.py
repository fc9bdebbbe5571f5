"""Removals of classifiers with a score per class, against scikit-learn's refits."""

import numpy as np
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax
from sklearn.base import clone

from skinfluence._losses import LogLoss, ZeroOne
from skinfluence.removal import removal_model


def log_probabilities(model, X):
    """Logarithms that do not underflow, unlike those of predict_proba.

    No lower than log(eps), as `sklearn.metrics.log_loss` clips them.
    """
    if hasattr(model, "predict_joint_log_proba"):
        scores = model.predict_joint_log_proba(X)
    else:
        scores = model.decision_function(X)
        if scores.ndim == 1:
            scores = np.column_stack([0 * scores, scores])
    log_probability = np.maximum(log_softmax(scores, axis=1), -52 * np.log(2))
    return log_probability, np.abs(scores).max()


def check_removals(
    estimator, X, y, X_test, y_test, weight=None, masks=None, rows=None, noise=1e-14
):
    """Compare losses of every remaining model with refits; return the removals.

    ``noise`` is what scikit-learn's own algebra rounds, relative to its scores.
    """
    X = X if sp.issparse(X) else np.asarray(X)
    n = len(y)

    def fit(kept):
        params = {} if weight is None else {"sample_weight": weight[kept]}
        return clone(estimator).fit(X[kept], y[kept], **params)

    full = fit(np.arange(n))
    model = removal_model(full, X, y, weight)
    if masks is None:
        removals, sets = model.exact(), np.eye(n, dtype=bool)
    else:
        removals, sets = model.exact(masks=masks), masks
    code, code_test = (np.searchsorted(full.classes_, v) for v in (y, y_test))
    before, size = log_probabilities(full, X_test)
    # With every class as the truth, influence shows the moves of all scores
    truths = [code_test, *(np.full(len(y_test), c) for c in range(before.shape[1]))]
    matrices = [removals.influence(X_test, truth, LogLoss()) for truth in truths]
    assert all(np.isfinite(matrix).all() for matrix in matrices)
    wrong = removals.influence(X_test, code_test, ZeroOne())
    if masks is None:
        own = removals.own_influence(code, LogLoss())
        own_wrong = removals.own_influence(code, ZeroOne())
        assert np.isfinite(own).all()
    checked = np.setdiff1d(np.arange(len(sets)), removals.unresolved)
    if rows is not None:
        checked = np.intersect1d(checked, rows)
    assert len(checked)
    test = np.arange(len(y_test))
    for i in checked:
        kept = np.flatnonzero(~sets[i])
        refitted = fit(kept)
        after, _ = log_probabilities(refitted, X_test)
        close = {"rtol": 1e-9, "atol": noise * (1 + size)}
        for truth, matrix in zip(truths, matrices, strict=True):
            change = (before - after)[test, truth]
            assert_allclose(matrix[:, i], change, **close)
        error = 1.0 * (refitted.predict(X_test) != y_test)
        error -= full.predict(X_test) != y_test
        assert_array_equal(wrong[:, i], error)
        if masks is None:
            row = X[[i]]
            change = [
                log_probabilities(m, row)[0][0, code[i]] for m in (full, refitted)
            ]
            assert_allclose(own[i], change[0] - change[1], **close)
            error = 1.0 * (refitted.predict(row) != y[i])
            error -= full.predict(row) != y[i]
            assert own_wrong[i] == error[0]
    return removals


def some_groups(y, n_groups=6, seed=0):
    """Masks: random halves, most of a class, one row, and no row."""
    rng = np.random.default_rng(seed)
    masks = rng.random((n_groups, len(y))) < 0.5
    masks[1] = (y == y[0]) & (np.arange(len(y)) != 0) & (rng.random(len(y)) < 0.8)
    masks[2] = np.arange(len(y)) == 7
    masks[3] = False
    return masks


def leave(model, step, damping=0.0, masks=None):
    """Removals by the method named ``step``; only the approximate ones are damped."""
    if step == "exact":
        return model.exact(masks=masks)
    return getattr(model, step)(damping, masks)
