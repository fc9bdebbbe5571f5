"""Every term of rounding is needed: tables on which an error is as large as it says."""

from fractions import Fraction
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import Ridge

from skinfluence._losses import SquaredError
from skinfluence.removal import removal_model
from skinfluence.removal.certificates import (
    _kinked,
    _many_points,
    _points,
    _rounding,
    _smooth,
)
from skinfluence.removal.certificates._certificate import Certificate
from skinfluence.removal.certificates._many_points import at_points
from skinfluence.removal.certificates._metric import Metric, PenaltyMetric
from skinfluence.removal.certificates._points import at_point, metric_of
from skinfluence.removal.certificates._problem import Problem
from skinfluence.removal.certificates._removed import Removed
from skinfluence.removal.certificates._rounding import UNITS, row_errors, wide_gradient
from skinfluence.removal.kinked._kinked_squares import Hinge
from skinfluence.removal.smooth._pointwise import Logistic, Squared


def design(rows, keeps_columns=True):
    return SimpleNamespace(
        rows=np.asarray(rows, dtype=float), keeps_columns=keeps_columns
    )


def exact(value):
    """A long double as a fraction."""
    high = float(value)
    return Fraction(high) + Fraction(float(value - np.longdouble(high)))


@pytest.mark.parametrize("n", [8, 2**16])
def test_rows_slopes_and_long_sums(n):
    """Of equal rows every rounding of a long sum goes the same way."""
    x = 1 + 2.0**-47 - 2.0**-50
    rows = design(np.full((n, 1), x))

    def derivatives(part, eta):
        return np.ones(len(eta), np.longdouble), np.ones(len(eta)), np.zeros(len(eta))

    gradient, slack, _, _ = wide_gradient(rows, np.zeros(1, np.longdouble), derivatives)
    for sign in (-1, 1):
        off = 1 + sign * Fraction(UNITS)  # of every row, and of every slope
        assert abs(exact(gradient[0]) - n * Fraction(x) * off**2) <= slack[0]


def test_penalties_that_are_rounded():
    """Rows that are next to nothing leave the penalty's own error."""
    one = np.ones(1)
    problem = Problem(design([[1e-9]]), one, one, Logistic(), one, one, None, 1e-6)
    point = at_point(problem, np.ones(1, np.longdouble), one, one)
    truth = (1 + Fraction(1e-6)) - Fraction(expit(-1e-9)) * Fraction(1e-9)
    assert abs(exact(point.gradient[0]) - truth) <= point.slack[0]


@pytest.mark.parametrize("keeps_columns", [True, False])
def test_errors_of_rows_in_predictions_that_cancel(keeps_columns):
    n = 50
    rows = design(np.ones((n, 2)), keeps_columns)

    def derivatives(part, eta):
        return eta, np.abs(eta), np.ones(len(eta))

    theta = np.array([1.0, -1.0], dtype=np.longdouble)
    gradient, slack, _, off = wide_gradient(rows, theta, derivatives)
    relative, absolute = row_errors(rows)
    error = Fraction(relative) + Fraction(absolute)
    prediction = (1 + error) - (1 - error)
    assert abs(prediction) <= off
    truth = [n * prediction * (1 + error), n * prediction * (1 - error)]
    for g, t, most in zip(gradient, truth, slack, strict=True):
        assert abs(exact(g) - t) <= most


def test_sums_over_many_columns():
    p, x = 2**15, 0.1
    rows = design(np.full((1, p), x))
    theta = np.ones(p, dtype=np.longdouble)
    theta[-1] = 1 - p  # the prediction is zero, but for the rounding of its sum

    def derivatives(part, eta):
        return eta, np.abs(eta), np.ones(len(eta))

    gradient, slack, _, off = wide_gradient(rows, theta, derivatives)
    moved = Fraction(UNITS) * Fraction(x) * (2 * p - 2)
    computed = exact(gradient[0]) / Fraction(x)
    assert abs(computed) + moved <= Fraction(off)
    assert (abs(computed) + moved) * Fraction(x) <= slack[0]


def test_rows_after_orthogonal_factors_have_errors_of_the_longest_row():
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    X = np.full((3, 40), 1e8) @ np.diag(rng.choice([1.0, -1.0], 40))
    rows = X @ Q
    rows[:, 0] = 0.0
    # turned so that an element is next to nothing beside the others
    direction = X[0] / np.linalg.norm(X[0])
    Q[:, 0] -= direction * (direction @ Q[:, 0])
    found = X @ Q
    truth = [
        sum(Fraction(a) * Fraction(b) for a, b in zip(x, Q[:, 0], strict=True))
        for x in X
    ]
    off = np.array(
        [float(abs(Fraction(f) - t)) for f, t in zip(found[:, 0], truth, strict=True)]
    )
    relative, absolute = row_errors(design(found, keeps_columns=False))
    assert (off > relative * np.abs(found[:, 0])).any()
    assert (off <= relative * np.abs(found[:, 0]) + absolute).all()


@pytest.mark.parametrize("errors", [(1e-6, 0.0), (0.0, 1e-6)])
def test_lengths_of_rows_with_errors(errors):
    """Errors that a row can have make it as much longer as its metric allows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)) @ np.diag([1e8, 1.0, 1e-8])
    X[:, 1] += 1e-8 * X[:, 0]
    metric = Metric(X.T @ X, 60)
    relative, absolute = errors
    absolute *= 1e-8
    rows = X[:20]
    longest = metric.norms(rows)
    for signs in np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T:
        moved = rows + signs * (relative * np.abs(rows) + absolute)
        longest = np.maximum(longest, metric.norms(moved))
    bound = metric.row_norms(rows, (relative, absolute))
    assert (longest > metric.norms(rows) * (1 + 1e-8)).all()
    assert (longest <= bound).all()


LARGE = 1e-6  # units of errors that nothing else hides


def gradient_of(pointwise, X, y, weight, penalty, theta):
    slope = pointwise.slope(X @ theta, y)
    return X.T @ (weight * slope) + penalty * theta


@pytest.mark.parametrize(
    ("pointwise", "x", "penalty", "theta", "move", "keeps_columns", "uncertain"),
    [
        (Squared(), 1e-4, 1.0, 0.0, 1.0, True, 1),  # the penalty
        (Squared(), 1e-4, 1.0, 0.0, 1.0, True, 10),  # one that is made of variances
        (Squared(), 1.0, 1e-9, 0.0, 1.0, True, 1),  # rows, weights and slopes
        (Squared(), 1.0, 1e-9, 0.0, 1.0, False, 1),  # rows turned by orthogonal factors
        (Logistic(), 1.0, 1e-30, -20.0, 5.0, True, 1),  # what the base predicts
        (Logistic(), 1.0, 1e-9, 0.0, 1e-9, True, 1),  # the base
    ],
)
def test_gradients_after_moves(
    monkeypatch, pointwise, x, penalty, theta, move, keeps_columns, uncertain
):
    """The length of the gradient, whatever rows, weights and penalty were exactly."""
    for module in (_rounding, _points, _smooth):
        monkeypatch.setattr(module, "UNITS", LARGE)
    monkeypatch.setattr(_smooth, "distances", lambda nu, *others: nu)
    X, y, weight, R = np.full((4, 1), x), np.zeros(4), np.ones(4), np.array([penalty])
    theta, moves = np.array([theta]), np.array([[move]])
    rows = design(X, keeps_columns)
    args = rows, y, weight, pointwise, R, theta
    without = None if uncertain == 1 else R[None]
    problem = Problem(*args, without, uncertain * LARGE)
    found = _smooth.Distances.__new__(_smooth.Distances)
    found.problem, found.moves, found.taken, found.kappa = problem, moves, 0.0, 1.0
    found.removed = Removed(4, np.zeros((1, 4), dtype=bool))
    found.base = base = at_point(problem, theta.astype(np.longdouble), weight, R)
    d, a = (v for v in pointwise.derivatives(base.raw, y)[:2])
    found.spill = found._spill(a)
    nu, _ = found._distances(moves, *found._gradients(d, a))
    relative, absolute = row_errors(rows)
    lengths = []
    for sign in (-1, 1):
        off = 1 + sign * LARGE
        args = (
            X * off + sign * absolute,
            y,
            weight * off,
            R * (1 + uncertain * (off - 1)),
        )
        lengths.append(np.abs(gradient_of(pointwise, *args, theta + move)))
    assert np.max(lengths) / base.metric.size[0] <= nu[0]


@pytest.mark.parametrize(
    ("x", "theta", "y"),
    [
        (1e-4, 1.0, 0.0),  # the penalty
        (1.0, 0.0, 1.0),  # rows and slopes
        (1.0, 1.0, 1.0),  # predictions
    ],
)
def test_gradients_at_many_models(monkeypatch, x, theta, y):
    for module in (_rounding, _points, _many_points):
        monkeypatch.setattr(module, "UNITS", LARGE)
    monkeypatch.setattr(_many_points, "distances", lambda nu, *others: nu)
    X, y, weight, R = np.full((4, 1), x), np.full(4, y), np.ones(4), np.ones(1)
    R *= 1.0 if x < 1 else 1e-9
    theta, move, gone = np.array([theta]), np.zeros((1, 1)), np.zeros((1, 4), bool)
    # variances make penalties that are less certain than rows
    problem = Problem(design(X), y, weight, Squared(), R, theta, None, 10 * LARGE)
    base = at_point(problem, theta.astype(np.longdouble), weight, R)
    ((metric, nu, _),) = at_points(problem, base, move, gone, R)
    for sign in (-1, 1):
        off = 1 + sign * LARGE
        args = X * off, y, weight * off, R * (1 + sign * 10 * LARGE)
        gradient = gradient_of(Squared(), *args, theta)
        assert np.abs(gradient[0]) / metric.size[0] <= nu


@pytest.mark.parametrize("keeps_columns", [True, False])
@pytest.mark.parametrize("off", [0.0, 1e-6])
def test_hessians_of_rounded_rows(monkeypatch, off, keeps_columns):
    monkeypatch.setattr(_rounding, "UNITS", 1e-7)
    monkeypatch.setattr(_points, "UNITS", 1e-7)
    X, curvature = np.ones((4, 1)), np.full(4, 0.3)
    rows = design(X, keeps_columns)
    metric = metric_of(rows, X.T @ (curvature[:, None] * X), curvature, off)
    relative, absolute = row_errors(rows)
    exact = (X + relative + absolute) ** 2 * (curvature * (1 + 1e-7 + off))[:, None]
    assert exact.sum() / metric.size[0] ** 2 - 1 <= metric.slack


@pytest.mark.parametrize("turned", ["before", "after"])
def test_losses_of_rounded_test_rows(monkeypatch, turned):
    """Where one of the two losses is at its minimum, the other's error is all."""
    monkeypatch.setattr(_rounding, "UNITS", LARGE)
    model = removal_model(
        Ridge(fit_intercept=False).fit([[1.0]], [4.0]), [[1.0]], [4.0]
    )
    (theta,) = model.theta.ravel()
    moves, zero = np.full((1, 1, 1), theta), np.zeros(1)
    certificate = Certificate(
        model, moves, [PenaltyMetric(np.ones(1))], zero, zero[None]
    )
    x = np.array([[3.0]])
    y = x * theta if turned == "after" else 2 * x * theta
    (low,), (high,) = certificate.bounds(x, y, SquaredError())
    for sign in (-1, 1):
        off = x * (1 + sign * LARGE)
        truth = (2 * theta * off - y) ** 2 - (theta * off - y) ** 2
        assert low <= truth[0] <= high


@pytest.mark.parametrize(
    ("penalty", "theta", "move"),
    [
        (100.0, 8 / 108, 0.0),  # the penalty of the coefficients, at the minimum
        (100.0, 0.0, 8 / 108),  # that of their moves
        (1.0, 0.0, 0.0),  # rows and slopes
        (1.0, 0.0, -100.0),  # rows that moves of predictions are made of
    ],
)
def test_gradients_beyond_kinks(monkeypatch, penalty, theta, move):
    for module in (_rounding, _kinked):
        monkeypatch.setattr(module, "UNITS", LARGE)
    X, code, cost, R = np.ones((4, 1)), np.ones(4), np.ones(4), np.array([penalty])
    model = SimpleNamespace(
        design=design(X),
        losses=[Hinge(code)],
        cost=cost[:, None],
        theta=np.array([[theta]]),
        penalty=R,
    )
    removed = Removed(4, np.zeros((1, 4), dtype=bool))
    found = _kinked._Output(model, 0, removed, np.array([[move]]), np.inf)
    for signs in product((-1, 1), repeat=2):
        off, other = 1 + LARGE * np.array(signs)
        violation = np.maximum(1 - X[:, 0] * off * (theta + move), 0)
        gradient = -2 * (cost * off * violation) @ X * off + R * other * (theta + move)
        assert np.abs(gradient[0]) / found.metric.size[0] <= found.distance[0]
