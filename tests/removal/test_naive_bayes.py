"""Naive Bayes without rows, against scikit-learn's refits."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from checks.score_refits import check_removals, log_probabilities, some_groups
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.naive_bayes import (
    BernoulliNB,
    CategoricalNB,
    ComplementNB,
    GaussianNB,
    MultinomialNB,
)
from sklearn.preprocessing import KBinsDiscretizer
from tables import first

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence._losses import LogLoss
from skinfluence.removal import UnsupportedEstimator, removal_model

PRIOR = [0.2, 0.3, 0.5]


def halves(n, seed=0):
    """Weights, some of them zero."""
    return np.random.default_rng(seed).integers(0, 5, n) / 2


@pytest.fixture(scope="module")
def iris():
    return first("iris")


@pytest.fixture(scope="module")
def digits():
    """Few rows, so that many pixels are constant, or not zero in one row only."""
    return first("digits", 160, slice(160, 220))


@pytest.fixture(scope="module")
def categories():
    X, y = load_wine(return_X_y=True)
    bins = KBinsDiscretizer(5, encode="ordinal", strategy="uniform")
    return bins.fit_transform(X).astype(int), y


# ---------------------------------------------------------------------- GaussianNB


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "params", [{}, {"priors": PRIOR}, {"var_smoothing": 0.1}, {"var_smoothing": 0}]
)
def test_gaussian_on_iris(iris, params, weighted):
    X, y = iris
    weight = halves(len(y)) if weighted else None
    estimator = GaussianNB(**params)
    rows = np.arange(weighted, len(y), 2)
    removals = check_removals(estimator, X, y, X[::4], y[::4], weight, rows=rows)
    assert len(removals.unresolved) == 0
    check_removals(estimator, X, y, X[::4], y[::4], weight, some_groups(y))


def test_gaussian_smoothing_knows_no_weights(iris):
    X, y = iris
    X, weight = X.copy(), np.ones(len(y))
    X[3], weight[3] = 50, 0
    removals = check_removals(
        GaussianNB(var_smoothing=0.1), X, y, X[::4], y[::4], weight, rows=[3]
    )
    assert np.abs(removals.influence(X, y, LogLoss())[:, 3]).max() > 0.1


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test_gaussian_on_other_tables(load):
    X, y = load(return_X_y=True)
    rows = np.arange(0, len(y), 4)
    check_removals(GaussianNB(), X, y, X[::5], y[::5], rows=rows)


@pytest.mark.parametrize("weighted", [False, True])
def test_gaussian_variances_that_collapse(digits, weighted):
    X, y, X_test, y_test = digits
    weight = halves(len(y)) + 0.3 if weighted else None
    rows = np.arange(weighted, len(y), 3)
    removals = check_removals(GaussianNB(), X, y, X_test, y_test, weight, rows=rows)
    assert len(removals.model.collapsed[0]) > 10
    check_removals(GaussianNB(), X, y, X_test, y_test, weight, some_groups(y))


def test_gaussian_largest_variance_is_one_row(iris):
    X, y = iris
    X = X.copy()
    X[17, 2] = 1e7
    rows = np.r_[17, 0 : len(y) : 5]
    check_removals(GaussianNB(), X, y, X[::4], y[::4], rows=rows)
    estimator = GaussianNB(var_smoothing=1e-3)
    check_removals(estimator, X, y, X[::4], y[::4], rows=rows)


def test_gaussian_far_from_the_origin(iris):
    X, y = iris
    X, rows = X + 1e6, np.arange(0, len(y), 5)
    check_removals(GaussianNB(), X, y, X[::4], y[::4], rows=rows, noise=1e-9)


def test_gaussian_without_smoothing_refits_variances_that_collapse(iris):
    X, y = iris
    X = np.c_[X, np.random.default_rng(0).normal(size=len(y))]
    X[y == 1, 4] = 0
    X[60, 4] = 1
    loo = LeaveOneOutInfluence(GaussianNB(var_smoothing=0)).fit(X, y)
    assert loo.refitted_rows_.tolist() == [60]
    X[60, 4] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UnsupportedEstimator, match="var_smoothing=0.*variance"):
            LeaveOneOutInfluence(GaussianNB(var_smoothing=0), solver="exact").fit(X, y)


# ------------------------------------------------------------------------- counts

COUNTS = [
    MultinomialNB(),
    MultinomialNB(alpha=1e-12),
    pytest.param(
        MultinomialNB(alpha=0, force_alpha=False, fit_prior=False),
        marks=pytest.mark.filterwarnings("ignore:alpha too small"),
    ),
    MultinomialNB(alpha=np.linspace(0.1, 2, 64), class_prior=np.arange(1, 11) / 55),
    BernoulliNB(),
    BernoulliNB(alpha=0.2, binarize=7.5, fit_prior=False),
    ComplementNB(),
    ComplementNB(alpha=0.3, norm=True),
    CategoricalNB(min_categories=17),
    CategoricalNB(alpha=0.1, min_categories=20, class_prior=np.arange(1, 11) / 55),
]


@pytest.mark.parametrize("estimator", COUNTS, ids=lambda e: repr(e)[:60])
def test_counts_on_digits(digits, estimator):
    X, y, X_test, y_test = digits
    noise = 2e-14 if isinstance(estimator, BernoulliNB) else 1e-14
    rows = np.arange(0, len(y), 9)
    removals = check_removals(estimator, X, y, X_test, y_test, rows=rows, noise=noise)
    assert len(removals.unresolved) == 0
    rows = np.arange(1, len(y), 9)
    weight = halves(len(y)) + 0.3
    check_removals(estimator, X, y, X_test, y_test, weight, rows=rows, noise=noise)
    masks = some_groups(y)
    check_removals(estimator, X, y, X_test, y_test, weight, masks, noise=noise)


@pytest.mark.parametrize(
    "estimator",
    [MultinomialNB(), BernoulliNB(), ComplementNB(), ComplementNB(norm=True)],
)
def test_sparse_counts(digits, estimator):
    X, y, X_test, y_test = digits
    dense = LeaveOneOutInfluence(estimator).fit(X, y)
    for kind in (sp.csr_array, sp.csc_matrix):
        sparse = LeaveOneOutInfluence(estimator).fit(kind(X), y)
        for ask in (
            lambda loo, X_test: loo.influence(X_test, y_test),
            lambda loo, _: loo.self_influence(),
            lambda loo, X_test: loo.group_influence(
                X_test, y_test, groups=some_groups(y)
            ),
        ):
            np.testing.assert_allclose(
                ask(sparse, kind(X_test)), ask(dense, X_test), rtol=1e-8, atol=1e-11
            )


def test_presence_between_zero_and_one(digits):
    X, y, X_test, y_test = digits
    rows = np.arange(0, len(y), 5)
    estimator = BernoulliNB(binarize=None)
    check_removals(estimator, X / 16, y, X_test / 16, y_test, rows=rows)


def test_shares_of_counts_with_hardly_any_smoothing(digits):
    X, y, X_test, y_test = digits
    for estimator in (MultinomialNB(alpha=1e-9), ComplementNB(alpha=1e-9)):
        rows = np.arange(0, len(y), 3)
        removals = check_removals(
            estimator, X / 7, y, X_test, y_test, rows=rows, noise=1e-13
        )
        assert 0 < len(removals.unresolved) < len(y) / 2


def test_no_smoothing():
    X = np.array([[1, 2], [3, 1], [2, 2], [1, 0], [4, 1], [1, 3]])
    y = np.array([0, 0, 0, 1, 1, 1])
    for estimator in (MultinomialNB(alpha=0), ComplementNB(alpha=0)):
        check_removals(estimator, X, y, X, y)
    X[:3, 1] = [1, 0, 0]
    removals = removal_model(MultinomialNB(alpha=0).fit(X, y), X, y).exact()
    assert removals.unresolved.tolist() == [0]
    X[0, 1] = 0
    estimator = MultinomialNB(alpha=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UnsupportedEstimator, match="alpha=0.*logarithm"):
            LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
        refits = LeaveOneOutInfluence(estimator).fit(X, y)
        assert refits.solver_ == "refit"
        # Its own probabilities are NaN: no loss could be made of them.
        assert np.isnan(estimator.fit(X, y).predict_proba(X)).any()
        with pytest.raises(ValueError, match="MultinomialNB must be finite.*'alpha'"):
            refits.influence(X, y)


# --------------------------------------------------------------------- CategoricalNB


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "params",
    [
        {"min_categories": 5},
        {"alpha": 0.1, "class_prior": PRIOR, "min_categories": 6},
        {"fit_prior": False, "min_categories": np.arange(5, 18)},
    ],
)
def test_categorical_on_wine(categories, params, weighted):
    X, y = categories
    weight = halves(len(y)) + 0.3 if weighted else None
    estimator = CategoricalNB(**params)
    rows = np.arange(weighted, len(y), 4)
    check_removals(estimator, X, y, X[::3], y[::3], weight, rows=rows)
    check_removals(estimator, X, y, X[::3], y[::3], weight, some_groups(y))


@pytest.mark.parametrize("min_categories", [None, 6])
def test_category_that_goes_with_its_only_row(categories, min_categories):
    X, y = categories
    X = X.copy()
    X[20, 2], X[90, 7], X[20, 3] = 8, 9, 6
    estimator = CategoricalNB(min_categories=min_categories)
    full = clone(estimator).fit(X, y)
    removals = removal_model(full, X, y).exact()
    assert len(removals.unresolved) == 0
    matrix = removals.influence(X, y, LogLoss())
    before, _ = log_probabilities(full, X)
    others = np.setdiff1d(np.arange(len(y)), [20, 90])
    masks = np.zeros((2, len(y)), dtype=bool)
    masks[0, [20, 90, 5]] = masks[1, [20, 90]] = True
    for i in (20, 90, 3):
        kept = np.arange(len(y)) != i
        after, _ = log_probabilities(clone(estimator).fit(X[kept], y[kept]), X[others])
        change = (before[others] - after)[np.arange(len(others)), y[others]]
        np.testing.assert_allclose(matrix[others, i], change, rtol=1e-9, atol=1e-12)
        own = removals.own_influence(y, LogLoss())[i]
        np.testing.assert_allclose(matrix[i, i], own, rtol=1e-9)
    check_removals(estimator, X, y, X[others], y[others], None, masks)


def test_row_of_a_category_that_went(categories):
    """scikit-learn's model has no answer there; the table is kept as it was."""
    X, y = categories
    X = X[:, [2]].copy()
    X[[20, 90], 0] = 8, 7
    full = CategoricalNB().fit(X, y)
    kept = ~np.isin(np.arange(len(y)), [20, 90])
    groups = np.where(kept, 0, 1) > 0
    for removed, answer in (
        ([20], lambda loo: loo.self_influence()[20]),
        (
            [20, 90],
            lambda loo: loo.group_influence(X[[20]], y[[20]], groups=groups)[0, 1],
        ),
    ):
        left = np.setdiff1d(np.arange(len(y)), removed)
        table = CategoricalNB(min_categories=full.n_categories_).fit(X[left], y[left])
        change = [log_probabilities(m, X[[20]])[0][0, y[20]] for m in (full, table)]
        loo = LeaveOneOutInfluence(CategoricalNB(), solver="exact").fit(X, y)
        np.testing.assert_allclose(answer(loo), change[0] - change[1], rtol=1e-9)


def test_category_that_was_never_seen(categories):
    X, y = categories
    loo = LeaveOneOutInfluence(CategoricalNB()).fit(X, y)
    X_test = X[:3].copy()
    X_test[1, 4] = 7
    with pytest.raises(ValueError, match="7 in column 4.*min_categories"):
        loo.influence(X_test, y[:3])


# -------------------------------------------------------------------- all of them

ALL = [
    GaussianNB(),
    MultinomialNB(),
    BernoulliNB(binarize=2.5),
    ComplementNB(),
    CategoricalNB(min_categories=9),
]


@pytest.mark.parametrize("estimator", ALL)
def test_two_classes_and_duplicates(iris, estimator):
    X, y = iris
    keep = np.flatnonzero(y > 0)
    twice = np.r_[keep, keep[:20]]
    X_test, y_test, rows = X[keep][::3], y[keep][::3], np.arange(0, len(twice), 4)
    removals = check_removals(
        estimator, X[twice], y[twice], X_test, y_test, rows=rows, noise=2e-14
    )
    matrix = removals.influence(X, (y > 1).astype(int), LogLoss())
    np.testing.assert_allclose(matrix[:, :20], matrix[:, -20:], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("estimator", ALL)
def test_class_that_loses_its_only_row(iris, estimator):
    X, y = iris
    rows = np.r_[0:30, 50:90, 120]
    # Not the log loss: probabilities of refits underflow to zero, exact ones do not
    exact = LeaveOneOutInfluence(estimator, loss="brier", solver="exact")
    refit = LeaveOneOutInfluence(estimator, loss="brier", solver="refit")
    exact.fit(X[rows], y[rows])
    refit.fit(X[rows], y[rows])
    assert exact.refitted_rows_.tolist() == [70]
    np.testing.assert_allclose(
        exact.influence(X, y), refit.influence(X, y), rtol=1e-7, atol=1e-10
    )
    np.testing.assert_allclose(
        exact.self_influence(), refit.self_influence(), rtol=1e-7, atol=1e-10
    )
    groups = np.r_[np.zeros(70), 1]
    np.testing.assert_allclose(
        exact.group_influence(X[rows], y[rows], groups=groups > 0),
        refit.group_influence(X[rows], y[rows], groups=groups > 0),
        rtol=1e-7,
        atol=1e-10,
    )


@pytest.mark.parametrize("estimator", ALL)
def test_brier_and_user_losses(iris, estimator):
    X, y = iris
    for loss in ("brier", lambda y, p: 1 - p[np.arange(len(y)), y]):
        both = [
            LeaveOneOutInfluence(estimator, loss=loss, solver=solver).fit(
                X[::4], y[::4]
            )
            for solver in ("exact", "refit")
        ]
        exact, refit = (loo.influence(X[::6], y[::6]) for loo in both)
        np.testing.assert_allclose(exact, refit, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("estimator", ALL)
def test_rows_without_weight_have_no_influence(iris, estimator):
    X, y = iris
    weight = halves(len(y))
    loo = LeaveOneOutInfluence(estimator).fit(X, y, sample_weight=weight)
    matrix = loo.influence(X, y)[:, weight == 0]
    if isinstance(estimator, GaussianNB):  # but for the smoothing, a share of 1e-9
        assert np.abs(matrix).max() < 1e-8
    else:
        assert np.all(matrix == 0)
    weight = np.where(y == 1, 0, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UnsupportedEstimator, match=r"classes \[.*1.*weight zero"):
            LeaveOneOutInfluence(estimator, solver="exact").fit(
                X, y, sample_weight=weight
            )


@pytest.mark.parametrize("estimator", ALL)
def test_what_is_refused(iris, estimator):
    X, y = iris
    with pytest.raises(UnsupportedEstimator, match="LeaveOneOutInfluence"):
        InfluenceFunctions(estimator).fit(X, y)
    with pytest.raises(UnsupportedEstimator, match="single class"):
        LeaveOneOutInfluence(estimator, solver="exact").fit(X[:50], y[:50])
    name = "priors" if isinstance(estimator, GaussianNB) else "class_prior"
    if not isinstance(estimator, ComplementNB):
        zero = clone(estimator).set_params(**{name: [0.5, 0.5, 0.0]})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(UnsupportedEstimator, match=f"{name}=.*zero"):
                LeaveOneOutInfluence(zero, solver="exact").fit(X, y)
