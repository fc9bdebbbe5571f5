"""Held-out scores as the report shows them: before and after, by score and by class."""

from skinfluence._shown import shown
from skinfluence.cli.report._markup import tag
from skinfluence.cli.report._plots import dots

MAX_CLASSES = 30
READ = {
    "log loss": "of the probability of the given label, low is good; after cleaning "
    "the estimated mistakes are allowed for",
    "mean squared error": "low is good",
    "balanced accuracy": "the mean over classes of the share predicted right",
    "accuracy": "blind to rare classes: decides nothing here",
    "R2": "the share of the variance that is predicted",
}


def scores_part(analysis):
    """Make the part of the report that compares the model before and after cleaning.

    Parameters
    ----------
    analysis : Analysis
        What was found.

    Returns
    -------
    elements : list of Element
    """
    held_out, cleaned = analysis.held_out, not analysis.kept.all()
    names = ["score", "trained on all rows"]
    if cleaned:
        names += ["after cleaning", "gain", "standard error"]
    rows = [
        [name, *_cells(score, cleaned), READ[name]]
        for name, score in held_out.scores().items()
    ]
    parts = [
        tag("h2", "Score before and after" if cleaned else "Score"),
        tag(
            "p",
            f"Of the model on {held_out.fold.max() + 1} held-out folds, whose rows no "
            "cleaning has touched."
            + (" The gain is paired by row, positive is better." if cleaned else ""),
        ),
        _table([*names, ""], rows),
    ]
    if cleaned:
        before, after = held_out.by_fold()
        parts += [
            tag("p", held_out.verdict()),
            dots(
                {"all rows": before, "after cleaning": after},
                f"{held_out.proper} of a fold",
            ),
        ]
    if held_out.classification:
        parts += _classes(held_out.classes(), cleaned)
    return parts


def _classes(classes, cleaned):
    header = ["class", "rows", "log loss", "predicted right"]
    if cleaned:
        header = ["class", "rows", "log loss", "after", "gain", "standard error"]
        header += ["predicted right", "after"]
    rows = []
    for label, (count, loss, right) in list(classes.items())[:MAX_CLASSES]:
        cells = [shown(label), count, *_cells(loss, cleaned), f"{right.before:.1%}"]
        rows.append([*cells, f"{right.after:.1%}"] if cleaned else cells)
    title = "By class of the held-out rows:"
    if len(classes) > MAX_CLASSES:
        title = f"By class, the first {MAX_CLASSES} of {len(classes)}:"
    return [tag("p", title), _table(header, rows)]


def _cells(score, cleaned):
    cells = [f"{score.before:.4f}"]
    if cleaned:
        cells += [f"{score.after:.4f}", f"{score.gain:+.4f}", f"{score.error:.4f}"]
    return cells


def _table(header, rows):
    return tag("div", table(header, rows), class_="scroll")


def table(header, rows):
    """Make a table of text.

    Parameters
    ----------
    header : list of str
        Names of the columns.
    rows : list of list
        Cells.

    Returns
    -------
    table : Element
    """
    return tag(
        "table",
        tag("thead", tag("tr", [tag("th", name) for name in header])),
        tag("tbody", [tag("tr", [tag("td", cell) for cell in row]) for row in rows]),
    )
