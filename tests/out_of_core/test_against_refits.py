"""Single rows of dask collections against refits in extended precision."""

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
from dask import compute
from numpy.testing import assert_allclose
from scipy.special import softmax
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor

from skinfluence import LeaveOneOutInfluence
from skinfluence.out_of_core._blocks import blocks_of
from skinfluence.out_of_core._minimisers import gather
from skinfluence.out_of_core._passes import BlockRemovals
from skinfluence.out_of_core._row_ladders import ladder_of
from skinfluence.out_of_core._single_rows import SingleRows
from skinfluence.out_of_core._softmax_passes import SoftmaxStart, corrected
from skinfluence.out_of_core._softmax_passes import tensor as tensor_of
from skinfluence.out_of_core._softmax_table import SoftmaxRows, table_model
from skinfluence.removal.smooth._corrections import Corrections

LONG = np.longdouble
RNG = np.random.default_rng(0)
N, P = 110, 3
X = RNG.standard_t(6, size=(N, P))
SIGNAL = X @ [1.0, -0.5, 0.3] + RNG.normal(size=N)
LABELS = (SIGNAL > 0.3).astype(int)
COUNTS = RNG.poisson(np.exp(0.4 * SIGNAL - 0.5)).astype(float)
WEIGHT = RNG.gamma(0.5, size=N)
WEIGHT[7] = 3 * WEIGHT.sum()  # takes most of the penalty with it
WEIGHT[11] = 0.0
PASSES = 9  # more than any level


def solve(matrices, vectors):
    """Gaussian elimination without pivots of positive definite matrices."""
    A = np.concatenate([matrices, vectors[..., None]], axis=-1)
    p = A.shape[1]
    for i in range(p):
        A[:, i] /= A[:, i, i, None]
        for j in range(p):
            if j != i:
                A[:, j] -= A[:, j, i, None] * A[:, i]
    return A[..., -1]


def logistic(eta, y):
    """First and second derivatives of the log loss."""
    p = 1 / (1 + np.exp(-eta))
    return p - y, p * (1 - p)


def poisson(eta, y):
    """First and second derivatives of half the deviance."""
    return np.exp(eta) - y, np.exp(eta)


def gamma(eta, y):
    """First and second derivatives of half the deviance."""
    return 1 - y * np.exp(-eta), y * np.exp(-eta)


def refits(loss, y, weight, penalty, start):
    """Coefficients without each row, and with all of them last, by Newton's method."""
    rows = np.column_stack([X, np.ones(N)]).astype(LONG)
    weights = np.tile(weight.astype(LONG), (N + 1, 1))
    weights[np.arange(N), np.arange(N)] = 0
    ridges = np.zeros((N + 1, P + 1), dtype=LONG)
    ridges[:, :P] = penalty(weights)[:, None]
    theta = np.tile(start.astype(LONG), (N + 1, 1))
    for _ in range(200):
        first, second = loss(theta @ rows.T, y.astype(LONG))
        gradient = (weights * first) @ rows + ridges * theta
        hessian = np.einsum("kj,ja,jb->kab", weights * second, rows, rows)
        np.einsum("kii->ki", hessian)[...] += ridges
        step = solve(hessian, gradient)
        reach = np.abs(step @ rows.T).max(axis=1)
        theta -= step / np.maximum(1, reach)[:, None]
        if reach.max() < 1e-17:
            return theta, rows
    raise AssertionError("no optimum")


class Raw:
    """In place of a loss: its change is that of a raw prediction, or of two apart."""

    def __init__(self, one=0, other=None):
        self.one, self.other = one, other

    def change(self, y, raw, moves, link):
        """Return the moves."""
        out = moves[..., self.one]
        return out if self.other is None else out - moves[..., self.other]


def moves(model, y, weight, tol, outputs=((0,),), X=X):
    """Moves of linear predictors, each (n, n), how rows came to them, estimator."""
    chunks = (40, 1, 69)
    given = (
        da.from_array(X, chunks=(chunks, X.shape[1])),
        da.from_array(y, chunks=chunks),
    )
    weights = da.from_array(weight, chunks=chunks)
    loo = LeaveOneOutInfluence(model, tol=tol).fit(*given, sample_weight=weights)
    removals = loo._removals
    rows = removals.model.design(X)
    blocks = [
        BlockRemovals(block, found, removals.bases)
        for block, found in zip(
            compute(*removals.model.blocks.parts), removals._found, strict=True
        )
    ]
    raw = [
        np.concatenate(
            [block.influence(rows, np.zeros(N), Raw(*own)) for block in blocks], axis=1
        )
        for own in outputs
    ]
    level = removals.found.level.astype(int)
    level[loo.polished_rows_] = PASSES
    return raw, level, loo.estimator_


CASES = {
    "logistic": (
        LogisticRegression(C=0.3),
        logistic,
        LABELS,
        lambda w: 1 / 0.3 + 0 * w,
    ),
    "no penalty": (LogisticRegression(C=np.inf), logistic, LABELS, lambda w: 0 * w),
    "class weights": (
        LogisticRegression(class_weight={0: 0.4, 1: 3.0}),
        logistic,
        LABELS,
        lambda w: 1 + 0 * w,
    ),
    "Poisson": (PoissonRegressor(alpha=0.2), poisson, COUNTS, lambda w: 0.2 * w),
    "Gamma": (GammaRegressor(alpha=0.1), gamma, np.exp(SIGNAL), lambda w: 0.1 * w),
}


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("name", CASES)
def test_bounds_hold(name, weighted):
    """Whatever the tolerance, and whichever way a row has come to it."""
    model, loss, y, penalty = CASES[name]
    weight = WEIGHT if weighted else np.ones(N)
    per_row = np.ones(N)
    if name == "class weights":
        per_row = np.array([0.4, 3.0])[y]
    used, truth = set(), None
    for tol in (1e-3, 1e-5, 1e-8):
        (found,), level, fitted = moves(model, y, weight, tol)
        if truth is None:
            start = np.append(fitted.coef_, fitted.intercept_)
            args = weight * per_row, lambda w: penalty(w.sum(axis=1)), start
            theta, rows = refits(loss, y, *args)
            truth = rows @ (theta[:-1] - theta[-1]).T
        assert np.abs(found - truth).max() <= tol
        used |= set(level.tolist())
    # Corrected by one tensor, by two, and by passes over the table.
    assert used >= {2, 3, PASSES}


@pytest.mark.parametrize("name", ["logistic", "Poisson"])
def test_bounds_before_corrections_exceed_those_after(name):
    """Only rows whose bound from the length of the step is too large are computed."""
    model, _, y, _ = CASES[name]
    given = (da.from_array(a, chunks=60) for a in (X, y, WEIGHT + 0.1))
    table = table_model(model, blocks_of(*given))
    rows = SingleRows(table, table.problem, tol=np.inf)
    rows._add_tensor(0)
    before, start = rows.correction_radius(), rows.base.start
    whole = gather(table.blocks, np.arange(N))
    ladder = ladder_of(whole, table.problem, table.mean, start)
    first, every = ladder.newton_step(), np.arange(N)
    steps = Corrections(ladder, rows.slack / np.sqrt(rows.kappa), start.tensors)
    known = np.isfinite(before)
    assert known.sum() > N / 2
    for tol in np.quantile(before[known], [0.1, 0.5, 0.9]):
        left, _ = steps.step(first.copy(), first, every, tol)
        assert not left[before <= tol].any()
    left, _ = steps.step(first.copy(), first, every, before[known].min() / 100)
    assert left.all()


def multinomial_refits(X, y, weight, ridge, start):
    """As `refits`; coefficients of shape (n + 1, 3, p)."""
    rows = np.column_stack([X, np.ones(N)]).astype(LONG)
    weights = np.tile(weight.astype(LONG), (N + 1, 1))
    weights[np.arange(N), np.arange(N)] = 0
    theta = np.tile(start.astype(LONG), (N + 1, 1, 1))
    C, p = start.shape
    fixed = np.kron(np.eye(C), np.diag([ridge] * (p - 1) + [0.0])).astype(LONG)
    free = p * np.arange(1, C + 1) - 1
    fixed[np.ix_(free, free)] += 1  # the sum of the intercepts
    for _ in range(200):
        logits = np.einsum("kcp,jp->kjc", theta, rows)
        q = np.exp(logits - logits.max(axis=2, keepdims=True))
        q /= q.sum(axis=2, keepdims=True)
        slope = weights[..., None] * (q - (y[:, None] == np.arange(C)))
        gradient = np.einsum("kjc,jp->kcp", slope, rows).reshape(N + 1, -1)
        gradient += theta.reshape(N + 1, -1) @ fixed
        hessian = np.tile(fixed, (N + 1, 1, 1))
        for c in range(C):
            for e in range(C):
                own = weights * q[..., c] * ((c == e) - q[..., e])
                block = slice(c * p, c * p + p), slice(e * p, e * p + p)
                hessian[:, *block] += np.einsum("kj,ja,jb->kab", own, rows, rows)
        step = solve(hessian, gradient).reshape(theta.shape)
        reach = np.abs(step @ rows.T).max(axis=(1, 2))
        theta -= step / np.maximum(1, reach)[:, None, None]
        if reach.max() < 1e-17:
            return theta, rows
    raise AssertionError("no optimum")


def test_bounds_of_multinomial_regression_hold():
    y = np.digitize(SIGNAL, [-0.5, 0.7])
    used, truth, model = set(), None, LogisticRegression(C=0.5)
    weight, few = WEIGHT.clip(0.0, 3.0), X[:, :1]
    pairs = (0, 1), (1, 2), (0, 2)
    for tol in (1e-1, 1e-2, 1e-4, 1e-8):
        raw, level, fitted = moves(model, y, weight, tol, pairs, few)
        if truth is None:
            start = np.column_stack([fitted.coef_, fitted.intercept_])
            theta, rows = multinomial_refits(few, y, weight, 2.0, start)
            truth = np.einsum("jp,kcp->cjk", rows, theta[:-1] - theta[-1])
        for found, (one, other) in zip(raw, pairs, strict=True):
            assert np.abs(found - (truth[one] - truth[other])).max() <= tol
        used |= set(level.tolist())
    assert used >= {0, 2, PASSES}


def test_corrected_multinomial_rows_are_steps_of_halley():
    """With derivatives of gradients that are differences."""
    y, weight = np.digitize(SIGNAL, [-0.5, 0.7]), WEIGHT.clip(0.2, 3.0)
    given = (da.from_array(a, chunks=60) for a in (X, y, weight))
    table = table_model(LogisticRegression(C=0.5), blocks_of(*given))
    rows = SoftmaxRows(table, table.problem, tol=np.inf)
    (tensor,) = table.blocks.total(
        tensor_of, problem=table.problem, mean=table.mean, theta=table.theta
    )
    few = np.arange(0, N, 9)
    base = replace(rows.base, start=SoftmaxStart(tensors=(tensor,)))
    found = corrected(gather(table.blocks, few), base, rows.factor[few], 2)
    design, truth = table.design(X), y[:, None] == np.arange(3)
    theta, penalty = table.theta.ravel(), table.penalty_hessian(table.penalty())

    def gradient(flat, kept):
        slope = softmax(design @ flat.reshape(3, -1).T, axis=1) - truth
        return ((kept * slope.T) @ design).ravel() + penalty @ flat

    for i, move in zip(few, found, strict=True):
        kept = np.where(np.arange(N) == i, 0.0, weight)
        ends = [1e-4 * unit for unit in np.eye(len(theta))]
        hessian = np.array(
            [gradient(theta + e, kept) - gradient(theta - e, kept) for e in ends]
        )
        hessian /= 2e-4
        start = gradient(theta, kept)
        step = -np.linalg.solve(hessian, start)
        size = 0.1 / np.abs(step).max()
        bend = gradient(theta + size * step, kept) - 2 * start
        bend = (bend + gradient(theta - size * step, kept)) / size**2
        expected = step - np.linalg.solve(hessian, bend / 2)
        change = np.abs(expected - step).max()
        assert_allclose(move.ravel(), expected, rtol=0, atol=0.03 * change + 1e-7)
