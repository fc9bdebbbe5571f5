"""Columns without information: constant, mostly missing, or identifiers."""

import numpy as np
from scipy.stats import kstest

from skinfluence._shown import shown
from skinfluence.audit._findings import LOW, MEDIUM, Finding
from skinfluence.cleaning.surprise._text_columns import has_words

MOSTLY_MISSING = 0.5
NEARLY_EMPTY = 0.9
MIN_ROWS = 20
# Whole numbers that are all different are called random ids if there are so many of
# them and an even spread is not rejected at this level, which is the share of ids that
# are missed. Of normal amounts 1% are that even in 150 rows, none in 300.
MIN_DRAWN, P_EVEN = 150, 0.01


def useless_columns(columns):
    """Find columns that cannot help a model.

    Parameters
    ----------
    columns : list of Column
        Features.
    """
    return [f for column in columns for f in _of_column(column)]


def _of_column(column):
    where, n = f"column {shown(column.name)}", len(column.codes)
    missing = column.missing.mean()
    if missing == 1:
        yield Finding("empty column", LOW, where, "no row has a value", "Remove it.")
        return
    if column.n_distinct == 1 and missing == 0:
        yield Finding("constant column", LOW, where, "has one value", "Remove it.")
        return
    if missing > MOSTLY_MISSING:
        yield Finding(
            "missing values",
            MEDIUM if missing > NEARLY_EMPTY else LOW,
            where,
            f"{missing:.1%} of the values are missing",
            "Ask why: that a value is missing may say more than the value.",
        )
    if is_identifier(column):
        yield Finding(
            "identifier",
            LOW,
            where,
            f"has {column.n_distinct} different values in {n} rows",
            "Remove it: a model can only memorize it.",
        )
    elif _drawn_at_random(column):
        yield Finding(
            "identifier",
            LOW,
            where,
            f"has {column.n_distinct} different whole numbers in {n} rows, spread as "
            "evenly as random ids",
            "Remove it if it is an id; keep it if it measures something.",
        )


def is_identifier(column):
    """Tell whether a column says which row it is: in order, or as a code.

    Parameters
    ----------
    column : Column

    Returns
    -------
    is_identifier : bool
    """
    present = ~column.missing
    distinct, n = column.n_distinct, int(present.sum())
    if n < MIN_ROWS:
        return False
    if column.numbers is None:
        return distinct > 0.9 * n and not has_words(column.texts)
    values = column.numbers[present]
    if distinct < n or column.dates or np.any(values != np.floor(values)):
        return False
    return bool(np.all(np.diff(values) > 0) or np.ptp(values) == n - 1)


def _drawn_at_random(column):
    """Tell whether different whole numbers are spread evenly, as amounts are not."""
    if column.numbers is None or column.dates:
        return False
    values = column.numbers[~column.missing]
    if len(values) < MIN_DRAWN or column.n_distinct < len(values):
        return False
    if np.any(values != np.floor(values)):
        return False
    low, high = values.min(), values.max()
    even = kstest(values, "uniform", (low, high - low)).pvalue
    return bool(even > P_EVEN)
