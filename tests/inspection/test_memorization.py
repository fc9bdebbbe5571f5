"""Memorization curves and high-influence pairs, against loops over refits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import KNeighborsClassifier
from tables import first

from skinfluence import LeaveOneOutInfluence, high_influence_pairs, memorization_curve


@pytest.fixture(scope="module")
def digits():
    return first("digits", 100, slice(100, 160))


def brier(model, x, label):
    probability = model.predict_proba(x[None])[0]
    return ((probability - (model.classes_ == label)) ** 2).sum()


def without(X, y, i):
    kept = np.delete(np.arange(len(y)), i)
    return KNeighborsClassifier(3).fit(X[kept], y[kept])


def test_pairs_by_refitting(digits):
    X, y, X_test, y_test = digits
    full = KNeighborsClassifier(3).fit(X, y)
    expected = set()
    for i in range(len(y)):
        model = without(X, y, i)
        if brier(model, X[i], y[i]) - brier(full, X[i], y[i]) < 0.1:
            continue
        for t in range(len(y_test)):
            change = brier(model, X_test[t], y_test[t]) - brier(
                full, X_test[t], y_test[t]
            )
            if change >= 0.3:
                expected.add((i, t))
    loo = LeaveOneOutInfluence(KNeighborsClassifier(3), loss="brier").fit(X, y)
    pairs = high_influence_pairs(loo, X_test, y_test, memorization=0.1, threshold=0.3)
    assert len(expected) == 5
    assert set(zip(pairs.train, pairs.test, strict=True)) == expected
    matrix = loo.influence(X_test, y_test)
    assert_allclose(pairs.influence, matrix[pairs.test, pairs.train])
    assert (np.diff(pairs.influence) <= 0).all()
    assert_allclose(pairs.memorization, loo.self_influence()[pairs.train])
    none = high_influence_pairs(loo, X_test, y_test, threshold=5.0)
    assert none.train.shape == none.influence.shape == (0,)


def test_curve_by_refitting(digits):
    X, y, X_test, y_test = digits
    knn = KNeighborsClassifier(3)
    loo = LeaveOneOutInfluence(knn, loss="brier").fit(X, y)
    options = {"fractions": [0.1, 0.3], "n_random": 3, "random_state": 0}
    curve = memorization_curve(knn, loo, *digits, **options)
    full = KNeighborsClassifier(3).fit(X, y)
    own = [
        brier(without(X, y, i), X[i], y[i]) - brier(full, X[i], y[i])
        for i in range(100)
    ]
    order = np.argsort(own, kind="stable")
    expected = []
    for size in (10, 30):
        kept = np.sort(order[:-size])
        expected.append(
            KNeighborsClassifier(3).fit(X[kept], y[kept]).score(X_test, y_test)
        )
    assert_allclose(curve.highest, expected)
    same = memorization_curve(knn, loo.self_influence(), *digits, **options)
    assert_array_equal(curve.random, same.random)
    assert_array_equal(curve.highest, same.highest)
    with pytest.raises(ValueError, match="'memorization'.*one number per training row"):
        memorization_curve(knn, np.ones(99), *digits)
