"""The players: single training rows, or groups of them that are in or out together."""

import numpy as np

from skinfluence._group_masks import group_codes


class Players:
    """A partition of the training rows.

    Parameters
    ----------
    n : int
        Training rows.
    groups : array-like of shape (n,) or None
        Labels; None makes every row a player.

    Attributes
    ----------
    of_row : ndarray of shape (n,)
        The player that each row belongs to.
    rows : list of ndarray of int
        Rows of each player, ascending.
    """

    def __init__(self, n, groups=None):
        self.of_row = np.arange(n)
        if groups is not None:
            _, self.of_row = group_codes(groups, n)
        order = np.argsort(self.of_row, kind="stable")
        self.rows = np.split(order, np.cumsum(np.bincount(self.of_row))[:-1])
        self.first = np.array([rows[0] for rows in self.rows])

    def __len__(self):
        return len(self.rows)

    def held_by(self, masks):
        """Tell which players each set of rows holds, (n_sets, n_players) of 0 and 1."""
        held = masks[:, self.first]
        if (held[:, self.of_row] != masks).any():
            raise ValueError(
                "The 'groups' parameter must not cut the groups that were given to "
                "fit: their rows are in or out together."
            )
        return held.astype(np.float64)
