"""Rows that are added and removed, against fits to the changed table."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
)
from sklearn.naive_bayes import (
    BernoulliNB,
    CategoricalNB,
    ComplementNB,
    GaussianNB,
    MultinomialNB,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import InfluenceFunctions, KNNShapley, LeaveOneOutInfluence

REGRESSORS = [
    LinearRegression(),
    LinearRegression(fit_intercept=False),
    Ridge(3.0),
    Ridge(np.array([0.5, 20.0]), fit_intercept=False),
    Ridge(2.0, solver="svd"),
]
CLASSIFIERS = [
    RidgeClassifier(0.3),
    GaussianNB(),
    GaussianNB(priors=[0.2, 0.3, 0.5], var_smoothing=0.01),
    MultinomialNB(),
    MultinomialNB(alpha=1e-12, force_alpha=False, fit_prior=False),
    BernoulliNB(binarize=2.0),
    ComplementNB(norm=True),
]


def table(n, estimator, seed=0):
    """Rows, targets that fit the estimator, and weights of which some are zero."""
    rng = np.random.default_rng(seed)
    X = rng.poisson(2.0, (n, 4)).astype(float)
    X[:, 1] += np.arange(n) % 3
    if not isinstance(estimator, MultinomialNB | BernoulliNB | ComplementNB):
        X += rng.normal(size=X.shape) + 50.0  # far from zero
    if is_classifier(estimator):
        y = np.arange(n) % 3
    else:
        y = 1000 + X.sum(axis=1)[:, None] + rng.normal(size=(n, 2))
    return X, y, rng.integers(0, 5, n) / 2


def fitted(estimator):
    """Fitted attributes that are numbers."""
    return {
        name: np.asarray(value, dtype=np.float64)
        for name, value in vars(estimator).items()
        if name.endswith("_") and np.asarray(value).dtype.kind in "fiu"
    }


def check_equal(changed, X, y, weight=None, validation=()):
    """Compare everything with an estimator that is fitted to the table."""
    params = {} if weight is None else {"sample_weight": weight}
    fresh = clone(changed).fit(X, y, *validation, **params)
    assert changed.n_samples_fit_ == fresh.n_samples_fit_ == len(y)
    test = (None, None) if validation else (X[:25] + 0.5, y[:25])
    close = {"rtol": 1e-8, "atol": 1e-9}
    assert_allclose(changed.influence(*test), fresh.influence(*test), **close)
    assert_allclose(changed.sample_values(*test), fresh.sample_values(*test), **close)
    assert_allclose(changed.self_influence(), fresh.self_influence(), **close)
    found, expected = (m.influential_rows(*test, n_rows=2) for m in (changed, fresh))
    assert_allclose(found[0], expected[0], **close)
    groups = np.arange(len(y)) % 7
    found, expected = (
        m.group_influence(*test, groups=groups) for m in (changed, fresh)
    )
    assert_allclose(found, expected, **close)
    if hasattr(fresh, "refitted_rows_"):
        assert_array_equal(changed.refitted_rows_, fresh.refitted_rows_)
        assert changed.optimum_distance_ < 1e-8
    names = fitted(fresh.estimator_)
    assert names.keys() == fitted(changed.estimator_).keys()
    for name, value in names.items():
        assert_allclose(fitted(changed.estimator_)[name], value, err_msg=name, **close)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("estimator", [*REGRESSORS, *CLASSIFIERS], ids=str)
def test_repeated_changes_equal_a_fit(estimator, weighted):
    X, y, weight = table(120, estimator)
    rows = np.arange(60)

    def new(part):
        given = {"sample_weight": weight[part]} if weighted else {}
        return X[part], y[part], given

    X0, y0, given = new(rows)
    loo = LeaveOneOutInfluence(estimator).fit(X0, y0, **given)
    for start, gone in [(60, [0, 7]), (80, [3, 59, 60]), (100, [1])]:
        part = np.arange(start, start + 20)
        X1, y1, given = new(part)
        assert loo.add_rows(X1, y1, **given) is loo
        rows = np.append(rows, part)
        if start != 80:  # a query between changes
            loo.sample_values(X[:5], y[:5])
        loo.remove_rows(gone)
        rows = np.delete(rows, gone)
    assert loo._n_changed == 66  # nothing was fitted anew
    check_equal(loo, X[rows], y[rows], weight[rows] if weighted else None)


@pytest.mark.parametrize("estimator", [Ridge(), GaussianNB()], ids=str)
def test_influence_after_a_change_is_that_of_scikit_learns_refits(estimator):
    X, y, _ = table(40, estimator)
    y = y[:, 0] if y.ndim == 2 else y
    loo = LeaveOneOutInfluence(estimator).fit(X[:30], y[:30])
    loo.add_rows(X[30:], y[30:]).remove_rows([5])
    X, y = np.delete(X, 5, axis=0), np.delete(y, 5)

    def loss(rows):
        model = clone(estimator).fit(X[rows], y[rows])
        if isinstance(estimator, Ridge):
            return (model.predict(X[:6]) - y[:6]) ** 2
        return -model.predict_log_proba(X[:6])[np.arange(6), y[:6]]

    everyone = np.arange(39)
    expected = [loss(np.delete(everyone, i)) - loss(everyone) for i in (0, 5, 38)]
    found = loo.influence(X[:6], y[:6])[:, [0, 5, 38]]
    assert_allclose(found, np.transpose(expected), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=str)
def test_classes_come_and_go(estimator):
    if getattr(estimator, "priors", None) is not None:
        estimator = clone(estimator).set_params(priors=None)
    X, y, _ = table(60, estimator)
    two = np.flatnonzero(y < 2)
    loo = LeaveOneOutInfluence(estimator).fit(X[two], y[two])
    others = np.flatnonzero(y == 2)
    loo.add_rows(X[others], y[others])
    assert_array_equal(loo.classes_, [0, 1, 2])
    order = np.append(two, others)
    check_equal(loo, X[order], y[order])
    loo.remove_rows(np.flatnonzero(y[order] == 0))
    assert_array_equal(loo.classes_, [1, 2])
    order = order[y[order] > 0]
    check_equal(loo, X[order], y[order])


def test_sums_of_an_enormous_row_are_not_used_without_it():
    estimator = Ridge()
    X, y, _ = table(50, estimator)
    y = y[:, 0]
    X[7], y[8] = 1e9, 1e12
    loo = LeaveOneOutInfluence(estimator).fit(X, y).remove_rows([7, 8])
    check_equal(loo, np.delete(X, [7, 8], axis=0), np.delete(y, [7, 8]))
    X, labels, _ = table(50, GaussianNB())
    X[7] = 1e9
    loo = LeaveOneOutInfluence(GaussianNB()).fit(X, labels).remove_rows([7])
    check_equal(loo, np.delete(X, 7, axis=0), np.delete(labels, 7))
    weight = np.ones(50)
    weight[9] = 1e15
    X, labels, _ = table(50, MultinomialNB())
    loo = LeaveOneOutInfluence(MultinomialNB())
    loo.fit(X / 7, labels, sample_weight=weight).remove_rows([9])
    check_equal(loo, *(np.delete(v, 9, axis=0) for v in (X / 7, labels, weight)))


@pytest.mark.parametrize("model", [MultinomialNB, ComplementNB])
def test_rounding_of_counts_is_not_taken_for_a_count(model):
    """Without the only row of a feature its smoothing is left, not 0.3 + 0.7 - 0.7."""
    X, y, _ = table(40, MultinomialNB())
    X[y == 1, 2] = 0.0
    X[[1, 34], 2] = 0.3, 0.7  # of class 1
    estimator = model(alpha=1e-10)
    loo = LeaveOneOutInfluence(estimator).fit(X[:30], y[:30])
    loo.add_rows(X[30:], y[30:]).remove_rows([34])
    assert loo._n_changed == 0
    check_equal(loo, np.delete(X, 34, 0), np.delete(y, 34))
    # Sums of integers do not round, and enough smoothing hides it.
    loo = LeaveOneOutInfluence(estimator).fit(np.rint(X[:30]), y[:30])
    assert loo.add_rows(np.rint(X[30:]), y[30:])._n_changed == 10
    loo = LeaveOneOutInfluence(model(alpha=1e-3)).fit(X[:30], y[:30])
    assert loo.add_rows(X[30:], y[30:])._n_changed == 10


def test_columns_that_nearly_depend_on_each_other_are_fitted_anew():
    X, y, _ = table(60, Ridge())
    X = np.column_stack([X, X[:, 0] + 3e-5 * X[:, 1] ** 2])
    loo = LeaveOneOutInfluence(LinearRegression()).fit(X[:50], y[:50])
    loo.add_rows(X[50:], y[50:])
    assert loo._n_changed == 0
    expected = LinearRegression().fit(X, y).coef_
    assert_allclose(loo.estimator_.coef_, expected, rtol=1e-12)


@pytest.mark.parametrize("estimator", [LinearRegression(), GaussianNB()], ids=str)
def test_many_small_changes(estimator):
    X, y, _ = table(80, estimator)
    loo = LeaveOneOutInfluence(estimator).fit(X, y)
    rng, rows = np.random.default_rng(0), np.arange(80)
    for _ in range(100):
        gone = rng.integers(len(rows))
        part = rows[[gone]]
        loo.remove_rows([gone]).add_rows(X[part], y[part])
        rows = np.append(np.delete(rows, gone), part)
    check_equal(loo, X[rows], y[rows])


def test_tables_of_any_kind():
    X, y, _ = table(60, MultinomialNB())
    loo = LeaveOneOutInfluence(MultinomialNB()).fit(sp.csr_array(X[:50]), y[:50])
    loo.add_rows(sp.csr_array(X[50:]), y[50:]).remove_rows([2])
    dense = LeaveOneOutInfluence(MultinomialNB()).fit(
        *(np.delete(v, 2, 0) for v in (X, y))
    )
    assert_allclose(loo.influence(X, y), dense.influence(X, y), atol=1e-12)
    frame = pd.DataFrame(X, columns=list("abcd"), index=np.arange(60) + 7)
    names = pd.Series(np.array(["no", "yes", "maybe"])[y])
    loo = LeaveOneOutInfluence(RidgeClassifier()).fit(frame[:50], names[:50])
    loo.add_rows(frame[50:], names[50:]).remove_rows([2])
    assert_array_equal(loo.feature_names_in_, list("abcd"))
    frame, names = frame.drop(index=9), names.drop(index=2)
    fresh = LeaveOneOutInfluence(RidgeClassifier()).fit(frame, names)
    found = loo.influence(frame, names)
    assert_allclose(found, fresh.influence(frame, names), atol=1e-10)


def knn_table(kind):
    """Rows of which some are copies with other labels; and validation rows."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(90, 37))
    X[60:70] = X[:10]
    X[75:80] = X[20:25]
    if kind == "ties":
        X = np.round(X[:, :3])
    X = X.astype(np.float32 if kind == "float32" else np.float64)
    return X[:80], np.arange(80) % 2, X[80:], np.arange(10) % 2


MANHATTAN = {"utility": "hard", "metric": "manhattan", "semivalue": "banzhaf"}
COSINE = {"utility": "squared_error", "metric": "cosine"}


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        *([{}, kind] for kind in ("copies", "ties", "float32")),
        *([MANHATTAN, kind] for kind in ("copies", "ties", "float32")),
        (COSINE, "copies"),  # multiples of a row are equally far but for rounding
        ({"n_neighbors": 60}, "ties"),
    ],
    ids=str,
)
def test_neighbours_come_and_go(params, kind):
    X, y, *validation = knn_table(kind)
    knn = KNNShapley(**params).fit(X[:60], y[:60], *validation)
    knn.add_rows(X[60:75], y[60:75]).remove_rows([0, 4, 63])
    knn.add_rows(X[75:79], y[75:79]).add_rows(X[79:], y[79:])
    gone = [0, 4, 63]
    check_equal(knn, np.delete(X, gone, 0), np.delete(y, gone), None, validation)
    test = X[:6] + np.float32(0.1), y[:6]
    fresh = KNNShapley(**params).fit(np.delete(X, gone, 0), np.delete(y, gone))
    assert_allclose(knn.influence(*test), fresh.influence(*test), atol=1e-12)
    with pytest.raises(ValueError, match="2D"):
        knn.influence(np.arange(3), y[:3])


def test_copies_are_equally_far_however_products_round():
    rng = np.random.default_rng(0)
    X, X_val = rng.normal(size=(300, 400)), rng.normal(size=(10, 400))
    validation, y = (X_val, np.arange(10) % 2), np.arange(300) % 2
    new = np.arange(0, 90, 3)
    knn = KNNShapley().fit(X, y, *validation).add_rows(X[new], 1 - y[new])
    # Products of larger matrices take another path through BLAS.
    X, y = np.concatenate([X, X[new]]), np.append(y, 1 - y[new])
    check_equal(knn, X, y, None, validation)


def test_classes_of_neighbours_come_and_go():
    X, y, *validation = knn_table("copies")
    labels = np.array(["b", "c", "a"])
    X_val, y_val = validation[0], labels[validation[1]]
    knn = KNNShapley().fit(X[:60], labels[y[:60]], X_val, y_val)
    new = np.array(["a"] * 20)
    knn.add_rows(X[60:], new)
    targets = np.append(labels[y[:60]], new)
    check_equal(knn, X, targets, None, (X_val, y_val))
    knn.remove_rows(np.arange(60, 80))
    check_equal(knn, X[:60], targets[:60], None, (X_val, y_val))


def refused():
    """Yield estimators, fit parameters and a word of the reason."""
    X, y, _ = table(30, Ridge())
    labels = np.arange(30) % 2
    loo = LeaveOneOutInfluence
    yield loo(LogisticRegression()), (X, labels), "LogisticRegression"
    yield loo(Lasso()), (X, y[:, 0]), "Lasso"
    yield loo(make_pipeline(StandardScaler(), Ridge())), (X, y), "Pipeline"
    yield loo(Ridge(), solver="refit"), (X, y), "retraining"
    yield loo(Ridge(solver="lsqr", tol=1e-10)), (X, y), "solver 'lsqr'"
    yield loo(RidgeClassifier(class_weight="balanced")), (X, labels), "class_weight"
    yield loo(Ridge()), (X.astype(np.float32), y), "64-bit"
    yield loo(LinearRegression()), (sp.csr_array(X), y[:, 0]), "dense"
    yield loo(GaussianNB()), (X.astype(np.float32), labels), "64-bit"
    yield loo(CategoricalNB()), (X.round().astype(int) % 2, labels), "CategoricalNB"
    yield loo(Ridge()), (X.T, X.T[:, :1]), "columns"
    yield InfluenceFunctions(Ridge()), (X, y), "InfluenceFunctions"
    yield KNNShapley(), (X, labels), "X_val"


@pytest.mark.filterwarnings("ignore:The step:UserWarning")
@pytest.mark.parametrize(("method", "data", "word"), list(refused()), ids=str)
def test_methods_without_a_gain_refuse_by_name(method, data, word):
    method.fit(*data)
    for change in (
        lambda: method.add_rows(data[0][:2], data[1][:2]),
        lambda: method.remove_rows([0]),
    ):
        with pytest.raises(TypeError, match=word) as error:
            change()
        assert "Call fit with the changed table" in str(error.value)


def test_bad_rows_leave_everything_as_it_was():
    X, y, _ = table(40, GaussianNB())
    loo = LeaveOneOutInfluence(GaussianNB()).fit(X, y)
    before = loo.influence(X, y)
    bad = X[:2].copy()
    bad[0, 0] = np.nan
    for add, error, words in [
        ((bad, y[:2]), ValueError, "NaN"),
        ((X[:2, :3], y[:2]), ValueError, "n_new, 4"),
        ((X[0], y[:4]), ValueError, "not a single row"),
        ((X[0], y[0]), ValueError, r"of one row pass X\[\[i\]\], y\[\[i\]\]"),
        ((X[:1], y[0]), ValueError, "not a single row"),
        ((X[:2, :3], y[:2]), ValueError, "n_new, 4"),
        ((X[:2], y[:3]), ValueError, "inconsistent"),
        ((X[:2], [0, None]), ValueError, "row 1"),
        ((X[:2], ["a", "b"]), ValueError, "one kind"),
        ((X[:2], [[0], [1]]), ValueError, "shape"),
        ((sp.csr_array(X[:2]), y[:2]), TypeError, "kind"),
        ((pd.DataFrame(X[:2]), y[:2]), TypeError, "kind"),
        ((X[:2], y[:2], [1.0, -1.0]), ValueError, "sample_weight"),
        ((X[:2], y[:2], [1.0]), ValueError, "inconsistent"),
    ]:
        with pytest.raises(error, match=words):
            loo.add_rows(*add)
    for indices, error, words in [
        ([40], ValueError, "39"),
        ([-1], ValueError, "-1"),
        (y == 0, TypeError, "flatnonzero"),
        ([[1]], TypeError, "1-d"),
        (np.arange(39), ValueError, "at least 2"),
    ]:
        with pytest.raises(error, match=words):
            loo.remove_rows(indices)
    loo.remove_rows([]).add_rows(X[:0], y[:0])
    assert_array_equal(loo.influence(X, y), before)
    assert loo.n_samples_fit_ == 40
    knn = KNNShapley().fit(X, y, X, y)
    with pytest.raises(ValueError, match="NaN"):
        knn.add_rows(bad, y[:2])
    # The fit to a single class is refused.
    exact = LeaveOneOutInfluence(GaussianNB(), solver="exact").fit(X, y)
    with pytest.raises(TypeError, match="single class"):
        exact.remove_rows(np.flatnonzero(y > 0))
    assert_array_equal(exact.influence(X, y), before)


def test_fit_forgets_changes():
    X, y, _ = table(40, GaussianNB())
    loo = LeaveOneOutInfluence(GaussianNB()).fit(X[:30], y[:30])
    loo.add_rows(X[30:], y[30:]).fit(X, y).remove_rows([0])
    check_equal(loo, X[1:], y[1:])
