"""The table that is cleaned: cut into features and target, or refused."""

import difflib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from skinfluence._counts import counted
from skinfluence._shown import LIMIT, shown
from skinfluence.cleaning._labels_or_amounts import MAX_LABELS, few_whole_numbers
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._options import several_targets
from skinfluence.cli.tables._number_marks import NumberMarks
from skinfluence.cli.tables._read import read_table
from skinfluence.cli.tables._table import Reading, Table

MIN_ROWS = 10
# Of labels, which are compared in pairs.
MANY = 1000


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
    source : Table
        Table that was read.
    groups : ndarray or None
        Rows of one group are not independent, those of one patient, say.
    decision : str
        Why the target is taken for labels or for numbers; empty where it is plain.
    others : ndarray of int
        Position of the rows that a sample left aside; they have a target as well.
    """

    table: object
    n_rows: int
    rows: np.ndarray
    X: object
    y: np.ndarray
    classification: bool
    source: Table
    groups: np.ndarray | None = None
    decision: str = ""
    others: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))

    @cached_property
    def whole_numbers(self):
        """Whether all targets are whole numbers, years or counts, say."""
        return not self.classification and bool((self.y == np.round(self.y)).all())

    @property
    def n_missing(self):
        """Number of rows that have no target."""
        return self.n_rows - len(self.rows) - len(self.others)

    def sample(self, most, seed):
        """Return the task of a random part of the rows, in their order.

        Parameters
        ----------
        most : int
            The number of rows; a task that has no more is returned as it is.
        seed : int
            Seed of the draw.
        """
        n = len(self.rows)
        if n <= most:
            return self
        drawn = np.zeros(n, dtype=bool)
        drawn[np.random.default_rng(seed).choice(n, most, replace=False)] = True
        return replace(
            self,
            table=self.table.iloc[drawn],
            rows=self.rows[drawn],
            X=self.X.iloc[drawn].reset_index(drop=True),
            y=self.y[drawn],
            groups=None if self.groups is None else self.groups[drawn],
            others=self.rows[~drawn],
        )

    @property
    def lines(self):
        """Line of each remaining row, as a spreadsheet counts."""
        return self.source.lines[self.rows]

    @property
    def files(self):
        """Name of the file of each remaining row; None where there is one file."""
        files = self.source.files
        return None if files is None else files[self.rows]

    def column(self, name):
        """Return a column of the file, for the remaining rows."""
        return self.source.typed[name].iloc[self.rows]

    def place(self, i):
        """Return the place of a remaining row, for messages.

        Parameters
        ----------
        i : int
            Its position among them.

        Returns
        -------
        place : str
        """
        return self.source.place(self.rows[i])


def read_task(paths, target, task="auto", groups=None, reading=None, by=(), ignore=()):
    """Read a table and split it into features and targets.

    Parameters
    ----------
    paths : list of str or Path
        Files of one table; "-" is standard input.
    target : str
        Name of the column to predict.
    task : {"auto", "classification", "regression"}
        "auto" is regression for numbers, unless they are whole and at most 20.
    groups : str, default=None
        Name of the column that says which rows belong together.
    reading : Reading, default=None
        How the files are written, as far as that is known.
    by : sequence of str, default=()
        Other columns that must be there.
    ignore : sequence of str, default=()
        Columns that are not used for predictions.

    Returns
    -------
    task : Task
    """
    reading = replace(Reading() if reading is None else reading, target=target)
    path = ", ".join("standard input" if str(p) == "-" else str(p) for p in paths)
    return make_task(read_table(paths, reading), target, task, path, groups, by, ignore)


def make_task(source, target, task="auto", path="table", groups=None, by=(), ignore=()):
    """Cut a `Table` into features and target; see `read_task`."""
    typed, table = source.typed, source.cells
    columns = list(typed.columns)
    named = [target] if groups is None else [target, groups]
    parts = target.split(",")
    if target not in columns and len(parts) > 1 and set(parts) <= set(columns):
        raise BadInput(several_targets(parts))
    for name in [*named, *by, *ignore]:
        if name not in columns:
            raise BadInput(_no_such_column(path, name, columns))
    if groups == target:
        raise BadInput(f"--groups and --target are the same column, {target!r}")
    if target in ignore:
        raise BadInput(f"--ignore and --target are the same column, {target!r}")
    named = list(dict.fromkeys([*named, *ignore]))
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
            f"{path} has {counted(len(rows), 'row')} with a value of {target!r}: at "
            f"least {MIN_ROWS} are needed"
        )
    if task == "regression" and column.dtype.kind not in "iuf":
        row = _first_that_is_no_number(column, rows)
        raise BadInput(
            f"target {target!r} of {path} is not numeric, which --task regression "
            f"needs: it holds {shown(column.iloc[row])!r}, for instance "
            f"({source.place(row)})"
        )
    y, classification, decision = _target(column.iloc[rows], task, target, path)
    X = typed.drop(columns=named).iloc[rows].reset_index(drop=True)
    X = X.replace([np.inf, -np.inf], np.nan)
    infinite = _infinite(source, [target, *(c for c in columns if c not in named)])
    source = replace(source, notes=[*source.notes, *infinite])
    if groups is not None:
        groups = _groups(source, rows, groups, path)
    return Task(
        table.iloc[rows],
        len(table),
        rows,
        X,
        y,
        classification,
        source,
        groups,
        decision,
    )


def _infinite(source, names):
    """Note the infinite values of each column, which are taken for missing."""
    notes = []
    for name in names:
        column = source.typed[name]
        if column.dtype.kind != "f":
            continue
        rows = np.flatnonzero(np.isinf(column.to_numpy(np.float64, na_value=np.nan)))
        if len(rows):
            count = f"; {len(rows)} in all" if len(rows) > 1 else ""
            notes.append(
                f"column {shown(name)}: infinite values are taken for missing ones "
                f"({source.place(rows[0])}{count})"
            )
    return notes


def _first_that_is_no_number(column, rows):
    """Return the first of some rows without a number; the first row if all have one."""
    both = NumberMarks(".", ","), NumberMarks(",", ".")
    for row in rows:
        if not any(marks.is_number(str(column.iloc[row])) for marks in both):
            return row
    return rows[0]


def _groups(source, rows, name, path):
    """Return groups as text; at least two, and every row in one."""
    column = source.typed[name].iloc[rows]
    missing = rows[column.isna().to_numpy()]
    if len(missing):
        first = source.place(missing[0])
        raise BadInput(
            f"{path} has {counted(len(missing), 'row')} without a value of {name!r}, "
            f"the first on {first}: --groups needs one in every row. Fill in a value "
            "or leave the rows out"
        )
    groups = np.array([str(v) for v in column])
    if len(np.unique(groups)) < 2:
        raise BadInput(f"groups {name!r} of {path} are all equal, {shown(groups[0])}")
    return groups


def _no_such_column(path, target, columns):
    message = f"{path} has no column {target!r}"
    names = [name for name in columns if len(name) <= LIMIT]  # matching takes long
    close = difflib.get_close_matches(target, names, n=3, cutoff=0.7)
    if len(columns) == 1:
        only = shown(columns[0])
        return f"{message}; its only column is {only!r}: give --separator or --header"
    lower = [name for name in columns if name.strip().lower() == target.strip().lower()]
    close = list(dict.fromkeys(lower + close))
    if close:
        return f"{message}; did you mean {' or '.join(map(repr, close))}?"
    some = ", ".join(map(shown, columns[:10])) + (", ..." if len(columns) > 10 else "")
    return f"{message}; its columns are {some}"


def _alike(labels):
    """Note labels that differ only in case or in surrounding spaces."""
    plain = [label.strip().lower() for label in labels]
    twice = [p for p in plain if plain.count(p) > 1] if len(labels) <= MANY else []
    if not twice:
        return ""
    some = [
        repr(shown(label))
        for label, p in zip(labels, plain, strict=True)
        if p == twice[0]
    ]
    return (
        f"{', '.join(some)} differ in case or spaces only and are taken for different "
        "labels"
    )


def _target(column, task, target, path):
    """Return the target, whether it holds labels, and why where that was guessed."""
    kind, decision = column.dtype.kind, ""
    numeric = kind in "iuf"
    values = column.to_numpy(dtype=np.float64) if numeric else None
    whole = numeric and (values == np.floor(values)).all()
    guess = task == "auto"
    if guess:
        distinct = len(np.unique(values)) if whole else 0
        few = numeric and few_whole_numbers(values)
        task = "regression" if numeric and not few else "classification"
        if whole:
            decision = f"{distinct} different whole numbers, "
            decision += (
                "taken for labels (--task regression takes them for amounts)"
                if few
                else "taken for amounts (--task classification takes them for labels)"
            )
    if kind == "M" and guess:
        raise BadInput(
            f"target {target!r} of {path} holds dates, which are neither labels nor "
            "amounts: make a number of it, days since one of them, say "
            "(--task classification takes dates for labels)"
        )
    if task == "regression":
        if np.ptp(values) == 0:
            raise BadInput(f"target {target!r} of {path} is always {values[0]:g}")
        return values, False, decision
    if whole:
        labels = values.astype(np.int64)  # floats if some row had no label
    else:
        labels = np.array([str(v) for v in column], dtype=object)
    classes = np.unique(labels)
    if not whole:
        decision = _alike(classes)
    if len(classes) == 1:
        raise BadInput(
            f"target {target!r} of {path} has one class only, {shown(classes[0])}"
        )
    many = f"target {target!r} of {path} has {len(classes)} different values in "
    many += f"{len(labels)} rows: "
    if len(classes) > len(labels) // 2:
        raise BadInput(
            f"{many}too many for labels"
            + (", use --task regression" if numeric else "")
        )
    if guess and len(classes) > MAX_LABELS and len(labels) < MIN_ROWS * len(classes):
        raise BadInput(
            f"{many}fewer than {MIN_ROWS} rows of a class. If they are labels, say "
            f"--task classification; {shown(classes[0])!r} is one of them"
        )
    return labels, True, decision
