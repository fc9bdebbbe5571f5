"""Proven bounds hold, and can tell a wrong answer from a right one."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from skinfluence._losses import Loss
from skinfluence.removal import removal_model
from skinfluence.removal.smooth import _certificate as certificate
from skinfluence.removal.smooth._pointwise import Logistic, Tweedie

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TOLERANCES = [1e-4, 1e-6, 1e-8]


class Move(Loss):
    """Not a loss: the move of the linear predictor itself."""

    def change(self, y, raw, delta, link):
        return delta[..., 0]


# ------------------------------------------- the promise of tol, on stress problems


def value(pointwise, eta, y):
    """Loss whose derivative is ``pointwise.slope``."""
    if isinstance(pointwise, Logistic):
        return np.logaddexp(0, eta) - y * eta
    return np.exp(eta) - y * eta


def tight_newton(X, y, weight, penalty, theta, pointwise):
    """Minimise by damped Newton steps until rounding; as plain as can be."""

    def objective(theta):
        loss = value(pointwise, X @ theta, y)
        return weight @ loss + penalty @ theta**2 / 2

    for iteration in range(200):
        eta = X @ theta
        gradient = X.T @ (weight * pointwise.slope(eta, y)) + penalty * theta
        hessian = (X * (weight * pointwise.curvature(eta, y))[:, None]).T @ X
        step = np.linalg.solve(hessian + np.diag(penalty), -gradient)
        factor = 1.0
        with np.errstate(over="ignore"):
            while (
                factor > 1e-3
                and np.abs(X @ step).max() > 1e-3
                and not objective(theta + factor * step) <= objective(theta)
            ):
                factor /= 2
        theta = theta + factor * step
        if np.abs(X @ step).max() < 1e-11 and iteration > 2:
            break
    return theta


def stress_problem(seed, poisson):
    """A small problem with outliers, uneven weights and any strength of penalty."""
    rng = np.random.default_rng(seed)
    n, p = rng.integers(30, 90), rng.integers(2, 7)
    X = rng.normal(size=(n, p)) * 10.0 ** rng.uniform(-0.5, 0.5, size=p)
    outliers = rng.choice(n, 3, replace=False)
    X[outliers] *= rng.choice([1.0, 4.0, 12.0] if not poisson else [1.0, 2.0])
    signal = X @ rng.normal(size=p) / np.sqrt(p)
    if poisson:
        y = rng.poisson(np.exp(np.clip(0.5 * signal, -3, 3))).astype(float)
        y[outliers] += 5
        alpha = 10.0 ** rng.uniform(-3, 1)
    else:
        y = (rng.random(n) < 1 / (1 + np.exp(-signal))).astype(float)
        y[outliers] = 1 - y[outliers]
        y[:2] = 0, 1
        alpha = 10.0 ** rng.uniform(np.log10(3e-3), np.log10(3e2))
    weight = [np.ones(n), rng.gamma(1.0, size=n), np.exp(2 * rng.normal(size=n))][
        rng.integers(3)
    ]
    return X, y, weight, alpha


def worst_errors(seed, poisson):
    """Largest error of any training row's predictor, for each tolerance."""
    X, y, weight, alpha = stress_problem(seed, poisson)
    n, pointwise = len(X), Tweedie(1) if poisson else Logistic()
    if poisson:
        estimator = PoissonRegressor(alpha=alpha, max_iter=1000)
    else:
        estimator = LogisticRegression(C=1 / alpha, max_iter=1000)
    estimator.fit(X, y, sample_weight=weight)
    model = removal_model(estimator, X, y, weight)
    removals = {tol: model.exact(tol) for tol in TOLERANCES}
    moves = {tol: r.influence(X, y, Move()) for tol, r in removals.items()}
    for r in removals.values():
        assert len(r.unresolved) == 0

    rows = np.column_stack([X, np.ones(n)])
    free = np.append(np.ones(X.shape[1]), 0.0)

    def optimum(left, start):
        penalty = free * alpha * (left.sum() if poisson else 1.0)
        return tight_newton(rows, y, left, penalty, start, pointwise)

    start = np.append(estimator.coef_, estimator.intercept_)
    full = optimum(weight, start)
    largest = np.argsort(-np.abs(moves[1e-8]).max(axis=0))[:6]
    others = np.random.default_rng(seed).choice(n, 6, replace=False)
    errors = dict.fromkeys(TOLERANCES, 0.0)
    for i in np.union1d(largest, others):
        without = optimum(weight * (np.arange(n) != i), full)
        truth = rows @ (without - full)
        rounding = 1e-9 * (1 + np.abs(rows @ full).max() + np.abs(truth).max())
        for tol in TOLERANCES:
            error = np.abs(moves[tol][:, i] - truth).max()
            errors[tol] = max(errors[tol], error - rounding)
    return errors


@pytest.mark.parametrize("poisson", [False, True], ids=["logistic", "poisson"])
def test_no_error_exceeds_the_tolerance(poisson):
    all_errors = [worst_errors(seed, poisson) for seed in range(100)]
    for tol in TOLERANCES:
        worst = max(errors[tol] for errors in all_errors)
        assert worst <= tol, f"{worst} > {tol}"
    # Rows that stop early are what the bound is for: there must be some.
    assert max(errors[1e-4] for errors in all_errors) > 1e-9
    assert max(errors[1e-6] for errors in all_errors) > 1e-9


# ------------------------------------------------------------- each bound on its own


def whitened(pointwise, seed, n=50, p=4, scale=1.0):
    """Rows, derivatives and penalty in coordinates whitened at the optimum."""
    rng = np.random.default_rng(seed)
    X = scale * rng.normal(size=(n, p))
    if isinstance(pointwise, Logistic):
        y = (X[:, 0] + rng.normal(size=n) > 0).astype(float)
    else:
        y = rng.poisson(np.exp(np.clip(0.3 * X[:, 0], -3, 3))).astype(float)
    weight = rng.gamma(2.0, size=n)
    penalty = np.full(p, 10.0 ** rng.uniform(-1, 1))
    theta = tight_newton(X, y, weight, penalty, np.zeros(p), pointwise)
    eta = X @ theta
    d, a, c = weight * np.array(pointwise.derivatives(eta, y))
    hessian = (X * a[:, None]).T @ X + np.diag(penalty)
    root = np.linalg.inv(np.linalg.cholesky(hessian))
    return X @ root.T, eta, y, weight, (d, a, c), root @ np.diag(penalty) @ root.T


def gradient_norm(pointwise, problem, i, u):
    """Norm of the gradient without row i, at u, in the metric of B_i^{-1}."""
    Z, eta, y, weight, (d, a, _), P = problem
    left = weight * (np.arange(len(y)) != i)
    slope = pointwise.slope(eta + Z @ u, y) - pointwise.slope(eta, y)
    gradient = (left * slope) @ Z - d[i] * Z[i] + P @ u
    return np.sqrt(gradient @ solve(problem, i, gradient))


def solve(problem, i, v):
    Z, _, _, _, (_, a, _), _ = problem
    z, kappa = Z[i], 1 - a[i] * Z[i] @ Z[i]
    return v + z * a[i] * (z @ v) / kappa


def minimiser(pointwise, problem, i):
    """Minimise without row i, in whitened coordinates, by Newton steps."""
    Z, eta, y, weight, (d, a, _), P = problem
    left = weight * (np.arange(len(y)) != i)
    u = np.zeros(Z.shape[1])
    for _ in range(100):
        slope = pointwise.slope(eta + Z @ u, y) - pointwise.slope(eta, y)
        gradient = (left * slope) @ Z - d[i] * Z[i] + P @ u
        hessian = (Z * (left * pointwise.curvature(eta + Z @ u, y))[:, None]).T @ Z + P
        step = np.linalg.solve(hessian, gradient)
        u = u - step / max(1.0, np.abs(Z @ step).max())
    return u


POINTWISE = pytest.mark.parametrize(
    "pointwise", [Logistic(), Tweedie(1)], ids=["logistic", "poisson"]
)


@POINTWISE
def test_residuals_of_steps_and_corrections_are_bounded(pointwise):
    for seed in range(30):
        problem = whitened(pointwise, seed, scale=1 + seed % 3)
        Z, eta, y, weight, (d, a, c), _ = problem
        h = (Z**2).sum(axis=1)
        for i in range(0, len(Z), 7):
            kappa = 1 - a[i] * h[i]
            first = solve(problem, i, d[i] * Z[i])
            length = np.linalg.norm(first)
            slope = abs(d[i]) * np.sqrt(h[i] / kappa)
            bound = certificate.newton_residual(length, slope, h.max(), pointwise.M)
            norm = gradient_norm(pointwise, problem, i, first)
            assert norm <= bound * (1 + 1e-9) + 1e-13
            others = c * (np.arange(len(c)) != i)
            quadratic = (others * (Z @ first) ** 2) @ Z
            shift = solve(problem, i, quadratic / 2)
            second = first - shift
            bound = certificate.correction_residual(
                length,
                np.linalg.norm(second),
                np.linalg.norm(shift),
                h.max(),
                pointwise.M,
                2,
            )
            norm = gradient_norm(pointwise, problem, i, second)
            assert norm <= bound * (1 + 1e-9) + 1e-13
            cubes = pointwise.series(eta, y)[1] * weight * (np.arange(len(c)) != i)
            sums = (others / 2 * (Z @ second) ** 2 + cubes * (Z @ second) ** 3) @ Z
            third = first - solve(problem, i, sums)
            lengths = map(np.linalg.norm, (second, third, third - second))
            bound = certificate.correction_residual(*lengths, h.max(), pointwise.M, 3)
            norm = gradient_norm(pointwise, problem, i, third)
            assert norm <= bound * (1 + 1e-9) + 1e-13


@POINTWISE
def test_minimiser_is_within_the_radius_of_any_point(pointwise):
    informative = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        problem = whitened(pointwise, seed, scale=1 + seed % 3)
        Z, _, _, _, (d, a, _), _ = problem
        h = (Z**2).sum(axis=1)
        for i in range(0, len(Z), 9):
            best = minimiser(pointwise, problem, i)
            kappa = 1 - a[i] * h[i]
            others = np.arange(len(Z)) != i
            for distance in (0.0, 1e-6, 1e-3, 0.1):
                u = best + distance * rng.normal(size=Z.shape[1])
                nu = gradient_norm(pointwise, problem, i, u)
                zeta = np.abs(Z[others] @ u).max()
                bound = certificate.radius(nu, zeta, kappa, h.max(), pointwise.M)
                error = np.abs(Z @ (u - best)).max()
                assert error <= bound * (1 + 1e-9) + 1e-12
                informative += np.isfinite(bound)
    assert informative > 100


@POINTWISE
def test_residual_of_a_chord_step_is_bounded(pointwise):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        problem = whitened(pointwise, seed)
        Z, eta, y, weight, (d, a, _), P = problem
        h = (Z**2).sum(axis=1)
        for i in range(0, len(Z), 9):
            kappa = 1 - a[i] * h[i]
            others = np.arange(len(Z)) != i
            u = 0.1 * rng.normal(size=Z.shape[1])
            left = weight * others
            slope = pointwise.slope(eta + Z @ u, y) - pointwise.slope(eta, y)
            gradient = (left * slope) @ Z - d[i] * Z[i] + P @ u
            new = u - solve(problem, i, gradient)
            zeta = np.abs(Z[others] @ u).max()
            nu = gradient_norm(pointwise, problem, i, u)
            after, reach = certificate.chord_residual(
                nu, zeta, kappa, h.max(), pointwise.M
            )
            norm = gradient_norm(pointwise, problem, i, new)
            assert norm <= after * (1 + 1e-9) + 1e-13
            assert np.abs(Z[others] @ new).max() <= reach * (1 + 1e-9)


@pytest.mark.parametrize("factor", [0.0, 0.9, 2.0])
def test_bounds_are_reached_where_all_rows_pull_in_one_direction(factor):
    # One coefficient, equal rows, exponential loss: inequalities are equalities.
    n, mean, pointwise = 10, 2.0, Tweedie(1)
    y = np.full(n, mean)
    y[0] *= factor  # leaves
    eta = np.full(n, np.log(y.mean()))
    a, d = np.exp(eta), np.exp(eta) - y
    root = 1 / np.sqrt(a.sum())
    h = root**2
    kappa = 1 - a[0] * h

    def residual(u):
        total = np.sum((pointwise.slope(eta + u * root, y) - d)[1:]) - d[0]
        return np.abs(total) * root / np.sqrt(kappa)

    first = d[0] * root / kappa
    slope = np.abs(d[0]) * np.sqrt(h / kappa)
    bound = certificate.newton_residual(np.abs(first), slope, h, 1.0)
    assert residual(first) <= bound * (1 + 1e-9)
    assert bound < 1.2 * residual(first)

    shift = a[1:].sum() * root**3 * first**2 / kappa / 2
    second = first - shift
    lengths = np.abs([first, second, shift])
    bound = certificate.correction_residual(*lengths, h, 1.0, 2)
    assert residual(second) <= bound * (1 + 1e-9)
    assert bound < 3 * residual(second)

    exact = np.log(y[1:].mean()) - eta[0]
    error = np.abs(first * root - exact)
    zeta = np.abs(first * root)
    bound = certificate.radius(residual(first), zeta, kappa, h, 1.0)
    assert error <= bound * (1 + 1e-9)
    assert bound < 1.3 * error


def test_radius_says_when_it_does_not_know():
    unknown = certificate.radius(np.array([1.0]), np.array([5.0]), 0.1, 1.0, 1.0)
    assert unknown == np.inf
    overflow = certificate.radius(np.array([1e9]), np.array([1e9]), 1e-15, 1.0, 1.0)
    assert overflow == np.inf


def test_squared_loss_has_the_distance_of_linear_algebra():
    bound = certificate.radius(np.array([0.3]), np.array([9.0]), 0.25, 4.0, 0.0)
    assert_allclose(bound, 0.3 * np.sqrt(4.0 / 0.25))


@pytest.mark.parametrize(("name", "order"), [("psi2", 1), ("psi3", 2)])
def test_remainders_of_the_exponential_keep_their_digits(name, order):
    z = np.logspace(-12, 2, 57)
    with localcontext(prec=60):
        exact = []
        for number in map(Decimal, z.tolist()):
            series = 1 + number + (number**2 / 2 if order == 2 else 0)
            exact.append(float((number.exp() - series) / number))
    assert_allclose(getattr(certificate, name)(z), exact, rtol=1e-8)
    assert getattr(certificate, name)(np.array([0.0])) == 0
