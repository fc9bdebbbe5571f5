"""Standard errors of every sampled method, and test rows that are given to fit."""

import inspect

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeRegressor

import skinfluence
from skinfluence import (
    DownsamplingInfluence,
    KNNShapley,
    LeaveOneOutInfluence,
    OutOfBagInfluence,
    ShapleyInfluence,
    TreeInfluence,
)

TREE = DecisionTreeRegressor(max_depth=2, random_state=0)
SAMPLED = {
    "downsampling": DownsamplingInfluence(TREE, n_retrainings=20, random_state=0),
    "control variate": DownsamplingInfluence(Ridge(), n_retrainings=20, random_state=0),
    "orders": ShapleyInfluence(Ridge(), max_retrainings=300, random_state=0),
    "retrained orders": ShapleyInfluence(TREE, max_retrainings=120, random_state=0),
    "random subsets": ShapleyInfluence(
        TREE, semivalue="banzhaf", max_retrainings=100, random_state=0
    ),
    "out of bag": OutOfBagInfluence(RandomForestRegressor(30, random_state=0)),
    "trees": TreeInfluence(
        GradientBoostingRegressor(n_estimators=3), n_structures=6, random_state=0
    ),
}
KEEP_MODELS = {
    "exact": LeaveOneOutInfluence(Ridge()),
    "refit": LeaveOneOutInfluence(TREE),
    "neighbors": KNNShapley(3, utility="squared_error"),
    "out of bag": SAMPLED["out of bag"],
    "trees": SAMPLED["trees"],
}
close = {"rtol": 1e-9, "atol": 1e-12}


@pytest.fixture(scope="module")
def rows():
    X, y = load_diabetes(return_X_y=True)
    y = y / 77
    return X[:20], y[:20], X[20:26], y[20:26]


@pytest.mark.parametrize("method", SAMPLED.values(), ids=SAMPLED)
def test_errors_come_with_the_same_values_everywhere(method, rows):
    X, y, X_test, y_test = rows
    method = method.fit(X, y)
    matrix, std = method.influence(X_test, y_test, return_std=True)
    assert_allclose(matrix, method.influence(X_test, y_test), **close)
    assert std.shape == matrix.shape
    assert (std[np.isfinite(std)] >= 0).all()
    assert (std > 0).any()
    values, error = method.sample_values(X_test, y_test, return_std=True)
    assert_allclose(values, method.sample_values(X_test, y_test), **close)
    assert error.shape == values.shape == (20,)
    assert (error <= std.mean(axis=0) * (1 + 1e-9)).all()  # the triangle inequality
    # All weight on a single row: its own errors.
    one = np.eye(6)[2]
    assert_allclose(
        method.sample_values(X_test, y_test, one, return_std=True)[1], std[2], **close
    )
    own, own_error = method.self_influence(return_std=True)
    assert_allclose(own, method.self_influence(), **close)
    diagonal = method.influence(X, y, return_std=True)[1].diagonal()
    assert_allclose(own_error, diagonal, **close)


def test_error_of_a_mean_over_test_rows_by_downsampling(rows):
    """Subsets of half of the rows come as pairs: what each pair says, by hand."""
    X, y, X_test, y_test = rows
    method = SAMPLED["downsampling"].fit(X, y)
    losses = np.array(
        [
            ((TREE.fit(X[m], y[m]).predict(X_test) - y_test) ** 2).mean()
            for m in method.masks_
        ]
    )
    assert_array_equal(method.masks_[::2], ~method.masks_[1::2])
    sign = np.where(method.masks_[::2], -1, 1)
    differences = sign * (losses[::2] - losses[1::2])[:, None]
    values, error = method.sample_values(X_test, y_test, return_std=True)
    assert_allclose(values, differences.mean(axis=0), **close)
    assert_allclose(error, differences.std(axis=0, ddof=1) / np.sqrt(10), **close)


def test_error_of_a_mean_over_test_rows_by_members(rows):
    X, y, X_test, y_test = rows
    method = SAMPLED["out of bag"].fit(X, y)
    forest = method.estimator_
    losses = np.array(
        [((e.predict(X_test) - y_test) ** 2).mean() for e in forest.estimators_]
    )
    _, error = method.sample_values(X_test, y_test, return_std=True)
    for i in range(20):
        seen = np.array([i in sample for sample in forest.estimators_samples_])
        variance = sum(losses[m].var() / m.sum() for m in (seen, ~seen))
        assert_allclose(error[i], np.sqrt(variance * 30 / 29), rtol=1e-9)


def test_the_word_is_keyword_only_and_on_all_three():
    methods = [
        cls
        for cls in vars(skinfluence).values()
        if inspect.isclass(cls) and issubclass(cls, skinfluence._base.BaseInfluence)
    ]
    sampled = {type(method) for method in SAMPLED.values()}
    for cls in methods:
        for name in ("influence", "sample_values", "self_influence"):
            given = inspect.signature(getattr(cls, name)).parameters.get("return_std")
            assert (given is not None) == (cls in sampled), f"{cls.__name__}.{name}"
            assert given is None or given.kind is given.KEYWORD_ONLY


@pytest.mark.parametrize("method", KEEP_MODELS.values(), ids=KEEP_MODELS)
def test_rows_given_to_fit_are_the_default_of_questions(method, rows):
    X, y, X_test, y_test = rows
    method = method.fit(X, y, X_test, y_test)
    assert_array_equal(method.influence(), method.influence(X_test, y_test))
    assert_array_equal(method.sample_values(), method.sample_values(X_test, y_test))
    for said, truth in zip(
        method.influential_rows(), method.influential_rows(X_test, y_test), strict=True
    ):
        assert_array_equal(said, truth)
    groups = np.arange(20) // 5
    assert_array_equal(
        method.group_influence(groups=groups),
        method.group_influence(X_test, y_test, groups=groups),
    )
    assert method.influence(X[:3], y[:3]).shape == (3, 20)  # others as well
    with pytest.raises(ValueError, match="'X_val' and 'y_val' parameters go together"):
        method.fit(X, y, X_test)
    with pytest.raises(ValueError, match="'X' parameter must hold test rows"):
        method.fit(X, y).influence()


def test_rows_given_to_fit_by_hand(rows):
    X, y, X_test, y_test = rows
    loo = LeaveOneOutInfluence(KNeighborsRegressor(3)).fit(X, y, X_test, y_test)
    whole = (KNeighborsRegressor(3).fit(X, y).predict(X_test) - y_test) ** 2
    for i in (0, 7):
        kept = np.arange(20) != i
        model = KNeighborsRegressor(3).fit(X[kept], y[kept])
        without = (model.predict(X_test) - y_test) ** 2
        assert_allclose(loo.influence()[:, i], without - whole, **close)
