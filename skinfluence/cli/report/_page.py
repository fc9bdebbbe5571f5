"""The report: one self-contained page of HTML."""

from importlib.metadata import version
from pathlib import Path

import numpy as np
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from skinfluence.cleaning.surprise._preprocessing import text_columns
from skinfluence.cli._settings import ACTIONS
from skinfluence.cli.report._figures import histogram, svg
from skinfluence.cli.report._review import review_data, script_and_its_hash
from skinfluence.cli.report._scores import group_tables, score_tables
from skinfluence.cli.report._suspects import suspect_columns, top_suspects
from skinfluence.cli.report._templates import environment

N_CHANGES = 10


def report_page(problem, analysis, settings, reviewed=None):
    """Write the report.

    Parameters
    ----------
    problem : Task
        The table.
    analysis : Analysis
        The results.
    settings : Settings
        Options of the command line.
    reviewed : Reviewed, default=None
        Verdicts so far, which have been carried out in ``problem``.

    Returns
    -------
    html : str
    """
    script, allowed = script_and_its_hash()
    return (
        environment()
        .get_template("page.html")
        .render(
            name=", ".join(Path(table).name for table in settings.tables),
            target=settings.target,
            settings=[*settings.in_words(), ("skinfluence", version("skinfluence"))],
            columns=suspect_columns(problem, settings.target),
            suspects=top_suspects(problem, analysis, settings.target),
            scores=score_tables(analysis),
            groups=group_tables(analysis),
            answers=_answers(problem, analysis.answers),
            action=ACTIONS[settings.action],
            # No text in it ends the script element.
            review=htmlsafe_json_dumps(
                review_data(problem, analysis, settings.target, reviewed)
            ),
            script=Markup(script),
            allowed=Markup(allowed),
            **_summary(problem, analysis),
            **_distribution(problem, analysis),
        )
    )


def _summary(problem, analysis):
    n, judged = len(problem.y), analysis.judged
    smallest, largest = judged.false_discovery_rate
    labels = problem.classification
    return {
        "n_rows": n,
        "n_columns": problem.X.shape[1],
        "n_classes": len(np.unique(problem.y)) if labels else 0,
        "n_suspects": int((~judged.kept).sum()),
        "n_missing": problem.n_missing,
        "n_others": len(problem.others),
        "n_disagree": int((analysis.expected != problem.y).sum()),
        "why_not": analysis.reason_to_keep_all,
        "wrong_share": _percents(judged.wrong.share, judged.wrong.share_ceiling),
        "wrong_suspects": _percents(1 - largest, 1 - smallest),
        "left_out": analysis.left_out,
        "texts": problem.X.columns[text_columns(problem.X)],
        "n_verdicts": 0 if analysis.decided is None else analysis.decided.asked.sum(),
    }


def _distribution(problem, analysis):
    values, kept = analysis.values, analysis.kept
    judged = ~np.isnan(values)
    figure = histogram(values[judged & kept], values[judged & ~kept], "value")
    worst = np.argsort(-np.nan_to_num(analysis.held_out.losses[0]), kind="stable")
    changes = []
    if problem.classification and not kept.all():
        changes = _changes(problem.y[~kept], analysis.expected[~kept])
    return {
        "histogram": svg(figure, "values"),
        "separation": f"{analysis.separation:.1%}",
        "plain_separation": f"{analysis.plain_separation:.1%}",
        "n_shared": int((~kept)[worst[: (~kept).sum()]].sum()),
        "changes": changes,
    }


def _answers(problem, answers):
    """Tabulate how many rows would have to go to change predictions."""
    return [
        [
            problem.place(answer.row),
            answer.predicted,
            f"{answer.probability:.1%}",
            answer.in_words,
            "; ".join(problem.place(i) for i in answer.rows),
        ]
        for answer in answers
    ]


def _percents(*shares):
    return [f"{share:.0%}" for share in shares]


def _changes(given, suggested):
    """Tabulate the given and suggested labels of suspects, most frequent first."""
    pairs, counts = np.unique(
        np.array([given.astype(str), suggested.astype(str)]), axis=1, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")[:N_CHANGES]
    return [[*pairs[:, i], counts[i]] for i in order]
