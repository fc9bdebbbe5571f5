"""Exact influence of smooth linear models, compared with refits."""

import numpy as np
from numpy.testing import assert_allclose
from tables import breast_cancer, wine
from truth.refits import influence_of, some_rows

from skinfluence import LeaveOneOutInfluence

CLASSIFICATIONS = {"breast_cancer": breast_cancer, "wine": wine}


POWERS = [1, 1.5, 1.9, 2]


# Error that is allowed: 1e-8 of the linear predictor times the slope of the loss,
# and the noise of the refits.
LOGISTIC_ERROR = 5e-8


def exact(estimator, X, y, weight=None, **params):
    return LeaveOneOutInfluence(estimator, solver="exact", **params).fit(
        X, y, **({} if weight is None else {"sample_weight": weight})
    )


def check(estimator, data, loss, weight=None, rows=None, atol=LOGISTIC_ERROR):
    """Compare columns of the matrix, and self-influences, with refits."""
    X, y, X_test, y_test = data
    influence = exact(estimator, X, y, weight)
    assert influence.solver_ == "exact"
    assert len(influence.refitted_rows_) == 0
    matrix = influence.influence(X_test, y_test)
    own = influence.self_influence()
    if rows is None:
        rows = some_rows(matrix)
    everything = np.concatenate([X_test, X]), np.concatenate([y_test, y])
    singles = [[i] for i in rows]
    truth = influence_of(singles, estimator, X, y, *everything, loss, weight)
    assert_allclose(matrix[:, rows], truth[: len(X_test)], rtol=0, atol=atol)
    diagonal = truth[len(X_test) + np.asarray(rows), np.arange(len(rows))]
    assert_allclose(own[rows], diagonal, rtol=0, atol=atol)
    return influence, matrix
