"""Rows that are not independent: groups with one target, and effects of the order."""

import numpy as np

from skinfluence._shown import shown
from skinfluence.audit._findings import HIGH, MEDIUM, Finding

MIN_GROUPS = 20
N_PERMUTATIONS = 50
# Standard errors beyond all that permutations of the rows show.
N_ERRORS = 8.0
SAME_TARGET = 0.8
N_PARTS, DRIFT = 10, 0.05
CORRELATION = 0.2


def groups_with_one_target(columns, y, classification, groups, random_state):
    """Find columns whose equal values stand for one case, a patient, say.

    Rows of one case share their target. Folds that cut a case in two let a model
    recognise it. A column is suspected if it has at least `MIN_GROUPS` values that
    repeat, and the target varies within them by less than a share of 1 - `SAME_TARGET`
    of its variation (variance, or chance of two rows to differ), where rows in another
    order have far more.

    Parameters
    ----------
    columns : list of Column
        Features.
    y : ndarray
        Codes of labels, or numbers.
    classification : bool
        Whether y holds codes.
    groups : str or None
        Name of the column that is used as groups already.
    random_state : int
        Seeds the permutations.

    Returns
    -------
    findings : list of Finding
    """
    findings = []
    for column in columns:
        counts = np.bincount(column.codes[~column.missing])
        repeated = int((counts > 1).sum())
        if column.name == groups or repeated < MIN_GROUPS or column.fractional:
            continue
        if column.n_distinct > 0.9 * (~column.missing).sum():
            continue
        alike, usual = _alike(column.codes, y, classification, random_state)
        mean, error = np.mean(usual), np.std(usual) + 1e-12
        if alike > SAME_TARGET and alike > mean + N_ERRORS * error:
            findings.append(
                Finding(
                    "groups",
                    MEDIUM,
                    f"column {shown(column.name)}",
                    f"{repeated} values occur more than once, and their rows share the "
                    f"target: {alike:.0%} of its variation is between them, {mean:.0%} "
                    "in rows of another order",
                    "If it says which case a row belongs to, hold cases out together "
                    "(groups) and do not use it to predict.",
                )
            )
    return findings


def _alike(codes, y, classification, random_state):
    """Return the share of the target's variation between groups, and by chance."""
    rng = np.random.default_rng(random_state)
    present = codes >= 0
    codes, y = codes[present], y[present]
    own = _between(codes, y, classification)
    chance = [
        _between(codes, rng.permutation(y), classification)
        for _ in range(N_PERMUTATIONS)
    ]
    return own, chance


def _between(codes, y, classification):
    """Return 1 - variation within groups / variation, with unbiased variations."""
    counts = np.bincount(codes)
    pairs = counts * (counts - 1)
    if classification:
        n_classes = int(y.max()) + 1
        table = np.zeros((len(counts), n_classes))
        np.add.at(table, (codes, y.astype(int)), 1)
        same = (table * (table - 1)).sum()
        total = table.sum(axis=0)
        n = len(y)
        overall = 1 - (total * (total - 1)).sum() / (n * (n - 1))
        return 1 - (1 - same / pairs.sum()) / overall
    sums = np.bincount(codes, y)
    squares = np.bincount(codes, y**2)
    within = 2 * (counts * squares - sums**2).sum() / pairs.sum()
    return 1 - within / (2 * np.var(y, ddof=1))


def order_effects(y, classification, random_state):
    """Find targets that depend on where in the table a row stands.

    Neighbours that are alike, or a drift: a share of the target's variation between
    the tenths of the table, beyond that of rows in another order.

    Parameters
    ----------
    y : ndarray
        Codes of labels, or numbers.
    classification : bool
        Whether y holds codes.
    random_state : int
        Seeds the permutations.

    Returns
    -------
    findings : list of Finding
    """
    n = len(y)
    if n < 50 or len(np.unique(y)) < 2:
        return []
    if classification:
        probability = np.bincount(y.astype(int)) / n
        expected = (probability**2).sum()
        same = np.mean(y[1:] == y[:-1])
        correlation = (same - expected) / (1 - expected)
    else:
        ranks = np.argsort(np.argsort(y, kind="stable")).astype(float)
        ranks -= ranks.mean()
        correlation = (ranks[1:] * ranks[:-1]).sum() / (ranks**2).sum()
    if correlation < max(CORRELATION, N_ERRORS / np.sqrt(n)):
        return _drift(y, classification, random_state)
    sorted_ = correlation > 0.9
    return [
        Finding(
            "order",
            HIGH if sorted_ else MEDIUM,
            "the order of the rows",
            ("rows are sorted by the target" if sorted_ else "neighbours are alike")
            + f": the targets of rows that follow each other correlate by "
            f"{correlation:.2f}",
            "Shuffle before folds are cut, unless the order is one of time: then hold "
            "out later rows only (time-ordered).",
        )
    ]


def _drift(y, classification, random_state):
    parts = np.arange(len(y)) * N_PARTS // len(y)
    alike, usual = _alike(parts, y, classification, random_state)
    if alike < max(DRIFT, np.mean(usual) + N_ERRORS * np.std(usual)):
        return []
    return [
        Finding(
            "order",
            MEDIUM,
            "the order of the rows",
            f"the targets drift: {alike:.0%} of their variation is between the tenths "
            "of the table, none in rows of another order",
            "If the order is one of time, hold out later rows only (time-ordered): the "
            "model will be used on what comes then.",
        )
    ]
