"""Bounds include rounding errors: against fifty digits, and where they dominate."""

import numpy as np
import pytest
from mpmath import mp, mpf
from sklearn.linear_model import LogisticRegression

from skinfluence import LeaveOneOutInfluence
from skinfluence.removal import removal_model
from skinfluence.removal.certificates._metric import Metric
from skinfluence.removal.certificates._points import at_point
from skinfluence.removal.certificates._problem import Problem


def problem(offset, n=30, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) + offset
    y = (X[:, 0] - offset + rng.normal(size=n) > 0).astype(int)
    estimator = LogisticRegression(C=0.3, tol=1e-8, max_iter=10_000).fit(X, y)
    model = removal_model(estimator, X, y)
    args = model.design, model.y, model.weight, model.pointwise
    return X, Problem(*args, model.penalty, model.theta[0])


@pytest.mark.parametrize("offset", [0.0, 0.3])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_gradient_of_the_rows_as_they_were_is_within_its_slack(offset):
    """Centred in fifty digits, by the same mean: a free intercept absorbs any."""
    shares = []
    for seed in range(5):
        X, found = problem(offset, seed=seed)
        theta = found.theta.astype(np.longdouble)
        point = at_point(found, theta, found.weight, found.penalty)
        with mp.workdps(50):
            mean = [mpf(v) for v in found.design.mean]
            rows = [[mpf(v) - m for v, m in zip(x, mean, strict=True)] for x in X]
            rows = [[*row, mpf(1)] for row in rows]
            coefficients = [mpf(v) for v in found.theta]
            total = [mpf(1 / 0.3) * c for c in coefficients[:3]] + [mpf(0)]
            for row, label in zip(rows, found.y, strict=True):
                eta = sum(r * c for r, c in zip(row, coefficients, strict=True))
                slope = 1 / (1 + mp.exp(-eta)) - int(label)
                total = [t + slope * r for t, r in zip(total, row, strict=True)]
            pairs = zip(total, point.gradient, strict=True)
            error = [float(abs(t - mpf(str(g)))) for t, g in pairs]
        assert (error <= point.slack).all()
        shares.append(np.max(error / point.slack))
    assert max(shares) > 1e-3  # nor is it all slack


def test_the_factor_of_a_hessian_is_within_its_slack():
    rng = np.random.default_rng(0)
    for decay in (1.0, 1e-3, 1e-5):
        X = (
            rng.normal(size=(40, 4))
            @ np.diag([1, 1, 1, decay])
            @ rng.normal(size=(4, 4))
        )
        metric = Metric(X.T @ X, 40)
        with mp.workdps(50):
            exact = mp.matrix(X.tolist()).T * mp.matrix(X.tolist())
            root = mp.diag([mpf(s) for s in metric.size]) * mp.matrix(
                metric.lower.tolist()
            )
            turned = mp.inverse(root) * exact * mp.inverse(root).T
            off = np.array((turned - mp.eye(4)).tolist(), dtype=float)
        assert np.linalg.norm(off, 2) <= metric.slack
        if decay == 1e-5:
            assert np.linalg.norm(off, 2) > 1e-6 * metric.slack
        v = rng.normal(size=(5, 4))
        with mp.workdps(50):
            solved = [mp.inverse(root) * mp.matrix(row.tolist()) for row in v]
            lengths = np.array([float(mp.norm(s)) for s in solved])
        assert (lengths <= metric.norms(v)).all()
        assert (metric.norms(v) <= lengths * (1 + 3 * metric.turn) * 1.01).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_polished_until_rounding_is_all_that_is_left():
    from certified_cases import Case, weights

    outside = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(60, 3)) * [1, 30, 1e-2] + [0, 1e3, 0]
        y = (X[:, 0] + rng.normal(size=60) > 0).astype(int)
        case = Case("rounding", LogisticRegression(C=10.0), X, y, weights(60) + 0.1)
        truth = case.truth([[i] for i in range(60)], X, y)
        loo = case.fit(LeaveOneOutInfluence(case.estimator, tol=1e-15))
        lower, upper = loo.influence_bounds(X, y)
        assert ((lower <= truth) & (truth <= upper)).all()
        assert (upper - lower).max() < 1e-6
        # the middle alone is not the truth: something has to be around it
        middle = (lower + upper) / 2
        outside += (np.abs(middle - truth) > 1e-18).sum()
    assert outside > 1000
