"""Detection of missing and mixed targets before anything is trained."""

from collections import Counter
from numbers import Number

import numpy as np
from scipy.sparse import issparse

# Names of the types of missing scalars, since pandas is optional.
MISSING_TYPES = {"NoneType", "NAType", "NaTType"}


def check_targets(y, name="y"):
    """Raise for rows without a target, and for labels that cannot be sorted.

    For these scikit-learn's estimators raise errors about types that cannot be
    compared, treat the text "nan" as a class, or train without an error. All other
    checks are left to them.

    Parameters
    ----------
    y : array-like or None
        Labels or numbers, of any kind: lists, arrays, tensors, Series and DataFrames.
    name : str, default="y"
        Name of the parameter in messages.

    Raises
    ------
    ValueError
        If a value is None, NaN, NA, NaT or masked, or if a column holds text and
        numbers.

    Examples
    --------
    >>> from skinfluence._targets import check_targets
    >>> check_targets(["spam", "ham", None, "ham"])
    Traceback (most recent call last):
        ...
    ValueError: Input y contains NaN, None or NA in 1 of 4 rows, the first is row 2: \
every row needs a label or target. Leave these rows out of X, y and whatever else has \
an entry per row, or find out their values.
    """
    if y is None or issparse(y):
        return
    values = _as_array(y)
    if values.ndim not in (1, 2) or not values.size:
        return
    columns = values.reshape(len(values), -1)
    missing = _missing(columns)
    if isinstance(y, np.ma.MaskedArray):
        missing |= np.ma.getmaskarray(y).reshape(columns.shape)
    rows = np.flatnonzero(missing.any(axis=1))
    if len(rows):
        raise ValueError(
            f"Input {name} contains NaN, None or NA in {len(rows)} of {len(columns)} "
            f"rows, the first is row {rows[0]}: every row needs a label or target. "
            f"Leave these rows out of X, {name} and whatever else has an entry per "
            "row, or find out their values."
        )
    if values.dtype.kind == "O":
        for column in columns.T:
            _check_one_kind(column, name)


def _as_array(y):
    if isinstance(y, list | tuple):  # else numpy turns None and NaN among text to text
        return np.asarray(y, dtype=object)
    if hasattr(y, "detach"):  # a tensor, perhaps on another device
        y = y.detach().cpu()
    values = np.asarray(y)
    # numpy's strings with missing values
    return values.astype(object) if values.dtype.kind == "T" else values


def _missing(values):
    kind = values.dtype.kind
    if kind in "fc":
        return np.isnan(values)
    if kind in "mM":
        return np.isnat(values)
    if kind != "O" or set(map(type, values.ravel())) <= {str, int, bool}:
        return np.zeros(values.shape, dtype=bool)
    return np.frompyfunc(is_missing, 1, 1)(values).astype(bool)


def is_missing(value):
    if type(value).__name__ in MISSING_TYPES:
        return True
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return isinstance(value, Number) and bool(value != value)


def _check_one_kind(column, name):
    """Raise for values that cannot be sorted: text mixed with numbers."""
    if len(set(map(type, column))) < 2:
        return
    kinds = [_kind(value) for value in column]
    counts = Counter(kinds).most_common()
    if len(counts) < 2:
        return
    (most, _), (other, _), *_ = counts
    found = ", ".join(f"{count} of kind {kind}" for kind, count in counts[:5])
    raise ValueError(
        f"{name} must hold values of one kind. Got {found}; the first {other} among "
        f"{most} is in row {kinds.index(other)}: turn all of them into text, "
        f"[str(label) for label in {name}], or correct those of the wrong kind."
    )


def _kind(value):
    if isinstance(value, Number | np.bool_):
        return "number"
    for kind in (str, bytes):
        if isinstance(value, kind):
            return kind.__name__
    return type(value).__name__
