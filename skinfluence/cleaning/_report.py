"""The command line's report: one HTML page that loads nothing from elsewhere."""

from html import escape

import numpy as np

from skinfluence.cleaning._agreeing import nearest_agreeing
from skinfluence.cleaning._analysis import N_FOLDS, overlap
from skinfluence.cleaning._svg import gains, histogram

N_SHOWN, N_NEIGHBOURS = 20, 2
MAX_COLUMNS, MAX_CLASSES, MAX_TEXT = 12, 6, 60
STYLE = """
body{font:15px/1.45 system-ui,sans-serif;max-width:1060px;margin:2em auto;padding:0 1em}
h1,h2{line-height:1.2}h2{margin-top:1.8em}table{border-collapse:collapse;font-size:13px}
td,th{padding:3px 8px;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
.wide{overflow-x:auto}.suspect{background:#fbe6d9}.differs{font-weight:bold}
svg{width:100%;max-width:640px;display:block;margin:1em 0}
svg text{font:12px system-ui,sans-serif}
"""
LIMITS = (
    "Rows are suspect because models of the other rows are surprised by them. Rare "
    "rows are surprising too: look before you drop.",
    "Mistakes that many rows share vouch for each other and are not found.",
    "Held-out rows keep their targets as given, so their mistakes count against the "
    "scores before and after alike.",
    "The share of suspects that are fine is an estimate for mistakes at random: "
    "plausible mistakes are counted as fine.",
    "Clean the rows that train a model, never those that measure it.",
)


def report_page(name, target, problem, analysis, settings, left_out):
    """Return the page.

    Parameters
    ----------
    name, target : str
        Of the table and of the column.
    problem : Task
        The table.
    analysis : Analysis
        What was found.
    settings : dict
        Of the command line.
    left_out : dict of str to str
        Columns that are no features, and why.

    Returns
    -------
    html : str
        Everything from the table is escaped.
    """
    title = f"Suspect rows of {name}"
    sections = [
        f"<h1>{escape(title)}</h1>",
        _found(target, problem, analysis),
        _scores(problem, analysis),
        _suspects(target, problem, analysis),
        _pictures(problem, analysis),
        _method(problem, settings, left_out),
        "<h2>Limits</h2><ul>"
        + "".join(f"<li>{escape(limit)}</li>" for limit in LIMITS)
        + "</ul>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body></html>\n"
    )


def _found(target, problem, analysis):
    n, flagged = len(problem.y), int((~analysis.kept).sum())
    kind = "a number"
    if problem.classification:
        kind = f"a label of {len(np.unique(problem.y))} classes"
    lines = [
        f"{n} rows, {problem.X.shape[1]} columns; the target {target} is {kind}.",
        f"{flagged} suspects ({flagged / n:.1%} of the rows).",
    ]
    if analysis.search is not None:
        lines.append(f"Share chosen on held-out folds: {analysis.search.verdict}.")
    if flagged:
        lines.append(
            f"About {analysis.false_discovery_rate:.0%} of the suspects are fine, by "
            "estimate."
        )
        lines.append(
            f"Baseline: {overlap(analysis)} of the {flagged} suspects are also among "
            f"the {flagged} rows with the largest plain out-of-fold loss of the model."
        )
    return "<h2>What was found</h2>" + "".join(f"<p>{escape(s)}</p>" for s in lines)


def _scores(problem, analysis):
    name = "accuracy" if problem.classification else "R2"
    difference = analysis.after - analysis.before
    rows = [
        ("all rows as they are", analysis.before),
        ("after cleaning", analysis.after),
        ("difference", difference),
    ]
    body = "".join(
        f"<tr><td>{what}</td><td>{s.mean():.4f}</td>"
        f"<td>{s.std(ddof=1) if len(s) > 1 else 0:.4f}</td>"
        f"<td>{s.min():.4f} to {s.max():.4f}</td></tr>"
        for what, s in rows
    )
    return (
        f"<h2>Score before and after</h2><p>{name} on {len(difference)} held-out "
        "folds; suspects were sought in the training parts only.</p>"
        "<table><tr><th></th><th>mean</th><th>standard deviation</th>"
        "<th>range</th></tr>" + body + "</table>"
    )


def _suspects(target, problem, analysis):
    suspects = analysis.suspects
    if not len(suspects.row):
        return "<h2>Top suspects</h2><p>None.</p>"
    neighbours = nearest_agreeing(
        problem.X,
        problem.y,
        suspects,
        analysis.kept,
        problem.classification,
        N_NEIGHBOURS,
        N_SHOWN,
    )
    columns = [str(c) for c in problem.X.columns[:MAX_COLUMNS]]
    head = ["", "row", f"{target}", "suggested", "value", "P(wrong)", "hurts", *columns]
    lines = []
    for i, near in enumerate(neighbours):
        row = suspects.row[i]
        error = suspects.standard_error[i]
        value = f"{suspects.value[i]:.3g}"
        if np.isfinite(error):
            value += f" ± {error:.2g}"
        lines.append(
            '<tr class="suspect">'
            + _cells(
                [
                    "suspect",
                    problem.rows[row],
                    suspects.given[i],
                    _number(suspects.suggested[i]),
                    value,
                    f"{suspects.probability_wrong[i]:.0%}",
                    " ".join(str(problem.rows[j]) for j in suspects.hurts[i]),
                ]
            )
            + _features(problem, row, columns)
            + "</tr>"
        )
        for j in near:
            lines.append(
                "<tr>"
                + _cells(["agrees", problem.rows[j], problem.y[j], "", "", "", ""])
                + _features(problem, j, columns, row)
                + "</tr>"
            )
    more = problem.X.shape[1] - len(columns)
    note = f" The first {len(columns)} columns; {more} more." if more > 0 else ""
    return (
        f"<h2>Top suspects</h2><p>The first {len(neighbours)} suspects, each above the "
        "nearest rows whose target agrees with the suggestion; what differs is bold. "
        "Rows are counted from 0. &quot;hurts&quot;: rows whose held-out prediction "
        f"suffers most from the suspect.{escape(note)}</p>"
        '<div class="wide"><table><tr>'
        + "".join(f"<th>{escape(h)}</th>" for h in head)
        + "</tr>"
        + "".join(lines)
        + "</table></div>"
    )


def _features(problem, row, columns, other=None):
    cells = []
    for j in range(len(columns)):
        text = _number(problem.X.iat[row, j])
        differs = other is not None and text != _number(problem.X.iat[other, j])
        mark = ' class="differs"' if differs else ""
        cells.append(f"<td{mark}>{escape(_short(text))}</td>")
    return "".join(cells)


def _cells(values):
    return "".join(f"<td>{escape(_short(str(v)))}</td>" for v in values)


def _number(value):
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


def _short(text):
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _pictures(problem, analysis):
    flagged, parts = ~analysis.kept, ["<h2>Distributions</h2>"]
    parts.append(
        histogram(
            analysis.values, flagged, "Values of all rows", "value, low = suspect"
        )
    )
    if problem.classification:
        labels, counts = np.unique(problem.y, return_counts=True)
        for label in labels[np.argsort(-counts, kind="stable")][:MAX_CLASSES]:
            of = problem.y == label
            share = flagged[of].mean()
            parts.append(
                histogram(
                    analysis.values[of],
                    flagged[of],
                    f"Values of class {_short(str(label))}: {share:.1%} suspects",
                    "value, low = suspect",
                )
            )
    else:
        parts.append(
            histogram(problem.y, flagged, "Targets of all rows", "target as given")
        )
    search = analysis.search
    if search is not None:
        parts.append(
            gains(
                search.fractions,
                search.gain,
                search.standard_error,
                search.drop_fraction,
                "Loss saved on held-out rows, with one standard error",
                "share of the rows flagged",
            )
        )
    return "".join(parts)


def _method(problem, settings, left_out):
    lines = {
        "auto": "the loss of each row under stacked ridge regressions that have not "
        "seen it (leave-one-out; leave-group-out with groups)",
        "loo": "exact leave-one-out influence on held-out folds",
        "influence-functions": "influence functions on held-out folds",
    }
    model = "logistic regression" if problem.classification else "ridge regression"
    rows = [
        ("what values the rows", lines[settings["method"]]),
        ("what is compared", f"{model} on prepared columns, {N_FOLDS} folds"),
        ("standard error of a value", "jackknife, or over folds where there are any"),
        *((key.replace("_", " "), value) for key, value in settings.items()),
        *((f"column {name} left out", reason) for name, reason in left_out.items()),
        ("rows without a target", problem.n_rows - len(problem.y)),
    ]
    body = "".join(
        f"<tr><td>{escape(str(key))}</td><td>{escape(str(value))}</td></tr>"
        for key, value in rows
    )
    return f"<h2>Method and settings</h2><table>{body}</table>"
