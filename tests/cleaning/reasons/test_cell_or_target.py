"""Whether a cell or the target is likelier wrong, where the truth is known."""

import numpy as np

from skinfluence.cleaning.reasons._cell_or_target import probabilities
from skinfluence.cleaning.reasons._explanations import explain


def test_bayes_formula_by_hand():
    """Odds 1 : 1 of cells and target before, likelihoods 8 : 2 (cells) and 3."""
    strength = 2 * np.log([[8.0, 2.0, 3.0]] * 2)
    cells = 1 / 4 * 8 + 1 / 4 * 2, 1 / 2 * 3
    of_cells, blame = probabilities(strength, np.array([True, False]))
    odds = cells[0] / cells[1]
    np.testing.assert_allclose(of_cells, [odds / (1 + odds), odds / (1 + 2 * odds)])
    np.testing.assert_allclose(blame, [of_cells[0] * 0.8, 1 - of_cells[1]])


def test_the_largest_floats():
    huge = np.finfo(float).max
    strength = np.array([[huge, 0.0, 0.0], [0.0, 0.0, huge], [-huge, -huge, -huge]])
    of_cells = probabilities(strength, np.array([True, True, True]))[0]
    np.testing.assert_allclose(of_cells, [1, 0, 0.5], atol=1e-12)


def mistakes(seed, n=500, k=25):
    """Labels exchanged in k rows, a cell that of another row in k others."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)) @ rng.normal(size=(6, 6))
    X /= X.std(axis=0)
    y = X @ [2.0, -1.0, 1.5, 0.0, 0.0, 1.0] + rng.normal(size=n) > 0
    rows = rng.permutation(n)[: 2 * k]
    y[rows[:k]] = ~y[rows[:k]]
    column = rng.integers(6, size=k)
    X[rows[k:], column] = X[rng.integers(n, size=k), column]
    return X, y.astype(int), rows, np.arange(2 * k) >= k


def test_wrong_labels_are_not_explained_as_wrong_cells():
    said, true = [], []
    for seed in range(8):
        X, y, rows, of_cell = mistakes(seed)
        found = explain(X, y, rows, ~np.isin(np.arange(len(y)), rows), True)
        said.append(found.cell_probability)
        true.append(of_cell)
        assert ((found.to_blame == "cell") == (found.cell_probability > 0.5)).all()
        assert found.clears[found.to_blame == "cell"].all()
    said, true = np.concatenate(said), np.concatenate(true)
    assert (said[~true] < 0.5).mean() > 0.9
    assert (said[true] > 0.5).mean() > 0.6
    assert true[said > 0.9].mean() > 0.9
    assert true[said < 0.1].mean() < 0.1
