"""Duplicate rows, near duplicates, and equal rows with different targets."""

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import OneHotEncoder

from skinfluence._counts import counted, verb
from skinfluence.audit._columns import row_codes
from skinfluence.audit._findings import HIGH, LOW, MEDIUM, Finding, first_rows

# A copy with a changed last digit is nearer than this share of the usual distance of
# nearest neighbours. By chance, in d independent columns, about NEAR^d of the rows are.
NEAR = 0.01
MIN_NUMBERS = 3
# Equal rows may be coincidence if more than this share of the equal pairs of rows is to
# be expected by chance.
CHANCE = 0.1
MAX_ROWS = 20_000
MAX_CATEGORIES = 50


def duplicate_rows(columns, target, influence_share):
    """Find rows that are equal in all columns and in the target.

    Parameters
    ----------
    columns : list of Column
        Features.
    target : Column
        What is predicted.
    influence_share : callable
        Called with a mask of rows; returns their share in the self-influence of all
        rows, or None where that takes too long.

    Returns
    -------
    findings : list of Finding
    copies : ndarray of bool, shape (n,)
        Rows that have an equal one before or after them.
    """
    codes = row_codes([*columns, target])
    counts = np.bincount(codes)
    copies = counts[codes] > 1
    if not copies.any():
        return [], copies
    surplus = len(codes) - len(counts)
    chance = may_be_chance([*columns, target])
    evidence = (
        f"{counted(surplus, 'row')} {verb(surplus, 'repeats', 'repeat')} another one "
        f"({surplus / len(codes):.1%})"
    )
    if chance:
        evidence += "; many are nearly equal as well, so some may be coincidence"
    share = influence_share(copies)
    if share is not None:
        evidence += (
            f"; {copies.mean():.1%} of the rows have an equal one and hold {share:.1%} "
            "of the self-influence"
        )
    return [
        Finding(
            "duplicates",
            LOW if chance else MEDIUM,
            f"{int(copies.sum())} rows",
            evidence,
            "Keep one of each, or keep equal rows in the same fold (groups).",
            first_rows(np.flatnonzero(copies)),
        )
    ], copies


def may_be_chance(columns):
    """Tell whether some rows may be equal by coincidence.

    Let p be the share of all pairs of rows that agree in column j. If the pairs that
    agree in all other columns agree in j by chance, then a share p of them is equal:
    p / (1 - p) equal pairs for every pair that differs in j only. Correlated columns
    raise this number. Rows that were copied have no pairs that differ in one column
    only.
    """
    if any(column.continuous for column in columns):
        return False
    rng = np.random.default_rng(0)
    keys = [_keys(column, rng) for column in columns]
    total = np.sum(keys, axis=0)
    equal, expected = _pairs(total), 0.0
    for key in keys:
        p = _pairs(key) / (len(key) * (len(key) - 1) / 2)
        if p < 1:
            expected = max(expected, (_pairs(total - key) - equal) * p / (1 - p))
    return expected > CHANCE * equal


def _keys(column, rng):
    """Return a random key for every value of a column; a row's key is their sum."""
    keys = rng.integers(2**63, size=column.codes.max() + 2, dtype=np.uint64)
    return keys[column.codes]


def _pairs(keys):
    counts = np.unique(keys, return_counts=True)[1].astype(float)
    return (counts * (counts - 1) / 2).sum()


def conflicting_rows(columns, target):
    """Find rows that are equal in all columns and differ in the target.

    Parameters
    ----------
    columns : list of Column
        Features.
    target : Column
        What is predicted.
    """
    codes = row_codes(columns)
    pairs = np.unique(np.column_stack([codes, target.codes]), axis=0)
    conflict = np.bincount(pairs[:, 0], minlength=codes.max() + 1)[codes] > 1
    if not conflict.any():
        return []
    chance = may_be_chance(columns)
    n = int(conflict.sum())
    return [
        Finding(
            "conflicts",
            LOW if chance else HIGH,
            f"{n} rows",
            f"{n} rows ({n / len(codes):.1%}) are equal to another one in all columns "
            "and have another target",
            "Decide which target is right, or add the column that tells them apart.",
            first_rows(np.flatnonzero(conflict)),
        )
    ]


def near_duplicates(columns, copies, random_state):
    """Find rows that are nearly equal to another row.

    A row is a near duplicate if its nearest neighbour, among standardised numbers and
    indicators of categories, is nearer than `NEAR` times the median distance of nearest
    neighbours. It needs at least `MIN_NUMBERS` columns of many
    numbers.

    Parameters
    ----------
    columns : list of Column
        Features.
    copies : ndarray of bool
        Exact duplicates, which are left out.
    random_state : int
        Chooses rows of large tables.
    """
    if sum(column.many_numbers for column in columns) < MIN_NUMBERS:
        return []
    rows = np.flatnonzero(~copies)
    if len(rows) > MAX_ROWS:
        rng = np.random.default_rng(random_state)
        rows = np.sort(rng.choice(rows, MAX_ROWS, replace=False))
    if len(rows) < 20:
        return []
    Z = coordinates(columns)[rows]
    distances = NearestNeighbors(n_neighbors=1).fit(Z).kneighbors()[0][:, 0]
    # Rows equal in all columns are conflicts; they have distance zero.
    near = (distances < NEAR * np.median(distances)) & (distances > 0)
    if not near.any():
        return []
    n = int(near.sum())
    return [
        Finding(
            "near duplicates",
            MEDIUM,
            counted(n, "row"),
            f"{counted(n, 'row')} {verb(n, 'is', 'are')} within {NEAR:.0%} of the "
            "usual distance of neighbours of another row",
            "Look whether they are one case entered twice: keep one, or keep them in "
            "the same fold.",
            first_rows(rows[near]),
        )
    ]


def coordinates(columns):
    """Return rows as points: standardised numbers, indicators of categories.

    Parameters
    ----------
    columns : list of Column
        Features.

    Returns
    -------
    Z : ndarray of shape (n, d)
    """
    parts = []
    for column in columns:
        if column.missing.all():
            continue
        if column.numbers is not None:
            z = column.numbers - np.nanmean(column.numbers)
            scale = np.nanstd(column.numbers)
            parts.append(np.nan_to_num(z / scale if scale else 0 * z)[:, np.newaxis])
        elif 1 < column.n_distinct <= MAX_CATEGORIES:
            encoder = OneHotEncoder(sparse_output=False)
            parts.append(encoder.fit_transform(column.codes[:, np.newaxis]))
    return np.hstack(parts)
