"""The suspects as the review page holds them: data that its script shows."""

import base64
import hashlib

import numpy as np

from skinfluence._shown import LIMIT, shown
from skinfluence.cli._amounts import amount
from skinfluence.cli._libraries import import_pandas
from skinfluence.cli.report._agreeing_rows import nearest_agreeing_rows
from skinfluence.cli.report._suspects import N_NEIGHBORS, suspect_columns
from skinfluence.cli.report._templates import environment

# Nobody decides on more in one sitting; the page then has about 2 MB.
MAX_SUSPECTS = 2_000


def review_data(problem, analysis, target):
    """Collect what is decided on, and the rows beside it.

    All texts are made safe to be seen (`shown`); labels, which the verdicts repeat, are
    there as they came as well, unless they are too long to be chosen.

    Parameters
    ----------
    problem : Task
        The table.
    analysis : Analysis
        What was found.
    target : str
        Name of the column to predict.

    Returns
    -------
    data : dict
        Of plain texts, numbers and lists. Rows are known by their position in the file.
    """
    suspects = analysis.suspects
    first = suspects.row[:MAX_SUSPECTS]
    near = _nearest(problem, analysis, analysis.expected, first)
    alike = [np.empty(0, dtype=int)] * len(first)
    if problem.classification:
        alike = _nearest(problem, analysis, problem.y, first)
    columns = suspect_columns(problem, target)
    used = np.unique(np.concatenate([first, *near, *alike]).astype(int))
    cells = problem.table[columns].iloc[used].itertuples(index=False)
    rows = problem.rows
    labels = map(str, np.unique(problem.y) if problem.classification else [])
    return {
        "key": f"skinfluence-{_fingerprint(problem)}",
        "target": shown(target),
        "columns": [shown(name) for name in columns],
        "labels": [[label, shown(label)] for label in labels if len(label) <= LIMIT],
        "rows": {
            int(rows[i]): [shown(value) for value in line]
            for i, line in zip(used, cells, strict=True)
        },
        "places": {int(rows[i]): shown(problem.place(i)) for i in used},
        "targets": {int(rows[i]): shown(problem.table[target].iloc[i]) for i in used},
        "suspects": [
            _suspect(problem, analysis, k, near[k], alike[k]) for k in range(len(first))
        ],
    }


def _nearest(problem, analysis, wanted, first):
    if not len(first):
        return []
    return nearest_agreeing_rows(
        problem.X,
        problem.y,
        wanted,
        first,
        analysis.kept,
        N_NEIGHBORS,
        problem.classification,
    )


def _suspect(problem, analysis, k, near, alike):
    suspects = analysis.suspects
    suggested, i = suspects.suggested[k], suspects.row[k]
    text = str(suggested) if problem.classification else amount(suggested)
    return {
        "rank": k + 1,
        "row": int(problem.rows[i]),
        "place": shown(problem.place(i)),
        "given": shown(suspects.given[k]),
        "suggested": shown(text),
        "suggested_value": text if len(text) <= LIMIT else "",
        "probability": f"{suspects.probability_wrong[k]:.2f}",
        "ceiling": f"{suspects.probability_ceiling[k]:.2f}",
        "reason": shown(analysis.reasons[i], 600),
        "hurts": "; ".join(shown(problem.place(j)) for j in suspects.hurts[k]),
        "near": [int(problem.rows[j]) for j in near],
        "alike": [int(problem.rows[j]) for j in alike],
    }


def _fingerprint(problem):
    """Return a name of the table: decisions stay with it."""
    pandas = import_pandas()
    table = problem.source.cells.astype(str)
    hashes = pandas.util.hash_pandas_object(table, index=False).to_numpy()
    return hashlib.sha256(hashes.tobytes()).hexdigest()[:16]


def script_and_its_hash():
    """Return the script of the page, and the name by which the page may run it.

    Returns
    -------
    script : str
    source : str
        For the policy of the page, under which no other script runs.
    """
    loader = environment().loader
    script, _, _ = loader.get_source(environment(), "review.js")
    digest = hashlib.sha256(script.encode()).digest()
    return script, f"'sha256-{base64.b64encode(digest).decode()}'"
