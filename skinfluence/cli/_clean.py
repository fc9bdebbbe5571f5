"""The subcommand ``clean``: read a table, analyse it, print and write the results."""

from pathlib import Path

from skinfluence._shown import shown
from skinfluence.cli._analysis import N_PARTS, analyse, default_model
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._csv_rows import csv_bytes, rows_as_they_came
from skinfluence.cli._files import beside, check_outputs, file_format, write_files
from skinfluence.cli._libraries import check_report_libraries, import_pandas
from skinfluence.cli._spreadsheet import without_formulas
from skinfluence.cli._tables import WEIGHT, cleaned_table, ranking_table
from skinfluence.cli._task import read_task
from skinfluence.cli._terminal import (
    print_scores,
    print_suspects,
    print_table,
    progress,
)


def clean(settings):
    """Rank the rows of a table and write it without those that look wrong.

    The cleaned table is written only if rows are flagged. With ``drop="auto"`` it is
    not written either if the model without the flagged rows is clearly worse on
    held-out rows.

    Parameters
    ----------
    settings : Settings
        Options of the command line, among them the table.
    """
    table = Path(settings.table)
    output, suspects, page = (
        None if path is None else Path(path)
        for path in (settings.output, settings.suspects, settings.report)
    )
    output = beside(table, "cleaned") if output is None else output
    suspects = beside(table, "suspects") if suspects is None else suspects
    check_outputs(table, [output, suspects], settings.force, page)
    if page is not None:
        check_report_libraries()
    problem = read_task(
        table, settings.target, settings.task, settings.separator, settings.groups
    )
    if settings.action == "weight" and WEIGHT in problem.table.columns:
        raise BadInput(f"{table} has a column {WEIGHT!r}, which --action weight writes")
    analysis, ranking = run(problem, settings)
    contents = {suspects: ranking}
    if file_format(suspects) != ".parquet":
        contents[suspects] = without_formulas(ranking)
    if analysis.reason_to_keep_all is None:
        cleaned = cleaned_table(problem, analysis, settings)
        contents[output] = _in_format(cleaned, table, output, settings)
    if page is not None:
        from skinfluence.cli.report._page import report_page  # needs [report]

        contents[page] = report_page(problem, analysis, settings)
    write_files(contents)
    print(f"\nwrote {shown(suspects)}: {len(ranking)} rows, most suspect first")
    if analysis.reason_to_keep_all is None:
        print(f"wrote {shown(output)}: {len(cleaned)} rows")
    else:
        print(
            f"Nothing should be removed: {analysis.reason_to_keep_all}. No cleaned "
            "table was written."
        )
        if output.exists():
            print(f"{shown(output)} is that of an earlier run")
    if page is not None:
        print(f"wrote {shown(page)}: the report, to be read in a browser")


def run(problem, settings):
    """Analyse a table and print the results.

    Parameters
    ----------
    problem : Task
        The table.
    settings : Settings
        Options of the command line.

    Returns
    -------
    analysis : Analysis
        The results.
    ranking : DataFrame
        All rows, the most suspect first.
    """
    model, left_out = default_model(problem.X, problem.classification)
    print_table(problem, settings.target, left_out)
    with progress(N_PARTS) as step:
        analysis = analyse(problem, model, settings, step, left_out)
    ranking = ranking_table(problem, analysis)
    print_suspects(problem, analysis, ranking)
    print_scores(analysis, settings.action)
    return analysis, ranking


def _in_format(cleaned, table, output, settings):
    """Return the cleaned table in its file format, with unchanged rows as read."""
    if ".parquet" in (file_format(table), file_format(output)):
        return cleaned
    if settings.action == "drop":
        pandas = import_pandas()
        return rows_as_they_came(pandas, table, settings.separator, cleaned)
    return csv_bytes(cleaned, settings.separator)
