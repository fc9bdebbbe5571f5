"""Checks that every influence estimator passes, whatever its method.

As scikit-learn's estimator checks, each is a function of ``(name,
influence_estimator)`` that gets an unfitted estimator and raises AssertionError.
A new method adds its instances to the list in ``test_common.py``.

Tolerances leave room for estimators that are retrained, if their own solvers are
set to stop late: give such instances a small ``tol``.
"""

import inspect
import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from ids import short_name
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

RTOL, ATOL = 1e-5, 1e-7


def assert_same(actual, desired):
    """Equal up to what rounding does to iterative solvers."""
    scale = max(1.0, np.abs(desired).max(initial=0.0))
    assert_allclose(actual, desired, rtol=RTOL, atol=ATOL * scale)


def final_step(estimator):
    """Return the last step of a Pipeline, or the estimator itself."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def wraps(influence_estimator):
    """Tell whether the model is a parameter, not made by the estimator itself."""
    return "estimator" in influence_estimator.get_params(deep=False)


def leaves(estimator, prefix=""):
    """Yield each innermost step and the prefix of its fit parameters."""
    if isinstance(estimator, Pipeline):
        for name, step in estimator.steps:
            yield from leaves(step, f"{prefix}{name}__")
    elif estimator not in (None, "passthrough"):
        yield estimator, prefix


def takes_weights(influence_estimator):
    """Tell whether the wrapped model has weights that reach its loss."""
    return has_fit_parameter(final_step(influence_estimator.estimator), "sample_weight")


def weight_params(influence_estimator, weight):
    """Fit parameters that give every step that takes them these weights."""
    return {
        f"{prefix}sample_weight": weight
        for step, prefix in leaves(influence_estimator.estimator)
        if has_fit_parameter(step, "sample_weight")
    }


def every_fitted_step_takes_weights(influence_estimator):
    """Tell whether a weight of two is the same as the row twice."""
    return all(
        has_fit_parameter(step, "sample_weight")
        for step, _ in leaves(influence_estimator.estimator)
        if get_tags(step).requires_fit
    )


def fixed_steps(influence):
    """Steps that a fitted influence estimator does not refit, where it says so."""
    return getattr(influence, "fixed_steps_", None)


def has_positive_targets(influence_estimator):
    """Tell whether targets must be positive (Poisson, Gamma, Tweedie)."""
    return get_tags(final_step(influence_estimator.estimator)).target_tags.positive_only


def make_data(influence_estimator, n_train=24, n_test=9, seed=0):
    """Return X, y, X_test, y_test that the wrapped estimator can be fitted to."""
    rng = np.random.default_rng(seed)
    n = n_train + n_test
    X = rng.normal(size=(n, 3))
    signal = X @ [1.0, -0.7, 0.4]
    if get_tags(influence_estimator).input_tags.positive_only:
        X = np.abs(X)
    if is_classifier(influence_estimator):
        y = (signal + rng.normal(size=n) > 0).astype(int)
    elif has_positive_targets(influence_estimator):
        y = np.exp(0.3 * signal + 0.3 * rng.normal(size=n))
    else:
        y = signal + 0.5 * rng.normal(size=n)
    return X[:n_train], y[:n_train], X[n_train:], y[n_train:]


def fit_on(influence_estimator, X, y, **params):
    """Fit a clone."""
    return clone(influence_estimator).fit(X, y, **params)


def fitted(influence_estimator, **kwargs):
    """Return a fitted clone, and test rows."""
    X, y, X_test, y_test = make_data(influence_estimator, **kwargs)
    return fit_on(influence_estimator, X, y), X_test, y_test


def tiny_blocks(influence):
    """Return a context in which a block holds two test rows."""
    bytes_per_row = 8 * influence.n_samples_fit_
    return sklearn.config_context(working_memory=2 * bytes_per_row / 2**20)


# ------------------------------------------------------------------ the contract


def check_influence_sign(name, influence_estimator):
    """A planted bad row has negative mean influence, a good one positive."""
    side = np.linspace(-2, 2, 10)
    near = np.linspace(-0.02, 0.02, 8)
    bad, good = 10, 11
    if is_classifier(influence_estimator):
        # Test rows of class 1 lie on the border, between two planted rows that
        # balance each other: without the bad one all are right, without the good
        # one all are wrong.
        x = np.concatenate([side, [0.0, 0.0]])
        y = np.concatenate([(side > 0).astype(int), [0, 1]])
        y_test = np.ones(len(near), dtype=int)
        x_test = near
    else:
        x = np.concatenate([side, [0.5, 0.5]])
        y = np.concatenate([np.exp(0.2 * side), [np.exp(0.1) + 2, np.exp(0.1)]])
        x_test = near + 0.5
        y_test = np.exp(0.2 * x_test)
    X, X_test = np.column_stack([x, x**2]), np.column_stack([x_test, x_test**2])
    if get_tags(influence_estimator).input_tags.positive_only:
        X, X_test = X + 2, X_test + 2
    values = fit_on(influence_estimator, X, y).sample_values(X_test, y_test)
    assert values[bad] < 0 < values[good], name


def check_influence_shape_and_dtype(name, influence_estimator):
    """Float64, finite, one row per test row and one column per training row."""
    X, y, X_test, y_test = make_data(influence_estimator)
    for dtype in (np.float64, np.float32):
        influence = fit_on(influence_estimator, X.astype(dtype), y)
        rows = X_test.astype(dtype)
        n, n_test = len(X), len(X_test)
        values, indices = influence.influential_rows(rows, y_test, n_rows=4)
        groups = np.arange(n) % 3
        for result, shape in (
            (influence.influence(rows, y_test), (n_test, n)),
            (influence.influence(rows[:1], y_test[:1]), (1, n)),
            (influence.influence(rows), (n_test, n)),
            (influence.sample_values(rows, y_test), (n,)),
            (influence.self_influence(), (n,)),
            (values, (n_test, 4)),
            (influence.group_influence(rows, y_test, groups=groups), (n_test, 3)),
        ):
            assert isinstance(result, np.ndarray)
            assert result.shape == shape
            assert result.dtype == np.float64
            assert np.isfinite(result).all()
        assert indices.shape == (n_test, 4)
        assert np.issubdtype(indices.dtype, np.integer)
        assert influence.n_samples_fit_ == n


def check_influence_order_of_test_rows(name, influence_estimator):
    """Each test row gets the same answer wherever it stands."""
    influence, X_test, y_test = fitted(influence_estimator)
    order = np.random.default_rng(1).permutation(len(X_test))
    matrix = influence.influence(X_test, y_test)
    assert_allclose(
        influence.influence(X_test[order], y_test[order]),
        matrix[order],
        rtol=1e-9,
        atol=1e-12,
    )
    one = influence.influence(X_test[3:4], y_test[3:4])
    assert_allclose(one, matrix[3:4], rtol=1e-9, atol=1e-12)


def check_influence_sample_values(name, influence_estimator):
    """The (weighted) mean of the matrix over the test rows."""
    influence, X_test, y_test = fitted(influence_estimator)
    matrix = influence.influence(X_test, y_test)
    close = {"rtol": 1e-9, "atol": 1e-12}
    assert_allclose(
        influence.sample_values(X_test, y_test), matrix.mean(axis=0), **close
    )
    weight = np.arange(len(y_test))
    expected = np.average(matrix, axis=0, weights=weight)
    for given in (
        weight,
        list(weight),
        0.37 * weight,
        pd.Series(weight, index=weight + 5),
    ):
        values = influence.sample_values(X_test, y_test, sample_weight=given)
        assert_allclose(values, expected, **close)
    predicted = influence.influence(X_test).mean(axis=0)
    assert_allclose(influence.sample_values(X_test, None), predicted, **close)


def check_influence_blocks(name, influence_estimator):
    """Memory for two test rows at a time gives the same numbers."""
    influence, X_test, y_test = fitted(influence_estimator)
    groups = np.arange(influence.n_samples_fit_) // 6

    def everything():
        return [
            influence.influence(X_test, y_test),
            influence.influence(X_test),
            influence.sample_values(X_test, y_test),
            influence.sample_values(X_test, y_test, sample_weight=range(len(X_test))),
            influence.self_influence(),
            influence.influential_rows(X_test, y_test)[0],
            influence.group_influence(X_test, y_test, groups=groups),
        ]

    whole = everything()
    with tiny_blocks(influence):
        cut = everything()
    for actual, desired in zip(cut, whole, strict=True):
        assert_allclose(actual, desired, rtol=1e-9, atol=1e-12)


def check_influence_influential_rows(name, influence_estimator):
    """The largest absolute values of each row of the matrix, in order."""
    influence, X_test, y_test = fitted(influence_estimator)
    n = influence.n_samples_fit_
    for y_given in (y_test, None):
        matrix = influence.influence(X_test, y_given)
        size = -np.sort(-np.abs(matrix), axis=1)
        for n_rows in (1, 5, n):
            values, indices = influence.influential_rows(X_test, y_given, n_rows=n_rows)
            close = {"rtol": 1e-9, "atol": 1e-12}
            assert_allclose(np.abs(values), size[:, :n_rows], **close)
            picked = np.take_along_axis(matrix, indices, axis=1)
            assert_allclose(values, picked, **close)
            assert all(len(np.unique(row)) == n_rows for row in indices)
    assert influence.influential_rows(X_test, y_test)[0].shape[1] == 5


def check_influence_self_influence(name, influence_estimator):
    """The diagonal of the influence on the training rows."""
    X, y, _, _ = make_data(influence_estimator)
    influence = fit_on(influence_estimator, X, y)
    diagonal = np.diag(influence.influence(X, y))
    assert_allclose(influence.self_influence(), diagonal, rtol=1e-7, atol=1e-10)


def check_influence_groups(name, influence_estimator):
    """Labels and masks say the same; a row alone is a group."""
    # Enough rows for two of each class to be left without two thirds of them.
    influence, X_test, y_test = fitted(influence_estimator, n_train=48)
    n = influence.n_samples_fit_
    labels = np.array(["b", "a", "c"])[np.arange(n) * 7 % 3]
    masks = np.array(["a", "b", "c"])[:, None] == labels
    expected = influence.group_influence(X_test, y_test, groups=masks)
    for groups in (labels, list(labels), pd.Series(labels, index=np.arange(n) + 9)):
        result = influence.group_influence(X_test, y_test, groups=groups)
        assert_allclose(result, expected, rtol=1e-9, atol=1e-12)
    by_flag = influence.group_influence(X_test, y_test, groups=labels == "b")
    both = np.stack([labels != "b", labels == "b"])
    assert_allclose(by_flag, influence.group_influence(X_test, y_test, groups=both))
    alone = influence.group_influence(X_test, y_test, groups=np.arange(n))
    assert_same(alone, influence.influence(X_test, y_test))
    explained = influence.group_influence(X_test, groups=np.arange(n))
    assert_same(explained, influence.influence(X_test))
    overlapping = np.zeros((3, n), dtype=bool)
    overlapping[0, :3] = overlapping[1, 2:4] = True
    result = influence.group_influence(X_test, y_test, groups=overlapping)
    assert_allclose(result[:, 2], 0.0, atol=1e-12)  # nothing is removed
    again = influence.group_influence(X_test, y_test, groups=overlapping[[1]])
    assert_allclose(result[:, 1], again[:, 0], rtol=1e-9, atol=1e-12)


def check_influence_explains_prediction(name, influence_estimator):
    """Without y: the predicted class, or the prediction of a regressor."""
    influence, X_test, y_test = fitted(influence_estimator)
    explained = influence.influence(X_test)
    if is_classifier(influence_estimator):
        predicted = influence.predict(X_test)
        assert_allclose(explained, influence.influence(X_test, predicted))
        return
    # A row whose target lies far above the others raises predictions next to it.
    X, y, _, _ = make_data(influence_estimator)
    y = y.copy()
    y[4] = y.max() + 3
    influence = fit_on(influence_estimator, X, y)
    values, indices = influence.influential_rows(X[[4]], n_rows=1)
    assert values[0, 0] > 0
    assert indices[0, 0] == 4


def check_influence_delegates(name, influence_estimator):
    """The object predicts and scores as the model inside."""
    X, y, X_test, y_test = make_data(influence_estimator)
    influence = fit_on(influence_estimator, pd.DataFrame(X, columns=list("abc")), y)
    X_test = pd.DataFrame(X_test, columns=list("abc"))
    model = influence.estimator_
    assert type(model) is type(influence_estimator.estimator)
    for method in (
        "predict",
        "predict_proba",
        "predict_log_proba",
        "decision_function",
    ):
        assert hasattr(influence, method) == hasattr(model, method)
        if hasattr(model, method):
            answer = getattr(influence, method)(X_test)
            assert_array_equal(answer, getattr(model, method)(X_test))
    assert influence.score(X_test, y_test) == model.score(X_test, y_test)
    assert influence.n_features_in_ == 3
    assert list(influence.feature_names_in_) == list("abc")
    assert hasattr(influence, "classes_") == is_classifier(influence)
    assert is_classifier(influence) == is_classifier(influence_estimator.estimator)


# ------------------------------------------------------------------------ inputs


def check_influence_containers(name, influence_estimator):
    """Data frames, lists and, where taken, sparse matrices equal arrays."""
    X, y, X_test, y_test = make_data(influence_estimator)
    expected = fit_on(influence_estimator, X, y).influence(X_test, y_test)
    columns = ["one", "two", "three"]
    index = np.random.default_rng(0).permutation(len(X)) * 3 + 100
    pairs = [
        (
            (pd.DataFrame(X, columns=columns, index=index), pd.Series(y, index=index)),
            (pd.DataFrame(X_test, columns=columns), pd.Series(y_test)),
        ),
        ((X.tolist(), y.tolist()), (X_test.tolist(), y_test.tolist())),
        ((np.asfortranarray(X), y), (np.asfortranarray(X_test), y_test)),
    ]
    try:
        import polars as pl
    except ImportError:
        pass
    else:
        pairs.append(
            (
                (pl.DataFrame(X, schema=columns), pl.Series(y)),
                (pl.DataFrame(X_test, schema=columns), pl.Series(y_test)),
            )
        )
    if get_tags(influence_estimator).input_tags.sparse:
        for kind in (sp.csr_array, sp.csr_matrix, sp.csc_array, sp.coo_array):
            pairs.append(((kind(X), y), (kind(X_test), y_test)))
    for train, test in pairs:
        influence = fit_on(influence_estimator, *train)
        assert_same(influence.influence(*test), expected)
        groups = np.arange(len(X)) % 2
        assert influence.group_influence(*test, groups=groups).shape[1] == 2
        diagonal = np.diag(influence.influence(*train))
        assert_same(influence.self_influence(), diagonal)


def check_influence_label_encodings(name, influence_estimator):
    """What the two classes are called does not matter."""
    X, y, X_test, y_test = make_data(influence_estimator)
    expected = fit_on(influence_estimator, X, y).influence(X_test, y_test)
    for labels in (
        np.array([1, 2]),
        np.array([-1, 1]),
        np.array([False, True]),
        np.array([0.0, 1.0]),
        np.array(["ham", "spam"]),
        np.array(["ham", "spam"], dtype=object),
    ):
        influence = fit_on(influence_estimator, X, labels[y])
        for y_given in (labels[y_test], labels[y_test].tolist()):
            result = influence.influence(X_test, y_given)
            assert_allclose(result, expected, rtol=1e-9, atol=1e-12)
        predicted = influence.influence(X_test, influence.predict(X_test))
        assert_array_equal(influence.influence(X_test), predicted)
    categories = pd.Series(np.array(["x", "a"])[y], dtype="category")
    categories = categories.cat.set_categories(["x", "a"], ordered=True)
    names = np.array(["x", "a"])
    swapped = fit_on(influence_estimator, X, 1 - y).influence(X_test, 1 - y_test)
    influence = fit_on(influence_estimator, X, categories)
    assert_allclose(
        influence.influence(X_test, pd.Series(names[y_test], dtype="category")),
        swapped,
        rtol=1e-9,
        atol=1e-12,
    )
    assert_same(swapped, expected)


def check_influence_does_not_change_inputs(name, influence_estimator):
    """Neither the data nor the wrapped estimator is touched."""
    X, y, X_test, y_test = make_data(influence_estimator)
    arrays = [X, y, X_test, y_test]
    copies = [array.copy() for array in arrays]
    for array in arrays:
        array.setflags(write=False)
    influence = clone(influence_estimator)
    params = influence.get_params(deep=False)
    before = pickle.dumps(params)
    influence.fit(X, y).influence(X_test, y_test)
    influence.self_influence()
    influence.group_influence(X_test, y_test, groups=np.arange(len(X)) // 9)
    after = influence.get_params(deep=False)
    assert all(after[name] is params[name] for name in params)
    assert pickle.dumps(after) == before
    for array, copy in zip(arrays, copies, strict=True):
        assert_array_equal(array, copy)


# ------------------------------------------------------------------------- state


def check_influence_keeps_global_random_state(name, influence_estimator):
    """Nobody's random numbers change because influence was computed."""
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
    """Fitting a second object, or the same one again, leaves no trace."""
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
    """Copies answer bit for bit the same."""
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


# ------------------------------------- methods whose values depend on the data only


def check_influence_order_of_training_rows(name, influence_estimator):
    """Rows keep their values wherever they stand in the training set."""
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


# -------------------------------------------------------------- weights and routing


def check_influence_zero_weight(name, influence_estimator):
    """A row of weight zero has no influence, and changes nobody else's."""
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
    """A weight of two is the row twice, removed together; floats are no integers."""
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
            return  # removals of a weighted step are not refits of it
        assert_same(weighted.influence(X_test, y_test), expected)
    if influence_estimator.get_params(deep=False).get("loss") == "zero_one":
        return  # too coarse to see a fraction of a row
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
        final_step(routed.estimator).set_score_request(sample_weight=True)
        routed = routed.fit(X, y, sample_weight=weight)
        assert_array_equal(routed.influence(X_test, y_test), expected)
        score = routed.score(X_test, y_test, sample_weight=test_weight)
        model = routed.estimator_
        assert score == model.score(X_test, y_test, sample_weight=test_weight)
        assert score != model.score(X_test, y_test)


# -------------------------------------------------------------------- composition


def warp(X):
    """Change a column so that no model fails to notice, trees included."""
    X = X.copy()
    X[:, 0] = X[:, 0] ** 2
    X[:, 1] *= 10
    return X


def check_influence_uses_whole_pipeline(name, influence_estimator):
    """A wrapped Pipeline is the model, not only its last step."""
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
    """As the last step of a Pipeline it sees transformed rows."""
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
    """Parameters of the wrapped estimator are searched through it."""
    X, y, X_test, y_test = make_data(influence_estimator)
    names = influence_estimator.get_params(deep=True)
    candidates = [
        key
        for key in names
        if key.startswith("estimator__") and key.endswith(("__C", "__alpha"))
    ]
    grid = {key: [0.01, 1.0] for key in candidates[:1]} or {
        name: [value] for name, value in influence_estimator.get_params(False).items()
    }
    search = GridSearchCV(clone(influence_estimator), grid, cv=2, error_score="raise")
    search.fit(X, y)
    best = clone(influence_estimator).set_params(**search.best_params_).fit(X, y)
    matrix = search.best_estimator_.influence(X_test, y_test)
    assert_array_equal(matrix, best.influence(X_test, y_test))


# ---------------------------------------------------------------------- bad input


def check_influence_unfitted(name, influence_estimator):
    """Every question needs a fitted object, and says so."""
    X, y, X_test, y_test = make_data(influence_estimator)
    for ask in (
        lambda i: i.influence(X_test, y_test),
        lambda i: i.influence(X_test),
        lambda i: i.sample_values(X_test, y_test),
        lambda i: i.self_influence(),
        lambda i: i.influential_rows(X_test, y_test),
        lambda i: i.group_influence(X_test, y_test, groups=np.zeros(len(X))),
        lambda i: i.predict(X_test),
        lambda i: i.score(X_test, y_test),
    ):
        with pytest.raises(NotFittedError, match=type(influence_estimator).__name__):
            ask(clone(influence_estimator))
    for attribute in ("estimator_", "n_samples_fit_", "n_features_in_", "classes_"):
        assert not hasattr(clone(influence_estimator), attribute)


def check_influence_bad_lengths(name, influence_estimator):
    """Targets, weights and groups that do not match the rows are refused."""
    influence, X_test, y_test = fitted(influence_estimator)
    n, n_test = influence.n_samples_fit_, len(y_test)
    X, y, _, _ = make_data(influence_estimator)
    with pytest.raises(ValueError, match=rf"{n}.*{n - 1}|{n - 1}.*{n}"):
        clone(influence_estimator).fit(X, y[:-1])
    for ask in (
        influence.influence,
        influence.sample_values,
        influence.influential_rows,
    ):
        with pytest.raises(ValueError, match=rf"{n_test}.*{n_test - 1}"):
            ask(X_test, y_test[:-1])
    for weight in (np.ones(n_test - 1), np.zeros(n_test), -np.ones(n_test)):
        with pytest.raises(ValueError, match=rf"'sample_weight'.*\({n_test},\).*Got"):
            influence.sample_values(X_test, y_test, sample_weight=weight)
    for groups in (
        np.zeros(n - 1),
        np.zeros((2, n - 1), dtype=bool),
        np.zeros((2, n), dtype=int),
        np.zeros((1, 2, n), dtype=bool),
    ):
        with pytest.raises(ValueError, match=rf"'groups'.*{n}.*Got shape"):
            influence.group_influence(X_test, y_test, groups=groups)
    for n_rows in (0, -1, n + 1):
        with pytest.raises(ValueError, match=rf"'n_rows'.*{n}.*Got {n_rows}"):
            influence.influential_rows(X_test, y_test, n_rows=n_rows)


def check_influence_bad_rows(name, influence_estimator):
    """NaN and a missing column are refused as the wrapped estimator does."""
    influence, X_test, y_test = fitted(influence_estimator)
    with pytest.raises(ValueError, match="features"):
        influence.influence(X_test[:, :2], y_test)
    with pytest.raises(ValueError, match="features"):
        influence.influence(X_test[:, :2])
    if not get_tags(influence_estimator).input_tags.allow_nan:
        X, y, _, _ = make_data(influence_estimator)
        for missing in (np.nan, np.inf):
            X[2, 1] = X_test[1, 1] = missing
            with pytest.raises(ValueError, match="NaN|infinity"):
                clone(influence_estimator).fit(X, y)
            with pytest.raises(ValueError, match="NaN|infinity"):
                influence.influence(X_test, y_test)
            with pytest.raises(ValueError, match="NaN|infinity"):
                influence.influence(X_test)


def check_influence_bad_targets(name, influence_estimator):
    """Unknown classes, missing and two-dimensional targets are refused."""
    influence, X_test, y_test = fitted(influence_estimator)
    X, y, _, _ = make_data(influence_estimator)
    if is_classifier(influence_estimator):
        unknown = y_test.copy()
        unknown[2] = 7
        for ask in (influence.influence, influence.sample_values):
            with pytest.raises(
                ValueError, match=r"classes seen during fit.*0.*1.*Got.*7"
            ):
                ask(X_test, unknown)
        with pytest.raises(ValueError, match="classes|y "):
            influence.influence(X_test, y_test.astype(str))
    else:
        missing = y_test.astype(float)
        missing[2] = np.nan
        with pytest.raises(ValueError, match="y contains NaN"):
            influence.influence(X_test, missing)
        with pytest.raises(ValueError, match="y must have 1 output.*Got 2"):
            influence.influence(X_test, np.column_stack([y_test, y_test]))


def check_influence_frozen(name, influence_estimator):
    """A model that cannot be trained again is refused, with the way out."""
    X, y, _, _ = make_data(influence_estimator)
    model = clone(influence_estimator.estimator).fit(X, y)
    for estimator in (
        FrozenEstimator(model),
        make_pipeline(FunctionTransformer(), FrozenEstimator(model)),
    ):
        influence = clone(influence_estimator).set_params(estimator=estimator)
        with pytest.raises(ValueError, match="'estimator'.*FrozenEstimator"):
            influence.fit(X, y)


def check_influence_parameters(name, influence_estimator):
    """Every parameter of the wrong type is named before any training starts."""
    X, y, _, _ = make_data(influence_estimator)
    wrong = type("WrongType", (), {})()
    for parameter in influence_estimator.get_params(deep=False):
        influence = clone(influence_estimator)
        setattr(influence, parameter, wrong)
        with pytest.raises(ValueError, match=rf"'{parameter}' parameter.*must be.*Got"):
            influence.fit(X, y)
        assert not hasattr(influence, "estimator_")


def check_influence_loss(name, influence_estimator):
    """A loss for the other kind of estimator is refused, with what is taken."""
    if "loss" not in influence_estimator.get_params(deep=False):
        return
    X, y, _, _ = make_data(influence_estimator)
    other = "squared_error" if is_classifier(influence_estimator) else "log_loss"
    known = "zero_one" if is_classifier(influence_estimator) else "absolute_error"
    influence = clone(influence_estimator).set_params(loss=other)
    with pytest.raises(ValueError, match=rf"'loss'.*'{known}'.*Got '{other}'"):
        influence.fit(X, y)
    influence.set_params(loss="nonsense")
    with pytest.raises(ValueError, match="'loss'.*'nonsense'"):
        influence.fit(X, y)


# --------------------------------------------------------------------- the runner


def is_check(value):
    """Tell whether a module member is one of the checks."""
    return inspect.isfunction(value) and value.__name__.startswith("check_influence")


def influence_checks(influence_estimator, deterministic=True):
    """Yield the checks that apply to an instance.

    Parameters
    ----------
    influence_estimator : influence estimator
        Unfitted.
    deterministic : bool
        Whether its values depend on the data only. A method that samples needs a
        ``random_state`` in any case, and False here: its values are then not
        compared between orders, duplicates and weights of the training rows.
    """
    for check in filter(is_check, list(globals().values())):
        if check is check_influence_label_encodings and not is_classifier(
            influence_estimator
        ):
            continue
        if not wraps(influence_estimator) and check in (
            check_influence_uses_whole_pipeline,
            check_influence_frozen,
        ):
            continue
        if not takes_weights(influence_estimator) and check in (
            check_influence_zero_weight,
            check_influence_weights_are_copies,
            check_influence_metadata_routing,
        ):
            continue
        if not deterministic and check in (
            check_influence_order_of_training_rows,
            check_influence_duplicates,
            check_influence_weights_are_copies,
            check_influence_zero_weight,
        ):
            continue
        yield check


def parametrize_with_influence_checks(influence_estimators, deterministic=True):
    """Decorate ``test(influence_estimator, check)`` with every check of each."""
    return pytest.mark.parametrize(
        ("influence_estimator", "check"),
        [
            pytest.param(
                influence_estimator,
                check,
                id=f"{short_name(influence_estimator)}-"
                f"{check.__name__.removeprefix('check_influence_')}",
            )
            for influence_estimator in influence_estimators
            for check in influence_checks(influence_estimator, deterministic)
        ],
    )
