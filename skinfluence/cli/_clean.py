"""The subcommand ``clean``: read a table, analyse it, print and write the results."""

from pathlib import Path

from skinfluence._counts import counted
from skinfluence._shown import shown
from skinfluence.cleaning.surprise._preprocessing import text_columns
from skinfluence.cli._analysis import analyse, default_model, n_parts
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._files import check_outputs, write_files
from skinfluence.cli._libraries import check_report_libraries
from skinfluence.cli._reviewed import read_reviewed
from skinfluence.cli._spreadsheet import without_formulas
from skinfluence.cli._tables import WEIGHT, cleaned_table, ranking_table
from skinfluence.cli._task import read_task
from skinfluence.cli._terminal import (
    print_answers,
    print_groups,
    print_review,
    print_sample,
    print_scores,
    print_suspects,
    print_table,
    progress,
)
from skinfluence.cli.tables._compression import compressed
from skinfluence.cli.tables._file_names import COLUMNAR, beside, split_name
from skinfluence.cli.tables._read import file_like


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
    table = Path(settings.tables[0])
    output, suspects, page = (
        None if path is None else Path(path)
        for path in (settings.output, settings.suspects, settings.report)
    )
    output = beside(table, "cleaned") if output is None else output
    suspects = beside(table, "suspects") if suspects is None else suspects
    inputs = [*settings.tables, *filter(None, [settings.verdicts])]
    check_outputs(inputs, [output, suspects], settings.force, page)
    if page is not None:
        check_report_libraries()
    problem = read_task(
        settings.tables,
        settings.target,
        settings.task,
        settings.groups,
        settings.reading(),
        settings.by or (),
        settings.ignore or (),
    ).sample(settings.max_rows, settings.seed)
    if settings.action == "weight" and WEIGHT in problem.table.columns:
        raise BadInput(f"{table} has a column {WEIGHT!r}, which --action weight writes")
    if settings.answers and not problem.classification:
        raise BadInput(
            f"--answers is about predicted labels, and {settings.target!r} holds "
            "numbers, which have no label that could change: leave it out"
        )
    if settings.per_class and not problem.classification:
        raise BadInput(
            f"--per-class takes a share of every class, and {settings.target!r} holds "
            "amounts: leave it out"
        )
    reviewed = read_reviewed(problem, settings)
    analysis, ranking = run(problem, settings, reviewed)
    if reviewed is not None:
        problem = reviewed.carried_out(problem, settings.target)
    safe = ranking
    if split_name(suspects.name)[1] not in COLUMNAR:
        safe = without_formulas(ranking)
    contents = {suspects: encoded(safe, suspects, problem.source)}
    if analysis.changes_rows:
        cleaned = cleaned_table(problem, analysis, settings)
        came, changed = settings.action != "weight", None
        rows = analysis.relabelled(settings.action)
        if rows.any():
            changed = cleaned.loc[problem.rows[rows]]
        contents[output] = encoded(cleaned, output, problem.source, came, changed)
    if page is not None:
        from skinfluence.cli.report._page import report_page  # needs [report]

        page_text = report_page(problem, analysis, settings, reviewed)
        contents[page] = page_text.encode()
    write_files(contents)
    print(
        f"\nwrote {shown(suspects)}: {counted(len(ranking), 'row')}, most suspect first"
    )
    if analysis.changes_rows:
        print(f"wrote {shown(output)}: {counted(len(cleaned), 'row')}")
    if analysis.reason_to_keep_all is not None:
        more = "more " if reviewed is not None else ""
        print(f"Nothing {more}should be removed: {analysis.reason_to_keep_all}.")
    if not analysis.changes_rows:
        print("No cleaned table was written.")
        if not analysis.kept.all():
            share = (~analysis.kept).mean()
            print(
                f"--drop {share:.3g} writes one without about as many rows, of the "
                "lowest values, whatever the scores say."
            )
        if output.exists():
            print(f"{shown(output)} is that of an earlier run")
    if page is not None:
        print(f"wrote {shown(page)}: the report, to be read in a browser")


def run(problem, settings, reviewed=None):
    """Analyse a table and print the results.

    Parameters
    ----------
    problem : Task
        The table.
    settings : Settings
        Options of the command line.
    reviewed : Reviewed, default=None
        Verdicts on the table.

    Returns
    -------
    analysis : Analysis
        The results.
    ranking : DataFrame
        All rows, the most suspect first.
    """
    model, left_out = default_model(problem.X, problem.classification)
    texts = problem.X.columns[text_columns(problem.X)]
    print_table(problem, settings.target, left_out, texts)
    if settings.samples:
        print_sample(settings.sample, len(problem.y))
    with progress(n_parts(settings), problem.X.shape) as step:
        decided = None if reviewed is None else reviewed.decided
        analysis = analyse(problem, model, settings, step, left_out, decided)
    ranking = ranking_table(problem, analysis)
    if reviewed is not None:
        print_review(reviewed.verdicts, analysis, problem)
    print_suspects(problem, analysis, ranking)
    print_scores(analysis, settings.action)
    for name, groups in analysis.groups.items():
        print_groups(name, groups, analysis.held_out.proper, len(ranking))
    print_answers(problem, analysis.answers)
    return analysis, ranking


def encoded(frame, path, source, came=False, changed=None):
    """Return a table as the bytes of a file, in the manner of the table that was read.

    Parameters
    ----------
    frame : DataFrame
        Table to write.
    path : Path
        Where it is written.
    source : Table
        Table that was read.
    came : bool
        Whether the rows are some of those that were read, which stay as they came.
    changed : DataFrame, default=None
        Those of them that did not.
    """
    file, content = file_like(path, source), None
    if came and file is source.file:
        content = file.records(frame.index.to_numpy(), changed)
    if content is None:
        content = file.encode(frame)
    stem, file_format, compression = split_name(path.name)
    if compression:
        content = compressed(content, compression, f"{stem}{file_format or '.csv'}")
    return content
