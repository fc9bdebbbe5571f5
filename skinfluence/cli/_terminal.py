"""The output of the command line on the terminal."""

import sys
from contextlib import contextmanager
from time import monotonic

import numpy as np

from skinfluence._counts import counted
from skinfluence._progress import duration
from skinfluence._shown import LIMIT, shown
from skinfluence.cleaning.review._new_targets import new_labels
from skinfluence.cleaning.review._verdicts import VERDICTS
from skinfluence.cli._answers import N_SHOWN
from skinfluence.cli._by_group import hurting, unevenly_hit
from skinfluence.cli._left_folds import MOST_COMPARED

SHOWN = 5
SHOWN_CLASSES = 10
# Tables with more rows or cells take over ten seconds; the time of trees and of texts
# is in proportion to the number of rows.
MANY_CELLS = 1_000_000
MANY_ROWS = 5_000


def print_table(problem, target, left_out, texts=()):
    """Print a summary of the table, and the guesses about it and its columns."""
    for note in problem.source.notes:
        print(shown(note, 3 * LIMIT))
    target, kind = shown(target), "regression"
    if problem.classification:
        kind = f"classification, {len(np.unique(problem.y))} classes"
    n_rows, n_columns = counted(len(problem.y), "row"), problem.X.shape[1]
    print(f"{n_rows}, {counted(n_columns, 'column')}; {target}: {kind}")
    if problem.decision:
        print(f"{target}: {problem.decision}")
    if problem.n_missing:
        missing = counted(problem.n_missing, "row")
        print(f"left out: {missing} without a value of {target}")
    if len(problem.others):
        n = len(problem.y) + len(problem.others)
        print(
            f"a random sample of {len(problem.y)} of {n} rows is valued; the others "
            "stay as they are (--max-rows values more)"
        )
    for name, reason in left_out.items():
        print(f"left out: column {shown(name)} ({shown(reason)})")
    for name in texts:
        print(
            f"text: column {shown(name)} (compared by the runs of 2 to 4 characters in "
            "its words)"
        )


def print_sample(n_trained, n):
    """Print that models are trained on a sample, if it is smaller than the table."""
    if n > n_trained:
        print(
            f"models are trained on a random sample of {n_trained} of the {n} rows, "
            "and value all rows without having seen them (--sample trains on more); "
            f"scores are compared on {min(n_trained, MOST_COMPARED)} rows"
        )


def print_review(verdicts, analysis, problem):
    """Say what was decided, and what follows for the whole table."""
    counts = [f"{len(verdicts.of(name))} {name}" for name in VERDICTS]
    decided, wrong = analysis.decided, analysis.wrong
    n, found = len(decided.y), int(decided.wrong.sum())
    print(f"{counted(len(verdicts.rows), 'verdict')}: {', '.join(counts)}")
    new = new_labels(problem.y, decided.y) if problem.classification else []
    for said in new:
        print(f"{said}; no score counts its rows, which the model before cannot know")
    print(
        f"of all rows as given between {wrong.share:.1%} and {wrong.share_ceiling:.1%} "
        f"are wrong (95% interval):\nbesides the {found} that were found "
        f"{round(n * wrong.share) - found} to {round(n * wrong.share_ceiling) - found}"
    )


def print_suspects(problem, analysis, ranking):
    """Print the number of suspects and the first of them."""
    n_suspects, n = int((~analysis.kept).sum()), len(problem.y)
    wrong = analysis.wrong
    if analysis.decided is None:
        print(
            f"estimated share of wrong rows, from the columns: between "
            f"{_share(wrong.share)} and {_share(wrong.share_ceiling)}"
        )
    print(f"suspects: {counted(n_suspects, 'row')} ({n_suspects / n:.1%})")
    if n_suspects:
        smallest, largest = analysis.judged.false_discovery_rate
        print(
            f"          of which between {_share(1 - largest)} and "
            f"{_share(1 - smallest)} are wrong, by the same estimate"
        )
    if problem.classification:
        decided = analysis.decided
        y = problem.y if decided is None else decided.y
        disagree = int((analysis.expected != y).sum())
        print(
            f"          in {counted(disagree, 'row')} the prediction of a model "
            "trained without the row differs from the label"
        )
    first = ranking[ranking["suspect"]] if n_suspects else ranking
    print("rows whose target the columns predict worst:")
    positions = np.searchsorted(problem.rows, first["row"][:SHOWN])
    for i, reason in zip(positions, first["reason"], strict=False):
        print(f"  {shown(problem.place(i))}: {shown(reason, 3 * LIMIT)}")
    if analysis.explained.unknown:
        print(f"no cell of them is blamed: {analysis.explained.unknown}")
    print(
        "check: a target exchanged on purpose gets a lower value than a given one in\n"
        f"{analysis.separation:.1%} of comparisons (with the model's own out-of-fold "
        f"loss: {analysis.plain_separation:.1%})"
    )


def _share(share):
    return f"{share:.0%}"


def print_scores(analysis, action):
    """Print the scores of the model on held-out rows."""
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


def print_groups(name, groups, proper, n_rows):
    """Print effects of cleaning on groups of rows, and harmful groups."""
    print(
        f"\nby {shown(name)}: share of suspects [95% interval], estimated share of "
        f"wrong rows, {proper}"
    )
    for group in groups:
        low, high = group.interval
        floor, ceiling = group.wrong
        line = (
            f"  {_cut(group.name, 24) + f' ({group.n_rows})':<20} {group.share:>6.1%} "
            f"[{low:.1%}, {high:.1%}]  {_share(floor)} to {_share(ceiling)}"
        )
        if group.score is not None:
            line += f"  {group.score.before:.4f} -> {group.score.after:.4f}"
            if np.isfinite(group.score.error):
                line += f" (standard error {group.score.error:.4f})"
        print(line)
    rest = n_rows - sum(group.n_rows for group in groups)
    if rest:
        print(
            f"  and {counted(rest, 'row')} of other values: the {len(groups)} largest "
            "are shown"
        )
    if any(group.worth is not None for group in groups):
        print(
            f"  change of the {proper} of all other held-out rows when a whole group "
            "is left\n  out of training [95% interval], negative: better without it"
        )
    for group in groups:
        if group.worth is not None:
            low, high = group.worth.interval
            influence = f"{group.worth.influence:+.4f} [{low:+.4f}, {high:+.4f}]"
            print(f"    {_cut(group.name, 24):<20} {influence}")
    for warning in (unevenly_hit(groups), hurting(groups, proper)):
        if warning is not None:
            print(f"  warning: {warning}")


def print_answers(problem, answers):
    """Print how many training rows would have to be removed to change predictions."""
    if not answers:
        return
    print(
        "\nwhich training rows would have to go to change the prediction for a held-out"
        "\nrow (logistic regression, the preprocessing held)"
    )
    for answer in answers:
        places = "; ".join(shown(problem.place(i)) for i in answer.rows[:N_SHOWN])
        more = "; ..." if len(answer.rows) > N_SHOWN else ""
        print(
            f"  {shown(problem.place(answer.row))}, {_cut(answer.predicted)} "
            f"({answer.probability:.1%}): {answer.in_words}"
            + (f" ({places}{more})" if places else "")
        )


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


def _cut(label, width=12):
    text = shown(label)
    return text if len(text) <= width else text[: width - 1] + "…"


@contextmanager
def progress(total, shape):
    """Show progress; yield the function that advances it.

    It is a bar on a terminal, if rich is installed; otherwise it is a few lines, and
    only for tables whose ``shape`` (n_samples, n_features) is large.
    """
    bar = None
    # The bar moves the cursor, and shows no text of the table.
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
        with _in_lines(total, shape) as step:
            yield step
        return
    with bar:
        part = bar.add_task("valuing rows", total=total)
        yield lambda: bar.advance(part)


@contextmanager
def _in_lines(total, shape):
    n_rows, n_columns = shape
    if n_rows < MANY_ROWS and n_rows * n_columns < MANY_CELLS:
        yield lambda: None
        return
    print(
        f"valuing the rows, the first of {total} parts of the work; how long the "
        "others take is said after two",
        file=sys.stderr,
    )
    done, start, first = 0, monotonic(), 0.0

    def step():
        nonlocal done, first
        done += 1
        elapsed, more = monotonic() - start, ""
        if done == 1:
            first = elapsed  # The first part values all rows, the others only some.
        elif done < total:
            left = (elapsed - first) / (done - 1) * (total - done)
            more = f", about {duration(left)} left"
        print(
            f"{done} of {total} parts done in {duration(elapsed)}{more}",
            file=sys.stderr,
        )

    yield step
