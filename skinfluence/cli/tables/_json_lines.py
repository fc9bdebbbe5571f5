"""JSON lines: an object per row."""

import json
from dataclasses import dataclass

import numpy as np

from skinfluence.cli._libraries import import_pandas
from skinfluence.cli.tables._bounds import BadTable, check_n_columns
from skinfluence.cli.tables._dates import texts_to_dates
from skinfluence.cli.tables._nested import notes_on_nested
from skinfluence.cli.tables._number_marks import (
    are_codes,
    guess_marks,
    say_marks,
    texts_to_numbers,
)
from skinfluence.cli.tables._table import Table


@dataclass
class JsonLinesFile:
    """How tables are written as JSON lines.

    Attributes
    ----------
    lines : list of bytes or None
        The lines that were read.
    nested : frozenset of str
        Columns with lists and objects, which are texts of JSON in a table.
    """

    lines: list | None = None
    nested: frozenset = frozenset()

    def joined(self, others, frame):
        """Return how several files together are written."""
        nested = self.nested.union(*(file.nested for file in others))
        return JsonLinesFile(sum((file.lines for file in others), self.lines), nested)

    def encode(self, frame):
        """Return a table as bytes."""
        text = frame.to_json(orient="records", lines=True, force_ascii=False)
        nested = self.nested.intersection(frame.columns)
        if not nested:
            return text.encode()
        rows = [json.loads(line) for line in text.splitlines()]
        for row in rows:
            row.update({name: _unpacked(row[name]) for name in nested})
        texts = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        return "".join(texts).encode()

    def records(self, positions, changed=None):
        """Return rows as they came, but for those that were changed."""
        lines = list(self.lines)
        if changed is not None:
            for i in changed.index:
                lines[i] = _with_values(lines[i], self.encode(changed.loc[[i]]))
        return b"".join(lines[i] for i in positions)


def read_json_lines(name, content, reading):
    """Read JSON lines; see `read_delimited`. Values that are no scalars become JSON."""
    pandas = import_pandas()
    numbered = [
        (line, i + 1)
        for i, line in enumerate(content.splitlines(keepends=True))
        if line.strip()
    ]
    rows, nested = [], set()
    for line, number in numbered:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadTable(f"line {number} is no JSON: {error}") from None
        if isinstance(row, list):
            raise BadTable(
                f"line {number} is a list: write one object a line, as to_json of "
                'pandas does with orient="records", lines=True'
            )
        if not isinstance(row, dict):
            raise BadTable(f"line {number} is no object with names and values")
        nested |= {k for k, value in row.items() if isinstance(value, (dict, list))}
        rows.append({key: _scalar(value) for key, value in row.items()})
    cells = pandas.DataFrame(rows)
    check_n_columns(cells.shape[1])
    typed, notes = _typed(cells, reading)
    notes += notes_on_nested(name for name in cells if name in nested)
    lines = [line for line, _ in numbered]
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    return Table(
        typed,
        cells,
        np.array([number for _, number in numbered], dtype=np.int64),
        JsonLinesFile(lines, frozenset(nested)),
        notes,
    )


def _typed(cells, reading):
    """Return the rows with texts of numbers, such as "12.50", as numbers."""
    typed = cells.copy()
    texts = {}
    for i in range(typed.shape[1]):
        values = typed.iloc[:, i].to_numpy(dtype=object)
        kinds = {type(value) for value in values}
        if kinds - {str, int, float, type(None)} or str not in kinds:
            continue
        column = [None if v is None or v != v else str(v) for v in values]
        if not are_codes(column):
            texts[i] = np.array(column, dtype=object)
    columns = [[t for t in values if t is not None] for values in texts.values()]
    marks = guess_marks(columns, reading.decimal, reading.thousands)
    notes = say_marks(marks)
    notes = [f"read with {', '.join(notes)}"] if notes else []
    notes += texts_to_numbers(typed, texts, marks)
    return typed, notes + texts_to_dates(typed, texts)


def _with_values(line, changed):
    """Return a line with the values that differ in another one."""
    row = json.loads(line)
    for key, value in json.loads(changed).items():
        if row.get(key) != value:
            row[key] = value
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _scalar(value):
    return json.dumps(value) if isinstance(value, (dict, list)) else value


def _unpacked(value):
    """Return the list or object of a text of JSON, or the value itself."""
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return json.loads(value)
        except ValueError:
            pass
    return value
