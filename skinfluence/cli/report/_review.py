"""Data about the suspects, which the script of the review page shows."""

import base64
import hashlib

import numpy as np

from skinfluence._shown import LIMIT, shown
from skinfluence.cleaning.reasons._agreeing_rows import agreeing_rows
from skinfluence.cleaning.reasons._explanations import MAX_EXPLAINED
from skinfluence.cli._amounts import suggested_amount
from skinfluence.cli._libraries import import_pandas
from skinfluence.cli._relabelled import written_number
from skinfluence.cli._row_checks import row_checks
from skinfluence.cli.report._suspects import N_NEIGHBORS, Column, suspect_columns
from skinfluence.cli.report._templates import environment

# More than a reviewer decides on at once; the page then has about 2 MB.
MAX_SUSPECTS = 2_000
SCRIPTS = "decisions.js", "review.js"
# Most characters of a suspect's cell that are shown: enough for a whole comment.
LONGEST = 1_000


def review_data(problem, analysis, target, reviewed=None):
    """Collect the suspects, and the rows that are shown beside them.

    All texts are made safe to be seen (`shown`); labels, which the verdicts repeat, are
    there as they came as well, unless they are too long to be chosen.

    Parameters
    ----------
    problem : Task
        The table.
    analysis : Analysis
        The results.
    target : str
        Name of the column to predict.
    reviewed : Reviewed, default=None
        Verdicts so far, which the page saves again with the new ones.

    Returns
    -------
    data : dict
        Plain texts, numbers and lists. Rows are given by their position in the file.
    """
    suspects = analysis.suspects
    first = suspects.row[:MAX_SUSPECTS]
    given, suggested = problem.y[first], analysis.expected[first]
    near = _nearest(problem, analysis, suggested, given, first)
    alike = _nearest(problem, analysis, given, suggested, first)
    columns = suspect_columns(problem, target)
    used = np.unique(np.concatenate([first, *near, *alike]).astype(int))
    cells = problem.table[columns].iloc[used].itertuples(index=False)
    rows = problem.rows
    compared = [Column(problem, name) for name in columns]

    def unlike(row, suspect):
        """Return a row and the columns that are coloured."""
        differ = [j for j, c in enumerate(compared) if c.differs(row, suspect)]
        return [int(rows[row]), differ]

    labels = list(map(str, np.unique(problem.y) if problem.classification else []))
    listed = [label for label in labels if len(label) <= LIMIT]
    length = dict.fromkeys(map(int, first), LONGEST)
    checks = row_checks(problem.source.cells, rows[first])
    return {
        "key": f"skinfluence-{_fingerprint(problem, target)}",
        "target": shown(target),
        "columns": [shown(name) for name in columns],
        "numbers": not problem.classification,
        "labels": [[label, shown(label)] for label in listed],
        "all_labels": len(listed) == len(labels),
        "rows": {
            int(rows[i]): [shown(value, length.get(i, LIMIT)) for value in line]
            for i, line in zip(used, cells, strict=True)
        },
        "places": {int(rows[i]): shown(problem.place(i)) for i in used},
        "targets": {int(rows[i]): shown(problem.table[target].iloc[i]) for i in used},
        "suspects": [
            {
                **_suspect(problem, analysis, columns, k, near[k], alike[k], unlike),
                "check": checks[k],
            }
            for k in range(len(first))
        ],
        "earlier": [] if reviewed is None else _lines(reviewed.verdicts, problem),
    }


def _lines(verdicts, problem):
    """Return verdicts as lists of cells, in the format in which the page saves them."""
    columns = (
        map(int, verdicts.rows),
        verdicts.verdicts,
        [
            v if isinstance(v, str) else written_number(v, problem.source)
            for v in verdicts.values
        ],
        verdicts.notes,
        map(str, verdicts.given),
        row_checks(problem.source.cells, verdicts.rows),
    )
    return [list(line) for line in zip(*columns, strict=True)]


def _nearest(problem, analysis, wanted, other, first):
    if not len(first):
        return []
    return agreeing_rows(
        problem.X,
        problem.y,
        wanted,
        other,
        first,
        analysis.kept,
        N_NEIGHBORS,
        problem.classification,
    )


def _suspect(problem, analysis, columns, k, near, alike, unlike):
    suspects = analysis.suspects
    suggested, i = suspects.suggested[k], suspects.row[k]
    text = str(suggested)
    if not problem.classification:
        text = suggested_amount(suggested, problem.whole_numbers)
        text = written_number(text, problem.source)
    chance, explained = suspects.suggested_probability[k], analysis.explained
    said = k < len(explained.rows)
    blamed = explained.column[k] if said and explained.to_blame[k] == "cell" else None
    return {
        "rank": k + 1,
        "row": int(problem.rows[i]),
        "place": shown(problem.place(i)),
        "given": shown(suspects.given[k]),
        "suggested": shown(text),
        "chance": "" if np.isnan(chance) else f"{chance:.0%}",
        "reasons": _tags(explained, k) if said else [],
        "unsaid": _unsaid(explained, said),
        # Of the columns that are shown.
        "blamed": columns.index(blamed) if blamed in columns else -1,
        "suggested_value": text if len(text) <= LIMIT else "",
        "probability": f"{suspects.probability_wrong[k]:.2f}",
        "ceiling": f"{suspects.probability_ceiling[k]:.2f}",
        "reason": shown(analysis.reasons[i], 600),
        "hurts": "; ".join(shown(problem.place(j)) for j in suspects.hurts[k]),
        "near": [unlike(j, i) for j in near],
        "alike": [unlike(j, i) for j in alike],
    }


def _tags(explained, k):
    """Return the words by which a suspect is filtered."""
    to_blame, kinds = explained.to_blame[k], explained.kind[k]
    return [f"{to_blame} to blame"] * bool(to_blame) + kinds.split(", ") * bool(kinds)


def _unsaid(explained, said):
    """Return why a suspect has no reasons, or has fewer than others."""
    if not said:
        return f"What is to blame is said of the first {MAX_EXPLAINED} suspects only."
    return f"No cell is blamed: {explained.unknown}." if explained.unknown else ""


def _fingerprint(problem, target):
    """Return a name for the table and its target, under which decisions are kept."""
    pandas = import_pandas()
    table = problem.source.cells.astype(str)
    hashes = pandas.util.hash_pandas_object(table, index=False).to_numpy()
    names = repr([target, *table.columns]).encode(errors="replace")
    return hashlib.sha256(names + hashes.tobytes()).hexdigest()[:16]


def script_and_its_hash():
    """Return the script of the page, and the name by which the page may run it.

    Returns
    -------
    script : str
    source : str
        For the policy of the page, under which no other script runs.
    """
    loader = environment().loader
    script = "".join(loader.get_source(environment(), name)[0] for name in SCRIPTS)
    digest = hashlib.sha256(script.encode()).digest()
    return script, f"'sha256-{base64.b64encode(digest).decode()}'"
