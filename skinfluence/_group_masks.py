"""Groups of training rows, as labels or as masks: what every ``groups`` means."""

import numpy as np

from skinfluence._memory import check_memory


def group_codes(groups, n):
    """Return what the groups of n rows are called, and the group of each row.

    Parameters
    ----------
    groups : array-like of shape (n,)
        Labels that can be sorted: all numbers, or all strings.
    n : int
        Number of rows.

    Returns
    -------
    labels : ndarray of shape (n_groups,)
        The different labels, sorted.
    codes : ndarray of int of shape (n,)
        Positions in ``labels``.

    Raises
    ------
    ValueError
        For another shape, and for labels that are missing or cannot be sorted. Rows
        without a label are no group: nothing says that they belong together.
    """
    # numpy makes a string of a NaN among the strings of a list
    as_given = None if hasattr(groups, "dtype") else object
    as_given, groups = np.asarray(groups, dtype=as_given), np.asarray(groups)
    if groups.shape != (n,):
        raise ValueError(
            "The 'groups' parameter must hold one label per training row, shape "
            f"({n},). Got shape {groups.shape}."
        )
    missing = _missing(as_given)
    if missing.any():
        raise ValueError(
            "The 'groups' parameter must hold a label for every row. Got "
            f"{int(missing.sum())} missing, the first {as_given[missing][0]!r} in row "
            f"{int(missing.argmax())}. Give rows without a group a label of their own "
            "(each, or all the same one); where boolean masks are taken, they may "
            "leave rows out."
        )
    try:
        labels, codes = np.unique(groups, return_inverse=True)
    except TypeError as error:
        types = sorted({type(label).__name__ for label in groups})
        raise ValueError(
            "The 'groups' parameter must hold labels that can be sorted, all numbers "
            f"or all strings. Got labels of types {types}."
        ) from error
    return labels, codes


def _missing(labels):
    """Tell which labels are None, NaN, NaT or pandas' NA."""
    if labels.dtype.kind != "O":
        return labels != labels
    return np.array([label is None or not _same(label) for label in labels], dtype=bool)


def _same(label):
    try:
        return bool(label == label)
    except TypeError:  # NA is neither equal nor not
        return False


def group_masks(groups, n):
    """Return which of n training rows are in each group.

    Parameters
    ----------
    groups : array-like
        Labels of shape (n,), or boolean masks of shape (n_groups, n).
    n : int
        Number of training rows.

    Returns
    -------
    masks : ndarray of bool, shape (n_groups, n)
        Groups of labels in the order of `numpy.unique`.

    Raises
    ------
    ValueError
        For another shape, and for labels that are missing or cannot be sorted.
    """
    given, groups = groups, np.asarray(groups)
    if groups.ndim == 1 and groups.shape[0] == n:
        labels, codes = group_codes(given, n)
        check_memory(
            len(labels) * n,
            f"Masks of {len(labels)} groups of {n} training rows",
            "Pass fewer groups at a time as boolean masks; influence needs less "
            "memory for single rows.",
        )
        return np.arange(len(labels))[:, None] == codes
    if groups.ndim == 2 and groups.shape[1] == n and groups.dtype == bool:
        return groups
    raise ValueError(
        "The 'groups' parameter must hold one label per training row, shape "
        f"({n},), or boolean masks of shape (n_groups, {n}). Got shape "
        f"{groups.shape}, dtype {groups.dtype}."
    )
