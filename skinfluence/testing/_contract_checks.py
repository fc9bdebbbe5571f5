"""Checks of the contract: signs, units, shapes, sums, groups, and supported input."""

import pickle

import numpy as np
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.utils import get_tags

from skinfluence.testing._checked_estimators import (
    assert_same,
    fit_on,
    fitted,
    installed,
    make_data,
    tiny_blocks,
)


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
    else:
        # Methods without a term for the intercept have none for a row at the origin.
        X, X_test = X + 1, X_test + 1
    values = fit_on(influence_estimator, X, y).sample_values(X_test, y_test)
    assert values[bad] < 0 < values[good], name


def check_influence_shape_and_dtype(name, influence_estimator):
    """The matrix is finite float64 of shape (n_test, n_train)."""
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
    """Influences on a test row do not depend on the order of the test rows."""
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
    """`sample_values` is the (weighted) mean of the matrix over the test rows."""
    influence, X_test, y_test = fitted(influence_estimator)
    matrix = influence.influence(X_test, y_test)
    close = {"rtol": 1e-9, "atol": 1e-12}
    assert_allclose(
        influence.sample_values(X_test, y_test), matrix.mean(axis=0), **close
    )
    weight = np.arange(len(y_test))
    expected = np.average(matrix, axis=0, weights=weight)
    pd = installed("pandas")
    series = [pd.Series(weight, index=weight + 5)] if pd else []
    for given in (weight, list(weight), 0.37 * weight, *series):
        values = influence.sample_values(X_test, y_test, sample_weight=given)
        assert_allclose(values, expected, **close)
    predicted = influence.influence(X_test).mean(axis=0)
    assert_allclose(influence.sample_values(X_test, None), predicted, **close)


def check_influence_blocks(name, influence_estimator):
    """Blocks of two test rows give the same numbers."""
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
    """`influential_rows` are the largest absolute values of each row, in order."""
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
    """`self_influence` is the diagonal of the influence on the training rows."""
    X, y, _, _ = make_data(influence_estimator)
    influence = fit_on(influence_estimator, X, y)
    diagonal = np.diag(influence.influence(X, y))
    assert_allclose(influence.self_influence(), diagonal, rtol=1e-7, atol=1e-10)


def check_influence_groups(name, influence_estimator):
    """Labels and masks of groups agree; groups of one row equal single rows."""
    # Enough rows that two of each class remain without two thirds of the rows.
    influence, X_test, y_test = fitted(influence_estimator, n_train=48)
    n = influence.n_samples_fit_
    labels = np.array(["b", "a", "c"])[np.arange(n) * 7 % 3]
    masks = np.array(["a", "b", "c"])[:, None] == labels
    expected = influence.group_influence(X_test, y_test, groups=masks)
    pd = installed("pandas")
    series = [pd.Series(labels, index=np.arange(n) + 9)] if pd else []
    for groups in (labels, list(labels), *series):
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
    """Without y the predicted class, or a regressor's prediction, is explained."""
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
    """Predictions and scores are those of the wrapped model."""
    X, y, X_test, y_test = make_data(influence_estimator)
    pd = installed("pandas")
    if pd:
        X = pd.DataFrame(X, columns=list("abc"))
        X_test = pd.DataFrame(X_test, columns=list("abc"))
    influence = fit_on(influence_estimator, X, y)
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
    if pd:
        assert list(influence.feature_names_in_) == list("abc")
    assert hasattr(influence, "classes_") == is_classifier(influence)
    assert is_classifier(influence) == is_classifier(influence_estimator.estimator)


def check_influence_containers(name, influence_estimator):
    """Data frames, lists and sparse matrices (if supported) give equal results."""
    X, y, X_test, y_test = make_data(influence_estimator)
    expected = fit_on(influence_estimator, X, y).influence(X_test, y_test)
    columns = ["one", "two", "three"]
    index = np.random.default_rng(0).permutation(len(X)) * 3 + 100
    pairs = [
        ((X.tolist(), y.tolist()), (X_test.tolist(), y_test.tolist())),
        ((np.asfortranarray(X), y), (np.asfortranarray(X_test), y_test)),
    ]
    if pd := installed("pandas"):
        frame = pd.DataFrame(X, columns=columns, index=index)
        test = (pd.DataFrame(X_test, columns=columns), pd.Series(y_test))
        pairs.append(((frame, pd.Series(y, index=index)), test))
    if pl := installed("polars"):
        test = (pl.DataFrame(X_test, schema=columns), pl.Series(y_test))
        pairs.append(((pl.DataFrame(X, schema=columns), pl.Series(y)), test))
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
    """Results do not depend on the names of the two classes."""
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
    names = np.array(["x", "a"])
    swapped = fit_on(influence_estimator, X, 1 - y).influence(X_test, 1 - y_test)
    assert_same(swapped, expected)
    if pd := installed("pandas"):
        categories = pd.Series(names[y], dtype="category")
        categories = categories.cat.set_categories(["x", "a"], ordered=True)
        influence = fit_on(influence_estimator, X, categories)
        y_test = pd.Series(names[y_test], dtype="category")
        result = influence.influence(X_test, y_test)
        assert_allclose(result, swapped, rtol=1e-9, atol=1e-12)


def check_influence_does_not_change_inputs(name, influence_estimator):
    """Neither the data nor the wrapped estimator is changed."""
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
