"""Hypothesis looks for a table whose refit is outside its interval."""

import numpy as np
from certified_cases import Case, glms, stopped
from certified_pairs import both
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import GammaRegressor, Ridge, RidgeClassifier
from sklearn.svm import LinearSVC

NUMBERS = st.integers(-8, 8).map(lambda v: v / 4)


@st.composite
def cases(draw):
    n, d = draw(st.integers(6, 14)), draw(st.integers(1, 3))
    row = st.lists(NUMBERS, min_size=d, max_size=d)
    X = np.array(draw(st.lists(row, min_size=n, max_size=n)))
    X[0] *= draw(st.sampled_from([1, 1, 100]))
    y = np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    y[:6] = [0, 1, 2, 0, 1, 2]
    weight = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    weight = np.maximum(weight, np.arange(n) < 6) * 1.0
    C = 10.0 ** draw(st.integers(-3, 3))
    models = [stopped(C), stopped(C, fit_intercept=False), LinearSVC(C=min(C, 100))]
    models += [Ridge(alpha=1 / C), RidgeClassifier(alpha=1 / C), *glms(min(1 / C, 10))]
    model = draw(st.sampled_from(models))
    if hasattr(model, "decision_function"):
        y = y if draw(st.booleans()) else y % 2
    elif isinstance(model, GammaRegressor):
        y = y + 0.5
    if hasattr(model, "power") or "Poisson" in str(model) or "Gamma" in str(model):
        X[0] = np.clip(X[0], -2, 2)
    weight = weight if draw(st.booleans()) else None
    return Case("drawn", model, X, y, weight, draw(st.integers(0, 99)))


@settings(max_examples=8, deadline=None)
@given(cases())
def test_no_refit_is_outside(case):
    both(case, 4, 3)
