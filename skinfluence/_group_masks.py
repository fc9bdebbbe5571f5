"""Groups of training rows, as labels or as masks."""

import numpy as np

from skinfluence._memory import check_memory


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
    groups = np.asarray(groups)
    if groups.ndim == 1 and groups.shape[0] == n:
        labels = _labels(groups)
        check_memory(
            len(labels) * n,
            f"Masks of {len(labels)} groups of {n} training rows",
            "Pass fewer groups at a time as boolean masks; influence needs less "
            "memory for single rows.",
        )
        return labels[:, None] == groups
    if groups.ndim == 2 and groups.shape[1] == n and groups.dtype == bool:
        return groups
    raise ValueError(
        "The 'groups' parameter must hold one label per training row, shape "
        f"({n},), or boolean masks of shape (n_groups, {n}). Got shape "
        f"{groups.shape}, dtype {groups.dtype}."
    )


def _labels(groups):
    """Return the different labels, sorted; missing ones would be equal to none."""
    try:
        labels = np.unique(groups)
    except TypeError:
        labels = None
    if labels is None or not np.all(labels == labels):
        raise ValueError(
            "The 'groups' parameter must hold labels that can be sorted, all numbers "
            "or all strings, none of them missing. Give rows without a group a label "
            "of their own, or pass boolean masks, which may leave rows out."
        )
    return labels
