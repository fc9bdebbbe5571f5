"""Tables of mixed columns: exact removal against refits of the whole pipeline."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from checks.shaped_rows import cross_entropy
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)
from sklearn.svm import LinearSVC
from truth.refits import TIGHT, log_loss, squared_error, squared_margin

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence

pytestmark = pytest.mark.filterwarnings("ignore")


def table(n=44, n_test=12, seed=0):
    """Numbers with ties, constants and a lone extreme; categories, two of them lone."""
    rng = np.random.default_rng(seed)
    m = n + n_test
    X = pd.DataFrame(
        {
            "age": rng.integers(20, 30, m).astype(float),
            "income": np.exp(rng.normal(8, 1, m)),
            "constant": np.ones(m),
            "town": rng.choice(list("aaabbbcd"), m),
            "job": rng.choice(["x", "y", "z", "z"], m).astype(object),
        }
    )
    X.loc[5, "income"] = 1e5
    X.loc[n // 2, "town"] = "only here"
    X.loc[n - 1, "job"] = "nor there"
    X.loc[m - 1, "town"], X.loc[m - 2, "job"] = "only here", "nor there"
    X.loc[m - 3, "town"] = "never seen"
    signal = (X["age"] - 25) / 3 + (X["town"] == "a") + rng.normal(size=m)
    return X.iloc[:n], signal.iloc[:n].to_numpy(), X.iloc[n:], signal[n:].to_numpy()


NUMBERS = make_column_selector(dtype_include="number")
WORDS = make_column_selector(dtype_exclude="number")


def columns(numbers, words, **params):
    return ColumnTransformer([("n", numbers, NUMBERS), ("w", words, WORDS)], **params)


def one_hot(**params):
    return OneHotEncoder(**{"handle_unknown": "ignore", **params})


USUAL = columns(
    make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
    make_pipeline(SimpleImputer(strategy="most_frequent"), one_hot()),
)


def poisson_deviance(model, X, y):
    mean = model.predict(X)
    return 2 * (y * np.log(np.where(y > 0, y, 1) / mean) - y + mean)


def hinge(model, X, y):
    sign = np.where(y == model.classes_[1], 1, -1)
    return np.maximum(0, 1 - sign * model.decision_function(X)) ** 2


def same(y):
    return y


def binary(y):
    return (y > 0.3).astype(int)


MODELS = {
    "logistic": (LogisticRegression(**TIGHT), binary, log_loss),
    "balanced": (
        LogisticRegression(class_weight="balanced", C=0.3, **TIGHT),
        binary,
        log_loss,
    ),
    "softmax": (
        LogisticRegression(**TIGHT),
        lambda y: np.digitize(y, [-0.3, 0.8]),
        cross_entropy,
    ),
    "ridge": (Ridge(0.7, solver="svd"), same, squared_error),
    "least squares": (LinearRegression(), same, squared_error),
    "ridge classifier": (RidgeClassifier(solver="svd"), binary, squared_margin),
    "poisson": (
        PoissonRegressor(alpha=0.1, **TIGHT),
        lambda y: np.floor(np.exp(y / 2)),
        poisson_deviance,
    ),
}


def take(X, rows):
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def check(pipeline, data, loss, weight=None, atol=1e-8, **params):
    """Compare all rows and some groups with refits of the whole pipeline."""
    X, y, X_test, y_test = data
    n = len(y)
    name = f"{pipeline.steps[-1][0]}__sample_weight"

    def fitted(kept):
        given = {} if weight is None else {name: weight[kept]}
        model = clone(pipeline).fit(take(X, np.flatnonzero(kept)), y[kept], **given)
        return loss(model, X_test, y_test)

    given = {} if weight is None else {name: weight}
    loo = LeaveOneOutInfluence(pipeline, tol=1e-11, **params).fit(X, y, **given)
    groups = np.random.default_rng(1).random((3, n)) < 0.2
    groups[0, n // 2] = groups[1, 5] = True
    full = fitted(np.ones(n, dtype=bool))
    masks = np.concatenate([np.eye(n, dtype=bool), groups])
    truth = np.stack([fitted(~mask) - full for mask in masks], axis=1)
    scale = max(1.0, np.abs(truth).max())
    matrix = loo.influence(X_test, y_test)
    assert_allclose(matrix, truth[:, :n], rtol=0, atol=atol * scale)
    means = loo.sample_values(X_test, y_test)
    assert_allclose(means, truth[:, :n].mean(axis=0), rtol=0, atol=atol * scale)
    both = loo.group_influence(X_test, y_test, groups=groups)
    assert_allclose(both, truth[:, n:], rtol=0, atol=atol * scale)
    return loo


@pytest.mark.parametrize("name", MODELS)
def test_the_usual_pipeline(name):
    model, target, loss = MODELS[name]
    X, y, X_test, y_test = table()
    data = X, target(y), X_test, target(y_test)
    loo = check(make_pipeline(USUAL, model), data, loss)
    assert loo.solver_ == "exact"
    assert loo.fixed_steps_ == []
    # a category of its own needs no refit where coefficients are penalised
    expected = [22, 43] if name == "least squares" else []
    assert loo.refitted_rows_.tolist() == expected


def binary_data(**params):
    X, y, X_test, y_test = table(**params)
    return X, binary(y), X_test, binary(y_test)


PREPROCESSORS = {
    "sparse": (columns(MaxAbsScaler(), one_hot(), sparse_threshold=1.0), 0),
    "scaled indicators": (
        make_pipeline(
            columns("passthrough", one_hot(sparse_output=False)), StandardScaler()
        ),
        0,
    ),
    "first dropped": (columns(StandardScaler(), one_hot(drop="first")), 1),
    "ranges": (columns(MinMaxScaler(), one_hot()), 0),
    "clipped ranges": (columns(MinMaxScaler(clip=True), one_hot()), 3),
    "merged": (
        columns(
            StandardScaler(),
            one_hot(handle_unknown="infrequent_if_exist", min_frequency=3),
        ),
        9,
    ),
    "at most": (
        columns(
            StandardScaler(),
            one_hot(handle_unknown="infrequent_if_exist", max_categories=3),
        ),
        30,
    ),
    "remainder": (
        ColumnTransformer([("w", one_hot(), WORDS)], remainder=StandardScaler()),
        0,
    ),
    "ordinal": (
        columns(
            StandardScaler(),
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        ),
        2,
    ),
    "functions": (
        columns(make_pipeline(FunctionTransformer(np.log1p), StandardScaler()), "drop"),
        0,
    ),
}


@pytest.mark.parametrize("name", PREPROCESSORS)
def test_other_preprocessors(name):
    preprocessor, most = PREPROCESSORS[name]
    pipeline = make_pipeline(preprocessor, LogisticRegression(**TIGHT))
    loo = check(pipeline, binary_data(), log_loss)
    assert loo.solver_ == "exact"
    assert len(loo.refitted_rows_) <= most


def test_the_last_step_may_be_a_pipeline():
    inner = make_pipeline(StandardScaler(with_mean=False), Ridge(solver="svd"))
    X, y, X_test, y_test = table()
    pipeline = make_pipeline(columns("passthrough", one_hot()), inner)
    loo = check(pipeline, (X, y, X_test, y_test), squared_error)
    assert loo.solver_ == "exact"
    held = InfluenceFunctions(pipeline).fit(X, y)
    assert held.fixed_steps_ == [
        "columntransformer__w",
        "pipeline__standardscaler",
    ]


def test_sample_weights_of_the_model():
    X, y, X_test, y_test = table()
    weight = np.random.default_rng(0).exponential(size=len(y))
    pipeline = make_pipeline(USUAL, Ridge(0.7, solver="svd"))
    loo = check(pipeline, (X, y, X_test, y_test), squared_error, weight)
    assert loo.solver_ == "exact"


def test_polars_tables():
    X, y, X_test, y_test = table()
    data = pl.from_pandas(X), y, pl.from_pandas(X_test), y_test
    pipeline = make_pipeline(
        ColumnTransformer(
            [
                ("n", StandardScaler(), ["age", "income"]),
                ("w", one_hot(), ["town", "job"]),
            ]
        ),
        Ridge(0.7, solver="svd"),
    )
    assert check(pipeline, data, squared_error).solver_ == "exact"


def test_lists_of_rows():
    X, y, X_test, y_test = table()
    parts = [("n", StandardScaler(), [0, 1]), ("w", one_hot(), [3, 4])]
    pipeline = make_pipeline(ColumnTransformer(parts), Ridge(0.7, solver="svd"))
    X, X_test = X.to_numpy(dtype=object), X_test.to_numpy(dtype=object)
    loo = LeaveOneOutInfluence(pipeline).fit(X, y)
    lists = LeaveOneOutInfluence(pipeline).fit(X.tolist(), y)
    assert lists.solver_ == "exact"
    expected = loo.influence(X_test, y_test)
    assert_allclose(lists.influence(X_test.tolist(), y_test), expected)


def test_missing_cells_in_columns_that_training_rows_have_complete():
    X, y, X_test, y_test = table()
    X_test = X_test.copy()
    X_test.iloc[::2, 0] = X_test.iloc[1::3, 1] = np.nan
    for strategy in ("mean", "median"):
        numbers = make_pipeline(SimpleImputer(strategy=strategy), StandardScaler())
        pipeline = make_pipeline(columns(numbers, one_hot()), Ridge(0.7, solver="svd"))
        loo = check(pipeline, (X, y, X_test, y_test), squared_error)
        assert (loo.solver_, len(loo.refitted_rows_)) == ("exact", 0)
    numbers = make_pipeline(SimpleImputer(), MinMaxScaler())
    pipeline = make_pipeline(columns(numbers, one_hot()), LogisticRegression(**TIGHT))
    data = X, np.digitize(y, [-0.3, 0.8]), X_test, np.digitize(y_test, [-0.3, 0.8])
    assert check(pipeline, data, cross_entropy).solver_ == "exact"


def test_rows_that_move_a_fill_value_are_refitted():
    X, y, X_test, y_test = table()
    X = X.copy()
    # the median is the last of several 25s: what is not above it moves it
    ages = np.random.default_rng(0).permutation([20.0] * 20 + [25, 25] + [26] * 21)
    X["age"] = ages = np.append(ages, np.nan)
    moving = [
        i
        for i in range(len(y))
        if np.nanmedian(np.delete(ages, i)) != np.nanmedian(ages)
    ]
    loo = check(
        make_pipeline(USUAL, Ridge(0.7, solver="svd")),
        (X, y, X_test, y_test),
        squared_error,
    )
    assert len(moving) == 22
    assert loo.refitted_rows_.tolist() == moving
    assert loo.solver_ == "exact"


def test_a_mean_that_most_rows_move_is_held_fixed_or_refitted():
    X, y, X_test, y_test = table()
    X = X.copy()
    X.iloc[[3, 9], 0] = np.nan
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    pipeline = make_pipeline(columns(numbers, one_hot()), Ridge(0.7, solver="svd"))
    assert LeaveOneOutInfluence(pipeline).fit(X, y).solver_ == "refit"
    held = LeaveOneOutInfluence(pipeline, solver="exact", tol=1e-11).fit(X, y)
    assert held.fixed_steps_ == ["columntransformer__n__simpleimputer"]
    # what is held is the fill value, and nothing else
    fill = X["age"].mean()
    constant = SimpleImputer(strategy="constant", fill_value=fill)
    numbers = make_pipeline(constant, StandardScaler())
    pipeline = make_pipeline(columns(numbers, one_hot()), Ridge(0.7, solver="svd"))
    loo = check(pipeline, (X, y, X_test, y_test), squared_error)
    assert loo.solver_ == "exact"
    assert_allclose(
        held.influence(X_test, y_test), loo.influence(X_test, y_test), atol=1e-9
    )


def test_unknown_categories_that_are_an_error_are_refitted():
    X, y, _, _ = table()
    pipeline = make_pipeline(columns(StandardScaler(), OneHotEncoder()), Ridge())
    known = X.iloc[:22]
    loo = LeaveOneOutInfluence(pipeline).fit(X, y)
    assert loo.refitted_rows_.tolist() == [22, 43]
    assert loo.influence(known, y[:22]).shape == (22, 44)
    with pytest.raises(ValueError, match="unknown categories"):
        loo.influence(X.iloc[[22]], y[[22]])


def test_models_that_follow_no_scale_refit_the_rows_that_change_one():
    model = LinearSVC(C=0.1, dual=False, tol=1e-12, max_iter=100_000)
    pipeline = make_pipeline(columns(MinMaxScaler(), one_hot()), model)
    loo = check(pipeline, binary_data(), hinge, atol=1e-5)
    assert loo.solver_ == "exact"
    assert 0 < len(loo.refitted_rows_) < 12
    scaled = make_pipeline(columns(StandardScaler(), one_hot()), model)
    X, y, _, _ = binary_data()
    assert LeaveOneOutInfluence(scaled).fit(X, y).solver_ == "refit"
    held = LeaveOneOutInfluence(scaled, solver="exact").fit(X, y)
    assert held.fixed_steps_ == ["columntransformer__n"]


def test_neighbours_see_columns_of_zeros():
    def error(model, X, y):
        return (model.predict(X) != y).astype(float)

    model = KNeighborsClassifier(3)
    preprocessor = columns("drop", one_hot())
    pipeline = make_pipeline(preprocessor, model)
    X, y, _, _ = binary_data()
    loo = LeaveOneOutInfluence(pipeline, loss="zero_one").fit(X, y)
    assert loo.solver_ == "exact"
    assert loo.refitted_rows_.tolist() == [22, 43]


def test_steps_that_are_unknown_are_held_by_name():
    X, y, _, _ = table()
    pipeline = make_pipeline(
        columns(make_pipeline(StandardScaler(), PCA(2)), one_hot()), Ridge()
    )
    assert LeaveOneOutInfluence(pipeline).fit(X, y).solver_ == "refit"
    held = LeaveOneOutInfluence(pipeline, solver="exact").fit(X, y)
    assert held.fixed_steps_ == [
        "columntransformer__n__standardscaler",
        "columntransformer__n__pca",
    ]


def test_self_influence_equals_refits():
    X, y, _, _ = table()
    pipeline = make_pipeline(USUAL, Ridge(0.7, solver="svd"))
    exact = LeaveOneOutInfluence(pipeline, tol=1e-11).fit(X, y).self_influence()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refit = LeaveOneOutInfluence(pipeline, solver="refit").fit(X, y)
    assert_allclose(exact, refit.self_influence(), atol=1e-9)
