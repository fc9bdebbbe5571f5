"""The tables of held-out scores before and after cleaning, by score and by class."""

from skinfluence.cli._by_group import hurting, unevenly_hit
from skinfluence.cli.report._figures import dots, svg

MAX_CLASSES = 30
READ = {
    "log loss": "of the probability of the given label, lower is better; after "
    "cleaning the estimated mistakes are taken into account",
    "mean squared error": "lower is better",
    "balanced accuracy": "the mean over classes of the share predicted correctly",
    "accuracy": "insensitive to rare classes, and not used for the verdict",
    "R2": "the share of the variance that is predicted",
}


def score_tables(analysis):
    """Tabulate the scores of the model before and after cleaning.

    Parameters
    ----------
    analysis : Analysis
        The results.

    Returns
    -------
    scores : dict
        Values for the template ``scores.html``.
    """
    held_out, cleaned = analysis.held_out, not analysis.kept.all()
    header = ["score", "trained on all rows"]
    class_header = ["class", "rows", "log loss", "predicted right"]
    scores = {"n_folds": held_out.fold.max() + 1}
    if cleaned:
        header += ["after cleaning", "gain", "standard error"]
        class_header = ["class", "rows", "log loss", "after", "gain", "standard error"]
        class_header += ["predicted right", "after"]
        before, after = held_out.by_fold()
        figure = dots(
            {"all rows": before, "after cleaning": after},
            f"{held_out.proper} of a fold",
        )
        scores["figure"] = svg(figure, "scores")
        scores["verdict"] = held_out.verdict()
    return {
        **scores,
        "header": [*header, ""],
        "rows": [
            [name, *_cells(score, cleaned), READ[name]]
            for name, score in held_out.scores().items()
        ],
        "class_header": class_header,
        "classes": _classes(held_out, cleaned) if held_out.classification else [],
    }


def _classes(held_out, cleaned):
    rows = []
    for label, (count, loss, right) in list(held_out.classes().items())[:MAX_CLASSES]:
        cells = [label, count, *_cells(loss, cleaned), f"{right.before:.1%}"]
        rows.append([*cells, f"{right.after:.1%}"] if cleaned else cells)
    return rows


def _cells(score, cleaned):
    cells = [f"{score.before:.4f}"]
    if cleaned:
        cells += [f"{score.after:.4f}", f"{score.gain:+.4f}", f"{score.error:.4f}"]
    return cells


GROUP_HEADER = ["rows", "suspects", "95% interval", "estimated wrong"]


def group_tables(analysis):
    """Tabulate effects on groups, and harmful groups, column by column.

    Parameters
    ----------
    analysis : Analysis
        The results.

    Returns
    -------
    tables : list of dict
        The data of the template ``groups.html``.
    """
    proper, tables = analysis.held_out.proper, []
    after = [f"{proper}, all rows", "after cleaning", "gain", "standard error"]
    for name, groups in analysis.groups.items():
        header = ["value", *GROUP_HEADER, *after]
        rows = [_group_cells(group) for group in groups]
        if any(group.worth is not None for group in groups):
            header += [f"{proper} of others without it", "95% interval"]
            for row, group in zip(rows, groups, strict=True):
                row += _worth_cells(group.worth)
        warnings = [unevenly_hit(groups), hurting(groups, proper)]
        tables.append(
            {"name": name, "header": header, "rows": rows, "warnings": warnings}
        )
    return tables


def _group_cells(group):
    cells = [group.name, group.n_rows, f"{group.n_suspects} ({group.share:.1%})"]
    for low, high in (group.interval, group.wrong):
        cells.append(f"{low:.1%} to {high:.1%}")
    return cells + ([""] * 4 if group.score is None else _cells(group.score, True))


def _worth_cells(worth):
    if worth is None:
        return ["", ""]
    low, high = worth.interval
    return [f"{worth.influence:+.4f}", f"{low:+.4f} to {high:+.4f}"]
