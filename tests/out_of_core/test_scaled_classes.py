"""Multinomial regression behind a scaler that is fitted again without each row.

The log loss of a row changes by no more than the range of the changes of its raw
predictions, of which ``tol`` bounds the error.
"""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import softmax
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tables_in_blocks import blocks, lazy

from skinfluence import LeaveOneOutInfluence
from skinfluence.out_of_core._minimisers import gather
from skinfluence.out_of_core._softmax_passes import corrected, tensor
from skinfluence.out_of_core._softmax_table import SoftmaxRows

MODEL = LogisticRegression(solver="newton-cholesky", tol=1e-12)


pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(n, p, seed=0):
    """Return rows of skewed columns, and labels of three classes."""
    rng = np.random.default_rng(seed)
    X = rng.gamma(2.0, size=(n, p)) * np.geomspace(0.1, 10.0, p)
    signal = (X / X.std(axis=0)) @ rng.normal(size=(p, 3)) + rng.gumbel(size=(n, 3))
    return X, signal.argmax(axis=1)


def sizes(n):
    return (n // 3, 1, n - n // 3 - 2, 1)


def lazily(method, X, y, **params):
    given = (blocks(a, sizes(len(y))) for a in (X, y))
    weights = {key: blocks(value, sizes(len(y))) for key, value in params.items()}
    return clone(method).fit(*given, **weights)


def losses(pipeline, X, y):
    return -pipeline.predict_log_proba(X)[np.arange(len(y)), y]


def refits(pipeline, X, y, rows, test, weight=None):
    """Return what losses of test rows are more without each of some rows."""
    weight = np.ones(len(y)) if weight is None else weight

    def fitted(kept):
        params = {"logisticregression__sample_weight": weight[kept]}
        own = X.iloc[kept] if hasattr(X, "iloc") else X[kept]
        return losses(clone(pipeline).fit(own, y[kept], **params), *test)

    every = np.arange(len(y))
    whole = fitted(every)
    return np.column_stack([fitted(every[every != row]) - whole for row in rows])


def ways(removals):
    """Tell how rows come to their moves: a Newton step 1, corrected 2, passes 3."""
    level = removals.found.level.astype(int)
    level[removals.found.rows] = 3
    return level


def test_bounds_hold_against_refits():
    X, y = drawn(110, 1)
    pipeline = make_pipeline(StandardScaler(), clone(MODEL).set_params(C=0.2))
    expected = refits(pipeline, X, y, range(len(y)), (X, y))
    used = set()
    for tol in (0.5, 1e-2, 1e-8, 1e-11):
        loo = lazily(LeaveOneOutInfluence(pipeline, tol=tol), X, y)
        gap = np.abs(loo.influence(X, y).compute() - expected)
        assert gap.max() <= tol + 1e-11
        used |= set(ways(loo._removals).tolist())
    assert used == {1, 2, 3}


def test_steps_and_corrections_are_those_of_newton_and_halley():
    """With derivatives that are differences, and scales of the rows that are left."""
    X, y = drawn(150, 2)
    X[30, 1] *= 60  # nine tenths of the variance: solved with by a factorisation
    loo = lazily(LeaveOneOutInfluence(make_pipeline(StandardScaler(), MODEL)), X, y)
    table = loo._removals.model
    rows = SoftmaxRows(table, table.problem, tol=np.inf)
    few = np.arange(0, len(y), 15)
    shared = {"problem": table.problem, "mean": table.mean, "theta": table.theta}
    start = replace(rows.base.start, tensors=table.blocks.total(tensor, **shared))
    base, own = replace(rows.base, start=start), gather(table.blocks, few)
    steps, moves = (corrected(own, base, None, level) for level in (1, 2))
    design, truth = table.design(X), y[:, None] == np.arange(3)
    theta = table.theta.ravel()
    for i, step, move in zip(few, steps, moves, strict=True):
        kept = np.arange(len(y)) != i
        ridge = np.append(X[kept].var(axis=0) / X.var(axis=0), 0.0)
        assert ridge.min() < (0.15 if i == 30 else 0.999)
        fixed = table.penalty_hessian(ridge)

        def gradient(flat, kept=kept, fixed=fixed):
            slope = softmax(design @ flat.reshape(3, -1).T, axis=1) - truth
            return (slope[kept].T @ design[kept]).ravel() + fixed @ flat

        ends = [1e-4 * unit for unit in np.eye(len(theta))]
        hessian = [gradient(theta + e) - gradient(theta - e) for e in ends]
        hessian = np.array(hessian) / 2e-4
        newton = -np.linalg.solve(hessian, gradient(theta))
        scale = np.abs(newton).max()
        assert_allclose(step.ravel(), newton, rtol=0, atol=1e-6 * scale)
        size = 0.01 / scale
        bend = gradient(theta + size * newton) - 2 * gradient(theta)
        bend = (bend + gradient(theta - size * newton)) / size**2
        change = -np.linalg.solve(hessian, bend / 2)
        largest = np.abs(change).max()
        error = move.ravel() - step.ravel() - change
        assert np.abs(error).max() < 1e-3 * largest + 1e-7 * scale


CASES = {
    "plain": (StandardScaler(), {}),
    "weights": (StandardScaler(), {}),
    "no means": (StandardScaler(with_mean=False), {"fit_intercept": False}),
    "no scales": (StandardScaler(with_std=False), {"C": 0.3}),
    "class weights": (StandardScaler(), {"class_weight": {0: 2.0, 1: 0.5}}),
    "balanced": (StandardScaler(with_mean=False), {"class_weight": "balanced"}),
}


@pytest.mark.parametrize("name", CASES)
def test_in_memory_and_against_refits(name):
    """500 rows, one of them of weight zero, which moves the scales all the same."""
    (X, y), (scaler, params) = drawn(510, 5, seed=3), CASES[name]
    test, X, y = (X[500:], y[500:]), X[:500], y[:500]
    pipeline = make_pipeline(scaler, clone(MODEL).set_params(**params))
    weight, given = None, {}
    if name == "weights":
        weight = np.random.default_rng(4).uniform(0.2, 3.0, size=500)
        weight[7] = 0.0
        given = {"logisticregression__sample_weight": weight}
    method = LeaveOneOutInfluence(pipeline, tol=1e-9)
    inside = clone(method).fit(X, y, **given)
    outside = lazily(method, X, y, **given)
    assert not len(inside.refitted_rows_)
    found, expected = outside.influence(*test).compute(), inside.influence(*test)
    assert_allclose(found, expected, rtol=0, atol=2e-9)
    assert_allclose(
        outside.self_influence(), inside.self_influence(), rtol=0, atol=2e-9
    )
    assert_allclose(
        outside.sample_values(*test), inside.sample_values(*test), rtol=0, atol=2e-8
    )
    rows = [0, 7, 166, 499, int(X[:, 0].argmax())]
    expected = refits(pipeline, X, y, rows, test, weight)
    assert_allclose(found[:, rows], expected, rtol=0, atol=2e-9)
    if name == "weights":
        assert np.abs(found[:, 7]).max() > 1e-6


def test_numbers_and_categories():
    """An encoder beside the scaler, and rare categories that are scaled themselves."""
    pd = pytest.importorskip("pandas")
    X, y = drawn(610, 4, seed=7)
    rng = np.random.default_rng(8)
    town = rng.choice(["Ulm", "Bonn", "Aachen"], size=610, p=[0.6, 0.3, 0.1])
    street = rng.choice(["High", "Low"], size=610).astype(object)
    street[[5, 90]], street[201] = "Mill", "Church"
    frame = pd.DataFrame(X, columns=list("abcd")).assign(town=town, street=street)
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = [
        ("numbers", StandardScaler(), ["a", "b", "c", "d"]),
        ("towns", OneHotEncoder(handle_unknown="ignore"), ["town"]),
        ("streets", make_pipeline(encoder, StandardScaler()), ["street"]),
    ]
    pipeline = make_pipeline(ColumnTransformer(columns), MODEL)
    test, frame, y = (frame[600:], y[600:]), frame[:600], y[:600]
    outside = LeaveOneOutInfluence(pipeline, tol=1e-9).fit(*lazy(frame, y))
    inside = LeaveOneOutInfluence(pipeline, tol=1e-9).fit(frame, y)
    found, expected = outside.influence(*test).compute(), inside.influence(*test)
    assert_allclose(found, expected, rtol=0, atol=2e-9)
    rows = [5, 90, 201, 300]
    expected = refits(pipeline, frame, y, rows, test)
    assert_allclose(found[:, rows], expected, rtol=0, atol=2e-9)


@pytest.mark.parametrize("size", [50.0, 1e3, 1e6])
def test_row_that_makes_up_most_of_a_variance(size):
    X, y = drawn(130, 2, seed=5)
    test, X, y = (X[120:], y[120:]), X[:120], y[:120]
    X[42, 1] += size * X[:, 1].std()
    pipeline = make_pipeline(StandardScaler(), MODEL)
    loo = lazily(LeaveOneOutInfluence(pipeline), X, y)
    expected = refits(pipeline, X, y, [41, 42], test)
    found = loo.influence(*test)[:, 41:43].compute()
    assert np.abs(expected[:, 1]).max() > 0.01
    assert_allclose(found, expected, rtol=0, atol=1e-8)


def test_row_without_which_a_column_is_constant():
    X, y = drawn(120, 3, seed=6)
    X[:110, 1] = 4.0
    X[42, 1] = 5.0
    test, X, y = (X[110:], y[110:]), X[:110], y[:110]
    pipeline = make_pipeline(StandardScaler(), MODEL)
    loo = lazily(LeaveOneOutInfluence(pipeline), X, y)
    expected = refits(pipeline, X, y, [41, 42], test)
    found = loo.influence(*test)[:, 41:43].compute()
    assert_allclose(found, expected, rtol=0, atol=1e-8)


def test_class_of_one_row_is_refused_as_without_a_scaler():
    X, y = drawn(60, 2)
    y[0] = 5
    for scaler in ("passthrough", StandardScaler()):
        method = LeaveOneOutInfluence(make_pipeline(scaler, MODEL))
        with pytest.raises(ValueError, match="Every class needs two rows.*class 5:"):
            lazily(method, X, y)
