"""The subcommands of ``python -m skinfluence``: read, analyse, tell, write."""

import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from skinfluence.cleaning._actions import ACTIONS
from skinfluence.cleaning._analysis import (
    METHODS,
    N_FOLDS,
    analyse,
    default_model,
    overlap,
)
from skinfluence.cleaning._read import (
    FORMATS,
    REPORTS,
    BadInput,
    check_outputs,
    import_pandas,
    make_task,
    read_task,
    write_tables,
)
from skinfluence.cleaning._report import report_page

SHOWN = 5


def clean(
    table,
    target,
    *,
    output=None,
    suspects=None,
    task="auto",
    method="auto",
    drop=0.1,
    action="drop",
    per_class=False,
    groups=None,
    report=None,
    separator=",",
    force=False,
    jobs=None,
    seed=0,
):
    """Rank the rows of a table and write it without the most suspect ones.

    Parameters
    ----------
    table : str
        Path of a CSV or Parquet file.
    target : str
        Name of the column to predict.
    output, suspects : str, default=None
        Paths of the cleaned table and of the ranking. None: beside the table.
    task : {"auto", "classification", "regression"}, default="auto"
        What the target is.
    method : {"auto", "loo", "influence-functions"}, default="auto"
        What values the rows.
    drop : float or "auto", default=0.1
        Share of the rows to flag as suspects.
    action : {"drop", "relabel", "weight"}, default="drop"
        What happens to suspects: they are not in the cleaned table, or have the
        suggested target there, or a weight in the ranking only.
    per_class : bool, default=False
        Whether the share is that of every class.
    groups : str, default=None
        Name of the column that tells which rows belong together.
    report : str, default=None
        Path of an HTML report.
    separator : str, default=","
        Between the values of a CSV file.
    force : bool, default=False
        Replace files that exist.
    jobs : int, default=None
        Folds at once.
    seed : int, default=0
        Cuts the folds.
    """
    _check_options(method, drop, jobs, seed, action)
    table = Path(table)
    output = _beside(table, "cleaned") if output is None else Path(output)
    suspects = _beside(table, "suspects") if suspects is None else Path(suspects)
    outputs = [output, suspects]
    if report is not None:
        report = Path(report)
        if report.suffix.lower() not in REPORTS:
            raise BadInput(f"--report {report}: the name must end in .html")
        outputs.append(report)
    check_outputs(table, outputs, force)
    problem = read_task(table, target, task, separator, groups)
    settings = {
        "method": method,
        "drop": drop,
        "action": action,
        "per_class": per_class,
        "groups": groups,
        "seed": seed,
    }
    analysis, ranking, left_out = _run(
        problem, target, method, drop, seed, jobs, action, per_class
    )
    cleaned = _cleaned(problem, target, analysis, action)
    files = {suspects: ranking, output: cleaned}
    if report is not None:
        files[report] = report_page(
            table.name, target, problem, analysis, settings, left_out
        )
    write_tables(files)
    print(f"\nwrote {suspects}: {len(ranking)} rows, most suspect first")
    print(f"wrote {output}: {len(cleaned)} rows")
    if report is not None:
        print(f"wrote {report}: the report")


def _cleaned(problem, target, analysis, action):
    """Return the table that is written."""
    if action == "drop":
        return problem.table.iloc[analysis.kept]
    table = problem.table.copy()
    if action == "relabel":
        column = table[target].to_numpy(dtype=object, copy=True)
        suspects = analysis.suspects
        changed = suspects.given != suspects.suggested
        column[suspects.row[changed]] = suspects.suggested[changed]
        if table[target].dtype.kind == "O" or str(table[target].dtype) == "str":
            column[suspects.row[changed]] = [
                str(v) for v in suspects.suggested[changed]
            ]
        table[target] = column
        return table
    weight = np.ones(len(table))
    weight[analysis.suspects.row] = 1 - analysis.suspects.probability_wrong
    name = "weight"
    while name in table.columns:
        name += "_"
    table[name] = [float(f"{w:.4g}") for w in weight]
    return table


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
    analysis, *_ = _run(problem, "diagnosis", "auto", n_flip / len(y), seed, jobs)
    found = int(flipped[analysis.values.argsort(kind="stable")[:n_flip]].sum())
    print(
        f"\n{found} of the {n_flip} flipped labels are among the {n_flip} most suspect "
        f"rows;\n{n_flip**2 / len(y):.1f} would be by chance."
    )


def _check_options(method, drop, jobs, seed, action="drop"):
    if method not in METHODS:
        raise BadInput(f"--method must be one of {', '.join(METHODS)}, not {method!r}")
    if action not in ACTIONS:
        raise BadInput(f"--action must be one of {', '.join(ACTIONS)}, not {action!r}")
    if drop != "auto" and not 0 <= drop < 1:
        raise BadInput(f"the share of rows must be in [0, 1), not {drop:g}")
    if jobs == 0:
        raise BadInput("--jobs must not be 0: 1 is one process, -1 one per core")
    if not 0 <= seed < 2**32:
        raise BadInput(f"--seed must be in [0, 2**32), not {seed}")


def _beside(table, what):
    for suffix in sorted(FORMATS, key=len, reverse=True):
        if table.name.lower().endswith(suffix):
            stem = table.name[: -len(suffix)]
            return table.with_name(f"{stem}.{what}{suffix}")
    return table.with_name(f"{table.name}.{what}.csv")


def _run(problem, target, method, drop, seed, jobs, action="drop", per_class=False):
    """Analyse and tell; return the analysis, the ranking and columns left out."""
    model, left_out = default_model(problem.X, problem.classification)
    _tell_table(problem, target, left_out)
    with _progress(1 + N_FOLDS) as step:
        analysis = analyse(
            problem,
            model,
            method,
            drop,
            seed,
            jobs,
            step,
            action=action,
            per_class=per_class,
        )
    ranking = _ranking(problem, analysis, action)
    _tell_suspects(problem, analysis, ranking, action)
    _tell_scores(problem, analysis)
    return analysis, ranking, left_out


DONE = {"drop": "dropped", "relabel": "relabelled", "weight": "weighed_less"}


def _ranking(problem, analysis, action):
    order = analysis.values.argsort(kind="stable")
    columns = {
        "row": problem.rows,
        "given": problem.y,
        "suggested" if problem.classification else "predicted": analysis.expected,
        "value": np.array([float(f"{v:.6g}") for v in analysis.values]),
        DONE[action]: ~analysis.kept,
        "reason": np.array(analysis.reasons, dtype=object),
    }
    pandas = import_pandas()
    return pandas.DataFrame({name: column[order] for name, column in columns.items()})


def _tell_table(problem, target, left_out):
    kind = "regression"
    if problem.classification:
        kind = f"classification, {len(np.unique(problem.y))} classes"
    print(f"{len(problem.y)} rows, {problem.X.shape[1]} columns; {target}: {kind}")
    n_missing = problem.n_rows - len(problem.y)
    if n_missing:
        print(f"left out: {n_missing} rows without a value of {target}")
    for name, reason in left_out.items():
        print(f"left out: column {name} ({reason})")


def _tell_suspects(problem, analysis, ranking, action):
    n_flagged = int((~analysis.kept).sum())
    if analysis.search is not None:
        print(analysis.search.verdict)
    what = DONE[action].replace("_", " ")
    print(
        f"{what}: the {n_flagged} most suspect rows ({n_flagged / len(problem.y):.1%})"
    )
    if n_flagged:
        print(
            f"         about {analysis.false_discovery_rate:.0%} of them are fine, if "
            "mistakes are at random\n"
            f"         {overlap(analysis)} are also among the {n_flagged} rows with "
            "the largest out-of-fold loss"
        )
    if problem.classification:
        disagree = int((analysis.expected != problem.y).sum())
        print(f"         a model without the row expects another label in {disagree}")
    for row, reason in zip(ranking["row"][:SHOWN], ranking["reason"], strict=False):
        print(f"  row {row}: {reason}")


def _tell_scores(problem, analysis):
    name = "accuracy" if problem.classification else "R2"
    difference = analysis.after - analysis.before
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    print(
        f"\nmean {name} on {len(difference)} held-out folds\n"
        f"  trained on all rows          {analysis.before.mean():.4f}\n"
        f"  trained after cleaning       {analysis.after.mean():.4f}"
        f"  ({difference.mean():+.4f}, standard error {error:.4f})\n"
        "Suspects were chosen and treated in the training folds only; the held-out "
        "folds\nkeep all their rows, so their wrong labels, if any, count against both."
    )


@contextmanager
def _progress(total):
    """Show a bar on a terminal; yield what advances it."""
    bar = None
    if sys.stderr.isatty():
        try:
            from rich.console import Console
            from rich.progress import Progress
        except ImportError:
            pass
        else:
            bar = Progress(console=Console(stderr=True), transient=True)
    if bar is None:
        yield lambda: None
        return
    with bar:
        part = bar.add_task("valuing rows", total=total)
        yield lambda: bar.advance(part)
