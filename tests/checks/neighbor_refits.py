"""Neighbours without rows, compared with refits."""

import numpy as np
from truth.brute_force import brute_force

from skinfluence import LeaveOneOutInfluence


def decay(distance):
    """Weights that fall, also as scikit-learn hands them over for a radius."""
    if distance.dtype != object:
        return np.exp(-distance)
    out = np.empty(len(distance), dtype=object)
    out[:] = [np.exp(-part) for part in distance]
    return out


def relative(distance):
    """Weights that depend on the farthest neighbour, so on the whole set."""
    return 1.5 - distance / distance.max(axis=1, keepdims=True)


def canberra_like(a, b):
    """Be a metric that no algorithm knows."""
    return np.abs(np.arctan(a) - np.arctan(b)).sum()


def some_masks(n, seed=0):
    """Sets of one row, of few and of nearly all."""
    shares = np.array([[0.03], [0.1], [0.5], [0.5], [0.85]])
    masks = np.random.default_rng(seed).random((5, n)) < shares
    masks[0] = np.arange(n) == 3
    return masks


def check(estimator, X, y, loss="auto", n_train=80, masks=None, rtol=1e-12):
    """Compare rows, a row on itself and sets with refits."""
    train, test = slice(0, n_train), slice(n_train, None)
    X_train, y_train = X[train], y[train]
    masks = some_masks(n_train) if masks is None else masks
    loo = LeaveOneOutInfluence(estimator, loss=loss, solver="exact")
    loo.fit(X_train, y_train)
    assert len(loo.refitted_rows_) == 0
    results = [
        loo.influence(X[test], y[test]),
        loo.self_influence(),
        loo.group_influence(X[test], y[test], groups=masks),
    ]
    data = estimator, X_train, y_train
    every = brute_force(*data, X, y, loss=loss)
    expected = [
        every[test],
        np.diag(every[train]),
        brute_force(*data, X[test], y[test], masks, loss=loss),
    ]
    for actual, desired in zip(results, expected, strict=True):
        assert np.isfinite(actual).all()
        atol = rtol * np.abs(desired).max(initial=0)
        np.testing.assert_allclose(actual, desired, rtol=0, atol=atol)
    weight = np.linspace(0, 1, len(y) - n_train)
    values = loo.sample_values(X[test], y[test], sample_weight=weight)
    atol = rtol * np.abs(expected[0]).max()
    mean = weight / weight.sum() @ expected[0]
    np.testing.assert_allclose(values, mean, rtol=0, atol=atol)
    return loo, results
