"""Parameters of estimators that have one entry per row follow the rows everywhere."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import TransformedTargetRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LassoCV, Ridge, RidgeCV
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KernelCenterer, StandardScaler
from sklearn.svm import SVC, SVR

from skinfluence import (
    DownsamplingInfluence,
    InfluenceCleaner,
    LeaveOneOutInfluence,
    ShapleyInfluence,
)
from skinfluence._sklearn import take_row_params
from skinfluence.metrics import removal_curve

N = 24
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 2))
Y = X[:, 0] + 0.3 * RNG.normal(size=N)
NOISE = np.linspace(0.1, 3.0, N)


def by_hand(rows, X_test, standardised=False):
    """Posterior mean of a Gaussian process with noise of each row, from its formula."""
    train = X[rows]
    if standardised:
        mean, scale = train.mean(axis=0), train.std(axis=0)
        train, X_test = (train - mean) / scale, (X_test - mean) / scale
    gram = rbf_kernel(train, gamma=0.5) + np.diag(NOISE[rows])
    return rbf_kernel(X_test, train, gamma=0.5) @ np.linalg.solve(gram, Y[rows])


def process():
    return GaussianProcessRegressor(RBF(1.0), optimizer=None, alpha=NOISE)


def losses(rows, standardised=False):
    return (by_hand(rows, X, standardised) - Y) ** 2


@pytest.mark.parametrize(
    ("estimator", "solver", "standardised"),
    [
        (process(), "exact", False),
        (process(), "refit", False),
        (make_pipeline(StandardScaler(), process()), "refit", True),
        (TransformedTargetRegressor(process()), "refit", False),
    ],
    ids=["exact", "alone", "pipeline", "inside"],
)
def test_noise_of_each_row(estimator, solver, standardised):
    everyone = np.arange(N)
    loo = LeaveOneOutInfluence(estimator, solver=solver).fit(X, Y)
    expected = [
        losses(np.delete(everyone, i), standardised) - losses(everyone, standardised)
        for i in everyone
    ]
    assert_allclose(loo.influence(X, Y), np.transpose(expected), rtol=0, atol=1e-10)
    masks = everyone // 4 == np.arange(6)[:, None]
    groups = loo.group_influence(X, Y, groups=masks)
    expected = [
        losses(np.flatnonzero(~mask), standardised) - losses(everyone, standardised)
        for mask in masks
    ]
    assert_allclose(groups, np.transpose(expected), rtol=0, atol=1e-10)


def test_subsets():
    down = DownsamplingInfluence(process(), n_retrainings=6, random_state=0).fit(X, Y)
    result = down.subset_losses(X, Y)
    expected = [losses(np.flatnonzero(mask)) for mask in result.masks]
    assert_allclose(result.losses, expected, rtol=0, atol=1e-10)
    shapley = ShapleyInfluence(process(), max_retrainings=48, random_state=0)
    total = shapley.fit(X, Y).influence(X, Y).sum(axis=1)
    expected = (Y.mean() - Y) ** 2 - losses(np.arange(N))
    assert_allclose(total, expected, rtol=0, atol=1e-10)


def test_cleaner_and_removal_curve():
    influence = LeaveOneOutInfluence(process(), solver="refit")
    for options in ({}, {"influence": influence, "cv": 3}):
        cleaner = InfluenceCleaner(process(), drop_fraction=0.25, **options)
        cleaner.fit(X, Y)
        kept = np.flatnonzero(cleaner.sample_mask_)
        assert len(kept) < N
        assert_allclose(cleaner.predict(X), by_hand(kept, X), rtol=0, atol=1e-10)
    values = np.arange(N)
    curve = removal_curve(
        process(), values, X, Y, X, Y, fractions=[0.5], n_random=1, random_state=0
    )
    for scores, rows in ((curve.lowest, values[12:]), (curve.highest, values[:12])):
        error = ((by_hand(rows, X) - Y) ** 2).sum() / ((Y - Y.mean()) ** 2).sum()
        assert_allclose(scores, 1 - error, rtol=0, atol=1e-10)


CANDIDATES = np.logspace(-3, 3, 7)
SEARCHES = {
    "ridge": lambda cv: RidgeCV(CANDIDATES, cv=cv),
    "lasso": lambda cv: LassoCV(alphas=[0.01, 0.1, 1.0], cv=cv),
    "pipeline": lambda cv: make_pipeline(
        StandardScaler(), GridSearchCV(Ridge(), {"alpha": CANDIDATES}, cv=cv)
    ),
}


FORMS = "predefined", "rows", "masks"


@pytest.mark.parametrize(
    ("search", "form"),
    [
        pytest.param(*pair, marks=() if quick else pytest.mark.slow)
        for pair in product(SEARCHES, FORMS)
        for quick in [pair in zip(SEARCHES, FORMS, strict=True)]
    ],
)
def test_folds_that_name_rows(search, form):
    fold = np.arange(N) % 3
    splits = [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(3)]
    kept = np.delete(np.arange(N), 5)
    own = [
        (np.flatnonzero(fold[kept] != f), np.flatnonzero(fold[kept] == f))
        for f in range(3)
    ]
    given = {
        "predefined": PredefinedSplit(fold),
        "rows": splits,
        "masks": [(fold != f, fold == f) for f in range(3)],
    }[form]
    wrap = SEARCHES[search]
    loo = LeaveOneOutInfluence(wrap(given), solver="refit").fit(X, Y)
    full, left = wrap(splits).fit(X, Y), wrap(own).fit(X[kept], Y[kept])
    expected = (left.predict(X) - Y) ** 2 - (full.predict(X) - Y) ** 2
    assert_allclose(loo.influence(X, Y)[:, 5], expected, rtol=0, atol=1e-12)


def test_params_without_an_entry_per_row_stay():
    rows = np.arange(3)
    for estimator in (
        Ridge(alpha=2.0),
        GaussianProcessRegressor(alpha=0.5),
        RidgeCV(np.ones(4), cv=3),
        SVR(),
    ):
        before = estimator.get_params()
        assert take_row_params(estimator, rows, 4).get_params() == before
    columns = Ridge(alpha=np.ones(4))  # of four targets
    assert_array_equal(take_row_params(columns, rows, 4).alpha, np.ones(4))


@pytest.mark.parametrize(
    "estimator",
    [
        SVC(kernel="precomputed"),
        make_pipeline(KernelCenterer(), SVC(kernel="precomputed")),
        GridSearchCV(SVC(kernel="precomputed"), {"C": [1.0, 2.0]}, cv=2),
    ],
    ids=["alone", "pipeline", "search"],
)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda estimator: LeaveOneOutInfluence(estimator, loss="zero_one"),
        lambda estimator: ShapleyInfluence(estimator, loss="zero_one"),
        lambda estimator: DownsamplingInfluence(estimator, loss="zero_one"),
        InfluenceCleaner,
    ],
    ids=["leave one out", "shapley", "downsampling", "cleaner"],
)
def test_square_input_is_refused(estimator, wrap):
    gram, labels = rbf_kernel(X), (Y > 0).astype(int)
    with pytest.raises(ValueError, match="column per training row.*by its name"):
        wrap(estimator).fit(gram, labels)
