"""Effects on groups, and harmful groups: suspects, wrong rows and scores of each."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, chi2_contingency

from skinfluence._shown import shown
from skinfluence.cli._held_out_scores import Score
from skinfluence.cli._without_groups import GroupWorth

MAX_GROUPS = 12
# Numbers of more different values are cut into quarters of the rows.
MAX_NUMBERS = 10
MISSING = "(missing)"
# Of the ends of an interval, before an exponent is shown.
MAX_DIGITS = 7
# A difference is told where chance makes it once in a thousand tables and one group
# loses twice as many of its rows as another.
P_UNEVEN = 1e-3
RATIO_UNEVEN = 2.0


@dataclass(frozen=True)
class Group:
    """Effects of cleaning on the rows with one value of a column.

    Attributes
    ----------
    name : str
        The value, or an interval of numbers.
    n_rows, n_suspects : int
        How many.
    interval : tuple of float
        95% interval of the share of suspects (Wilson).
    wrong : tuple of float
        Between which shares of the rows are estimated to be wrong.
    score : Score or None
        The proper score of held-out rows before and after cleaning; None where no fold
        holds a row of the group out.
    worth : GroupWorth or None
        Influence of the whole group on the other rows; None if it was not computed.
    """

    name: str
    n_rows: int
    n_suspects: int
    interval: tuple
    wrong: tuple
    score: Score | None
    worth: GroupWorth | None = None

    @property
    def share(self):
        """Share of suspects."""
        return self.n_suspects / self.n_rows


def by_group(column, analysis, worth_of=None):
    """Tabulate effects of cleaning on the rows with each value of a column.

    Parameters
    ----------
    column : array-like of shape (n,)
        Values of the rows that were judged.
    analysis : Analysis
        The results.
    worth_of : callable, default=None
        Returns the `GroupWorth` of groups from the name of each row's group and their
        names. Not asked about intervals of numbers, which are no sources of rows.

    Returns
    -------
    groups : list of Group
        The largest ones first, at most `MAX_GROUPS`; intervals of numbers in their
        order.
    """
    names, order = _names(column)
    values, index, counts = np.unique(names, return_inverse=True, return_counts=True)
    if order is None:
        largest = np.argsort(-counts, kind="stable")[:MAX_GROUPS]
    else:
        places = {name: place for place, name in enumerate(order)}
        largest = sorted(
            range(len(values)), key=lambda k: places.get(values[k], np.inf)
        )
    worth = {}
    if worth_of is not None and order is None and len(values) > 1:
        worth = worth_of(names, [values[k] for k in largest])
    return [
        _group(values[k], index == k, analysis, worth.get(values[k])) for k in largest
    ]


def hit_groups(problem, analysis, settings, worth_of):
    """Tabulate the groups that are looked at: labels, and the columns of ``--by``.

    Parameters
    ----------
    problem : Task
        The table.
    analysis : Analysis
        The results.
    settings : Settings
        Names the columns.
    worth_of : callable
        See `by_group`.

    Returns
    -------
    groups : dict of str to list of Group
        By name of the column; labels only where something is a suspect.
    """
    groups = {}
    if problem.classification and not analysis.kept.all():
        groups[settings.target] = by_group(problem.y, analysis)
    for name in settings.by or ():
        groups[name] = by_group(problem.column(name), analysis, worth_of)
    return groups


def unevenly_hit(groups):
    """Return a warning if cleaning removes much more of one group, else None.

    Parameters
    ----------
    groups : list of Group
        Groups of one column.

    Returns
    -------
    warning : str or None
    """
    table = np.array([[g.n_suspects, g.n_rows - g.n_suspects] for g in groups])
    if len(groups) < 2 or not table[:, 0].any() or not table[:, 1].any():
        return None
    if chi2_contingency(table).pvalue > P_UNEVEN:
        return None
    most, least = max(groups, key=_share), min(groups, key=_share)
    if most.share < RATIO_UNEVEN * least.share:
        return None
    return (
        f"suspects are {most.share:.1%} of {shown(most.name)} and {least.share:.1%} of "
        f"{shown(least.name)}: what is done to them changes one group much more than "
        "the other"
    )


def hurting(groups, proper):
    """Return a warning with the groups that hurt all others; None without any.

    Parameters
    ----------
    groups : list of Group
        Groups of one column.
    proper : str
        Name of the loss.

    Returns
    -------
    warning : str or None
    """
    named = [
        f"{shown(group.name)} ({proper} {group.worth.influence:+.4f})"
        for group in groups
        if group.worth is not None and group.worth.hurts
    ]
    if not named:
        return None
    return (
        f"without the rows of {', '.join(named)} those of the others are predicted "
        "better: they hold wrong values, or follow a rule of their own"
    )


def _share(group):
    return group.share


def _names(column):
    """Return the name of each row's group, and their order if there is one."""
    import pandas

    order = None
    column = pandas.Series(np.asarray(column)).reset_index(drop=True)
    if column.dtype.kind in "iuf" and column.nunique() > MAX_NUMBERS:
        column = pandas.qcut(column, 4, duplicates="drop")
        column = column.cat.rename_categories(_interval_names(column.cat.categories))
        order = list(column.cat.categories)
    missing = column.isna().to_numpy()
    texts = column.astype(str).to_numpy(dtype=object)
    return np.where(missing, MISSING, texts).astype(str), order


def _interval_names(intervals):
    """Name intervals with as few digits as distinguish them."""
    for digits in range(3, 18):
        names = [f"{i.left:.{digits}g} to {i.right:.{digits}g}" for i in intervals]
        exact = not any("e+" in name for name in names) or digits > MAX_DIGITS
        if exact and len(set(names)) == len(names):
            break
    return names


def _group(name, rows, analysis, worth):
    n, suspects = int(rows.sum()), int((~analysis.kept)[rows].sum())
    interval = binomtest(suspects, n).proportion_ci(method="wilson")
    fewest_fine, most_fine = analysis.wrong.fine_share(rows)
    return Group(
        str(name),
        n,
        suspects,
        (float(interval.low), float(interval.high)),
        (1 - most_fine, 1 - fewest_fine),
        analysis.held_out.of_rows(rows),
        worth,
    )
