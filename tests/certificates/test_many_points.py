"""Groups that need a Hessian of their own: many at a time, in double precision."""

import numpy as np
import pytest
from certified_cases import Case, breast_cancer, diabetes
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from skinfluence import LeaveOneOutInfluence
from skinfluence.removal import removal_model
from skinfluence.removal.certificates import _smooth
from skinfluence.removal.certificates._many_points import at_points
from skinfluence.removal.certificates._points import at_point
from skinfluence.removal.certificates._problem import Problem, penalties_without


def groups(n, size, n_groups=8):
    return np.random.default_rng(0).random((n_groups, n)).argsort(axis=1) < size


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_large_groups_of_a_weak_penalty_are_certified_without_long_double(monkeypatch):
    case = Case("weak", LogisticRegression(C=100.0), *breast_cancer())
    masks, asked = groups(569, 57), []

    def counted(*args):
        asked.append(args)
        return at_point(*args)

    monkeypatch.setattr(_smooth, "at_point", counted)
    loo = case.fit(LeaveOneOutInfluence(case.estimator))
    X, y = case.test_rows(12)
    lower, upper = loo.group_influence_bounds(X, y, groups=masks)
    assert len(asked) == 1  # the model of all rows
    truth = case.truth([np.flatnonzero(mask) for mask in masks], X, y)
    assert ((lower <= truth) & (truth <= upper)).all()
    # tol is of raw predictions of training rows; test rows lie far outside of them
    assert np.median(upper - lower) < 1e-8


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (LogisticRegression(C=1.0), breast_cancer),
        (PoissonRegressor(alpha=0.1), diabetes),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_distances_contain_those_of_long_double(model, data):
    """Wherever the model is put: at its minimiser, and beside it."""
    X, y = data()
    _n, masks = len(y), groups(len(y), len(y) // 10)
    whole = removal_model(model.fit(X, y), X, y)
    args = whole.design, whole.y, whole.weight, whole.pointwise, whole.penalty
    without = penalties_without(whole.penalty, whole.penalties, masks, True)
    problem = Problem(*args, whole.theta[0], *without)
    theta = problem.theta.astype(np.longdouble)
    base = at_point(problem, theta, problem.weight, problem.penalty)
    penalty = problem.penalty
    if problem.without is not None:
        penalty = problem.without
    exact = whole.exact(1e-10, masks).displacement[:, 0]
    rng = np.random.default_rng(0)
    for off in (0.0, 1e-12, 1e-9, 1e-4):
        moves = exact * (1 + off * rng.normal(size=exact.shape))
        found = at_points(problem, base, moves, masks, penalty)
        for i, (metric, distance, reach) in enumerate(found):
            weight = np.where(masks[i], 0.0, problem.weight)
            own = penalty if penalty.ndim == 1 else penalty[i]
            point = at_point(problem, theta + moves[i], weight, own)
            length = metric.norms(point.gradient[None].astype(float))[0]
            assert distance >= length / (1 + metric.turn)
            assert distance <= 1.1 * length + 1e-9
            assert_allclose(reach, point.reach, rtol=1e-6)
