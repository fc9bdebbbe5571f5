"""The scorer's own preprocessing takes whatever the user has."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
from packaging.version import Version

from skinfluence.cleaning.surprise._preprocessing import default_preprocessor

N = 40


def mixed_columns():
    rng = np.random.default_rng(0)
    return {
        "id": np.arange(N) + 5,
        "name": [f"n{i}" for i in range(N)],
        "constant": [1] * N,
        "empty": [None] * N,
        "number": rng.normal(size=N),
        "category": ["x", "y", None, "z"] * 10,
        "level": list(range(10)) * 4,
        "flag": [True, False] * 20,
    }


LEFT_OUT = {
    "id": "identifier: every row has a different number, in order",
    "name": "identifier: almost every row has a different value",
    "constant": "constant: always 1",
    "empty": "empty: no row has a value",
}


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_identifiers_and_constants_are_left_out_by_name(frame):
    transformer, left_out = default_preprocessor(frame(mixed_columns()))
    assert left_out == LEFT_OUT
    Z = transformer.fit_transform(frame(mixed_columns()))
    # number, level, flag; and x, y, z, missing
    assert Z.shape == (N, 7)


def test_numbers_are_imputed_and_standardised_and_say_what_was_missing():
    X = np.array([[1.0], [np.nan], [3.0], [5.0], [np.nan]])
    transformer, _ = default_preprocessor(X)
    Z = transformer.fit_transform(X)
    assert Z.shape == (5, 2)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(Z.std(axis=0), 1)
    assert Z[1, 0] == Z[2, 0]  # the median
    assert Z[1, 1] == Z[4, 1] != Z[0, 1]


def test_a_missing_category_is_a_category():
    X = pd.DataFrame({"c": ["a", None, "b"] * 5, "d": ["a", np.nan, 3] * 5})
    Z = default_preprocessor(X)[0].fit_transform(X)
    assert Z.shape == (15, 6)


def test_types_of_pandas_extensions_dates_and_durations():
    X = pd.DataFrame(
        {
            "integer": pd.array([1, None, 3, 4] * 10, dtype="Int64"),
            "boolean": pd.array([True, None] * 20, dtype="boolean"),
            "category": pd.Categorical([1, 2, None, 2] * 10),
            "date": pd.date_range("2020", periods=N),
            "zone": pd.date_range("2020", periods=N, tz="Europe/Paris"),
            "duration": pd.to_timedelta(np.arange(N) % 7, unit="h"),
            "mixed": [1, "a", None, 2.5] * 10,
        },
        index=np.arange(N)[::-1],
    )
    X.loc[3, "date"] = pd.NaT
    transformer, left_out = default_preprocessor(X)
    Z = transformer.fit_transform(X)
    # value and indicator of integer, boolean, date; zone; duration; 3; 4 categories
    assert Z.shape == (N, 2 * 3 + 1 + 1 + 3 + 4)
    assert left_out == {}
    assert np.isfinite(Z).all()


def test_categories_that_training_did_not_have_are_no_error():
    X = pd.DataFrame({"c": ["a", "b"] * 10})
    transformer, _ = default_preprocessor(X)
    transformer.fit(X)
    assert np.asarray(transformer.transform(X.replace("a", "new"))).shape == (20, 2)


def test_rare_categories_share_a_column():
    values = [f"c{i // 2}" for i in range(400)]
    X = pd.DataFrame({"c": values})
    assert default_preprocessor(X)[0].fit_transform(X).shape == (400, 50)


def test_a_table_of_identifiers_keeps_them():
    X = pd.DataFrame({"id": np.arange(N)})
    transformer, left_out = default_preprocessor(X)
    assert left_out == {}
    assert transformer.fit_transform(X).shape == (N, 1)


def test_numbers_without_names_are_all_features():
    X = np.column_stack([np.arange(N), np.ones(N)])
    assert default_preprocessor(X)[1] == {}
    unordered = pd.DataFrame({"x": np.arange(N) ** 2 % 1009, "z": [0, 1] * 20})
    assert default_preprocessor(unordered)[1] == {}


@pytest.mark.parametrize(
    ("X", "shape"),
    [
        (sp.random(30, 5, 0.5, format="csr", random_state=0), (30, 5)),
        ([[1, 2], [3, 4]], (2, 2)),
        (["red apple", "green apple"], (2, 3)),
        (pd.Series(["red apple", "green apple"]), (2, 3)),
        (np.array([["a", 1], ["b", None]], dtype=object), (2, 3)),
        (np.arange(30.0).reshape(5, 2, 3), (5, 6)),
    ],
    ids=["sparse", "lists", "texts", "series", "objects", "images"],
)
def test_containers(X, shape):
    assert default_preprocessor(X)[0].fit_transform(X).shape == shape


def test_one_dimension_of_numbers_is_refused():
    with pytest.raises(ValueError, match="Reshape your data"):
        default_preprocessor(np.arange(5))


@pytest.mark.parametrize(
    "library",
    [
        "pandas",
        pytest.param(
            "polars",
            marks=pytest.mark.skipif(
                Version(sklearn.__version__) < Version("1.9"),
                reason="SimpleImputer(add_indicator=True) of scikit-learn 1.8 fails",
            ),
        ),
    ],
)
def test_a_global_output_format_changes_nothing(library):
    X = pd.DataFrame(mixed_columns())
    with sklearn.config_context(transform_output=library):
        Z = default_preprocessor(X)[0].fit_transform(X)
    assert not hasattr(Z, "columns")
