"""Reading and writing tables for the command line, and refusing bad ones."""

import difflib
import gzip
import os
import tempfile
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skinfluence.cleaning._csv_rows import csv_bytes
from skinfluence.cleaning._shown import LIMIT, shown
from skinfluence.cleaning._table_bytes import check_parquet, csv_source

FORMATS = (".csv", ".csv.gz", ".parquet")
PAGES = (".html", ".htm")
# Whole numbers with more distinct values than this are amounts, not labels.
MAX_LABELS = 20
MIN_ROWS = 10


class BadInput(Exception):
    """What the user can mend, in one line."""


@dataclass
class Task:
    """A table cut into features and target, without rows that have no target.

    Attributes
    ----------
    table : DataFrame
        The rows as they were in the file; text, where the file is text.
    n_rows : int
        Rows in the file.
    rows : ndarray of int
        Position of each remaining row in the file, as ``DataFrame.iloc`` counts.
    X : DataFrame
        Features.
    y : ndarray
        Labels (text, whole numbers or booleans) or numbers.
    classification : bool
        Whether y holds labels.
    groups : ndarray or None
        Rows of one group are not independent, those of one patient, say.
    """

    table: object
    n_rows: int
    rows: np.ndarray
    X: object
    y: np.ndarray
    classification: bool
    groups: np.ndarray | None = None


def import_pandas():
    """Return pandas, or say how to install what the command line needs."""
    try:
        import pandas
    except ImportError:
        raise BadInput(
            'the command line needs pandas: pip install "skinfluence[tables]"'
        ) from None
    return pandas


def file_format(path):
    """Return the member of FORMATS that a file name ends with."""
    for suffix in FORMATS:
        if path.name.lower().endswith(suffix):
            return suffix
    raise BadInput(
        f"{path}: the name must end in the format, one of {', '.join(FORMATS)}"
    )


def read_task(path, target, task="auto", separator=",", groups=None):
    """Read a table and decide what its target is.

    Parameters
    ----------
    path : Path
        CSV, compressed or not, or Parquet.
    target : str
        Name of the column to predict.
    task : {"auto", "classification", "regression"}
        "auto" is regression for numbers, unless they are whole and at most 20.
    separator : str
        Between the values of a CSV file.
    groups : str, default=None
        Name of the column that says which rows belong together.

    Returns
    -------
    task : Task
    """
    if len(separator) != 1 or not separator.isascii():
        raise BadInput(f"--separator must be one character of ASCII, not {separator!r}")
    pandas = import_pandas()
    typed, table = _read(pandas, path, separator)
    return make_task(typed, table, target, task, path, separator, groups)


def make_task(
    typed, table, target, task="auto", path="table", separator=",", groups=None
):
    """Cut a table that has been read; see `read_task`."""
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
            f"needs: it holds {shown(column.iloc[rows[0]])!r}, say"
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
        raise BadInput(f"groups {name!r} of {path} are all one, {shown(groups[0])}")
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
    # Where rows have one value more than the header, pandas would take the first
    # for an index; told not to, it drops the last and warns.
    options = {"sep": separator, "index_col": False}
    source = csv_source(path, separator)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        typed = pandas.read_csv(source, low_memory=False, **options)
    if source is not path:
        source.seek(0)
    # Read again as text: 007 and 1.50 must leave as they came.
    table = pandas.read_csv(source, dtype=str, keep_default_na=False, **options)
    return typed, table


def _no_such_column(path, target, columns, separator):
    message = f"{path} has no column {target!r}"
    names = [name for name in columns if len(name) <= LIMIT]  # else it takes long
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
        labels = values.astype(np.int64)  # not 1.0, where some row had no label
    else:
        labels = np.array([str(v) for v in column], dtype=object)
    classes = np.unique(labels)
    if len(classes) == 1:
        raise BadInput(
            f"target {target!r} of {path} has one class, {shown(classes[0])}: nothing "
            "to tell apart"
        )
    if len(classes) > len(labels) // 2:
        raise BadInput(
            f"target {target!r} of {path} has {len(classes)} different values in "
            f"{len(labels)} rows: they are no labels"
            + (", use --task regression" if numeric else "")
        )
    return labels, True


def check_outputs(table, outputs, force, page=None):
    """Refuse, before any long work, paths that could not be written at its end.

    Parameters
    ----------
    table : Path
        The input, which is never overwritten.
    outputs : list of Path
        Tables that will be written.
    force : bool
        Whether files that exist may be replaced.
    page : Path, default=None
        HTML that will be written.
    """
    for path in outputs:
        file_format(path)
    if page is not None:
        if page.suffix.lower() not in PAGES:
            raise BadInput(f"{page}: the name must end in {' or '.join(PAGES)}")
        outputs = [*outputs, page]
    resolved = [path.resolve() for path in outputs]
    for i, full in enumerate(resolved):
        if full in resolved[:i]:
            raise BadInput(f"two outputs are the same file, {outputs[i]}")
    for path, full in zip(outputs, resolved, strict=True):
        if full == table.resolve():
            raise BadInput(f"{path} is the table itself: choose another name")
        if full.is_dir() or not full.parent.is_dir():
            raise BadInput(f"cannot write {path}: no such folder, or a folder itself")
        if not os.access(full.parent, os.W_OK):
            raise BadInput(f"cannot write {path}: no permission in its folder")
        if full.exists() and not force:
            raise BadInput(f"{path} exists: use --force to replace it")


def write_files(contents):
    """Write all files or none.

    Parameters
    ----------
    contents : dict of Path to DataFrame, bytes or str
        Format of a table by the name of the file; bytes are compressed where it says
        so, a text is written as it is.
    """
    finished = []
    try:
        for path, frame in contents.items():
            suffix = path.suffix if isinstance(frame, str) else file_format(path)
            handle, name = tempfile.mkstemp(suffix, ".skinfluence-", path.parent)
            os.close(handle)
            finished.append((Path(name), path))
            if isinstance(frame, str):
                Path(name).write_text(frame, encoding="utf-8")
            elif suffix == ".parquet":
                frame.to_parquet(name, index=False)
            else:
                content = frame if isinstance(frame, bytes) else csv_bytes(frame)
                if suffix == ".csv.gz":
                    content = gzip.compress(content)
                Path(name).write_bytes(content)
        mask = os.umask(0)
        os.umask(mask)
        for temporary, path in finished:
            temporary.chmod(0o666 & ~mask)  # mkstemp lets only the owner read
            temporary.replace(path)
    except OSError as error:
        raise BadInput(f"cannot write the results: {error}") from None
    finally:
        for temporary, _ in finished:
            temporary.unlink(missing_ok=True)
