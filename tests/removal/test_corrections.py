"""Corrections by tensors, against sums over rows and tightly fitted models."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence.removal import removal_model
from skinfluence.removal.smooth import _corrections


@pytest.mark.parametrize("p", [1, 2, 5])
def test_tensors_are_sums_of_powers(p):
    rng = np.random.default_rng(p)
    Z, c, u = rng.normal(size=(30, p)), rng.normal(size=30), rng.normal(size=(4, p))
    for order, products in enumerate(_corrections.PRODUCTS):
        tensor = _corrections.tensor(Z, c, order)
        expected = (c * (u @ Z.T) ** (order + 2)) @ Z
        np.testing.assert_allclose(products(u) @ tensor, expected, rtol=1e-12)


@pytest.mark.parametrize("scaled", [False, True])
def test_corrected_rows_are_minimisers(scaled, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3)) * [1.0, 2.0, 0.5]
    y = (X @ [1.0, -0.5, 2.0] + rng.logistic(size=600) > 0).astype(int)
    tight = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000)
    model = make_pipeline(StandardScaler(), tight) if scaled else tight
    orders, steps = [], _corrections.Corrections.step

    def watched(self, u, first, todo, tol):
        left, helped = steps(self, u, first, todo, tol)
        orders.append((len(self.tensors), np.count_nonzero(~left)))
        return left, helped

    monkeypatch.setattr(_corrections.Corrections, "step", watched)
    removals = removal_model(model.fit(X, y), X, y).exact()
    assert [order for order, _ in orders] == [1, 2]
    assert orders[1][1] > 50  # certified by the cube
    inner, rows = removals, X
    if scaled:
        inner, rows = removals.removals, model[0].transform(X)
    state = inner.prepare(rows)[1]
    moves = inner.moves(state, slice(0, 600))[:, :, 0]
    for i in range(0, 600, 60):
        kept = np.delete(np.arange(600), i)
        left = clone(model).fit(X[kept], y[kept])
        expected = left.decision_function(X) - model.decision_function(X)
        np.testing.assert_allclose(moves[:, i], expected, atol=1e-8)
