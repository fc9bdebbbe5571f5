"""The subcommands of ``python -m skinfluence``: read, analyse, tell, write."""

import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from skinfluence.cleaning._analysis import METHODS, N_FOLDS, analyse, default_model
from skinfluence.cleaning._read import (
    FORMATS,
    BadInput,
    check_outputs,
    import_pandas,
    make_task,
    read_task,
    write_tables,
)

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
    drop : float, default=0.1
        Share of the rows to drop.
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
    table = Path(table)
    output = _beside(table, "cleaned") if output is None else Path(output)
    suspects = _beside(table, "suspects") if suspects is None else Path(suspects)
    check_outputs(table, [output, suspects], force)
    problem = read_task(table, target, task, separator)
    analysis, ranking = _run(problem, target, method, drop, seed, jobs)
    kept = problem.table.iloc[analysis.kept]
    write_tables({suspects: ranking, output: kept})
    print(f"\nwrote {suspects}: {len(ranking)} rows, most suspect first")
    print(f"wrote {output}: {len(kept)} rows")


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
    analysis, _ = _run(problem, "diagnosis", "auto", n_flip / len(y), seed, jobs)
    found = int(flipped[analysis.values.argsort(kind="stable")[:n_flip]].sum())
    print(
        f"\n{found} of the {n_flip} flipped labels are among the {n_flip} most suspect "
        f"rows;\n{n_flip**2 / len(y):.1f} would be by chance."
    )


def _check_options(method, drop, jobs, seed):
    if method not in METHODS:
        raise BadInput(f"--method must be one of {', '.join(METHODS)}, not {method!r}")
    if not 0 <= drop < 1:
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


def _run(problem, target, method, drop, seed, jobs):
    """Analyse and tell; return the analysis and the ranking as a table."""
    model, left_out = default_model(problem.X, problem.classification)
    _tell_table(problem, target, left_out)
    with _progress(1 + N_FOLDS) as step:
        analysis = analyse(problem, model, method, drop, seed, jobs, step)
    ranking = _ranking(problem, analysis)
    _tell_suspects(problem, analysis, ranking)
    _tell_scores(problem, analysis)
    return analysis, ranking


def _ranking(problem, analysis):
    order = analysis.values.argsort(kind="stable")
    columns = {
        "row": problem.rows,
        "given": problem.y,
        "suggested" if problem.classification else "predicted": analysis.expected,
        "value": np.array([float(f"{v:.6g}") for v in analysis.values]),
        "dropped": ~analysis.kept,
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


def _tell_suspects(problem, analysis, ranking):
    n_drop = int((~analysis.kept).sum())
    print(f"dropped: the {n_drop} most suspect rows ({n_drop / len(problem.y):.1%})")
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
        f"  trained without suspect rows {analysis.after.mean():.4f}"
        f"  ({difference.mean():+.4f}, standard error {error:.4f})\n"
        "Suspects were chosen and dropped in the training folds only; the held-out "
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
