"""Which removals leave a class without rows: a model of fewer classes remains."""

import numpy as np


def loses_class(labels, masks=None, used=None):
    """Tell which removals leave some class without rows that count.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        Class indices.
    masks : ndarray of bool of shape (n_groups, n), default=None
        Sets of rows that leave; None: every single row.
    used : ndarray of bool of shape (n,), default=None
        The rows that count, such as those of positive weight; None for all.

    Returns
    -------
    lost : ndarray of bool of shape (n,) or (n_groups,)
    """
    if masks is None:
        alone = np.bincount(labels, used)[labels] == 1
        return alone if used is None else alone & used
    classes = np.eye(labels.max() + 1)[labels]
    if used is not None:
        classes *= used[:, None]
    return (~masks @ classes == 0).any(axis=1)
