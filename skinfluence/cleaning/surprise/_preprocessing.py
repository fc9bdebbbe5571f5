"""The scorer's own preprocessing: rows in any container are turned into numbers."""

from numbers import Number

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    OneHotEncoder,
    StandardScaler,
)

from skinfluence._shown import shown
from skinfluence._sklearn import n_rows, take_columns
from skinfluence.cleaning.surprise._far_values import Nearer
from skinfluence.cleaning.surprise._missing import is_missing
from skinfluence.cleaning.surprise._text_columns import TextComponents, has_words

# Fewer rows than this do not show that a column identifies them.
MIN_ROWS = 20
MAX_CATEGORIES = 50
TEXT = "text"  # name of the part of the transformer
# Kinds of columns.
CATEGORIES, TEXTS = ("category", "repeated text"), ("text", "repeated text")
# Of the rows: a column with more different values hardly repeats any.
DISTINCT = 0.9


def default_preprocessor(X, bring_nearer=False):
    """Choose a transformer to numbers by looking at the columns of ``X``.

    Numbers are imputed by their median, with an indicator of what was missing,
    and standardised; dates are numbers too. Categories become indicators, a missing
    value being a category of its own; rare ones share an indicator. Columns of words
    with more than 50 different values, or hardly any value twice, become
    `TextComponents`, besides the indicators of values that are frequent. Sparse
    matrices are scaled without shifting. A list of texts becomes tf-idf weights, an
    array of more than two dimensions is flattened.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        Rows. Frames of pandas and polars are recognised by their ``columns``.
    bring_nearer : bool, default=False
        Whether numbers far from all others of their column are brought nearer before
        they are scaled, see `_far_values`.

    Returns
    -------
    transformer : estimator
        Not fitted.
    left_out : dict of str to str
        Columns without information, or with identifiers only, and why.
        Never all of them. Numbers without column names are features already and
        are all kept.

    Examples
    --------
    >>> import pandas as pd
    >>> from skinfluence.cleaning.surprise._preprocessing import default_preprocessor
    >>> table = pd.DataFrame({"id": range(100, 130), "size": [1.5, None, 3.0] * 10})
    >>> transformer, left_out = default_preprocessor(table)
    >>> left_out
    {'id': 'identifier: every row has a different number, in order'}
    >>> transformer.fit_transform(table).shape  # and whether the size is missing
    (30, 2)
    """
    if sp.issparse(X):
        return _with_nearer(MaxAbsScaler(), bring_nearer), {}
    numbers = _numbers(bring_nearer)
    if hasattr(X, "columns"):
        names = [str(name) for name in X.columns]
        return _by_column(X, names, numbers)
    # A list of texts of different length would be padded by a unicode array.
    X = X if hasattr(X, "dtype") else np.asarray(X)
    if X.ndim == 1:
        if not all(isinstance(text, str) for text in X):
            raise ValueError(
                "X must be a table, shape (n_samples, n_features), or a list of texts. "
                f"Got 1-dimensional {X.dtype} values. Reshape your data: "
                "X.reshape(-1, 1) for a single feature, X.reshape(1, -1) for a single "
                "sample."
            )
        return TfidfVectorizer(sublinear_tf=True, min_df=2 if len(X) > 100 else 1), {}
    if X.ndim > 2:
        return make_pipeline(FunctionTransformer(_flatten), numbers), {}
    if getattr(X.dtype, "kind", "f") in "OUS":
        return _by_column(X, [str(j) for j in range(X.shape[1])], numbers)
    return numbers, {}


def kinds_of_columns(X, n_columns):
    """Return the kind of every column, and why it is left out or None.

    Kinds are "number", "date", "category", "text", and "repeated text" for texts many
    of which stand in several rows: these are categories as well.
    """
    values = [take_columns(X, j) for j in range(n_columns)]
    kinds = [_kind(column) for column in values]
    reasons = [
        _says_nothing(column, kind) for column, kind in zip(values, kinds, strict=True)
    ]
    return kinds, [None] * n_columns if all(reasons) else reasons


def text_columns(X):
    """Return the positions of columns that are taken for text.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        Rows.
    """
    if hasattr(X, "columns"):
        n_columns = len(X.columns)
    elif getattr(getattr(X, "dtype", None), "kind", "f") in "OUS" and X.ndim == 2:
        n_columns = X.shape[1]
    else:
        return []
    kinds, reasons = kinds_of_columns(X, n_columns)
    return [j for j in range(n_columns) if kinds[j] in TEXTS and reasons[j] is None]


def _by_column(X, names, numbers):
    kinds, reasons = kinds_of_columns(X, len(names))
    parts = []
    for name, of_kinds, transformer in (
        ("number", ("number",), numbers),
        (
            "date",
            ("date",),
            make_pipeline(FunctionTransformer(_seconds), clone(numbers)),
        ),
        (
            "category",
            CATEGORIES,
            make_pipeline(FunctionTransformer(as_text), _indicators()),
        ),
        (TEXT, TEXTS, TextComponents()),
    ):
        chosen = [
            j for j in range(len(names)) if kinds[j] in of_kinds and reasons[j] is None
        ]
        if chosen:
            parts.append((name, transformer, chosen))
    left_out = {
        name: reason for name, reason in zip(names, reasons, strict=True) if reason
    }
    # A user's global set_output would ask these steps for a library they lack.
    transformer = ColumnTransformer(parts).set_output(transform="default")
    return transformer, left_out


def text_part(transformer):
    """Return columns of text, and where their components are among the numbers.

    Parameters
    ----------
    transformer : estimator
        A fitted part of `default_preprocessor`.

    Returns
    -------
    columns : list of int
        Positions in the table; empty where there is no text.
    components : slice
        Positions in the output of the transformer.
    """
    for name, _, columns in getattr(transformer, "transformers", ()):
        if name == TEXT:
            return columns, transformer.output_indices_[TEXT]
    return [], slice(0, 0)


def _numbers(bring_nearer):
    # keep_empty_features: a column can be empty in one fold and not in another.
    return make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        _with_nearer(StandardScaler(), bring_nearer),
    )


def _with_nearer(scaler, bring_nearer):
    if not bring_nearer:
        return scaler
    return make_pipeline(Nearer(), scaler)


def _indicators():
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=2,
        max_categories=MAX_CATEGORIES,
        dtype=np.float64,
    )


def _kind(column):
    """Return the kind of a column, see `kinds_of_columns`."""
    dtype = column.dtype
    if getattr(dtype, "name", "") == "category":
        return "category"
    kind = getattr(dtype, "kind", None)
    if not isinstance(kind, str):  # polars
        kind = np.asarray(column).dtype.kind
    if kind in "biuf":
        return "number"
    if kind in "mM":
        return "date"
    numbers = all(v is None or isinstance(v, Number) for v in np.asarray(column))
    return "number" if numbers else _kind_of_strings(column)


def _kind_of_strings(column):
    values = np.asarray(column)
    present = as_text(values[~is_missing(values)]).tolist()
    distinct = len(set(present))
    repeated = distinct <= DISTINCT * len(present)
    if len(present) < MIN_ROWS or (repeated and distinct <= MAX_CATEGORIES):
        return "category"
    if not has_words(present):
        return "category"
    return "repeated text" if repeated else "text"


def _says_nothing(column, kind):
    """Return why a column is left out, or None."""
    values = np.asarray(column)
    missing = is_missing(values)
    present = values[~missing]
    if kind != "date":
        present = present.astype(np.float64) if kind == "number" else as_text(present)
    if not len(present):
        return "empty: no row has a value"
    distinct = len(set(present.tolist()))
    if distinct == 1 and not missing.any():
        return f"constant: always {shown(values[~missing][0])}"
    if len(present) < MIN_ROWS:
        return None
    if kind == "category" and distinct > DISTINCT * len(present):
        return "identifier: almost every row has a different value"
    if kind == "number" and distinct == len(values):
        whole = (present == np.floor(present)).all()
        in_order = (np.diff(present) > 0).all() or np.ptp(present) == distinct - 1
        if whole and in_order:
            return "identifier: every row has a different number, in order"
    return None


def as_text(X):
    """Turn every value into its text."""
    # Encoders refuse columns of mixed types; None, nan and NA have a text as well.
    return np.frompyfunc(str, 1, 1)(np.asarray(X, dtype=object))


def as_seconds(column):
    """Return the dates or spans of time of one column in seconds, NaN where missing."""
    span = np.asarray(column).dtype.kind == "m"
    # Converted by the column itself, which knows its time zone.
    seconds = np.asarray(column, dtype="timedelta64[s]" if span else "datetime64[s]")
    return np.where(np.isnat(seconds), np.nan, seconds.astype(np.float64))


def _seconds(X):
    out = np.empty((n_rows(X), X.shape[1]))
    for j in range(X.shape[1]):
        out[:, j] = as_seconds(take_columns(X, j))
    return out


def joined(X):
    """Return the arrays of a dict of arrays as one table; anything else unchanged."""
    if isinstance(X, dict):
        return np.hstack([_flatten(part) for part in X.values()])
    return X


def _flatten(X):
    return np.asarray(X).reshape(len(X), -1)
