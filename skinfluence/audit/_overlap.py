"""Rows of the test table that are in the training table as well."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from skinfluence._counts import counted
from skinfluence.audit._columns import row_codes
from skinfluence.audit._duplicates import (
    MIN_NUMBERS,
    NEAR,
    coordinates,
    may_be_chance,
)
from skinfluence.audit._findings import HIGH, LOW, Finding, first_rows

N_ERRORS = 4.0


def overlap(columns, n_train):
    """Find test rows that are equal, or nearly so, to a training row.

    Tables of few categories have equal rows by chance. The share to be expected is that
    of training rows that are equal to another training row. A share that exceeds it by
    `N_ERRORS` standard errors is not chance; neither are a few equal rows if the
    training table has none and `may_be_chance` expects none.

    Parameters
    ----------
    columns : list of Column
        Features of the training rows, followed by those of the test rows.
    n_train : int
        How many rows are for training.

    Returns
    -------
    findings : list of Finding
        Rows are positions in the test table.
    """
    codes = row_codes(columns)
    train, test = codes[:n_train], codes[n_train:]
    known = np.isin(test, train)
    findings = []
    if known.any():
        expected = np.mean(np.bincount(train)[train] > 1)
        share = known.mean()
        error = np.sqrt(max(expected * (1 - expected), 1 / len(test)) / len(test))
        few = share <= expected + N_ERRORS * error
        chance = few and (expected > 0 or may_be_chance(columns))
        findings.append(
            Finding(
                "train/test overlap",
                LOW if chance else HIGH,
                counted(int(known.sum()), "test row"),
                f"{share:.1%} of the test rows are training rows; {expected:.1%} of "
                "the training rows have an equal one",
                "Remove them from the test table: the model has seen them.",
                first_rows(np.flatnonzero(known)),
            )
        )
    return findings + _near(columns, n_train, known)


def _near(columns, n_train, known):
    if sum(column.many_numbers for column in columns) < MIN_NUMBERS or n_train < 20:
        return []
    Z = coordinates(columns)
    neighbors = NearestNeighbors(n_neighbors=1).fit(Z[:n_train])
    usual = np.median(neighbors.kneighbors()[0])
    distance = neighbors.kneighbors(Z[n_train:])[0][:, 0]
    near = ~known & (distance < NEAR * usual)
    if not near.any():
        return []
    return [
        Finding(
            "train/test overlap",
            HIGH,
            counted(int(near.sum()), "test row"),
            f"{near.mean():.1%} of the test rows are within {NEAR:.0%} of the usual "
            "distance of neighbours of a training row",
            "Look whether they are the same cases: remove them from the test table.",
            first_rows(np.flatnonzero(near)),
        )
    ]
