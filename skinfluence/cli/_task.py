"""The table to clean: reading, checking, and splitting into features and target."""

import difflib
import warnings
import zlib
from dataclasses import dataclass

import numpy as np

from skinfluence._shown import LIMIT, shown
from skinfluence.cleaning._labels_or_amounts import MAX_LABELS
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._files import file_format
from skinfluence.cli._libraries import import_pandas
from skinfluence.cli._table_bytes import check_parquet, csv_source

MIN_ROWS = 10


@dataclass
class Task:
    """A table split into features and target, without rows that have no target.

    Attributes
    ----------
    table : DataFrame
        The rows as they were in the file; as text, if the file is text.
    n_rows : int
        Number of rows in the file.
    rows : ndarray of int
        Position of each remaining row in the file, as ``DataFrame.iloc`` counts.
    X : DataFrame
        Features.
    y : ndarray
        Labels (text, whole numbers or booleans) or numbers.
    classification : bool
        Whether y holds labels.
    groups : ndarray or None
        Group of each row; rows of one group, for instance of one patient, are not
        independent.
    """

    table: object
    n_rows: int
    rows: np.ndarray
    X: object
    y: np.ndarray
    classification: bool
    groups: np.ndarray | None = None


def read_task(path, target, task="auto", separator=",", groups=None):
    """Read a table and decide what its target is.

    Parameters
    ----------
    path : Path
        CSV, compressed or not, or Parquet.
    target : str
        Name of the column to predict.
    task : {"auto", "classification", "regression"}
        "auto" is regression for numbers, except for whole numbers with at most 20
        different values.
    separator : str
        Separator of the values of a CSV file.
    groups : str, default=None
        Name of the column with the group of each row.

    Returns
    -------
    task : Task
    """
    pandas = import_pandas()
    typed, table = _read(pandas, path, separator)
    return make_task(typed, table, target, task, path, separator, groups)


def make_task(
    typed, table, target, task="auto", path="table", separator=",", groups=None
):
    """Split a table that has been read; see `read_task`."""
    columns = [str(name) for name in typed.columns]
    typed.columns = table.columns = columns
    named = [target] if groups is None else [target, groups]
    for name in named:
        if name not in columns:
            raise BadInput(_no_such_column(path, name, columns, separator))
    if groups == target:
        raise BadInput(f"--groups and --target are the same column, {target!r}")
    if len(columns) == len(named):
        raise BadInput(
            f"{path} has no column besides {' and '.join(map(repr, named))} to predict "
            "from"
        )
    column = typed[target]
    present = column.notna().to_numpy()
    if column.dtype.kind == "f":
        present = np.isfinite(column.to_numpy(dtype=np.float64, na_value=np.nan))
    rows = np.flatnonzero(present)
    if len(rows) < MIN_ROWS:
        raise BadInput(
            f"{path} has {len(rows)} row(s) with a value of {target!r}: at least "
            f"{MIN_ROWS} are needed"
        )
    if task == "regression" and column.dtype.kind not in "iuf":
        raise BadInput(
            f"target {target!r} of {path} is not numeric, which --task regression "
            f"needs: it holds {shown(column.iloc[rows[0]])!r}, for instance"
        )
    y, classification = _target(column.iloc[rows], task, target, path)
    X = typed.drop(columns=named).iloc[rows].reset_index(drop=True)
    X = X.replace([np.inf, -np.inf], np.nan)
    if groups is not None:
        groups = _groups(typed[groups].iloc[rows], groups, path)
    return Task(table.iloc[rows], len(table), rows, X, y, classification, groups)


def _groups(column, name, path):
    """Return groups as text; at least two, and every row in one."""
    missing = int(column.isna().sum())
    if missing:
        raise BadInput(f"{missing} row(s) of {path} have no value of {name!r}")
    groups = np.array([str(v) for v in column])
    if len(np.unique(groups)) < 2:
        raise BadInput(f"groups {name!r} of {path} are all equal, {shown(groups[0])}")
    return groups


def _read(pandas, path, separator):
    suffix = file_format(path)
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise BadInput(f"{path} {what}")
    try:
        if suffix == ".parquet":
            check_parquet(path)
            typed = table = pandas.read_parquet(path)
        else:
            typed, table = _read_csv(pandas, path, separator)
    except pandas.errors.EmptyDataError:
        raise BadInput(f"{path} is empty") from None
    except ImportError:
        raise BadInput(
            f'{path}: Parquet needs pyarrow: pip install "skinfluence[tables]"'
        ) from None
    except (
        OSError,
        ValueError,
        EOFError,
        zlib.error,
        pandas.errors.ParserWarning,
    ) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(f"cannot read {path}: {reason}") from None
    if not len(typed):
        raise BadInput(f"{path} is empty: it has a header and no rows")
    return typed, table.copy()


def _read_csv(pandas, path, separator):
    # If rows have one value more than the header, pandas would use the first as an
    # index; with index_col=False it drops the last and warns.
    options = {"sep": separator, "index_col": False}
    source = csv_source(path, separator)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        typed = pandas.read_csv(source, low_memory=False, **options)
    if source is not path:
        source.seek(0)
    # Read again as text, so that 007 and 1.50 are written as they were read.
    table = pandas.read_csv(source, dtype=str, keep_default_na=False, **options)
    return typed, table


def _no_such_column(path, target, columns, separator):
    message = f"{path} has no column {target!r}"
    names = [name for name in columns if len(name) <= LIMIT]  # matching takes long
    close = difflib.get_close_matches(target, names, n=3, cutoff=0.7)
    lower = [name for name in columns if name.lower() == target.lower()]
    close = list(dict.fromkeys(lower + close))
    if close:
        return f"{message}; did you mean {' or '.join(map(repr, close))}?"
    other = [s for s in ",;\t|" if s != separator and s in columns[0]]
    if len(columns) == 1 and other:
        return f"{message}; its separator seems to be {other[0]!r}: use --separator"
    some = ", ".join(map(shown, columns[:10])) + (", ..." if len(columns) > 10 else "")
    return f"{message}; its columns are {some}"


def _target(column, task, target, path):
    """Return the target as an array, and whether it holds labels."""
    kind = column.dtype.kind
    numeric = kind in "iuf"
    values = column.to_numpy(dtype=np.float64) if numeric else None
    whole = numeric and (values == np.floor(values)).all()
    if task == "auto":
        few = whole and len(np.unique(values)) <= min(MAX_LABELS, len(values) // 2)
        task = "regression" if numeric and not few else "classification"
    if task == "regression":
        if np.ptp(values) == 0:
            raise BadInput(f"target {target!r} of {path} is always {values[0]:g}")
        return values, False
    if whole:
        labels = values.astype(np.int64)  # floats if some row had no label
    else:
        labels = np.array([str(v) for v in column], dtype=object)
    classes = np.unique(labels)
    if len(classes) == 1:
        raise BadInput(
            f"target {target!r} of {path} has one class only, {shown(classes[0])}"
        )
    if len(classes) > len(labels) // 2:
        raise BadInput(
            f"target {target!r} of {path} has {len(classes)} different values in "
            f"{len(labels)} rows, too many for labels"
            + (", use --task regression" if numeric else "")
        )
    return labels, True
