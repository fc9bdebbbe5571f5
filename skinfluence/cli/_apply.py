"""The subcommand ``apply``: carry out the verdicts of a reviewer."""

from pathlib import Path

import numpy as np

from skinfluence._counts import counted
from skinfluence._shown import shown
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._clean import encoded
from skinfluence.cli._files import check_outputs, write_files
from skinfluence.cli._libraries import import_pandas
from skinfluence.cli._relabelled import is_new_label, relabelled
from skinfluence.cli._spreadsheet import without_formulas
from skinfluence.cli._verdicts import read_verdicts
from skinfluence.cli.tables._file_names import beside
from skinfluence.cli.tables._read import read_table


def apply(settings):
    """Carry out the verdicts of a reviewer, and write a log of the changes.

    Rows that are dropped go, those that are relabelled get their value, all others stay
    as they came.

    Parameters
    ----------
    settings : ApplySettings
        The table and the verdicts.
    """
    table = Path(settings.tables[0])
    output = _or_beside(settings.output, table, "reviewed")
    log = _or_beside(settings.log, table, "changes")
    check_outputs([*settings.tables, settings.verdicts], [output, log], settings.force)
    source = read_table(settings.tables, settings.reading())
    frame = source.cells
    if settings.target not in frame.columns:
        raise BadInput(f"{table} has no column {settings.target!r}")
    name = settings.target
    verdicts, _ = read_verdicts(settings.verdicts, source, name, settings.tables[0])
    rows = verdicts.of("relabel")
    values = [value for value in verdicts.values if value != ""]
    column = relabelled(source, name, rows, values, settings.verdicts)
    frame = frame.assign(**{name: column})
    kept = frame.drop(index=verdicts.of("drop"))
    changed = frame.loc[rows]
    changes = _changes(source, verdicts, settings.target, column)
    write_files(
        {
            output: encoded(kept, output, source, came=True, changed=changed),
            log: encoded(without_formulas(changes), log, source),
        }
    )
    counts = [
        f"{len(verdicts.of(v))} {v}" for v in ("keep", "drop", "relabel", "unsure")
    ]
    print(f"{counted(len(verdicts.rows), 'verdict')}: {', '.join(counts)}")
    _say_new_labels(source, name, rows, values)
    print(f"wrote {shown(output)}: {counted(len(kept), 'row')}")
    print(f"wrote {shown(log)}: what was changed")


def _say_new_labels(source, name, rows, values):
    """Say which rows get a label that no row had: it may be a typing error."""
    places = {}
    for row, value in zip(rows, values, strict=True):
        if value in places or is_new_label(source, name, value):
            places.setdefault(value, []).append(shown(source.place(row)))
    for value, found in places.items():
        more = f" and {counted(len(found) - 5, 'more row')}" if len(found) > 5 else ""
        print(
            f"{'; '.join(found[:5])}{more}: {shown(value)!r} is a value that no row of "
            f"{shown(name)} had"
        )


def _or_beside(path, table, what):
    return beside(table, what) if path is None else Path(path)


def _changes(source, verdicts, target, column):
    """Tabulate every verdict, and the values before and after."""
    pandas = import_pandas()
    before = source.cells[target].iloc[verdicts.rows].to_numpy(dtype=object)
    after = column.iloc[verdicts.rows].to_numpy(dtype=object, copy=True)
    after[verdicts.verdicts == "drop"] = None
    columns = {
        "row": verdicts.rows,
        "line": source.lines[verdicts.rows],
        "verdict": verdicts.verdicts,
        "before": before,
        "after": after,
        "note": np.array(verdicts.notes, dtype=object),
    }
    changes = pandas.DataFrame(columns)
    if source.files is not None:
        changes.insert(1, "file", source.files[verdicts.rows])
    return changes
