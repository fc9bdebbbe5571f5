"""Sets of rows that turn an answer: known answers, refits, and all sets there are."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from changed_tables import fewest_changes, two_clouds
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import (
    InfluenceFunctions,
    LeaveOneOutInfluence,
    find_flip_set,
    most_influential_set,
)
from skinfluence.datasets import load_cyg_ob1, load_life_cycle_savings
from skinfluence.groups._players import Players
from skinfluence.groups._significance import Significance
from skinfluence.removal import UnsupportedEstimator

ols = LinearRegression()


def fitted(estimator, X, y, **params):
    return LeaveOneOutInfluence(estimator).fit(X, y, **params)


def coefficient_without(estimator, X, y, rows, j):
    kept = np.delete(np.arange(len(y)), rows)
    return np.ravel(clone(estimator).fit(X[kept], y[kept]).coef_)[j]


@pytest.fixture(scope="module")
def stars():
    return fitted(ols, *load_cyg_ob1(return_X_y=True))


@pytest.fixture(scope="module")
def diabetes():
    return fitted(ols, *load_diabetes(return_X_y=True))


def test_two_stars_turn_the_slope_and_effects_do_not_add_up(stars):
    found = find_flip_set(stars, target="coefficient", coefficient=0)
    assert found.verified
    assert found.rows.tolist() == [29, 33]
    assert found.size == found.lower_bound == 2
    assert found.predicted_size == 3  # AMIP
    assert_allclose(
        [found.value_before, found.value_after], [-0.4133, 0.1564], atol=5e-5
    )
    giants = most_influential_set(stars, n_rows=4, target="coefficient", coefficient=0)
    assert giants.rows.tolist() == [10, 19, 29, 33]
    assert_allclose(giants.value_after, 2.0467, atol=5e-5)
    assert giants.value_after <= giants.value_bound < 2.06
    X, y = load_cyg_ob1(return_X_y=True)
    single = [coefficient_without(ols, X, y, [i], 0) + 0.41330 for i in giants.rows]
    assert_allclose(np.sum(single), 0.671, atol=5e-4)


def test_no_single_star_turns_the_slope():
    X, y = load_cyg_ob1(return_X_y=True)
    assert max(coefficient_without(ols, X, y, [i], 0) for i in range(47)) < 0
    assert sum(
        coefficient_without(ols, X, y, list(pair), 0) > 0
        for pair in combinations([10, 19, 29, 33], 2)
    )


# pop15, pop75, dpi, ddpi: AMIP predicts, one-shot needs, greedy needs
SAVINGS = [(None, 12, 9), (7, 4, 4), (2, 2, 2), (None, 10, 9)]


@pytest.mark.parametrize("j", range(4))
def test_savings(j):
    table = load_life_cycle_savings()
    loo = fitted(ols, table.data, table.target)
    ask = {"target": "coefficient", "coefficient": j}
    predicted, one_shot, greedy = SAVINGS[j]
    found = find_flip_set(loo, **ask)
    assert (found.predicted_size, found.size) == (predicted, greedy)
    assert find_flip_set(loo, method="one_shot", **ask).size == one_shot
    assert found.lower_bound <= found.size
    after = coefficient_without(ols, table.data, table.target, found.rows, j)
    assert after * found.value_before < 0
    assert_allclose(found.value_after, after)


# MATH 2.3: certified, greedy, AMIP's prediction, one-shot
DIABETES = {
    0: (1, 1, 1, 1),
    4: (6, 7, 14, 8),
    5: (4, 4, 9, 4),
    6: (2, 2, 2, 2),
    7: (5, 5, 6, 5),
    9: (6, 6, 7, 6),
    8: (12, 26, 71, 41),
    1: (18, 39, 54, 41),
    2: (22, 58, None, 70),
    3: (20, 39, 75, 42),
}


@pytest.mark.parametrize("j", [0, 4, 6, 7])
def test_coefficients_of_diabetes(diabetes, j):
    certified, greedy, predicted, one_shot = DIABETES[j]
    ask = {"target": "coefficient", "coefficient": j}
    found = find_flip_set(diabetes, **ask)
    assert found.lower_bound >= certified
    assert (found.size, found.predicted_size) == (greedy, predicted)
    assert find_flip_set(diabetes, method="one_shot", **ask).size == one_shot


@pytest.mark.slow
@pytest.mark.parametrize("j", [5, 9, 8, 1, 2, 3])
def test_the_other_coefficients_of_diabetes(diabetes, j):
    test_coefficients_of_diabetes(diabetes, j)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("estimator", [ols, Ridge(3.0)])
def test_lower_bound_and_greedy_against_every_set(seed, estimator):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(12, 2))
    y = X @ [0.5, -0.3] + rng.normal(size=12)
    found = find_flip_set(
        fitted(estimator, X, y), target="coefficient", coefficient=0, max_rows=11
    )
    truth = 12
    for size in range(3, 0, -1):
        for rows in map(list, combinations(range(12), size)):
            if coefficient_without(estimator, X, y, rows, 0) * found.value_before < 0:
                truth = size
                break
    assert found.lower_bound <= truth or truth == 12
    assert found.size is None or found.size >= min(truth, 4)
    ask = {"target": "coefficient", "coefficient": 0, "max_rows": 2}
    every = find_flip_set(fitted(estimator, X, y), method="exhaustive", **ask)
    assert every.size == (truth if truth < 3 else None)
    assert every.lower_bound == min(truth, 3)


def test_other_linear_models_and_pipelines():
    X, y, _ = two_clouds(3, 40, apart=0.4)
    for model in (
        LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-9),
        make_pipeline(StandardScaler(), Ridge()),
        PoissonRegressor(alpha=0.1, solver="newton-cholesky", tol=1e-9),
    ):
        found = find_flip_set(fitted(model, X, y), target="coefficient", coefficient=1)
        kept = np.delete(np.arange(40), found.rows)
        refit = clone(model).fit(X[kept], y[kept])
        coef = np.ravel(
            getattr(refit, "coef_", refit[-1].coef_ if hasattr(refit, "steps") else 0)
        )
        assert found.verified
        assert coef[1] * found.value_before < 0
        assert_allclose(found.value_after, coef[1], rtol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_significance_equals_statsmodels(weighted):
    rng = np.random.default_rng(7)
    X = rng.normal(size=(22, 3))
    y = X @ [0.6, 0.1, 0] + rng.normal(size=22)
    weight = rng.uniform(0.5, 2, 22) if weighted else np.ones(22)

    def p_value(kept, j):
        design = sm.add_constant(X[kept])
        return sm.WLS(y[kept], design, weights=weight[kept]).fit().pvalues[j + 1]

    loo = fitted(ols, X, y, sample_weight=weight)
    for j in range(3):
        found = find_flip_set(loo, target="significance", coefficient=j)
        before = p_value(np.arange(22), j)
        assert_allclose(found.value_before, before - 0.05, rtol=1e-7)
        assert found.verified
        after = p_value(np.delete(np.arange(22), found.rows), j)
        assert_allclose(found.value_after, after - 0.05, rtol=1e-6)
        assert (before < 0.05) != (after < 0.05)
        truth = (
            [
                size
                for size in (1, 2)
                for rows in combinations(range(22), size)
                if (p_value(np.delete(np.arange(22), rows), j) < 0.05)
                != (before < 0.05)
            ]
            if j == 0 and not weighted
            else [found.size]
        )
        assert found.lower_bound <= min(truth, default=3)


@pytest.mark.parametrize("seed", range(4))
def test_bounds_of_significance_hold_at_the_very_level(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(14, 2))
    y = X @ [0.9 * (seed % 2), 0.3] + rng.normal(size=14)
    everything = np.arange(14)

    def t_test(rows):
        kept = np.delete(everything, rows)
        fit = sm.OLS(y[kept], sm.add_constant(X[kept])).fit()
        return fit.pvalues[1]

    loo, before = fitted(ols, X, y), t_test([])
    one = np.array([t_test([i]) for i in range(14)])
    two = np.array([t_test(list(rows)) for rows in combinations(range(14), 2)])
    for p_values, k in ((one, 1), (np.concatenate([one, two]), 2)):
        worst = p_values.max() if seed % 2 else p_values.min()
        step = 1e-6 if seed % 2 else -1e-6
        within, beyond = worst * (1 - step), worst * (1 + 0.9 * np.sign(step))
        estimand = Significance(loo, 0, within)
        assert (before < within) == (seed % 2 == 1)
        assert estimand.certified_rows(2) < k
        if k == 1:  # where nothing turns it, that is known
            certified = Significance(loo, 0, beyond).certified_rows(2)
            assert certified >= 1 or not 0 < beyond < 1


def test_effects_on_significance_are_those_of_refits():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(15, 2))
    y = X @ [0.5, 0.3] + rng.normal(size=15)
    estimand = Significance(fitted(ols, X, y), 0, 0.05)
    _, gain = estimand.gains(ols.fit(X, y), np.arange(15), Players(15))

    def size(kept):
        fit = sm.OLS(y[kept], sm.add_constant(X[kept])).fit()
        return abs(fit.tvalues[1]) / stats.t.isf(0.025, len(kept) - 3)

    sizes = np.array([size(np.delete(np.arange(15), i)) for i in range(15)])
    expected = (sizes - size(np.arange(15))) * np.sign(estimand.value_before)
    assert_allclose(gain, expected, rtol=1e-9)


def test_whole_groups_are_removed():
    X, y = load_cyg_ob1(return_X_y=True)
    hospital = np.arange(47) % 6
    hospital[[10, 19, 29, 33]] = 6
    names = np.array(list("abcdefg"))[hospital]
    ask = {"target": "coefficient", "coefficient": 0, "groups": names}
    found = find_flip_set(fitted(ols, X, y), **ask)
    assert found.groups.tolist() == ["g"]
    assert found.rows.tolist() == [10, 19, 29, 33]
    assert found.size == found.lower_bound == 1
    most = most_influential_set(fitted(ols, X, y), n_rows=2, **ask)
    assert "g" in most.groups
    kept = ~np.isin(names, most.groups)
    assert_allclose(most.value_after, clone(ols).fit(X[kept], y[kept]).coef_[0])
    mask = hospital == np.arange(6)[:, None]  # none of them has the giants
    found = find_flip_set(fitted(ols, X, y), **{**ask, "groups": mask}, max_rows=2)
    assert not found.verified
    assert found.lower_bound >= 2
    assert found.rows.size == 0
    assert np.isnan(found.value_after)


@pytest.mark.parametrize(
    "influence",
    [
        LeaveOneOutInfluence(LogisticRegression(C=0.05)),
        LeaveOneOutInfluence(KNeighborsClassifier(3)),
        LeaveOneOutInfluence(GaussianNB()),
        InfluenceFunctions(LogisticRegression(C=0.05)),
    ],
    ids=lambda influence: repr(influence)[:40],
)
def test_predictions_turn(influence):
    X, y, X_test = two_clouds(8, 11, n_test=1, apart=1.0)
    influence = clone(influence).fit(X, y)
    found = find_flip_set(influence, X_test, max_rows=9)
    truth = fewest_changes(influence.estimator, X, y, X_test, "removal", 2)[0]
    assert found.lower_bound <= truth
    assert found.verified
    assert found.size >= truth
    kept = np.delete(np.arange(11), found.rows)
    model = clone(influence.estimator).fit(X[kept], y[kept])
    assert model.predict(X_test) != influence.predict(X_test)
    assert found.value_before > 0 >= found.value_after


def test_a_wrong_prediction_becomes_right():
    X, y, X_test = two_clouds(8, 40, n_test=1, apart=0.5)
    loo = fitted(LogisticRegression(C=0.1), X, y)
    wanted = 1 - loo.predict(X_test)
    found = find_flip_set(loo, X_test, wanted)
    assert found.value_before < 0 <= found.value_after
    kept = np.delete(np.arange(40), found.rows)
    refit = LogisticRegression(C=0.1).fit(X[kept], y[kept])
    assert refit.predict(X_test) == wanted


def test_a_regression_prediction_crosses_a_number(diabetes):
    X, y = load_diabetes(return_X_y=True)
    prediction = diabetes.predict(X[:1])
    for number in (prediction[0] - 5, prediction[0] + 5):
        found = find_flip_set(diabetes, X[:1], [number])
        kept = np.delete(np.arange(len(y)), found.rows)
        after = LinearRegression().fit(X[kept], y[kept]).predict(X[:1])[0]
        assert (after > number) != (prediction[0] > number)
        assert 1 < found.lower_bound <= found.size
        assert_allclose(found.value_after, after - number, rtol=1e-6)


def test_names_of_features_and_bad_arguments(stars):
    X, y = load_cyg_ob1(return_X_y=True)
    named = fitted(ols, pd.DataFrame(X, columns=["heat"]), y)
    ask = {"target": "coefficient", "coefficient": "heat"}
    assert find_flip_set(named, **ask).size == 2
    for arguments, error, message in (
        ({"target": "slope"}, ValueError, "'target'"),
        ({"target": "coefficient"}, ValueError, "'coefficient'"),
        ({"target": "coefficient", "coefficient": 1}, ValueError, "0 to 0"),
        ({"target": "coefficient", "coefficient": "cold"}, ValueError, "cold"),
        ({"X": X[:1]}, ValueError, "'y'"),
        ({"X": X}, ValueError, "one test row"),
        ({"coefficient": 0}, ValueError, "goes with"),
        ({"X": X[:1], "target": "coefficient", "coefficient": 0}, ValueError, "leave"),
        ({"method": "best"}, ValueError, "'method'"),
        ({"max_rows": 47, **ask, "coefficient": 0}, ValueError, "between 1 and 46"),
        ({"max_rows": 2.5, **ask, "coefficient": 0}, TypeError, "integer"),
        (
            {"target": "significance", "coefficient": 0, "level": 5},
            ValueError,
            "'level'",
        ),
        ({"X": X[:1], "y": [1], "method": "dinkelbach"}, ValueError, "dinkelbach"),
    ):
        with pytest.raises(error, match=message):
            find_flip_set(stars, **arguments)
    with pytest.raises(TypeError, match="'influence'"):
        find_flip_set(LinearRegression())
    with pytest.raises(UnsupportedEstimator, match="LinearRegression"):
        find_flip_set(fitted(Ridge(), X, y), target="significance", coefficient=0)
    with pytest.raises(ValueError, match="200000 sets"):
        find_flip_set(
            fitted(ols, *load_diabetes(return_X_y=True)),
            target="coefficient",
            coefficient=7,
            method="exhaustive",
        )


@pytest.mark.parametrize(
    ("estimator", "options", "why"),
    [
        (GaussianNB(), {}, "GaussianNB"),
        (LogisticRegression(), {"target": "coefficient", "coefficient": 0}, "Logistic"),
        (Ridge(), {"target": "coefficient", "coefficient": 0}, None),
    ],
)
def test_a_bound_that_tells_one_row_from_more_has_a_reason(estimator, options, why):
    X, y, X_test = two_clouds(0, 30, apart=2)
    if not options:
        options = {"X": X_test[:1]}
    found = find_flip_set(fitted(estimator, X, y), max_rows=2, **options)
    if why is None:
        assert found.reason is None
    else:
        assert "more than one row are certified for" in found.reason
        assert why in found.reason
