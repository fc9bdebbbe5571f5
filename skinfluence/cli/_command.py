"""The subcommands of ``python -m skinfluence``: read, analyse, tell, write."""

import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from skinfluence._shown import LIMIT, shown
from skinfluence.cli._analysis import (
    METHODS,
    N_FOLDS,
    Settings,
    analyse,
    default_model,
    why_nothing_goes,
)
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._csv_rows import csv_bytes, rows_as_they_came
from skinfluence.cli._files import beside, check_outputs, file_format, write_files
from skinfluence.cli._pandas import import_pandas
from skinfluence.cli._spreadsheet import without_formulas
from skinfluence.cli._task import make_task, read_task
from skinfluence.cli.report._page import report_page

SHOWN = 5
SHOWN_CLASSES = 10
WEIGHT = "sample_weight"


def clean(
    table,
    target,
    *,
    output=None,
    suspects=None,
    report=None,
    task="auto",
    method="auto",
    drop="auto",
    action="drop",
    per_class=False,
    groups=None,
    time_ordered=False,
    separator=",",
    force=False,
    jobs=None,
    seed=0,
):
    """Rank the rows of a table and write it without those that look wrong.

    The cleaned table is written only where rows are flagged. Where ``drop="auto"``
    flags them and the model is then clearly worse on held-out rows, it is not written
    either.

    Parameters
    ----------
    table : str
        Path of a CSV or Parquet file.
    target : str
        Name of the column to predict.
    output, suspects : str, default=None
        Paths of the cleaned table and of the ranking. None: beside the table.
    report : str, default=None
        Path of a report in HTML; None writes none.
    task : {"auto", "classification", "regression"}, default="auto"
        What the target is.
    method : {"auto", "loo", "influence-functions"}, default="auto"
        What values the rows.
    drop : float or "auto", default="auto"
        Which rows are suspects: "auto", those that are more likely wrong than right,
        or with another ``method`` those that clearly hurt; or this share of the rows.
    action : {"drop", "relabel", "weight"}, default="drop"
        What is done to suspects.
    per_class : bool, default=False
        Take the share of every class instead of the table.
    groups : str, default=None
        Name of a column: rows with the same value are held out together.
    time_ordered : bool, default=False
        Hold out later rows only.
    separator : str, default=","
        Between the values of a CSV file.
    force : bool, default=False
        Replace files that exist.
    jobs : int, default=None
        Folds at once.
    seed : int, default=0
        Cuts the folds.
    """
    _check_options(method, drop, jobs, seed)
    if per_class and drop == "auto":
        raise BadInput("--per-class takes a share of every class: give it with --drop")
    if groups is not None and time_ordered:
        raise BadInput("--groups and --time-ordered exclude each other")
    table = Path(table)
    output = beside(table, "cleaned") if output is None else Path(output)
    suspects = beside(table, "suspects") if suspects is None else Path(suspects)
    page = None if report is None else Path(report)
    check_outputs(table, [output, suspects], force, page)
    problem = read_task(table, target, task, separator, groups)
    if action == "weight" and WEIGHT in problem.table.columns:
        raise BadInput(f"{table} has a column {WEIGHT!r}, which --action weight writes")
    settings = Settings(method, drop, action, per_class, time_ordered, seed, jobs)
    analysis, ranking, left_out = _run(problem, target, settings)
    contents = {suspects: ranking}
    why_not = why_nothing_goes(analysis, settings)
    if why_not is None:
        cleaned = _cleaned(problem, target, analysis, action)
        contents[output] = cleaned
        if ".parquet" not in (file_format(table), file_format(output)):
            contents[output] = (
                rows_as_they_came(import_pandas(), table, separator, cleaned)
                if action == "drop"
                else csv_bytes(cleaned, separator)
            )
    if file_format(suspects) != ".parquet":
        contents[suspects] = without_formulas(ranking)
    if page is not None:
        contents[page] = report_page(
            table.name, target, problem, analysis, settings, left_out
        )
    write_files(contents)
    print(f"\nwrote {shown(suspects)}: {len(ranking)} rows, most suspect first")
    if why_not is None:
        print(f"wrote {shown(output)}: {len(cleaned)} rows")
    else:
        print(f"Nothing should be removed: {why_not}. No cleaned table was written.")
        if output.exists():
            print(f"{shown(output)} is that of an earlier run")
    if page is not None:
        print(f"wrote {shown(page)}: what was found, to be read in a browser")


def demo(*, flip=0.1, seed=0, jobs=None):
    """Flip labels of a real table and look how many are found.

    Parameters
    ----------
    flip : float, default=0.1
        Share of the labels to flip.
    seed : int, default=0
        Chooses them.
    jobs : int, default=None
        Folds at once.
    """
    _check_options("auto", flip, jobs, seed)
    import_pandas()
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    y = data.target.to_numpy()
    n_flip = int(flip * len(y))
    if not n_flip:
        raise BadInput(f"--flip {flip} of {len(y)} labels is none")
    flipped = np.zeros(len(y), dtype=bool)
    flipped[np.random.default_rng(seed).choice(len(y), n_flip, replace=False)] = True
    table = data.data.copy()
    table["diagnosis"] = data.target_names[np.where(flipped, 1 - y, y)]
    print(
        "breast_cancer, the table of tumours that scikit-learn ships, with "
        f"{n_flip} of its\n{len(y)} labels flipped ({n_flip / len(y):.0%}, "
        f"seed {seed}). Nothing below is told which.\n"
    )
    problem = make_task(table, table, "diagnosis")
    settings = Settings(seed=seed, n_jobs=jobs)
    analysis, _, _ = _run(problem, "diagnosis", settings)
    n_suspects = int((~analysis.kept).sum())
    found = int(flipped[~analysis.kept].sum())
    print(
        f"\n{found} of the {n_flip} flipped labels are among the {n_suspects} "
        f"suspects;\n{n_suspects * n_flip / len(y):.1f} would be by chance."
    )


def _check_options(method, drop, jobs, seed):
    if method not in METHODS:
        raise BadInput(f"--method must be one of {', '.join(METHODS)}, not {method!r}")
    if drop != "auto" and not 0 <= drop < 1:
        raise BadInput(f"the share of rows must be in [0, 1), not {drop:g}")
    if jobs == 0:
        raise BadInput("--jobs must not be 0: 1 is one process, -1 one per core")
    if not 0 <= seed < 2**32:
        raise BadInput(f"--seed must be in [0, 2**32), not {seed}")


def _run(problem, target, settings):
    """Analyse and tell; return the analysis, the ranking, the columns left out."""
    model, left_out = default_model(problem.X, problem.classification)
    _tell_table(problem, target, left_out)
    with _progress(2 + N_FOLDS) as step:
        analysis = analyse(problem, model, settings, step)
    ranking = _ranking(problem, analysis)
    _tell_suspects(problem, analysis, ranking)
    _tell_scores(analysis, settings.action)
    return analysis, ranking, left_out


def _ranking(problem, analysis):
    """Tabulate all rows, the most suspect first."""
    order = analysis.values.argsort(kind="stable")
    suspects = analysis.suspects
    error = np.full(len(order), np.nan)
    error[suspects.row] = suspects.standard_error
    hurts = np.full(len(order), "", dtype=object)
    hurts[suspects.row] = [
        " ".join(map(str, problem.rows[rows])) for rows in suspects.hurts
    ]
    columns = {
        "row": problem.rows,
        "given": problem.y,
        "suggested" if problem.classification else "predicted": analysis.expected,
        "value": _rounded(analysis.values),
        "standard_error": _rounded(error),
        "probability_wrong": _rounded(analysis.wrong.probability),
        "probability_ceiling": _rounded(analysis.wrong.ceiling),
        "suspect": ~analysis.kept,
        "hurts": hurts,
        "reason": np.array(analysis.reasons, dtype=object),
    }
    pandas = import_pandas()
    ranking = pandas.DataFrame(
        {name: column[order] for name, column in columns.items()}
    )
    ranking.insert(1, "rank", np.arange(1, len(order) + 1))
    return ranking


def _rounded(values):
    return np.array([float(f"{v:.6g}") for v in values])


def _cleaned(problem, target, analysis, action):
    """Return the table after what is done to suspects."""
    if action == "drop":
        return problem.table.iloc[analysis.kept]
    table = problem.table.copy()
    if action == "weight":
        right = 1 - analysis.wrong.probability
        table[WEIGHT] = np.where(analysis.kept, 1.0, _rounded(right))
        return table
    column = table[target].to_numpy(dtype=object, copy=True)
    suggested = analysis.expected[~analysis.kept]
    if table[target].dtype.kind in "OU" or table[target].dtype.name in (
        "str",
        "string",
    ):
        suggested = [f"{s:.6g}" if isinstance(s, float) else str(s) for s in suggested]
    column[~analysis.kept] = suggested
    table[target] = column
    return table


def _tell_table(problem, target, left_out):
    target, kind = shown(target), "regression"
    if problem.classification:
        kind = f"classification, {len(np.unique(problem.y))} classes"
    print(f"{len(problem.y)} rows, {problem.X.shape[1]} columns; {target}: {kind}")
    n_missing = problem.n_rows - len(problem.y)
    if n_missing:
        print(f"left out: {n_missing} rows without a value of {target}")
    for name, reason in left_out.items():
        print(f"left out: column {shown(name)} ({shown(reason)})")


def _tell_suspects(problem, analysis, ranking):
    n_suspects, n = int((~analysis.kept).sum()), len(problem.y)
    wrong = analysis.wrong
    print(
        f"between {_share(wrong.share)} and {_share(wrong.share_ceiling)} of the rows "
        "are wrong, by what the columns say"
    )
    print(f"suspects: {n_suspects} rows ({n_suspects / n:.1%})")
    if n_suspects:
        smallest, estimate = analysis.false_discovery_rate
        print(
            f"          of which between {_share(1 - estimate)} and "
            f"{_share(1 - smallest)} are wrong, by the same estimate"
        )
    if problem.classification:
        disagree = int((analysis.expected != problem.y).sum())
        print(f"          a model without the row expects another label in {disagree}")
    first = ranking[ranking["suspect"]] if n_suspects else ranking
    print("most unlike what the columns suggest:")
    for row, reason in zip(first["row"][:SHOWN], first["reason"], strict=False):
        print(f"  row {row}: {shown(reason, 3 * LIMIT)}")
    print(
        "a target taken from another row is more suspect than a given one in "
        f"{analysis.separation:.1%}\nof the pairs; by the out-of-fold loss of the "
        f"model in {analysis.plain_separation:.1%}"
    )


def _share(share):
    return f"{share:.0%}"


def _tell_scores(analysis, action):
    held_out, cleaned = analysis.held_out, not analysis.kept.all()
    treated = {
        "drop": "without suspects",
        "relabel": "suspects relabelled",
        "weight": "suspects weighed less",
    }[action]
    print(f"\nthe model on {held_out.fold.max() + 1} held-out folds")
    header = f"  {'':<20} {'all rows':>10}"
    print(header + (f"  {treated:>21}" if cleaned else ""))
    for name, score in held_out.scores().items():
        print(_score_line(name, score, cleaned))
    if held_out.classification:
        classes = held_out.classes()
        rarest = sorted(classes, key=lambda label: classes[label][0])[:SHOWN_CLASSES]
        print("share predicted right, by class" + _of(len(rarest), len(classes)))
        for label in rarest:
            count, _, right = classes[label]
            print(_score_line(f"{_cut(label)} ({count})", right, cleaned))
    if not cleaned:
        return
    print(
        "Suspects were found and treated in the training folds only; the held-out "
        "folds\nkeep all their rows."
    )
    if held_out.classification:
        print("The log loss after cleaning allows for the estimated mistakes in them.")
    print(held_out.verdict())


def _score_line(name, score, cleaned):
    line = f"  {name:<20} {score.before:>10.4f}"
    if cleaned:
        line += (
            f"  {score.after:>21.4f}  (gain {score.gain:+.4f}, standard error "
            f"{score.error:.4f})"
        )
    return line


def _of(n_shown, n):
    return "" if n_shown == n else f", the {n_shown} smallest of {n}"


def _cut(label):
    text = shown(label)
    return text if len(text) <= 12 else text[:11] + "…"


@contextmanager
def _progress(total):
    """Show a bar on a terminal; yield what advances it."""
    bar = None
    # It moves the cursor, and shows nothing of the table.
    stream = getattr(sys.stderr, "unescaped", sys.stderr)
    if stream.isatty():
        try:
            from rich.console import Console
            from rich.progress import Progress
        except ImportError:
            pass
        else:
            bar = Progress(console=Console(file=stream), transient=True)
    if bar is None:
        yield lambda: None
        return
    with bar:
        part = bar.add_task("valuing rows", total=total)
        yield lambda: bar.advance(part)
