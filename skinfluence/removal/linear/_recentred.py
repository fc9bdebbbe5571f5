"""Columns of some rows, centred anew."""

import numpy as np


def recentred(rows, weight, free_intercept):
    """Return rows with columns of weighted mean zero, and the means.

    Columns that are constant in these rows become zeros (to rounding).
    The last column is the intercept's; without a free one nothing is subtracted.
    """
    rows, mean = rows.copy(), np.zeros(rows.shape[1])
    if free_intercept:
        for _ in range(2):  # the second time for what the first one rounds
            part = weight @ rows[:, :-1] / weight.sum()
            rows[:, :-1] -= part
            mean[:-1] += part
    return rows, mean
