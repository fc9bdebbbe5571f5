"""A row without which a family has no answer is refitted, and no other row with it."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.exceptions import FitFailedWarning
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from skinfluence import LeaveOneOutInfluence, ShapleyInfluence


def table(kind):
    """Rows among which some are the only ones of their kind."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), np.arange(20) % 2
    if kind == "class of one":
        y[5] = 2
    elif kind == "class of two":
        y[5] = y[8] = 2
    elif kind == "one column, varied by row 4":
        X = y[:, None] * 1.0
        X[4] = 0.5
    return X, y


def brier(model, X, y):
    """Squared error of probabilities; of two classes, that of one of them."""
    n_classes = y.max() + 1
    predicted = np.zeros((len(X), n_classes))
    predicted[:, model.classes_] = model.predict_proba(X)
    error = ((predicted - np.eye(n_classes)[y]) ** 2).sum(axis=1)
    return error / 2 if n_classes == 2 else error


def by_refits(estimator, X, y):
    """Change of scikit-learn's own Brier score without each row; NaN where it fails."""
    columns = []
    for i in range(len(y)):
        kept = np.delete(np.arange(len(y)), i)
        try:
            model = clone(estimator).fit(X[kept], y[kept])
            columns.append(brier(model, X, y) - brier(clone(estimator).fit(X, y), X, y))
        except (ValueError, IndexError):  # where there is no variance
            columns.append(np.full(len(y), np.nan))
    return np.stack(columns, axis=1)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:divide by zero encountered:RuntimeWarning")
@pytest.mark.parametrize(
    ("estimator", "kind", "refitted"),
    [
        (
            QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.2),
            "class of two",
            [5, 8],
        ),
        (LinearDiscriminantAnalysis(), "class of one", [5]),
        (LinearDiscriminantAnalysis(), "one column, varied by row 4", [4]),
        (
            LinearDiscriminantAnalysis(solver="eigen"),
            "one column, varied by row 4",
            [4],
        ),
        (NearestCentroid(), "class of one", [5]),
        (NearestCentroid(), "one column, varied by row 4", [4]),
        (NearestCentroid(shrink_threshold=0.3), "one column, varied by row 4", [4]),
        (GaussianNB(), "class of one", [5]),
        (KNeighborsClassifier(3), "class of one", []),
    ],
    ids=str,
)
def test_only_these_rows(estimator, kind, refitted):
    X, y = table(kind)
    expected = by_refits(estimator, X, y)
    failed = np.flatnonzero(np.isnan(expected).any(axis=0))
    loo = LeaveOneOutInfluence(estimator, loss="brier", error_score=np.nan)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FitFailedWarning)
        loo.fit(X, y)
        result, own = loo.influence(X, y), loo.self_influence()
        values = loo.sample_values(X, y)
    assert loo.solver_ == "exact"
    assert_array_equal(loo.refitted_rows_, refitted)
    assert any(w.category is FitFailedWarning for w in caught) == bool(len(failed))
    assert_allclose(result, expected, rtol=0, atol=1e-8)
    assert_allclose(own, np.diag(expected), rtol=0, atol=1e-8)
    assert_allclose(values, expected.mean(axis=0), rtol=0, atol=1e-8)


def test_the_error_names_the_row_and_the_fix():
    X, y = table("class of two")
    with pytest.raises(ValueError, match="only 1 sample in class 2") as error:
        LeaveOneOutInfluence(
            QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.2)
        ).fit(X, y)
    assert "without rows [5]" in error.value.__notes__[0]
    assert "error_score" in error.value.__notes__[1]


def test_as_many_neighbours_as_rows():
    X, y = table("")
    estimator = KNeighborsClassifier(len(X))
    loo = LeaveOneOutInfluence(estimator)
    with pytest.raises(ValueError, match=r"n_neighbors=20\) was fitted on 20 rows"):
        loo.fit(X, y)
    loo.set_params(error_score=np.nan).fit(X, y)
    with pytest.warns(FitFailedWarning):
        assert np.isnan(loo.influence(X, y)).all()


def test_linear_discriminants_of_few_rows():
    # fewer than two rows per column: the values need no model of one row per class
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(7, 4)), np.arange(7) % 2
    estimator = LinearDiscriminantAnalysis()
    shapley = ShapleyInfluence(estimator, loss="brier").fit(X, y)
    assert shapley.solver_ == "incremental"
    full = clone(estimator).fit(X, y)
    shares = np.bincount(y) / 7
    gain = ((shares - np.eye(2)[y]) ** 2).sum(axis=1)
    gain = gain - ((full.predict_proba(X) - np.eye(2)[y]) ** 2).sum(axis=1)
    values = shapley.influence(X, y)
    total = values.sum(axis=1)
    assert_allclose(total, gain / 2, rtol=0, atol=1e-6)
