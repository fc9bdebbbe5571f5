"""Checks of state, weights, order of rows, pipelines and searches."""

import pickle

import numpy as np
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from skinfluence._sklearn import final_estimator
from skinfluence.testing._checked_estimators import (
    ATOL,
    assert_same,
    every_fitted_step_takes_weights,
    fit_on,
    fitted,
    fixed_steps,
    leaves,
    make_data,
    weight_params,
)


def check_influence_keeps_global_random_state(name, influence_estimator):
    """Computing influence does not change the state of numpy's global generator."""
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    influence, X_test, y_test = fitted(influence_estimator)
    influence.influence(X_test, y_test)
    influence.self_influence()
    influence.group_influence(
        X_test, y_test, groups=np.arange(influence.n_samples_fit_) % 3
    )
    assert np.random.random() == expected, name  # noqa: NPY002


def check_influence_objects_share_nothing(name, influence_estimator):
    """Fitting a second object, or the same one again, does not change results."""
    X, y, X_test, y_test = make_data(influence_estimator)
    X2, y2, _, _ = make_data(influence_estimator, n_train=30, seed=5)
    one = fit_on(influence_estimator, X, y)
    expected = one.influence(X_test, y_test)
    other = fit_on(influence_estimator, X2, y2)
    expected_other = other.influence(X_test, y_test)
    assert_array_equal(one.influence(X_test, y_test), expected)
    assert_array_equal(one.fit(X2, y2).influence(X_test, y_test), expected_other)
    assert one.n_samples_fit_ == 30


def check_influence_clone_and_pickle(name, influence_estimator):
    """Clones and unpickled copies give bitwise equal results."""
    influence, X_test, y_test = fitted(influence_estimator)
    expected = influence.influence(X_test, y_test)
    again, _, _ = fitted(influence)
    assert_array_equal(again.influence(X_test, y_test), expected)
    loaded = pickle.loads(pickle.dumps(influence))
    assert_array_equal(loaded.influence(X_test, y_test), expected)
    assert_array_equal(loaded.self_influence(), influence.self_influence())
    groups = np.arange(influence.n_samples_fit_) // 12
    assert_array_equal(
        loaded.group_influence(X_test, y_test, groups=groups),
        influence.group_influence(X_test, y_test, groups=groups),
    )


def check_influence_order_of_training_rows(name, influence_estimator):
    """Values do not depend on the order of the training rows."""
    X, y, X_test, y_test = make_data(influence_estimator)
    order = np.random.default_rng(2).permutation(len(X))
    expected = fit_on(influence_estimator, X, y).influence(X_test, y_test)
    shuffled = fit_on(influence_estimator, X[order], y[order])
    assert_same(shuffled.influence(X_test, y_test), expected[:, order])


def check_influence_duplicates(name, influence_estimator):
    """Two equal rows have equal values."""
    X, y, X_test, y_test = make_data(influence_estimator)
    twice = np.concatenate([np.arange(len(X)), [0, 5]])
    influence = fit_on(influence_estimator, X[twice], y[twice])
    matrix = influence.influence(X_test, y_test)
    assert_same(matrix[:, [-2, -1]], matrix[:, [0, 5]])
    values = influence.self_influence()
    assert_same(values[[-2, -1]], values[[0, 5]])


def check_influence_zero_weight(name, influence_estimator):
    """A row of weight zero has no influence, and does not change that of others."""
    X, y, X_test, y_test = make_data(influence_estimator)
    weight = np.linspace(0.5, 1.5, len(y))
    weight[[1, 17]] = 0.0
    params = weight_params(influence_estimator, weight)
    influence = fit_on(influence_estimator, X, y, **params)
    matrix = influence.influence(X_test, y_test)
    assert_allclose(matrix[:, [1, 17]], 0.0, atol=ATOL)
    assert_allclose(influence.self_influence()[[1, 17]], 0.0, atol=ATOL)
    groups = np.zeros((1, len(y)), dtype=bool)
    groups[0, [1, 17]] = True
    group = influence.group_influence(X_test, y_test, groups=groups)
    assert_allclose(group, 0.0, atol=ATOL)
    if every_fitted_step_takes_weights(influence_estimator):
        kept = np.flatnonzero(weight)
        params = weight_params(influence_estimator, weight[kept])
        without = fit_on(influence_estimator, X[kept], y[kept], **params)
        assert_same(without.influence(X_test, y_test), matrix[:, kept])


def check_influence_weights_are_copies(name, influence_estimator):
    """A weight of two equals two copies of the row that are removed together."""
    if not every_fitted_step_takes_weights(influence_estimator):
        return
    X, y, X_test, y_test = make_data(influence_estimator)
    n = len(y)
    weight = np.ones(n, dtype=int)
    weight[[2, 8]] = 2, 3
    copies = np.repeat(np.arange(n), weight)
    repeated = fit_on(influence_estimator, X[copies], y[copies])
    expected = repeated.group_influence(X_test, y_test, groups=copies)
    for given in (weight, weight.astype(float), weight.tolist()):
        params = weight_params(influence_estimator, given)
        weighted = fit_on(influence_estimator, X, y, **params)
        if fixed_steps(weighted) != fixed_steps(repeated):
            return  # with weights other steps are held fixed, so that values differ
        assert_same(weighted.influence(X_test, y_test), expected)
    if influence_estimator.get_params(deep=False).get("loss") == "zero_one":
        return  # this loss cannot resolve a fraction of a row
    params = weight_params(influence_estimator, weight + 0.4 * (weight > 1))
    fraction = fit_on(influence_estimator, X, y, **params).influence(X_test, y_test)
    assert np.abs(fraction - expected).max() > 1e-3 * np.abs(expected).max()


def check_influence_metadata_routing(name, influence_estimator):
    """Weights are routed to fit and to score of the wrapped estimator."""
    X, y, X_test, y_test = make_data(influence_estimator)
    weight, test_weight = np.linspace(0.2, 2, len(y)), np.arange(len(y_test)) ** 2
    params = weight_params(influence_estimator, weight)
    reference = fit_on(influence_estimator, X, y, **params)
    expected = reference.influence(X_test, y_test)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = clone(influence_estimator)
        for step, _ in leaves(routed.estimator):
            if has_fit_parameter(step, "sample_weight"):
                step.set_fit_request(sample_weight=True)
        final_estimator(routed.estimator).set_score_request(sample_weight=True)
        routed = routed.fit(X, y, sample_weight=weight)
        assert_array_equal(routed.influence(X_test, y_test), expected)
        model = routed.estimator_
        if is_classifier(model):  # the last label is wrong, so that weights matter
            y_test = model.predict(X_test)
            y_test[-1] = 1 - y_test[-1]
        score = routed.score(X_test, y_test, sample_weight=test_weight)
        assert score == model.score(X_test, y_test, sample_weight=test_weight)
        assert score != model.score(X_test, y_test)


def warp(X):
    """Transform a column non-monotonically, which changes tree models as well."""
    X = X.copy()
    X[:, 0] = X[:, 0] ** 2
    X[:, 1] *= 10
    return X


def check_influence_uses_whole_pipeline(name, influence_estimator):
    """The steps of a wrapped Pipeline are applied to training and test rows."""
    X, y, X_test, y_test = make_data(influence_estimator)
    step = FunctionTransformer(warp)
    piped = clone(influence_estimator)
    piped.set_params(estimator=make_pipeline(step, piped.estimator)).fit(X, y)
    plain = fit_on(influence_estimator, X, y)
    by_hand = fit_on(influence_estimator, warp(X), y)
    expected = by_hand.influence(warp(X_test), y_test)
    assert_same(piped.influence(X_test, y_test), expected)
    assert_same(piped.self_influence(), by_hand.self_influence())
    assert np.abs(expected - plain.influence(X_test, y_test)).max() > 1e-4
    assert_array_equal(piped.predict(X_test), by_hand.predict(warp(X_test)))


def check_influence_in_pipeline(name, influence_estimator):
    """As the last step of a Pipeline it takes transformed rows."""
    X, y, X_test, y_test = make_data(influence_estimator)
    scaler = StandardScaler()
    if get_tags(influence_estimator).input_tags.positive_only:
        scaler = MinMaxScaler(clip=True)
    pipeline = make_pipeline(scaler, clone(influence_estimator)).fit(X, y)
    scale = pipeline[:-1].transform
    expected = fit_on(influence_estimator, scale(X), y)
    assert_array_equal(
        pipeline[-1].influence(scale(X_test), y_test),
        expected.influence(scale(X_test), y_test),
    )
    assert_array_equal(pipeline.predict(X_test), expected.predict(scale(X_test)))


def check_influence_in_grid_search(name, influence_estimator):
    """A grid search can set the parameters of the wrapped estimator."""
    X, y, X_test, y_test = make_data(influence_estimator)
    names = influence_estimator.get_params(deep=True)
    candidates = [
        key
        for key in names
        if key.startswith("estimator__")
        and key.endswith(("__C", "__alpha"))
        # In boosting models `alpha` is a quantile.
        and "estimator__learning_rate" not in influence_estimator.get_params()
    ]
    grid = {key: [0.01, 1.0] for key in candidates[:1]} or {
        name: [value] for name, value in influence_estimator.get_params(False).items()
    }
    search = GridSearchCV(clone(influence_estimator), grid, cv=2, error_score="raise")
    search.fit(X, y)
    best = clone(influence_estimator).set_params(**search.best_params_).fit(X, y)
    matrix = search.best_estimator_.influence(X_test, y_test)
    assert_array_equal(matrix, best.influence(X_test, y_test))
