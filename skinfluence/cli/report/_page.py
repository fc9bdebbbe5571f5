"""The report: one page of HTML that needs nothing besides itself."""

from importlib.metadata import version

import numpy as np

from skinfluence._shown import shown
from skinfluence.cli._analysis import why_nothing_goes
from skinfluence.cli.report._markup import tag, to_text
from skinfluence.cli.report._plots import histogram
from skinfluence.cli.report._scores import scores_part, table
from skinfluence.cli.report._suspects import top_suspects

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; color: #222; background: #fff; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .85rem; }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .6rem; text-align: left;
  white-space: nowrap; max-width: 18rem; overflow: hidden; text-overflow: ellipsis; }
tr.suspect td { background: #fdeee5; font-weight: 600; }
td.differs { color: #a34700; }
svg { max-width: 100%; height: auto; display: block; }
svg text { font: 12px system-ui, sans-serif; fill: #222; }
.note { color: #555; }
"""
METHODS = {
    "auto": "the fixed scorer: minus the loss of the row under a stack of ridge "
    "regressions, linear and with four Gaussian kernels, that have not seen it; "
    "log loss of labels, squared error of numbers in units of their variance",
    "loo": "exact leave-one-out influence of the model below on held-out folds",
    "influence-functions": "first-order influence of the model below on held-out folds",
}
ACTIONS = {
    "drop": "they are dropped",
    "relabel": "they get the target that models without them predict",
    "weight": "they are weighed by the estimated probability that they are right",
}
LIMITS = [
    "A suspect is a row that is unlike what the columns suggest, not a proof of an "
    "error. Where outcomes are a matter of chance, such rows are as right as any "
    "others: look at them before you believe it.",
    "Rows with equal mistakes vouch for each other: systematic errors are not found.",
    "Shares and probabilities of being wrong hold if each row of a class is as likely "
    "to be wrong as another. Mistakes in a table whose columns say little about the "
    "target cannot be told from chance.",
    "Held-out rows keep their targets, right or wrong, so the scores are lower than on "
    "clean rows, before and after alike.",
    "Never clean the rows that are to measure how good a model is.",
]


def report_page(name, target, problem, analysis, settings, left_out):
    """Write the report.

    Parameters
    ----------
    name : str
        Of the table.
    target : str
        Of the column to predict.
    problem : Task
        The table.
    analysis : Analysis
        What was found.
    settings : Settings
        How.
    left_out : dict of str to str
        Columns that were not used, and why.

    Returns
    -------
    html : str
    """
    suspects = top_suspects(target, problem, analysis)
    target = shown(target)
    title = f"Suspect rows of {shown(name)}"
    body = tag(
        "body",
        tag("h1", title),
        _summary(target, problem, analysis, settings, left_out),
        scores_part(analysis),
        _distribution(problem, analysis),
        suspects,
        _settings(problem, settings),
        tag("h2", "Limits"),
        tag("ul", [tag("li", limit) for limit in LIMITS]),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        # Should anything slip through, a browser loads and runs none of it.
        tag(
            "meta",
            http_equiv="Content-Security-Policy",
            content="default-src 'none'; style-src 'unsafe-inline'",
        ),
        tag("title", title),
        tag("style", STYLE),
    )
    return "<!DOCTYPE html>\n" + to_text(tag("html", head, body, lang="en")) + "\n"


def _summary(target, problem, analysis, settings, left_out):
    n, n_suspects = len(problem.y), int((~analysis.kept).sum())
    kind = "a number"
    if problem.classification:
        kind = f"a label, {len(np.unique(problem.y))} classes"
    why_not = why_nothing_goes(analysis, settings)
    found = [
        f"{n} rows, {problem.X.shape[1]} columns; the target is {target}, {kind}.",
        f"{n_suspects} rows ({n_suspects / n:.1%}) are suspects"
        + (f"; {ACTIONS[settings.action]}." if why_not is None else "."),
        *([] if why_not is None else [f"Nothing should be removed: {why_not}."]),
        f"Between {analysis.wrong.share:.0%} and {analysis.wrong.share_ceiling:.0%} of "
        "all rows are wrong" + _range_of_suspects(analysis) + ", by what the columns "
        "say: the first share is the smallest that explains how rows are predicted "
        "without themselves, the second the largest that is possible.",
    ]
    if problem.classification:
        disagree = int((analysis.expected != problem.y).sum())
        found.append(f"Models without the row expect another label in {disagree} rows.")
    missing = problem.n_rows - n
    if missing:
        found.append(f"{missing} rows without a value of {target} were left out.")
    found += [f"Column {shown(c)} was left out: {why}." for c, why in left_out.items()]
    return [
        tag("h2", "What was found"),
        tag("ul", [tag("li", line) for line in found]),
    ]


def _range_of_suspects(analysis):
    if analysis.kept.all():
        return ""
    smallest, estimate = analysis.false_discovery_rate
    return f", and {1 - estimate:.0%} to {1 - smallest:.0%} of the suspects"


def _distribution(problem, analysis):
    values, kept = analysis.values, analysis.kept
    judged = ~np.isnan(values)
    parts = [
        tag("h2", "Distribution of the values"),
        tag("p", "Low = suspect."),
        histogram(values[judged & kept], values[judged & ~kept], "value"),
        tag(
            "p",
            "A target taken from another row is more suspect than a given one in "
            f"{analysis.separation:.1%} of the pairs by the fixed scorer, and in "
            f"{analysis.plain_separation:.1%} by the plain out-of-fold loss of the "
            "model.",
        ),
    ]
    n_suspects = int((~kept).sum())
    if n_suspects:
        worst = np.argsort(-np.nan_to_num(analysis.held_out.losses[0]), kind="stable")
        shared = int((~kept)[worst[:n_suspects]].sum())
        parts.append(
            tag(
                "p",
                f"{shared} of the {n_suspects} suspects are among as many rows "
                "with the largest out-of-fold loss, too.",
            )
        )
    if problem.classification and n_suspects:
        parts += _changes(problem.y[~kept], analysis.expected[~kept])
    return parts


def _changes(given, suggested):
    """Tabulate which labels are suspected to be which, most frequent first."""
    pairs, counts = np.unique(
        np.array([given.astype(str), suggested.astype(str)]), axis=1, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")[:10]
    return [
        tag("p", "Suspects by label:"),
        table(
            ["given", "suggested", "suspects"],
            [[*map(shown, pairs[:, i]), counts[i]] for i in order],
        ),
    ]


def _settings(problem, settings):
    folds = "shuffled"
    if problem.groups is not None:
        folds = "rows of one group together"
    if settings.time_ordered:
        folds = "later rows after earlier ones"
    rows = [
        ["values", METHODS[settings.method]],
        ["model", "logistic regression or ridge regression on the same columns"],
        ["suspects", _rule(settings)],
        ["folds", folds],
        ["seed", settings.seed],
        ["skinfluence", version("skinfluence")],
    ]
    return [
        tag("h2", "Method and settings"),
        tag("dl", [[tag("dt", name), tag("dd", text)] for name, text in rows]),
    ]


def _rule(settings):
    if settings.drop_fraction != "auto":
        where = "every class" if settings.per_class else "the table"
        return f"the lowest {settings.drop_fraction:.1%} of {where}"
    if settings.method == "auto":
        return "rows that are more likely wrong than right"
    return "rows whose influence is negative by three standard errors over folds"
