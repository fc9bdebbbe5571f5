"""Measures of an attribution, against loops and other libraries' statistics."""

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import pearsonr, spearmanr
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeRegressor
from tables import first

from skinfluence import LeaveOneOutInfluence
from skinfluence.metrics import (
    leave_one_out_correlation,
    linear_datamodeling_score,
    noise_detection,
    removal_curve,
    reseeding_stability,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def diabetes():
    return first("diabetes", 60, slice(400, None))


# ----------------------------------------------------------------- datamodeling


def test_linear_datamodeling_score_is_spearman_of_sums(rng):
    influence = rng.normal(size=(4, 12))
    masks = rng.random((15, 12)) < 0.5
    losses = rng.normal(size=(15, 4)).round(1)  # with ties
    expected = []
    for t in range(4):
        sums = [-sum(influence[t, i] for i in np.flatnonzero(m)) for m in masks]
        expected.append(spearmanr(sums, losses[:, t]).statistic)
    scores = linear_datamodeling_score(influence, masks, losses, average=False)
    assert_allclose(scores, expected, rtol=1e-12)
    mean = linear_datamodeling_score(influence, masks, losses)
    assert mean == pytest.approx(np.mean(expected))


def test_linear_datamodeling_score_of_the_truth_is_high(diabetes):
    X, y, X_test, y_test = diabetes
    masks = np.random.default_rng(0).random((60, 60)) < 0.9
    losses = np.stack(
        [
            (y_test - Ridge(alpha=0.1).fit(X[m], y[m]).predict(X_test)) ** 2
            for m in masks
        ]
    )
    loo = LeaveOneOutInfluence(Ridge(alpha=0.1)).fit(X, y)
    score = linear_datamodeling_score(loo, masks, losses, X=X_test, y=y_test)
    assert score > 0.95  # nine tenths of the rows: nearly additive
    opposite = -loo.influence(X_test, y_test)
    assert linear_datamodeling_score(opposite, masks, losses) == pytest.approx(-score)


def test_constant_losses_count_as_zero(rng):
    influence, masks = rng.normal(size=(2, 5)), rng.random((6, 5)) < 0.5
    losses = np.stack([np.ones(6), rng.normal(size=6)], axis=1)
    scores = linear_datamodeling_score(influence, masks, losses, average=False)
    assert scores[0] == 0
    assert scores[1] != 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masks": np.ones((6, 4), dtype=bool)}, "'masks' and 'losses'.*shape"),
        ({"losses": np.ones((6, 3))}, "'masks' and 'losses'.*shape"),
        ({"masks": np.arange(30.0).reshape(6, 5)}, "'masks'.*boolean"),
        ({"masks": np.ones((1, 5)), "losses": np.ones((1, 2))}, "at least 2 subsets"),
        ({"influence": Ridge()}, r"'influence'.*influence estimator.*Got Ridge\(\)"),
    ],
)
def test_datamodeling_errors(change, message):
    good = {
        "influence": np.ones((2, 5)),
        "masks": np.ones((6, 5), dtype=bool),
        "losses": np.ones((6, 2)),
    }
    with pytest.raises((ValueError, TypeError), match=message):
        linear_datamodeling_score(**{**good, **change})


def test_an_estimator_needs_test_rows(diabetes):
    X, y, *_ = diabetes
    loo = LeaveOneOutInfluence(Ridge()).fit(X, y)
    for call in (
        lambda: leave_one_out_correlation(loo, loo),
        lambda: linear_datamodeling_score(loo, np.eye(60), np.ones((60, 1))),
        lambda: noise_detection(loo, np.arange(60) < 5),
    ):
        with pytest.raises(ValueError, match="'X' and 'y'.*test rows"):
            call()
    with pytest.raises(ValueError, match="'X_test'.*Got None"):
        reseeding_stability(loo, X, y)


def every_measure(attribution, X, y, X_test, y_test):
    """Yield a call of each measure with what is judged."""
    wrong = np.arange(60) < 5
    truth = np.random.default_rng(0).normal(size=(len(X_test), 60))
    yield lambda: linear_datamodeling_score(
        attribution, np.eye(60), truth.T, X=X_test, y=y_test
    )
    yield lambda: leave_one_out_correlation(attribution, truth, X=X_test, y=y_test)
    yield lambda: leave_one_out_correlation(truth, attribution, X=X_test, y=y_test)
    yield lambda: removal_curve(Ridge(), attribution, X, y, X_test, y_test)
    yield lambda: noise_detection(attribution, wrong, X=X_test, y=y_test)


def test_unfitted_estimators_and_models_are_refused_by_name(diabetes):
    for call in every_measure(LeaveOneOutInfluence(Ridge()), *diabetes):
        with pytest.raises(NotFittedError, match="LeaveOneOutInfluence.*not fitted"):
            call()
    model = Ridge().fit(*diabetes[:2])
    for call in every_measure(model, *diabetes):
        with pytest.raises(TypeError, match="parameter must be an influence estimator"):
            call()
    with pytest.raises(TypeError, match="'influence'.*must be an influence estimator"):
        reseeding_stability(model, *diabetes)


def test_arrays_of_other_dimensions_are_refused(diabetes):
    flat, cube = np.ones(60), np.ones((42, 60, 1))
    matrix_calls = list(every_measure(flat, *diabetes))[:3]
    for call in [*matrix_calls, *list(every_measure(cube, *diabetes))[:3]]:
        with pytest.raises(
            ValueError, match=r"must be a matrix of shape \(n_test, n_tr"
        ):
            call()
    for call in list(every_measure(np.ones((42, 60)), *diabetes))[3:]:
        with pytest.raises(
            ValueError, match=r"'values'.*\(60,\). Got shape \(42, 60\)"
        ):
            call()


def test_estimators_and_their_numbers_are_judged_alike(diabetes):
    X, y, X_test, y_test = diabetes
    loo = LeaveOneOutInfluence(Ridge()).fit(X, y)
    matrix, values = loo.influence(X_test, y_test), loo.sample_values(X_test, y_test)
    given = [*list(every_measure(matrix, *diabetes))[:3]]
    given += list(every_measure(values, *diabetes))[4:]
    asked = [call for k, call in enumerate(every_measure(loo, *diabetes)) if k != 3]
    for one, other in zip(asked, given, strict=True):
        assert one() == pytest.approx(other())
    few = LeaveOneOutInfluence(Ridge()).fit(X[1:], y[1:])
    for call in list(every_measure(few, *diabetes))[3:]:
        with pytest.raises(ValueError, match=r"\(60,\). Got shape \(59,\).*same rows"):
            call()


# ----------------------------------------------------------------- leave-one-out


@pytest.mark.parametrize(
    ("method", "reference"), [("spearman", spearmanr), ("pearson", pearsonr)]
)
@pytest.mark.parametrize("scale", [1.0, 1e-200])
def test_leave_one_out_correlation(rng, method, reference, scale):
    a, b = rng.normal(size=(2, 3, 20))
    b += a
    expected = [reference(*rows).statistic for rows in zip(a, b, strict=True)]
    scores = leave_one_out_correlation(a * scale, b, method=method, average=False)
    assert_allclose(scores, expected, rtol=1e-10)
    assert leave_one_out_correlation(a, b, method=method) == pytest.approx(
        np.mean(expected)
    )


def test_leave_one_out_correlation_errors(rng):
    with pytest.raises(ValueError, match="same shape"):
        leave_one_out_correlation(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="'method'.*'kendall'"):
        leave_one_out_correlation(np.ones((2, 3)), np.ones((2, 3)), method="kendall")


# --------------------------------------------------------------- noise detection


def average_precision(ranking):
    """Mean, over the wrong rows, of the precision when each is reached."""
    hits = np.flatnonzero(ranking)
    return np.mean([(j + 1) / (rank + 1) for j, rank in enumerate(hits)])


def test_noise_detection_by_definition(rng):
    values = rng.permutation(30).astype(float)
    wrong = rng.random(30) < 0.3
    result = noise_detection(values, wrong, k=5)
    order = values.argsort()
    assert result.average_precision == pytest.approx(average_precision(wrong[order]))
    assert result.precision_at_k == wrong[order[:5]].mean()
    assert result.roc_auc == pytest.approx(roc_auc_score(wrong, -values))
    assert result.base_rate == wrong.mean()
    assert noise_detection(values, wrong).k == wrong.sum()


def test_noise_detection_errors():
    values, wrong = np.arange(4.0), np.array([True, False, False, False])
    with pytest.raises(ValueError, match="mask"):
        noise_detection(values, [0, 3])
    with pytest.raises(ValueError, match="right rows"):
        noise_detection(values, np.zeros(4, dtype=bool))
    for k in (5, 0, 1.5):
        with pytest.raises(ValueError, match=f"'k'.*n_train=4. Got {k}"):
            noise_detection(values, wrong, k=k)
    with pytest.raises(ValueError, match=r"'values'.*\(4,\). Got shape \(3,\)"):
        noise_detection(values[:3], wrong)


# ----------------------------------------------------------------- removal curve


def test_removal_curve_by_hand(diabetes):
    X, y, X_test, y_test = diabetes
    values = np.random.default_rng(1).normal(size=60)
    curve = removal_curve(
        Ridge(),
        values,
        X,
        y,
        X_test,
        y_test,
        fractions=[0.1, 0.29],
        n_random=4,
        scoring="neg_mean_absolute_error",
        random_state=0,
    )

    def score(kept):
        model = Ridge().fit(X[kept], y[kept])
        return -np.abs(model.predict(X_test) - y_test).mean()

    order = values.argsort()
    assert curve.all_rows == pytest.approx(score(np.arange(60)))
    assert_allclose(curve.lowest, [score(order[6:]), score(order[17:])], rtol=1e-12)
    assert_allclose(curve.highest, [score(order[:-6]), score(order[:-17])], rtol=1e-12)
    assert curve.random.shape == (4, 2)
    assert len(np.unique(curve.random)) == 8
    assert_array_equal(curve.fractions, [0.1, 0.29])


def test_removal_curve_finds_flipped_labels():
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    X, y, X_val, y_val, X_test, y_test = (
        X[::3],
        y[::3].copy(),
        X[1::3],
        y[1::3],
        X[2::3],
        y[2::3],
    )
    flipped = np.random.default_rng(0).choice(len(y), 30, replace=False)
    y[flipped] = 1 - y[flipped]
    model = LogisticRegression(C=0.01)
    loo = LeaveOneOutInfluence(model).fit(X, y)
    values = loo.sample_values(X_val, y_val)
    options = {"fractions": [0.1], "scoring": "neg_log_loss", "random_state": 0}
    curve = removal_curve(model, values, X, y, X_test, y_test, **options)
    assert curve.lowest[0] > curve.random.max() > curve.highest[0]
    # An estimator is asked for its sample values on the rows of the curve.
    asked = removal_curve(model, loo, X, y, X_val, y_val, **options)
    given = removal_curve(model, values, X, y, X_val, y_val, **options)
    assert_array_equal(asked.lowest, given.lowest)
    assert_array_equal(asked.random, given.random)


def test_removal_curve_does_not_depend_on_workers(diabetes):
    X, y, X_test, y_test = diabetes
    tree = DecisionTreeRegressor(max_features=2)
    values = np.arange(60.0)
    with parallel_config("threading"):  # processes take seconds to start
        curves = [
            removal_curve(
                tree, values, X, y, X_test, y_test, n_jobs=n_jobs, random_state=0
            ).random
            for n_jobs in (1, 2)
        ]
    assert_array_equal(*curves)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": np.ones(59)}, "'values'.*one value per training row"),
        ({"fractions": [0.0]}, "'fractions'.*between 0 and 1"),
        ({"fractions": [1.0]}, "'fractions'.*between 0 and 1"),
        ({"n_random": 0}, "'n_random'"),
        (
            {"estimator": LogisticRegression(), "y": np.arange(60) // 59},
            "at least two classes",
        ),
    ],
)
def test_removal_curve_errors(diabetes, change, message):
    X, y, X_test, y_test = diabetes
    good = {
        "estimator": Ridge(),
        "values": np.arange(60.0),
        "X": X,
        "y": y,
        "X_test": X_test,
        "y_test": y_test,
    }
    with pytest.raises(ValueError, match=message):
        removal_curve(**{**good, **change})


# --------------------------------------------------------------------- stability


def test_stability_of_methods_without_randomness(diabetes):
    X, y, X_test, y_test = diabetes
    loo = LeaveOneOutInfluence(Ridge())
    result = reseeding_stability(loo, X, y, X_test, y_test)
    assert result.correlation == pytest.approx(1.0)
    assert_allclose(result.std, 0.0, atol=1e-12)
    truth = clone(loo).fit(X, y).influence(X_test, y_test)
    assert_allclose(result.mean, truth, rtol=1e-12)


def test_stability_of_random_trees(diabetes):
    X, y, X_test, y_test = diabetes
    loo = LeaveOneOutInfluence(DecisionTreeRegressor(max_features=1, max_depth=3))
    result = reseeding_stability(
        loo, X[:20], y[:20], X_test, y_test, n_repeats=3, random_state=0
    )
    assert -0.5 < result.correlation < 0.7
    assert result.correlations.shape == (3, len(X_test))
    again = reseeding_stability(
        loo, X[:20], y[:20], X_test, y_test, n_repeats=3, random_state=0
    )
    assert_array_equal(result.mean, again.mean)
    with pytest.raises(ValueError, match="'n_repeats'.*at least 2"):
        reseeding_stability(loo, X, y, X_test, y_test, n_repeats=1)


def test_stability_of_matrices_from_elsewhere(rng):
    runs = rng.normal(size=(3, 2, 20))
    result = reseeding_stability(runs)
    expected = [
        [spearmanr(runs[a, t], runs[b, t]).statistic for t in range(2)]
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    assert_allclose(result.correlations, expected, rtol=1e-12)
    assert result.correlation == pytest.approx(np.mean(expected))
    assert_allclose(result.mean, sum(runs) / 3, rtol=1e-12)
    for shape in ((1, 2, 20), (2, 20)):
        with pytest.raises(
            ValueError, match=r"'influence'.*at least 2 seeds.*Got shape"
        ):
            reseeding_stability(np.ones(shape))
