"""Bounds of naive Bayes models contain what sixty digits say, and hardly more."""

import numpy as np
import pytest
from mpmath import mp, mpf
from sklearn.datasets import load_breast_cancer
from sklearn.naive_bayes import (
    BernoulliNB,
    CategoricalNB,
    ComplementNB,
    GaussianNB,
    MultinomialNB,
)
from truth import naive_bayes

from skinfluence import LeaveOneOutInfluence
from skinfluence.removal.certificates import _naive_bayes
from skinfluence.removal.certificates._balls import Ball, stacked

MODELS = [
    GaussianNB(),
    GaussianNB(priors=[0.3, 0.3, 0.4], var_smoothing=0.1),
    MultinomialNB(),
    MultinomialNB(alpha=1e-3, fit_prior=False),
    MultinomialNB(class_prior=[0.2, 0.3, 0.5], alpha=np.array([0.5, 1.0, 2.0])),
    ComplementNB(),
    ComplementNB(norm=True, alpha=0.3),
    BernoulliNB(binarize=1.0),
    BernoulliNB(binarize=2.0, alpha=1e-3, fit_prior=False),
    CategoricalNB(),
    CategoricalNB(alpha=0.1, fit_prior=False),
]


def table(model, seed=0, n=18, classes=3):
    rng = np.random.default_rng(seed)
    X = rng.poisson(2.0, size=(n, 3)).astype(float)
    if isinstance(model, GaussianNB):
        X += rng.normal(size=X.shape)
    return X, np.arange(n) % classes


def changes(model, X, y, weight, groups, X_test, y_test, loss="log_loss"):
    """Truth of shape (n_test, n_groups), in sixty digits."""

    def losses(kept):
        args = X[kept], y[kept], weight[kept], X_test, y_test
        return naive_bayes.losses(model, *args, loss=loss)

    whole = losses(np.arange(len(y)))
    out = np.empty((len(y_test), len(groups)), dtype=object)
    for g, group in enumerate(groups):
        after = losses(np.setdiff1d(np.arange(len(y)), group))
        with mp.workdps(naive_bayes.DIGITS):
            out[:, g] = [a - b for a, b in zip(after, whole, strict=True)]
    return out


def misses(truth, lower, upper):
    """How many true changes are outside."""
    pairs = zip(truth.ravel(), lower.ravel(), upper.ravel(), strict=True)
    with mp.workdps(naive_bayes.DIGITS):
        return sum(
            not mpf(float(low)) <= t <= mpf(float(high)) for t, low, high in pairs
        )


def check(model, X, y, weight=None, X_test=None, loss="log_loss"):
    """Rows alone and some sets of them; returns the widths of single rows."""
    X_test = X[:5] if X_test is None else X_test
    y_test = y[: len(X_test)]
    fitted = LeaveOneOutInfluence(model, loss=loss).fit(X, y, sample_weight=weight)
    weight = np.ones(len(y)) if weight is None else weight
    alone = [[i] for i in range(len(y)) if (weight * (y == y[i])).sum() > weight[i]]
    truth = changes(model, X, y, weight, alone, X_test, y_test, loss)
    lower, upper = fitted.influence_bounds(X_test, y_test)
    assert not np.isnan([lower, upper]).any()
    columns = np.ravel(alone)
    assert misses(truth, lower[:, columns], upper[:, columns]) == 0
    sets = np.random.default_rng(0).random((4, len(y))) < 0.2
    # no class is emptied
    sets = sets[[set(y[~s]) == set(y) for s in sets]]
    if len(sets):
        groups = [np.flatnonzero(s) for s in sets]
        truth_of_sets = changes(model, X, y, weight, groups, X_test, y_test, loss)
        bounds = fitted.group_influence_bounds(X_test, y_test, groups=sets)
        assert misses(truth_of_sets, *bounds) == 0
    return (upper - lower)[:, columns], truth.astype(float)


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("loss", ["log_loss", "brier", "zero_one"])
def test_sixty_digits_are_inside(model, loss):
    X, y = table(model)
    test = X[:4] if loss == "log_loss" else X[:2]
    widths, size = check(model, X, y, X_test=test, loss=loss)
    assert np.median(widths) < 1e-14
    if loss != "zero_one":
        assert np.median(widths / np.abs(size)) < 1e-12


@pytest.mark.parametrize("model", MODELS[::2], ids=str)
def test_weights_that_are_no_integers(model):
    X, y = table(model, seed=1)
    weight = np.random.default_rng(1).exponential(size=len(y))
    weight[[0, 7]] = 1e-9, 0.0
    widths, _ = check(model, X, y, weight)
    assert np.median(widths) < 1e-13


def _outlier(X):
    X[0] = 1e6, -1e5, 1e9
    return X


GAUSSIAN = {
    "far from zero": lambda X: X + 1e8,
    "an outlier": _outlier,
    "small": lambda X: X * 1e-160,
    "large": lambda X: X * 1e150,
    "scales": lambda X: X * [1e-8, 1.0, 1e8],
    "rounded": lambda X: np.round(X),
}


@pytest.mark.parametrize("name", GAUSSIAN)
@pytest.mark.parametrize("var_smoothing", [1e-9, 1e-20])
def test_gaussian_tables_that_lose_digits(name, var_smoothing):
    X, y = table(GaussianNB(), seed=2, n=12, classes=2)
    X = GAUSSIAN[name](X)
    y_test_rows = np.concatenate([X[:3], X[3:5] * 30.0])
    check(GaussianNB(var_smoothing=var_smoothing), X, y, X_test=y_test_rows)


def test_a_variance_of_zero_has_no_bounds():
    """Without row 0 the feature is constant in its class: there is no density."""
    X, y = table(GaussianNB(), n=12, classes=2)
    X[y == 0, 1] = 0.1
    X[0, 1] = 0.3
    fitted = LeaveOneOutInfluence(GaussianNB(var_smoothing=0.0)).fit(X, y)
    lower, upper = fitted.influence_bounds(X, y)
    assert (upper - lower > 36).all(axis=0).tolist() == (np.arange(12) == 0).tolist()
    assert (upper - lower)[:, 1:].max() < 1e-13


@pytest.mark.parametrize(
    "model", [MultinomialNB(alpha=1e-10), ComplementNB(alpha=1e-10)]
)
def test_counts_that_lose_digits(model):
    """Hardly any smoothing, and counts of all sizes that leave next to nothing."""
    rng = np.random.default_rng(3)
    y = np.arange(14) % 2
    X = rng.exponential(size=(14, 3)) * 10.0 ** rng.integers(-12, 6, size=(14, 3))
    X[rng.random(X.shape) < 0.4] = 0.0
    check(model, X, y, X_test=np.vstack([X[:3], X[3:5] * 1e-3]))


def test_the_last_row_of_a_class_has_no_bounds():
    for model in (GaussianNB(), MultinomialNB(), ComplementNB(), BernoulliNB()):
        X, y = table(model)
        y = np.where(np.arange(18) == 4, 2, np.arange(18) % 2)
        lower, upper = LeaveOneOutInfluence(model).fit(X, y).influence_bounds(X, y)
        assert (upper[:, 4] - lower[:, 4] > 36).all()
        assert np.delete(upper - lower, 4, 1).max() < 1e-6


def test_a_category_that_leaves_with_its_row():
    X, y = table(CategoricalNB())
    X[3, 1] = 20
    fitted = LeaveOneOutInfluence(CategoricalNB()).fit(X, y)
    lower, upper = fitted.influence_bounds(X[:6], y[:6])
    known = np.arange(6) != 3
    assert (upper[~known, 3] - lower[~known, 3] > 36).all()
    truth = changes(
        CategoricalNB(), X, y, np.ones(18), [[3]], X[:6][known], y[:6][known]
    )
    assert misses(truth, lower[known, 3], upper[known, 3]) == 0
    assert (upper - lower)[known, 3].max() < 1e-13


def test_sparse_rows_and_sets_of_one():
    from scipy.sparse import csr_array

    for model in (MultinomialNB(), ComplementNB(norm=True), BernoulliNB(binarize=1.0)):
        X, y = table(model)
        dense = LeaveOneOutInfluence(model).fit(X, y)
        sparse = LeaveOneOutInfluence(model).fit(csr_array(X), y)
        bounds = dense.influence_bounds(X, y)
        np.testing.assert_allclose(
            sparse.influence_bounds(csr_array(X), y), bounds, rtol=1e-12, atol=1e-15
        )
        sets = dense.group_influence_bounds(X, y, groups=np.eye(18, dtype=bool))
        np.testing.assert_allclose(sets, bounds, rtol=1e-12, atol=1e-15)


def test_bounds_are_narrow_beside_the_influence():
    X, y = load_breast_cancer(return_X_y=True)
    for model in (GaussianNB(var_smoothing=1e-3), BernoulliNB(binarize=1.0)):
        fitted = LeaveOneOutInfluence(model).fit(X[:300], y[:300])
        lower, upper = fitted.influence_bounds(X[300:340], y[300:340])
        found = fitted.influence(X[300:340], y[300:340])
        assert np.median((upper - lower) / np.abs(found)) < 1e-9


@pytest.mark.parametrize("model", MODELS[::3], ids=str)
def test_blocks_do_not_change_the_answer(model, monkeypatch):
    X, y = table(model)
    bounds = LeaveOneOutInfluence(model).fit(X, y).influence_bounds(X, y)
    monkeypatch.setattr(_naive_bayes, "_BLOCK", 1500)
    monkeypatch.setattr(_naive_bayes, "_TEST_ROWS", 5)
    again = LeaveOneOutInfluence(model).fit(X, y).influence_bounds(X, y)
    np.testing.assert_allclose(again, bounds, rtol=1e-14, atol=1e-17)


def test_balls_contain_exact_values():
    """Random formulas in long double and in sixty digits; no radius is all slack."""
    rng = np.random.default_rng(0)
    a, b, c = np.exp(rng.normal(size=(3, 30))) * 10.0 ** rng.integers(-8, 8, (3, 30))
    A, B, C = Ball(a), Ball(b), Ball(c)
    balls = [
        A + B - A,
        A * B - C,
        A / (B + C) * B,
        (A * B / C).log(),
        (A + B).log() - A.log(),
        stacked([A, -B, C]).sum(axis=1),
        Ball(a[None]).times_rows(b[None].astype(np.longdouble))[0] - A[:1],
    ]
    with mp.workdps(60):
        x, y, z = ([mpf(v) for v in values] for values in (a, b, c))
        rows = list(zip(x, y, z, strict=True))
        exact = [
            [q for _, q, _ in rows],
            [p * q - r for p, q, r in rows],
            [p / (q + r) * q for p, q, r in rows],
            [mp.log(p * q / r) for p, q, r in rows],
            [mp.log(p + q) - mp.log(p) for p, q, r in rows],
            [p - q + r for p, q, r in rows],
            [sum(p * q for p, q, _ in rows) - x[0]],
        ]
        for ball, true in zip(balls, exact, strict=True):
            shares = []
            for mid, rad, t in zip(ball.mid, ball.rad, true, strict=True):
                high = float(mid)
                error = abs(mpf(high) + mpf(float(mid - high)) - t)
                assert error <= rad
                shares.append(error / rad)
            assert max(shares) > 5e-4  # 1e-3 with the logarithms of newer libraries
    assert not np.isfinite((Ball(1.0, 0.1) / Ball(0.05, 0.1)).rad)
    with np.errstate(all="ignore"):
        assert not np.isfinite(Ball([0.0, -1.0, 1.0], [0, 0, 1.0]).log().rad).any()
