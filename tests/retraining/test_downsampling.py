"""Downsampling: against all subsets, by hand, and its standard errors by simulation."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skinfluence import DownsamplingInfluence
from skinfluence.removal import UnsupportedEstimator
from skinfluence.retraining._balanced_subsets import BalancedSubsets
from skinfluence.retraining._mean_difference import (
    Pool,
    mean_difference,
    standard_error,
)
from skinfluence.retraining.engine._evaluation import FailedFit


def all_subsets(n, size):
    masks = np.zeros((comb(n, size), n), dtype=bool)
    for mask, subset in zip(masks, combinations(range(n), size), strict=True):
        mask[list(subset)] = True
    return masks


def squared_errors(masks, model, X, y, X_test, y_test):
    return np.stack(
        [(model.fit(X[m], y[m]).predict(X_test) - y_test) ** 2 for m in masks]
    )


def expected_influence(masks, losses):
    """Mean loss without each row minus mean loss with it, by definition."""
    return np.stack(
        [
            losses[~inside].mean(axis=0) - losses[inside].mean(axis=0)
            for inside in masks.T
        ],
        axis=1,
    )


def pool_of(masks, losses, strata=None):
    n = masks.shape[1]
    strata = np.zeros(n, dtype=int) if strata is None else strata
    return Pool(masks, losses, np.arange(len(masks)), strata)


# ----------------------------------------------------------------------- subsets


@pytest.mark.parametrize("n", [7, 8, 20])
@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.7])
def test_subsets_are_balanced_and_begin_with_each_other(n, fraction):
    subsets = BalancedSubsets(np.zeros(n, dtype=int), fraction, seed=0)
    masks = subsets.masks(40)
    assert (masks.sum(axis=1) == round(fraction * n)).all()
    block = masks[: subsets.block_size]
    assert block.any(axis=0).all()
    assert not block.all(axis=0).any()
    assert_array_equal(subsets.masks(11), masks[:11])
    assert (subsets.blocks(40) == np.arange(40) // subsets.block_size).all()


def test_halves_are_complements():
    masks = BalancedSubsets(np.zeros(10, dtype=int), 0.5, seed=0).masks(6)
    assert_array_equal(masks[::2], ~masks[1::2])


def test_every_subset_is_as_likely_given_that_a_row_is_in_or_out():
    # Of 6 rows 4: the window of each place in a block by itself.
    subsets = BalancedSubsets(np.zeros(6, dtype=int), 0.7, seed=1)
    masks = subsets.masks(subsets.block_size * 6000)
    code = masks @ (1 << np.arange(6))
    for place in range(subsets.block_size):
        counts = np.unique(code[place :: subsets.block_size], return_counts=True)[1]
        assert len(counts) == 15
        chi2 = ((counts - 400) ** 2 / 400).sum()
        assert chi2 < 40  # its 0.9997 quantile on 14 degrees of freedom is 39


def test_strata_keep_their_shares():
    strata = np.repeat([0, 1, 5], [10, 4, 6])
    masks = BalancedSubsets(strata, 0.5, seed=0).masks(9)
    for stratum, size in ((0, 5), (1, 2), (5, 3)):
        assert (masks[:, strata == stratum].sum(axis=1) == size).all()


# ----------------------------------------------- estimates, against all subsets


@pytest.mark.parametrize("size", [3, 4, 6])
def test_the_control_variate_is_exact_over_all_subsets(diabetes, size):
    masks = all_subsets(9, size)
    losses = squared_errors(masks, Ridge(), *diabetes)
    truth = expected_influence(masks, losses)
    pool = pool_of(masks, losses)
    assert_allclose(mean_difference(pool), truth, rtol=1e-12, atol=1e-14)
    beta = np.random.default_rng(0).normal(size=truth.shape)
    assert_allclose(mean_difference(pool, beta), truth, rtol=1e-10, atol=1e-12)


def test_the_control_variate_is_exact_over_all_stratified_subsets(diabetes):
    strata = np.array([0, 0, 0, 0, 1, 1, 1, 0, 1])
    masks = all_subsets(9, 4)
    masks = masks[masks[:, strata == 0].sum(axis=1) == 2]
    losses = squared_errors(masks, Ridge(), *diabetes)
    truth = expected_influence(masks, losses)
    beta = np.random.default_rng(0).normal(size=truth.shape)
    pool = pool_of(masks, losses, strata)
    assert_allclose(mean_difference(pool, beta), truth, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("control_variate", [False, True])
@pytest.mark.parametrize("fraction", [0.45, 0.7])
def test_estimates_are_within_four_standard_errors(diabetes, control_variate, fraction):
    X, y, X_test, y_test = diabetes
    masks = all_subsets(9, round(9 * fraction))
    truth = expected_influence(masks, squared_errors(masks, Ridge(), *diabetes))
    downsampling = DownsamplingInfluence(
        Ridge(),
        n_retrainings=600,
        subset_fraction=fraction,
        control_variate=control_variate,
        random_state=0,
    ).fit(X, y)
    influence, std = downsampling.influence(X_test, y_test, return_std=True)
    assert (np.abs(influence - truth) < 4 * std).all()
    assert std.max() < 0.2 * np.abs(truth).max()
    own_truth = expected_influence(masks, squared_errors(masks, Ridge(), X, y, X, y))
    own, std = downsampling.self_influence(return_std=True)
    assert (np.abs(own - np.diag(own_truth)) < 4 * std).all()


@pytest.mark.parametrize("control_variate", [False, True])
@pytest.mark.parametrize("fraction", [0.5, 0.7])
def test_intervals_have_their_nominal_coverage(diabetes, control_variate, fraction):
    size = round(9 * fraction)
    everything = all_subsets(9, size)
    table = squared_errors(everything, Ridge(), *diabetes)
    truth = expected_influence(everything, table)
    weights = 1 << np.arange(9)
    place = {code: k for k, code in enumerate(everything @ weights)}
    beta = truth + 0.3 * np.random.default_rng(0).normal(size=truth.shape)
    beta = beta if control_variate else None
    covered, total_error = [], []
    for seed in range(200):
        subsets = BalancedSubsets(np.zeros(9, dtype=int), fraction, seed)
        masks = subsets.masks(60)
        losses = table[[place[code] for code in masks @ weights]]
        pool = Pool(masks, losses, subsets.blocks(60), subsets.strata)
        error = mean_difference(pool, beta) - truth
        covered.append(np.abs(error) < 1.96 * standard_error(pool, beta))
        total_error.append(error)
    assert 0.90 < np.mean(covered) < 0.99
    # Unbiased: the mean error over the seeds is what chance leaves of it.
    mean, spread = np.mean(total_error, axis=0), np.std(total_error, axis=0)
    assert (np.abs(mean) < 4 * spread / np.sqrt(200)).all()


def test_the_control_variate_saves_most_retrainings():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)[:, :10]
    X, y, X_test, y_test = X[:200], y[:200], X[300:340], y[300:340]
    model = LogisticRegression(C=0.1)

    def influence(n_retrainings, seed, control_variate):
        return (
            DownsamplingInfluence(
                model,
                n_retrainings=n_retrainings,
                control_variate=control_variate,
                random_state=seed,
            )
            .fit(X, y)
            .influence(X_test, y_test)
        )

    truth = influence(1000, 99, True)
    errors = {
        flag: np.sqrt(np.mean((influence(100, 0, flag) - truth) ** 2))
        for flag in (False, True)
    }
    assert errors[True] < errors[False] / 5  # 25 times fewer retrainings


# --------------------------------------------------------------- the estimator


def test_influence_by_hand(diabetes):
    X, y, X_test, y_test = diabetes
    model = KNeighborsRegressor(2)
    downsampling = DownsamplingInfluence(model, n_retrainings=30, random_state=0)
    downsampling.fit(X, y)
    assert not downsampling.control_variate_
    losses = squared_errors(downsampling.masks_, model, *diabetes)
    truth = expected_influence(downsampling.masks_, losses)
    assert_allclose(downsampling.influence(X_test, y_test), truth, rtol=1e-12)
    assert_allclose(
        downsampling.sample_values(X_test, y_test), truth.mean(axis=0), rtol=1e-10
    )
    own = squared_errors(downsampling.masks_, model, X, y, X, y)
    out = [
        loss[~m].mean() for loss, m in zip(own.T, downsampling.masks_.T, strict=True)
    ]
    assert_allclose(downsampling.out_of_sample_loss(), out, rtol=1e-12)
    pool = downsampling.subset_losses(X_test, y_test)
    assert_array_equal(pool.masks, downsampling.masks_)
    assert_allclose(pool.losses, losses, rtol=1e-12)


@pytest.mark.parametrize("model", [Ridge(), make_pipeline(StandardScaler(), Ridge())])
def test_validation_rows_are_evaluated_at_once(diabetes, model):
    X, y, X_test, y_test = diabetes
    kept = DownsamplingInfluence(model, n_retrainings=20, random_state=0)
    kept.fit(X, y)
    assert kept.control_variate_
    assert len(kept.estimators_) == 20
    streamed = clone(kept).fit(X, y, X_val=X_test, y_val=y_test)
    assert not hasattr(streamed, "estimators_")
    same = {"rtol": 1e-12, "atol": 1e-14}
    matrix = kept.influence(X_test, y_test)
    assert_allclose(streamed.influence(), matrix, **same)
    for result, expected in zip(
        streamed.influence(return_std=True),
        kept.influence(X_test, y_test, return_std=True),
        strict=True,
    ):
        assert_allclose(result, expected, **same)
    assert_allclose(streamed.sample_values(), matrix.mean(axis=0), **same)
    assert_allclose(streamed.self_influence(), kept.self_influence(), **same)
    assert_allclose(streamed.out_of_sample_loss(), kept.out_of_sample_loss(), **same)
    assert_allclose(
        streamed.group_influence(groups=np.arange(9) % 2),
        kept.group_influence(X_test, y_test, groups=np.arange(9) % 2),
        **same,
    )
    values, rows = streamed.influential_rows(n_rows=2)
    assert_array_equal(rows, kept.influential_rows(X_test, y_test, n_rows=2)[1])
    with pytest.raises(ValueError, match="leave X and y out"):
        streamed.influence(X_test, y_test)
    with pytest.raises(ValueError, match="'X' parameter must hold test rows"):
        kept.influence()
    with pytest.raises(ValueError, match="go together. Got X_val without y_val"):
        clone(kept).fit(X, y, X_val=X_test)


def test_weights_and_the_control_variate(diabetes):
    X, y, X_test, y_test = diabetes
    weight = np.linspace(0.5, 3, 9)
    truth = DownsamplingInfluence(
        Ridge(), n_retrainings=1000, control_variate=False, random_state=1
    ).fit(X, y, sample_weight=weight)
    estimate = DownsamplingInfluence(Ridge(), n_retrainings=200, random_state=0)
    estimate.fit(X, y, sample_weight=weight)
    assert estimate.control_variate_
    expected, noise = truth.influence(X_test, y_test, return_std=True)
    influence, std = estimate.influence(X_test, y_test, return_std=True)
    assert (np.abs(influence - expected) < 4 * np.hypot(std, noise)).all()


def test_more_retrainings_begin_with_the_fewer(diabetes, tmp_path):
    X, y, *_ = diabetes
    model = DecisionTreeClassifier(max_features=1)
    options = {"memory": tmp_path, "random_state": 0}
    y = (y > 0).astype(int)
    few = DownsamplingInfluence(model, n_retrainings=10, **options).fit(X, y)
    on_disk = len(list(tmp_path.rglob("output.pkl")))
    many = DownsamplingInfluence(model, n_retrainings=16, **options).fit(X, y)
    assert on_disk == 10
    assert len(list(tmp_path.rglob("output.pkl"))) == 16
    assert_array_equal(few.masks_, many.masks_[:10])


def test_failed_retrainings_are_left_out(diabetes):
    X, y, X_test, y_test = diabetes
    model = Picky(X[0, 0])
    downsampling = DownsamplingInfluence(
        model, n_retrainings=40, error_score=np.nan, random_state=0, subset_fraction=0.4
    )
    with pytest.warns(FitFailedWarning, match="not both"):
        downsampling.fit(X, y)
    pool = downsampling.subset_losses(X_test, y_test)
    both = downsampling.masks_[:, 0] & downsampling.masks_[:, 1]
    assert_array_equal(pool.masks, downsampling.masks_[~both])
    assert np.isfinite(downsampling.influence(X_test, y_test)).all()


def test_too_many_failed_retrainings_are_an_error(diabetes):
    X, y, X_test, y_test = diabetes
    downsampling = DownsamplingInfluence(
        Picky(X[0, 0]), n_retrainings=40, error_score=np.nan, random_state=0
    ).fit(X[[0, 2, 3, 4]], y[[0, 2, 3, 4]])
    downsampling.estimators_ = [FailedFit(np.nan)] * 39 + downsampling.estimators_[-1:]
    for ask in (downsampling.influence, downsampling.subset_losses):
        with pytest.raises(ValueError, match="Only 1 of 40 retrainings succeeded"):
            ask(X_test, y_test)
    with pytest.raises(ValueError, match="error_score='raise'"):
        downsampling.self_influence()


class Picky(Ridge):
    """Cannot be fitted to both of the first two rows, unless to all of them."""

    def __init__(self, first=None):
        super().__init__()
        self.first = first

    def fit(self, X, y, sample_weight=None):
        if len(X) < 9 and X[0, 0] == self.first and X[1, 0] == TWO:
            raise FloatingPointError("not both")
        return super().fit(X, y)


TWO = (load_diabetes().data / load_diabetes().data.std(axis=0))[1, 2]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"n_retrainings": 1}, ValueError, "'n_retrainings'"),
        ({"subset_fraction": 0.01}, ValueError, "'subset_fraction'.*0 of them"),
        ({"subset_fraction": 0.99}, ValueError, "'subset_fraction'.*9 of them"),
        ({"subset_fraction": 0.7, "n_retrainings": 2}, ValueError, "at least 3"),
        ({"stratify": True}, ValueError, "'stratify'.*regressor"),
        (
            {"estimator": KNeighborsRegressor(1), "control_variate": True},
            UnsupportedEstimator,
            "KNeighborsRegressor",
        ),
    ],
)
def test_errors(diabetes, change, error, message):
    X, y, *_ = diabetes
    downsampling = DownsamplingInfluence(LinearRegression()).set_params(**change)
    with pytest.raises(error, match=message):
        downsampling.fit(X, y)


def test_a_class_too_small_to_stratify(diabetes):
    X, *_ = diabetes
    y = np.array(["a"] * 8 + ["b"])
    downsampling = DownsamplingInfluence(DecisionTreeClassifier(), stratify=True)
    with pytest.raises(ValueError, match="n_samples = 1 of class.*b.*stratify=False"):
        downsampling.fit(X, y)


def test_long_retraining_is_announced(monkeypatch):
    X, y = load_iris(return_X_y=True)
    monkeypatch.setattr("skinfluence.retraining.engine._announcement.LONG", 0.0)
    downsampling = DownsamplingInfluence(DecisionTreeClassifier(), n_retrainings=9)
    with pytest.warns(UserWarning, match="9 models.*smaller n_retrainings") as record:
        downsampling.fit(X[::9], y[::9])
    assert record[0].filename == __file__
