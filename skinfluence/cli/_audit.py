"""The subcommand ``audit``: faults of a table that make scores of a model wrong."""

from dataclasses import replace
from pathlib import Path

from skinfluence._shown import LIMIT, shown
from skinfluence.audit import audit_table
from skinfluence.audit._findings import SEVERITIES
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._clean import encoded
from skinfluence.cli._files import check_outputs, write_files
from skinfluence.cli._spreadsheet import without_formulas
from skinfluence.cli._task import read_task
from skinfluence.cli._terminal import print_table
from skinfluence.cli.tables._read import read_table

# Neither 1, a fault of the program, nor 2, bad input.
FOUND = 3


def audit(settings):
    """Audit a table and print the findings.

    Parameters
    ----------
    settings : AuditSettings
        The table, and the severity that counts as a failure.

    Returns
    -------
    status : int
        `FOUND` where a finding is as serious as ``fail_on`` or more; else 0.
    """
    if settings.each:
        return _each(settings)
    output = None if settings.output is None else Path(settings.output)
    inputs = [*settings.tables, *([settings.test] if settings.test else [])]
    if output is not None:
        check_outputs(inputs, [output], settings.force)
    task = read_task(
        settings.tables,
        settings.target,
        settings.task,
        reading=settings.reading(),
        ignore=settings.ignore or (),
    )
    if settings.groups is not None and settings.groups not in task.X.columns:
        raise BadInput(f"--groups: there is no column {settings.groups!r}")
    print_table(task, settings.target, {})
    findings = audit_table(
        task.X,
        task.y,
        X_test=_test_rows(settings, task),
        classification=task.classification,
        groups=settings.groups,
        random_state=settings.seed,
    )
    _tell(findings, task)
    if output is not None:
        table = findings.assign(
            rows=[" ".join(map(str, rows)) for rows in findings.rows]
        )
        write_files({output: encoded(without_formulas(table), output, task.source)})
        print(f"wrote {shown(output)}")
    if settings.fail_on is None:
        return 0
    failing = SEVERITIES[: SEVERITIES.index(settings.fail_on) + 1]
    return FOUND if findings["severity"].isin(failing).any() else 0


def _each(settings):
    """Audit every file as a table of its own; return the highest exit status."""
    if settings.output is not None:
        raise BadInput("--output writes the findings of one table: leave out --each")
    statuses = []
    for i, table in enumerate(settings.tables):
        print(f"{chr(10) * (i > 0)}{shown(table)}")
        statuses.append(audit(replace(settings, tables=(table,), each=False)))
    return max(statuses)


def _test_rows(settings, task):
    if settings.test is None:
        return None
    test = read_table([settings.test], settings.reading()).typed
    missing = [name for name in task.X.columns if name not in test.columns]
    if missing:
        raise BadInput(f"{settings.test} has no column {missing[0]!r}, which TABLE has")
    return test[list(task.X.columns)]


def _tell(findings, task):
    if findings.empty:
        print("nothing was found")
    for finding in findings.itertuples(index=False):
        print(f"\n{finding.severity}: {finding.check}, {shown(finding.where)}")
        print(f"  {shown(finding.evidence, 3 * LIMIT)}")
        if finding.rows and finding.check != "train/test overlap":
            places = "; ".join(shown(task.place(i)) for i in finding.rows[:5])
            print(f"  {places}{' ...' if len(finding.rows) > 5 else ''}")
        print(f"  {finding.fix}")
